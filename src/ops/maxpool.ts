/** Max pooling over windows of the two middle axes. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { BufferRange } from "../gpu/device.ts";
import { convOutputSize } from "../kernels/conv.ts";
import { maxpoolBackward, maxpoolForward, type PoolShape } from "../kernels/maxpool.ts";
import { byteCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

export interface PoolOptions {
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

/** Checks what all pools over windows share, and derives their geometry. Errors: OpError naming `op` and the argument. */
export function poolShape(op: string, x: Shape, { kernel, stride = kernel, padding = 0 }: PoolOptions): PoolShape {
  const fail = (problem: string): never => {
    throw new OpError({ code: `op/${op}`, message: `${op}: ${problem}` });
  };
  if (x.length !== 4) fail(`x must be [n, h, w, c], got ${shapeText(x)}`);
  for (const [name, value] of [["kernel", kernel], ["stride", stride]] as const) {
    if (!(Number.isInteger(value) && value >= 1)) fail(`${name} must be an integer of at least 1, got ${value}`);
  }
  if (!(Number.isInteger(padding) && padding >= 0 && 2 * padding <= kernel)) fail(`padding must be an integer from 0 to half the kernel ${kernel}, got ${padding}`);
  const [batch = 0, inH = 0, inW = 0, channels = 0] = x;
  const geometry = { kernel, stride, pad: padding };
  const [outH, outW] = [convOutputSize(inH, geometry), convOutputSize(inW, geometry)];
  if (outH < 1 || outW < 1) fail(`x ${shapeText(x)} is smaller than the kernel ${kernel}`);
  return { batch, inH, inW, channels, outH, outW, ...geometry };
}

const op = defineOp<PoolOptions, Saved>({
  name: "maxPool",
  infer([x], options) {
    const { batch, outH, outW, channels } = poolShape("maxPool", (x as Tensor).shape, options);
    return [batch, outH, outW, channels];
  },
  dtype: ([x]) => (x as Tensor).dtype,
  forward([x], options, output) {
    const input = x as Tensor;
    const shape = poolShape("maxPool", input.shape, options);
    const tap = input.gpu.allocate(byteCount(output.shape), "maxPool taps");
    maxpoolForward(input.gpu, { x: input.range, y: output.range, tap, shape });
    return { shape, tap };
  },
  remake(output, { inputs: [x], saved: { shape } }) {
    const tap = output.gpu.allocate(byteCount(output.shape), "maxPool taps again");
    maxpoolForward(output.gpu, { x: (x as Tensor).range, y: output.range, tap, shape });
    return { shape, tap };
  },
  backward(gradient, context) {
    const { inputs: [x], output, target } = context;
    if (output.recipe) void output.range; // makes the taps again as well
    const { shape, tap } = context.saved;
    const gradX = target(0);
    maxpoolBackward((x as Tensor).gpu, { gradY: gradient.range, tap, gradX: gradX.range, shape });
    return [gradX];
  },
});

/**
 * Maximum of every window; the gradient goes to the first maximum of a window.
 * @param x [n, h, w, c], f32 or f16 @returns [n, floor((h + 2p - k)/s) + 1, ..., c]. Errors: OpError naming the argument.
 */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  return op([x], options);
}
