/** Softmax and logSoftmax over one axis. */
import { defineOp } from "../autograd/op.ts";
import { softmaxBackward, softmaxForward } from "../kernels/softmax.ts";
import { elementCount, type Shape, type Tensor } from "../tensor/tensor.ts";
import { resolveAxes } from "./reduce.ts";

interface Attributes {
  axis: number;
  logarithm: boolean;
}

function extents(shape: Shape, axis: number) {
  return { outer: elementCount(shape.slice(0, axis)), length: shape[axis] as number, inner: elementCount(shape.slice(axis + 1)) };
}

const op = defineOp<Attributes, undefined>({
  name: "softmax",
  infer: ([x]) => (x as Tensor).shape,
  forward([x], { axis, logarithm }, output) {
    const { gpu, range, shape } = x as Tensor;
    softmaxForward(gpu, { x: range, y: output.range, logarithm, ...extents(shape, axis) });
    return undefined;
  },
  backward(gradient, { output, attributes: { axis, logarithm }, target }) {
    const gradX = target(0);
    softmaxBackward(output.gpu, { y: output.range, gradY: gradient.range, gradX: gradX.range, logarithm, ...extents(output.shape, axis) });
    return [gradX];
  },
});

/**
 * y = e^x / sum of e^x along one axis, without overflow; -Infinity counts as nothing, a line of it alone gives NaN.
 * @param x any shape; a negative axis counts from the end. Errors: OpError for an axis that x does not have.
 */
export function softmax(x: Tensor, { axis }: { axis: number }): Tensor {
  const [at] = resolveAxes("softmax", x.shape, axis) as [number];
  return op([x], { axis: at, logarithm: false });
}

/** y = x - log of the sum of e^x along one axis: the logarithm of softmax, exact where softmax rounds to 0. */
export function logSoftmax(x: Tensor, { axis }: { axis: number }): Tensor {
  const [at] = resolveAxes("logSoftmax", x.shape, axis) as [number];
  return op([x], { axis: at, logarithm: true });
}
