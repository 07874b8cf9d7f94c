/** Rectification. */
import { defineOp } from "../autograd/op.ts";
import { reluBackward, reluForward } from "../kernels/relu.ts";
import type { Tensor } from "../tensor/tensor.ts";

const op = defineOp<undefined, undefined>({
  name: "relu",
  infer: ([x]) => (x as Tensor).shape,
  forward([x], _, output) {
    const input = x as Tensor;
    reluForward(input.gpu, { x: input.range, y: output.range, count: input.size });
    return undefined;
  },
  backward(gradient, { output, target }) {
    const gradX = target(0);
    reluBackward(gradient.gpu, { y: output.range, gradY: gradient.range, gradX: gradX.range, count: gradX.size });
    return [gradX];
  },
});

/** max(x, 0), any shape; the gradient at 0 is 0. After a batchnorm its `relu` option saves a pass over memory. */
export function relu(x: Tensor): Tensor {
  return op([x], undefined);
}
