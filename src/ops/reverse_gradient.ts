/** Gradient reversal, for adversarial training in one pass (Ganin and Lempitsky 2015). */
import { defineOp } from "../autograd/op.ts";
import { mapForward } from "../kernels/map.ts";
import { reshapeView, type Tensor } from "../tensor/tensor.ts";

const op = defineOp<number, undefined>({
  name: "reverseGradient",
  infer: ([x]) => (x as Tensor).shape,
  forward: () => undefined,
  backward(gradient, { attributes: factor, target }) {
    const into = target(0);
    mapForward(gradient.gpu, "mul", { operands: [gradient, -factor], shape: gradient.shape, y: into.range });
    return [into];
  },
});

/** x itself, without a copy; its gradient is multiplied by -factor on the way back. */
export function reverseGradient(x: Tensor, factor = 1): Tensor {
  return op([x], factor, reshapeView(x, x.shape));
}
