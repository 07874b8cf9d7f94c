/** Images at another size: nearest by a whole factor, bilinear to any size. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { bilinearBackward, bilinearForward, type BilinearShape, nearestBackward, nearestForward, type NearestShape } from "../kernels/upsample.ts";
import { type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

function imageShape(op: string, shape: Shape): { batch: number; height: number; width: number; channels: number } {
  const [batch = 0, height = 0, width = 0, channels = 0] = shape;
  if (shape.length !== 4) throw new OpError({ code: `op/${op}`, message: `${op}: x must be [n, h, w, c], got ${shapeText(shape)}` });
  return { batch, height, width, channels };
}

const nearestOp = defineOp<{ scale: number }, NearestShape>({
  name: "upsampleNearest",
  infer([x], { scale }) {
    const { batch, height, width, channels } = imageShape("upsampleNearest", (x as Tensor).shape);
    if (!(Number.isInteger(scale) && scale >= 1)) throw new OpError({ code: "op/upsampleNearest", message: `upsampleNearest: scale must be an integer of at least 1, got ${scale}` });
    return [batch, height * scale, width * scale, channels];
  },
  dtype: ([x]) => (x as Tensor).dtype,
  forward([x], { scale }, output) {
    const { gpu, range, shape: inputShape } = x as Tensor;
    const shape = { ...imageShape("upsampleNearest", inputShape), scale };
    nearestForward(gpu, { x: range, y: output.range, shape });
    return shape;
  },
  backward(gradient, { saved: shape, target }) {
    const gradX = target(0);
    nearestBackward(gradient.gpu, { gradY: gradient.range, gradX: gradX.range, shape });
    return [gradX];
  },
});

/** Every pixel `scale` times along both axes. @param x [n, h, w, c], f32 or f16 @returns [n, scale h, scale w, c]. Errors: OpError naming the argument. */
export function upsampleNearest(x: Tensor, scale: number): Tensor {
  return nearestOp([x], { scale });
}

/** Where a bilinear resampling goes. */
export interface BilinearOptions {
  /** Pixels. */
  height: number;
  /** Pixels. */
  width: number;
  /** True: the centres of the corner pixels stay where they are. False (default): the outer borders of the images do. */
  alignCorners?: boolean;
}

/** Places along an axis are whole numbers below 2^31. */
const LARGEST_PRODUCT = 2 ** 29;

function bilinearShape(x: Shape, { height: outH, width: outW, alignCorners = false }: BilinearOptions): BilinearShape {
  const { batch, height: inH, width: inW, channels } = imageShape("upsampleBilinear", x);
  for (const [name, from, to] of [["height", inH, outH], ["width", inW, outW]] as const) {
    if (!(Number.isInteger(to) && to >= 1)) throw new OpError({ code: "op/upsampleBilinear", message: `upsampleBilinear: ${name} must be an integer of at least 1, got ${to}` });
    if (from * to > LARGEST_PRODUCT) throw new OpError({ code: "op/upsampleBilinear", message: `upsampleBilinear: ${name} must be at most ${Math.floor(LARGEST_PRODUCT / from)} for x ${shapeText(x)}, got ${to}` });
  }
  return { batch, inH, inW, outH, outW, channels, alignCorners };
}

const bilinearOp = defineOp<BilinearOptions, BilinearShape>({
  name: "upsampleBilinear",
  infer([x], options) {
    const { batch, outH, outW, channels } = bilinearShape((x as Tensor).shape, options);
    return [batch, outH, outW, channels];
  },
  dtype: ([x]) => (x as Tensor).dtype,
  forward([x], options, output) {
    const { gpu, range, shape: inputShape } = x as Tensor;
    const shape = bilinearShape(inputShape, options);
    bilinearForward(gpu, { x: range, y: output.range, shape });
    return shape;
  },
  backward(gradient, { saved: shape, target }) {
    const gradX = target(0);
    bilinearBackward(gradient.gpu, { gradY: gradient.range, gradX: gradX.range, shape });
    return [gradX];
  },
});

/**
 * Bilinear interpolation to height x width. Output i of an axis reads place i (in - 1) / (out - 1) with alignCorners,
 * else max(0, (i + 1/2) in / out - 1/2), between its two neighbours; PyTorch's interpolate with a size and no antialiasing.
 * @param x [n, h, w, c], f32 or f16 @returns [n, height, width, c]. Errors: OpError naming the argument.
 */
export function upsampleBilinear(x: Tensor, options: BilinearOptions): Tensor {
  return bilinearOp([x], options);
}
