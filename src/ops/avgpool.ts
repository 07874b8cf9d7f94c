/** Average pooling over windows of the two middle axes. */
import { defineOp } from "../autograd/op.ts";
import { avgpoolBackward, avgpoolForward } from "../kernels/avgpool.ts";
import type { PoolShape } from "../kernels/maxpool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type PoolOptions, poolShape } from "./maxpool.ts";

const op = defineOp<PoolOptions, PoolShape>({
  name: "avgPool",
  infer([x], options) {
    const { batch, outH, outW, channels } = poolShape("avgPool", (x as Tensor).shape, options);
    return [batch, outH, outW, channels];
  },
  dtype: ([x]) => (x as Tensor).dtype,
  forward([x], options, output) {
    const { gpu, range, shape: inputShape } = x as Tensor;
    const shape = poolShape("avgPool", inputShape, options);
    avgpoolForward(gpu, { x: range, y: output.range, shape });
    return shape;
  },
  backward(gradient, { saved: shape, target }) {
    const gradX = target(0);
    avgpoolBackward(gradient.gpu, { gradY: gradient.range, gradX: gradX.range, shape });
    return [gradX];
  },
});

/**
 * Mean of every window, zeros of the border included (PyTorch's default, count_include_pad).
 * @param x [n, h, w, c], f32 or f16 @returns [n, floor((h + 2p - k)/s) + 1, ..., c]. Errors: OpError naming the argument.
 */
export function avgPool(x: Tensor, options: PoolOptions): Tensor {
  return op([x], options);
}
