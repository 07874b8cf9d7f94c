/** Ops that move elements without changing them: permute, slice, flip, expand, pad, concat, split, stack. */
import { defineOp, isOutlining } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { copyStrided, type Walk } from "../kernels/copy_strided.ts";
import { fill } from "../kernels/elementwise.ts";
import { reduceAxes } from "../kernels/reduce.ts";
import { broadcastSteps, denseSteps } from "../kernels/strides.ts";
import { elementCount, sameShape, type Shape, shapeText, Tensor } from "../tensor/tensor.ts";
import { resolveAxes } from "./reduce.ts";
import { reshape } from "./reshape.ts";

/** A box of `shape` that is read from the input by `from` and written to the output by `to`. */
interface Move {
  shape: Shape;
  from: Walk;
  to: Walk;
}

interface Attributes extends Move {
  outputShape: Shape;
  /** Output elements that the box leaves out have this value. */
  background?: number | undefined;
  /** True where the box reads every element of the input: its gradient needs no zeros. */
  whole: boolean;
}

function dense(shape: Shape): Walk {
  return { start: 0, steps: denseSteps(shape) };
}

const moveOp = defineOp<Attributes, undefined>({
  name: "move",
  infer: (_, { outputShape }) => outputShape,
  forward([x], { shape, from, to, background }, output) {
    if (background !== undefined) fill(output.gpu, { out: output.range, count: output.size, value: background });
    if (elementCount(shape) > 0) copyStrided(output.gpu, { x: (x as Tensor).range, y: output.range, shape, from, to });
    return undefined;
  },
  backward(gradient, { attributes: { shape, from, to, whole }, target }) {
    const into = target(0);
    if (!whole) fill(gradient.gpu, { out: into.range, count: into.size, value: 0 });
    if (elementCount(shape) > 0) copyStrided(gradient.gpu, { x: gradient.range, y: into.range, shape, from: to, to: from });
    return [into];
  },
});

/** y[i0, i1, ...] = x with its axes in the given order: axis k of y is axis order[k] of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const axes = order.map((axis) => resolveAxes("permute", x.shape, axis)[0] as number);
  if (axes.length !== x.shape.length || new Set(axes).size !== axes.length) {
    throw new OpError({ code: "op/permute", message: `permute: order must hold each of the ${x.shape.length} axes of ${shapeText(x.shape)} once, got ${order.join(", ")}` });
  }
  const shape = axes.map((axis) => x.shape[axis] as number);
  const steps = denseSteps(x.shape);
  return moveOp([x], { shape, outputShape: shape, from: { start: 0, steps: axes.map((axis) => steps[axis] as number) }, to: dense(shape), whole: true });
}

/** Exchanges two axes. */
export function transpose(x: Tensor, first = -2, second = -1): Tensor {
  const [a, b] = [first, second].map((axis) => resolveAxes("transpose", x.shape, axis)[0] as number) as [number, number];
  return permute(x, x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)));
}

/** A range of one axis: every `step`-th element from `start` up to `end` (exclusive); negative positions count from the end. */
export interface SliceRange {
  start?: number;
  end?: number;
  step?: number;
}

/** The first contiguous elements of x from `first` on, without a copy where the adapter can bind there. */
function viewAt(x: Tensor, first: number, shape: Shape): Tensor | undefined {
  const start = x.range.offset + 4 * first;
  if (start % x.gpu.limits.minStorageBufferOffsetAlignment !== 0) return undefined;
  return new Tensor(x.gpu, { shape, range: { allocation: x.range.allocation, offset: start, bytes: 4 * elementCount(shape) }, dtype: x.dtype, label: x.label });
}

const viewOp = defineOp<{ first: number; shape: Shape }, undefined>({
  name: "slice",
  infer: (_, { shape }) => shape,
  forward: () => undefined,
  backward(gradient, { inputs: [x], attributes: { first, shape }, target }) {
    const into = target(0);
    if (!sameShape(shape, (x as Tensor).shape)) fill(gradient.gpu, { out: into.range, count: into.size, value: 0 });
    copyStrided(gradient.gpu, { x: gradient.range, y: into.range, shape, from: dense(shape), to: { start: first, steps: denseSteps(shape) } });
    return [into];
  },
});

