/** Pooling of a whole image to one pixel per channel; PyTorch's adaptive pools to size 1. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { BufferRange } from "../gpu/device.ts";
import { globalMaxBackward, globalMaxForward, type ImageShape } from "../kernels/global_pool.ts";
import { byteCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";
import { mean } from "./reduce.ts";

function imageShape(op: string, shape: Shape): ImageShape {
  const [batch = 0, h = 0, w = 0, channels = 0] = shape;
  if (shape.length !== 4 || h * w === 0) throw new OpError({ code: `op/${op}`, message: `${op}: x must be [n, h, w, c] with at least one pixel, got ${shapeText(shape)}` });
  return { batch, pixels: h * w, channels };
}

const maxOp = defineOp<undefined, { shape: ImageShape; tap: BufferRange }>({
  name: "globalMaxPool",
  infer([x]) {
    const { batch, channels } = imageShape("globalMaxPool", (x as Tensor).shape);
    return [batch, 1, 1, channels];
  },
  dtype: ([x]) => (x as Tensor).dtype,
  forward([x], _, output) {
    const { gpu, range, shape: inputShape } = x as Tensor;
    const shape = imageShape("globalMaxPool", inputShape);
    const tap = gpu.allocate(byteCount(output.shape), "global max taps");
    globalMaxForward(gpu, { x: range, y: output.range, tap, ...shape });
    return { shape, tap };
  },
  backward(gradient, { saved: { shape, tap }, target }) {
    const gradX = target(0);
    globalMaxBackward(gradient.gpu, { gradY: gradient.range, tap, gradX: gradX.range, ...shape });
    return [gradX];
  },
});

/** Largest value of every channel; the gradient goes to the first that has it. @param x [n, h, w, c], f32 or f16 @returns [n, 1, 1, c]. Errors: OpError. */
export function globalMaxPool(x: Tensor): Tensor {
  return maxOp([x], undefined);
}

/** Mean of every channel. @param x [n, h, w, c] @returns [n, 1, 1, c]. Errors: OpError. */
export function globalAveragePool(x: Tensor): Tensor {
  imageShape("globalAveragePool", x.shape);
  return mean(x, { axes: [1, 2], keepAxes: true });
}
