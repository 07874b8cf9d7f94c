/** Reductions over any axes: sum, mean, minimum, maximum, argmax, variance, norm. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { mapForward } from "../kernels/map.ts";
import { argmaxAxis, reduceAxes, type Reduction } from "../kernels/reduce.ts";
import { elementCount, emptyTensor, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";
import { safeSqrt, square, sub } from "./elementwise.ts";
import { reshape } from "./reshape.ts";

/** Which axes; negative ones count from the end, and none given means all. */
export interface ReduceOptions {
  axes?: number | readonly number[] | undefined;
  /** Keeps reduced axes with size 1. */
  keepAxes?: boolean;
}

/** Axes as ascending numbers from 0. Errors: OpError for one that the shape does not have, or has twice. */
export function resolveAxes(op: string, shape: Shape, axes: ReduceOptions["axes"]): number[] {
  if (axes === undefined) return shape.map((_, axis) => axis);
  const list = typeof axes === "number" ? [axes] : axes;
  const resolved = list.map((axis) => {
    if (!Number.isInteger(axis) || axis < -shape.length || axis >= shape.length) {
      throw new OpError({ code: `op/${op}`, message: `${op}: axis must be in [${-shape.length}, ${shape.length - 1}] for shape ${shapeText(shape)}, got ${axis}` });
    }
    return axis < 0 ? axis + shape.length : axis;
  });
  if (new Set(resolved).size !== resolved.length) throw new OpError({ code: `op/${op}`, message: `${op}: axes must be distinct, got ${list.join(", ")}` });
  return resolved.toSorted((a, b) => a - b);
}

interface Attributes {
  kind: Reduction;
  axes: readonly number[];
  scale: number;
}

function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

const linearOp = defineOp<Attributes, undefined>({
  name: ({ kind }) => kind,
  infer: ([x], { axes }) => keptShape((x as Tensor).shape, axes),
  forward([x], { kind, axes, scale }, output) {
    const { gpu, range, shape } = x as Tensor;
    reduceAxes(gpu, kind, { x: range, y: output.range, shape, axes, scale });
    return undefined;
  },
  backward(gradient, { inputs: [x], attributes: { scale }, target }) {
    const into = target(0);
    mapForward(gradient.gpu, "mul", { operands: [gradient, scale], shape: (x as Tensor).shape, y: into.range });
    return [into];
  },
});

/** Minimum and maximum; elements that tie share the gradient evenly, as in PyTorch's amin and amax. */
const extremeOp = defineOp<Attributes, undefined>({
  name: ({ kind }) => kind,
  infer: ([x], { axes }) => keptShape((x as Tensor).shape, axes),
  forward([x], { kind, axes }, output) {
    const { gpu, range, shape } = x as Tensor;
    reduceAxes(gpu, kind, { x: range, y: output.range, shape, axes });
    return undefined;
  },
  backward(gradient, { inputs: [input], output, attributes: { axes }, target }) {
    const x = input as Tensor;
    const { gpu, shape } = x;
    const chosen = emptyTensor(gpu, shape, { label: "chosen" });
    const count = emptyTensor(gpu, output.shape, { label: "chosen count" });
    const share = emptyTensor(gpu, output.shape, { label: "share" });
    mapForward(gpu, "equal", { operands: [x, output], shape, y: chosen.range });
    reduceAxes(gpu, "sum", { x: chosen.range, y: count.range, shape, axes });
    mapForward(gpu, "div", { operands: [gradient, count], shape: output.shape, y: share.range });
    const into = target(0);
    mapForward(gpu, "mul", { operands: [chosen, share], shape, y: into.range });
    return [into];
  },
});

function finish(kept: Tensor, shape: Shape, { axes, keepAxes }: { axes: readonly number[]; keepAxes?: boolean | undefined }): Tensor {
  return keepAxes ? kept : reshape(kept, shape.filter((_, axis) => !axes.includes(axis)));
}

/** Sum over axes. @returns shape without them (or with size 1). Errors: OpError for a wrong axis. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = resolveAxes("sum", x.shape, options.axes);
  return finish(linearOp([x], { kind: "sum", axes, scale: 1 }), x.shape, { ...options, axes });
}

/** Mean over axes. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = resolveAxes("mean", x.shape, options.axes);
  const count = elementCount(axes.map((axis) => x.shape[axis] as number));
  return finish(linearOp([x], { kind: "sum", axes, scale: 1 / count }), x.shape, { ...options, axes });
}

/** Smallest element over axes. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = resolveAxes("min", x.shape, options.axes);
  return finish(extremeOp([x], { kind: "min", axes, scale: 1 }), x.shape, { ...options, axes });
}

/** Largest element over axes. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = resolveAxes("max", x.shape, options.axes);
  return finish(extremeOp([x], { kind: "max", axes, scale: 1 }), x.shape, { ...options, axes });
}

/** Mean of squared deviations over axes, times n / (n - correction); 0 is the population's variance, 1 the sample's. */
export function variance(x: Tensor, { correction = 0, ...options }: ReduceOptions & { correction?: number } = {}): Tensor {
  const axes = resolveAxes("variance", x.shape, options.axes);
  const count = elementCount(axes.map((axis) => x.shape[axis] as number));
  if (count <= correction) throw new OpError({ code: "op/variance", message: `variance: needs more than ${correction} elements, got ${count}` });
  const deviation = sub(x, mean(x, { axes, keepAxes: true }));
  return finish(linearOp([square(deviation)], { kind: "sum", axes, scale: 1 / (count - correction) }), x.shape, { ...options, axes });
}

/** Euclidean norm over axes; its gradient at the zero vector is zero. */
export function norm(x: Tensor, options: ReduceOptions = {}): Tensor {
  return safeSqrt(sum(square(x), options));
}

/** First position of the largest element along one axis, as u32; no gradient. */
export function argmax(x: Tensor, { axis, keepAxes = false }: { axis: number; keepAxes?: boolean }): Tensor {
  const [at] = resolveAxes("argmax", x.shape, axis) as [number];
  const shape = x.shape.flatMap((size, own) => (own === at ? (keepAxes ? [1] : []) : [size]));
  const output = emptyTensor(x.gpu, shape, { label: "argmax", dtype: "u32" });
  argmaxAxis(x.gpu, { x: x.range, y: output.range, outer: elementCount(x.shape.slice(0, at)), length: x.shape[at] as number, inner: elementCount(x.shape.slice(at + 1)) });
  return output;
}
