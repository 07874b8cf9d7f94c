/** 2-d transposed convolution, NHWC, weights [kh, kw, ci, co] with ci the channels of x (PyTorch's ConvTranspose2d). */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { columnSum, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "../kernels/conv.ts";
import type { GemmForce } from "../kernels/gemm_plan.ts";
import { elementCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";
import { checkConvArguments, type ConvAttributes, convDtype, pair } from "./conv2d.ts";

/** Attributes of a transposed convolution; one number serves both axes. */
export interface Deconv2dOptions {
  bias?: Tensor | undefined;
  stride?: number | readonly [number, number];
  padding?: number | readonly [number, number];
  /** Rows and columns added at the far side of the output; smaller than the stride. */
  outputPadding?: number | readonly [number, number];
  force?: GemmForce;
}

interface Attributes extends ConvAttributes {
  outputPadding: readonly [number, number];
}

/** The convolution that maps the output of the deconvolution back to its input. */
function shapeOf(x: Shape, weight: Shape, { stride, padding, outputPadding }: Attributes): ConvShape {
  const [batch = 0, h = 0, w = 0, channels = 0] = x;
  const [kernelH = 0, kernelW = 0, , produced = 0] = weight;
  return {
    batch,
    inH: (h - 1) * stride[0] - 2 * padding[0] + kernelH + outputPadding[0],
    inW: (w - 1) * stride[1] - 2 * padding[1] + kernelW + outputPadding[1],
    inC: produced,
    outH: h,
    outW: w,
    outC: channels,
    kernelH,
    kernelW,
    strideH: stride[0],
    strideW: stride[1],
    padH: padding[0],
    padW: padding[1],
    dilationH: 1,
    dilationW: 1,
  };
}

const op = defineOp<Attributes, ConvShape>({
  name: "deconv2d",
  infer([x, weight, bias], attributes) {
    const [xs, ws] = [(x as Tensor).shape, (weight as Tensor).shape];
    checkConvArguments("deconv2d", { x: xs, weight: ws, bias: bias?.shape, axes: 2, attributes });
    attributes.outputPadding.forEach((size, axis) => {
      if (!(Number.isInteger(size) && size >= 0 && size < (attributes.stride[axis] as number))) {
        throw new OpError({ code: "op/deconv2d", message: `deconv2d: outputPadding must be integers from 0 to stride - 1, got ${attributes.outputPadding.join(", ")}` });
      }
    });
    const { batch, inH, inW, inC } = shapeOf(xs, ws, attributes);
    if (inH < 1 || inW < 1) throw new OpError({ code: "op/deconv2d", message: `deconv2d: x ${shapeText(xs)} gives an empty output with weight ${shapeText(ws)}` });
    return [batch, inH, inW, inC];
  },
  dtype: (inputs) => convDtype("deconv2d", inputs),
  multiplications: ([x, weight]) => (x as Tensor).size * ((weight as Tensor).size / ((x as Tensor).shape.at(-1) as number)),
  forward([x, weight, bias], attributes, output) {
    const [xt, wt] = [x as Tensor, weight as Tensor];
    const shape = shapeOf(xt.shape, wt.shape, attributes);
    deconvForward(xt.gpu, { x: xt.range, w: wt.range, bias: bias?.range, y: output.range, shape, ...(attributes.force ? { force: attributes.force } : {}) });
    return shape;
  },
  backward(gradient, { inputs: [x, weight, bias], needs, saved: shape, attributes, target }) {
    const [xt, wt] = [x as Tensor, weight as Tensor];
    const { gpu } = xt;
    const force = attributes.force ? { force: attributes.force } : {};
    // The weight's gradient first: it alone reads x, whose memory may then serve for gradX.
    const gradW = needs[1] ? target(1) : undefined;
    if (gradW) deconvGradWeight(gpu, { x: xt.range, gradY: gradient.range, gradW: gradW.range, shape, ...force });
    const gradX = needs[0] ? target(0) : undefined;
    if (gradX) deconvGradInput(gpu, { gradY: gradient.range, w: wt.range, gradX: gradX.range, shape, ...force });
    if (!bias) return [gradX, gradW];
    const gradBias = needs[2] ? target(2) : undefined;
    if (gradBias) columnSum(gpu, { x: gradient.range, out: gradBias.range, rows: elementCount(gradient.shape) / shape.inC, columns: shape.inC });
    return [gradX, gradW, gradBias];
  },
});

/**
 * Transposed convolution: the gradient of conv2d with respect to its input, as a layer.
 * y[n, i*s - p + a, j*s - p + b, q] is the sum of all x[n, i, j, c] w[a, b, c, q] that land there (+ bias[q]).
 * @param x [n, h, w, ci], f32 or f16  @param weight [kh, kw, ci, co]
 * @returns [n, (h - 1)*s - 2p + kh + op, ..., co]. Errors: OpError naming the argument.
 */
export function deconv2d(x: Tensor, weight: Tensor, options: Deconv2dOptions = {}): Tensor {
  const inputs = options.bias ? [x, weight, options.bias] : [x, weight];
  return op(inputs, {
    stride: pair(options.stride, 1),
    padding: pair(options.padding, 0),
    outputPadding: pair(options.outputPadding, 0),
    dilation: [1, 1],
    groups: 1,
    force: options.force,
  });
}
