/** Max pooling over windows of the two middle axes. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { BufferRange } from "../gpu/device.ts";
import { convOutputSize } from "../kernels/conv.ts";
import { maxpoolBackward, maxpoolForward, type PoolShape } from "../kernels/maxpool.ts";
import { byteCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

export interface MaxpoolOptions {
  kernel: number;
  /** Step between windows; the kernel size where absent. */
  stride?: number;
  /** Border that counts as minus infinity; at most half the kernel. */
  padding?: number;
}

interface Saved {
  shape: PoolShape;
  tap: BufferRange;
}

function shapeOf(x: Shape, { kernel, stride = kernel, padding = 0 }: MaxpoolOptions): PoolShape {
  const [batch = 0, inH = 0, inW = 0, channels = 0] = x;
  const geometry = { kernel, stride, pad: padding };
  return { batch, inH, inW, channels, outH: convOutputSize(inH, geometry), outW: convOutputSize(inW, geometry), ...geometry };
}

const op = defineOp<MaxpoolOptions, Saved>({
  name: "maxpool",
  infer([x], options) {
    const shape = (x as Tensor).shape;
    if (shape.length !== 4) throw new OpError({ code: "op/maxpool", message: `maxpool: x must be [n, h, w, c], got ${shapeText(shape)}` });
    const { kernel, stride = kernel, padding = 0 } = options;
    for (const [name, value] of [["kernel", kernel], ["stride", stride]] as const) {
      if (!(Number.isInteger(value) && value >= 1)) throw new OpError({ code: "op/maxpool", message: `maxpool: ${name} must be an integer of at least 1, got ${value}` });
    }
    if (!(Number.isInteger(padding) && padding >= 0 && 2 * padding <= kernel)) {
      throw new OpError({ code: "op/maxpool", message: `maxpool: padding must be an integer from 0 to half the kernel ${kernel}, got ${padding}` });
    }
    const { batch, outH, outW, channels } = shapeOf(shape, options);
    if (outH < 1 || outW < 1) throw new OpError({ code: "op/maxpool", message: `maxpool: x ${shapeText(shape)} is smaller than the kernel ${kernel}` });
    return [batch, outH, outW, channels];
  },
  forward([x], options, output) {
    const input = x as Tensor;
    const shape = shapeOf(input.shape, options);
    const tap = input.gpu.allocate(byteCount(output.shape), "maxpool taps");
    maxpoolForward(input.gpu, { x: input.range, y: output.range, tap, shape });
    return { shape, tap };
  },
  backward(gradient, { inputs: [x], saved: { shape, tap }, target }) {
    const gradX = target(0);
    maxpoolBackward((x as Tensor).gpu, { gradY: gradient.range, tap, gradX: gradX.range, shape });
    return [gradX];
  },
});

/**
 * Maximum of every window; the gradient goes to the first maximum of a window.
 * @param x [n, h, w, c] @returns [n, floor((h + 2p - k)/s) + 1, ..., c]. Errors: OpError naming the argument.
 */
export function maxpool(x: Tensor, options: MaxpoolOptions): Tensor {
  return op([x], options);
}