/**
 * The box of x that `ranges` (one per leading axis) cut out. Without a copy where it is one contiguous run that the
 * adapter can bind. Errors: OpError for an empty range or one outside of the axis.
 */
export function slice(x: Tensor, ranges: readonly SliceRange[]): Tensor {
  if (ranges.length > x.shape.length) throw new OpError({ code: "op/slice", message: `slice: ${ranges.length} ranges for the ${x.shape.length} axes of ${shapeText(x.shape)}` });
  const steps = denseSteps(x.shape);
  let first = 0;
  const resolved = x.shape.map((size, axis) => {
    const { start = 0, end = size, step = 1 } = ranges[axis] ?? {};
    const [from, to] = [start, end].map((place) => (place < 0 ? place + size : place)) as [number, number];
    if (!(Number.isInteger(step) && step >= 1) || !(from >= 0 && from < to && to <= size)) {
      throw new OpError({ code: "op/slice", message: `slice: the range of axis ${axis} must be within 0..${size} with a step of at least 1, got ${start}..${end} step ${step}` });
    }
    first += from * (steps[axis] as number);
    return { size: Math.ceil((to - from) / step), step: step * (steps[axis] as number) };
  });
  const shape = resolved.map(({ size }) => size);
  const cut = shape.findLastIndex((size, axis) => size !== x.shape[axis]);
  const contiguous = cut < 0 || (resolved[cut]?.step === steps[cut] && shape.slice(0, cut).every((size) => size === 1));
  const view = contiguous && !isOutlining() ? viewAt(x, first, shape) : undefined;
  if (view) return viewOp([x], { first, shape }, view);
  return moveOp([x], {
    shape,
    outputShape: shape,
    from: { start: first, steps: resolved.map(({ step }) => step) },
    to: dense(shape),
    whole: sameShape(shape, x.shape),
  });
}

/** x with the given axes in reverse order. */
export function flip(x: Tensor, axes: number | readonly number[]): Tensor {
  const reversed = resolveAxes("flip", x.shape, axes);
  const steps = denseSteps(x.shape);
  let start = 0;
  const from = steps.map((step, axis) => {
    if (!reversed.includes(axis)) return step;
    start += ((x.shape[axis] as number) - 1) * step;
    return -step;
  });
  return moveOp([x], { shape: x.shape, outputShape: x.shape, from: { start, steps: from }, to: dense(x.shape), whole: true });
}

/** x with `before` and `after` elements of `value` around each axis; one pair per axis. */
export function pad(x: Tensor, widths: readonly (readonly [before: number, after: number])[], value = 0): Tensor {
  if (widths.length !== x.shape.length || !widths.flat().every((width) => Number.isInteger(width) && width >= 0)) {
    throw new OpError({ code: "op/pad", message: `pad: widths must be ${x.shape.length} pairs of integers of at least 0 for ${shapeText(x.shape)}, got ${JSON.stringify(widths)}` });
  }
  const shape = x.shape.map((size, axis) => size + (widths[axis]?.[0] ?? 0) + (widths[axis]?.[1] ?? 0));
  const steps = denseSteps(shape);
  const start = steps.reduce((sum, step, axis) => sum + step * (widths[axis]?.[0] ?? 0), 0);
  return moveOp([x], { shape: x.shape, outputShape: shape, from: dense(x.shape), to: { start, steps }, background: value, whole: true });
}

