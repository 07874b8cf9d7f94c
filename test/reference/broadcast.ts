/** NumPy's broadcasting by plain loops over multi-indices, f64. */

/** Calls `visit` for every multi-index of a shape in row-major order. */
export function eachIndex(shape: readonly number[], visit: (index: readonly number[]) => void): void {
  const index = shape.map(() => 0);
  const total = shape.reduce((a, b) => a * b, 1);
  for (let i = 0; i < total; i++) {
    visit(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
}

/** Place of a multi-index of a broadcast shape in an array of its own shape. */
export function placeOf(index: readonly number[], own: readonly number[]): number {
  let place = 0;
  own.forEach((size, axis) => {
    const at = index[axis + index.length - own.length] as number;
    place = place * size + (size === 1 ? 0 : at);
  });
  return place;
}

/** f over operands broadcast to `shape`. */
export function broadcastReference(
  f: (...values: number[]) => number,
  operands: readonly { values: ArrayLike<number>; shape: readonly number[] }[],
  shape: readonly number[],
): Float64Array {
  const out: number[] = [];
  eachIndex(shape, (index) => out.push(f(...operands.map(({ values, shape: own }) => values[placeOf(index, own)] as number))));
  return Float64Array.from(out);
}
