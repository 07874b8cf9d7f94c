/** Arithmetic of strided walks through dense arrays; numbers only. */

/** Steps of a dense row-major array. */
export function denseSteps(shape: readonly number[]): number[] {
  const steps: number[] = [];
  let step = 1;
  for (const size of shape.toReversed()) {
    steps.unshift(step);
    step *= size;
  }
  return steps;
}

/** Steps of a dense array that is broadcast to `shape`: 0 along axes that it repeats. */
export function broadcastSteps(own: readonly number[], shape: readonly number[]): number[] {
  const steps: number[] = [];
  let step = 1;
  for (let back = 1; back <= shape.length; back++) {
    const size = own[own.length - back] ?? 1;
    steps.unshift(size === 1 ? 0 : step);
    step *= size;
  }
  return steps;
}

/** Neighbouring axes as one where all walks step through them evenly; axes of size 1 are dropped. */
export function collapseAxes(shape: readonly number[], walks: readonly (readonly number[])[]): { sizes: number[]; steps: number[][] } {
  const sizes: number[] = [];
  const steps: number[][] = walks.map(() => []);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size === 1) continue;
    const inner = sizes[0];
    if (inner !== undefined && walks.every((walk, k) => walk[axis] === (steps[k]?.[0] as number) * inner)) sizes[0] = inner * size;
    else {
      sizes.unshift(size);
      walks.forEach((walk, k) => steps[k]?.unshift(walk[axis] as number));
    }
  }
  return { sizes, steps };
}

/** Which of six numbered axes a collapsed one becomes in a kernel: the innermost is 5, the outermost of several 0. */
export function axisSlot(axis: number, count: number): number {
  if (axis === count - 1) return 5;
  return axis === 0 ? 0 : 6 - count + axis;
}