const expandOp = defineOp<Shape, undefined>({
  name: "expand",
  infer: (_, shape) => shape,
  forward([x], shape, output) {
    const input = x as Tensor;
    copyStrided(output.gpu, { x: input.range, y: output.range, shape, from: { start: 0, steps: broadcastSteps(input.shape, shape) }, to: dense(shape) });
    return undefined;
  },
  backward(gradient, { inputs: [x], target }) {
    const into = target(0);
    const { shape } = x as Tensor;
    const lead = gradient.shape.length - shape.length;
    const axes = gradient.shape.map((_, axis) => axis).filter((axis) => (shape[axis - lead] ?? 1) === 1 && gradient.shape[axis] !== 1);
    reduceAxes(gradient.gpu, "sum", { x: gradient.range, y: into.range, shape: gradient.shape, axes });
    return [into];
  },
});

/** x repeated along axes of size 1 (or in front) to `shape`. Elementwise ops broadcast by themselves, without this copy. */
export function expand(x: Tensor, shape: Shape): Tensor {
  const fits = x.shape.length <= shape.length && x.shape.every((size, axis) => size === 1 || size === shape[axis + shape.length - x.shape.length]);
  if (!fits) throw new OpError({ code: "op/expand", message: `expand: ${shapeText(x.shape)} does not broadcast to ${shapeText(shape)}` });
  return expandOp([x], shape);
}

const concatOp = defineOp<{ axis: number; shape: Shape }, undefined>({
  name: "concat",
  infer: (_, { shape }) => shape,
  forward(inputs, { axis, shape }, output) {
    const steps = denseSteps(shape);
    let at = 0;
    for (const { range, shape: own } of inputs) {
      copyStrided(output.gpu, { x: range, y: output.range, shape: own, from: dense(own), to: { start: at * (steps[axis] as number), steps } });
      at += own[axis] as number;
    }
    return undefined;
  },
  backward(gradient, { inputs, attributes: { axis, shape }, needs, target }) {
    const steps = denseSteps(shape);
    let at = 0;
    return inputs.map(({ shape: own }, i) => {
      const from = { start: at * (steps[axis] as number), steps };
      at += own[axis] as number;
      if (!needs[i]) return undefined;
      const into = target(i);
      copyStrided(gradient.gpu, { x: gradient.range, y: into.range, shape: own, from, to: dense(own) });
      return into;
    });
  },
});

/** Tensors behind one another along an axis; the other axes agree. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (!first) throw new OpError({ code: "op/concat", message: "concat: needs at least one tensor" });
  const [at] = resolveAxes("concat", first.shape, axis) as [number];
  for (const { shape } of tensors) {
    if (shape.length !== first.shape.length || !shape.every((size, own) => own === at || size === first.shape[own])) {
      throw new OpError({ code: "op/concat", message: `concat: shapes must agree but for axis ${at}, got ${tensors.map((tensor) => shapeText(tensor.shape)).join(" and ")}` });
    }
  }
  const length = tensors.reduce((sum, { shape }) => sum + (shape[at] as number), 0);
  return concatOp([...tensors], { axis: at, shape: first.shape.map((size, own) => (own === at ? length : size)) });
}

/** Tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new OpError({ code: "op/stack", message: "stack: needs at least one tensor" });
  const [at] = resolveAxes("stack", [...first.shape, 1], axis) as [number];
  return concat(tensors.map((tensor) => reshape(tensor, tensor.shape.toSpliced(at, 0, 1))), at);
}

/** Slices of the given lengths along an axis, or of one length; lengths cover the axis. */
export function split(x: Tensor, lengths: number | readonly number[], axis = 0): Tensor[] {
  const [at] = resolveAxes("split", x.shape, axis) as [number];
  const size = x.shape[at] as number;
  const parts = typeof lengths === "number" ? Array.from({ length: Math.ceil(size / lengths) }, (_, i) => Math.min(lengths, size - i * lengths)) : lengths;
  if (parts.reduce((sum, part) => sum + part, 0) !== size) {
    throw new OpError({ code: "op/split", message: `split: lengths must sum to the ${size} elements of axis ${at}, got ${parts.join(", ")}` });
  }
  let start = 0;
  return parts.map((length) => {
    const ranges = x.shape.map((_, own): SliceRange => (own === at ? { start, end: start + length } : {}));
    start += length;
    return slice(x, ranges);
  });
}
