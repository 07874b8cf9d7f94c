/** The logarithm of a sum of exponentials, over any axes. */
import { defineOp } from "../autograd/op.ts";
import { mapForward } from "../kernels/map.ts";
import { logSumExpForward } from "../kernels/softmax.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { type ReduceOptions, resolveAxes } from "./reduce.ts";
import { reshape } from "./reshape.ts";
import { permute } from "./shape.ts";

/** Over axes [first, first + count), which stay with size 1. */
const op = defineOp<{ first: number; count: number }, undefined>({
  name: "logSumExp",
  infer: ([x], { first, count }) => (x as Tensor).shape.map((size, axis) => (axis >= first && axis < first + count ? 1 : size)),
  forward([x], { first, count }, output) {
    const { range, shape } = x as Tensor;
    const [outer, length, inner] = [shape.slice(0, first), shape.slice(first, first + count), shape.slice(first + count)].map(elementCount) as [number, number, number];
    logSumExpForward(output.gpu, { x: range, y: output.range, outer, length, inner });
    return undefined;
  },
  backward(gradient, { inputs: [x], output, target }) {
    const into = target(0);
    const input = x as Tensor;
    mapForward(gradient.gpu, "scaledExponential", { operands: [input, output, gradient], shape: input.shape, y: into.range });
    return [into];
  },
});

/** log of the sum of e^x over axes, without overflow; -Infinity counts as nothing. Errors: OpError for a wrong axis. */
export function logSumExp(x: Tensor, { axes, keepAxes }: ReduceOptions = {}): Tensor {
  const reduced = resolveAxes("logSumExp", x.shape, axes);
  const keptShape = x.shape.map((size, axis) => (reduced.includes(axis) ? 1 : size));
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
  const [first = 0] = reduced;
  const together = reduced.every((axis, i) => axis === first + i);
  const result = together
    ? op([x], { first, count: reduced.length })
    : op([permute(x, [...kept, ...reduced])], { first: kept.length, count: reduced.length });
  return reshape(result, keepAxes ? keptShape : kept.map((axis) => x.shape[axis] as number));
}
