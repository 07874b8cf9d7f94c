/** 2-d convolution, NHWC, weights [kh, kw, ci, co]. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { GemmForce } from "../kernels/gemm_plan.ts";
import { columnSum, type ConvShape, convForward, convGradInput, convGradWeight, convOutputSize } from "../kernels/conv.ts";
import { elementCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

/** Attributes of a convolution; one number serves both axes. */
export interface Conv2dOptions {
  bias?: Tensor | undefined;
  stride?: number | readonly [number, number];
  padding?: number | readonly [number, number];
  /** Forces an algorithm, for tests and benches. */
  force?: GemmForce;
}

interface Attributes {
  stride: readonly [number, number];
  padding: readonly [number, number];
  force?: GemmForce | undefined;
}

/** Both axes of an attribute that may be given as one number. */
export function pair(value: number | readonly [number, number] | undefined, fallback: number): readonly [number, number] {
  if (value === undefined) return [fallback, fallback];
  return typeof value === "number" ? [value, value] : value;
}

/** Checks what convolution and deconvolution share; throws OpError. */
export function checkConvArguments(
  op: string,
  { x, weight, bias, contracted, produced, attributes }: { x: Shape; weight: Shape; bias: Shape | undefined; contracted: number; produced: number; attributes: Attributes },
): void {
  const fail = (argument: string, expected: string, got: string): never => {
    throw new OpError({ code: `op/${op}`, message: `${op}: ${argument} must be ${expected}, got ${got}` });
  };
  if (x.length !== 4) fail("x", "[n, h, w, c]", shapeText(x));
  if (weight.length !== 4) fail("weight", "[kh, kw, ci, co]", shapeText(weight));
  if (weight[contracted] !== x[3]) fail(`weight[${contracted}]`, `${x[3]} (the channels of x ${shapeText(x)})`, String(weight[contracted]));
  if (bias && (bias.length !== 1 || bias[0] !== weight[produced])) fail("bias", `[${weight[produced]}]`, shapeText(bias));
  for (const stride of attributes.stride) if (!(Number.isInteger(stride) && stride >= 1)) fail("stride", "integers of at least 1", attributes.stride.join(", "));
  for (const padding of attributes.padding) if (!(Number.isInteger(padding) && padding >= 0)) fail("padding", "integers of at least 0", attributes.padding.join(", "));
}

function shapeOf(x: Shape, weight: Shape, { stride, padding }: Attributes): ConvShape {
  const [batch = 0, inH = 0, inW = 0, inC = 0] = x;
  const [kernelH = 0, kernelW = 0, , outC = 0] = weight;
  return {
    batch,
    inH,
    inW,
    inC,
    outC,
    outH: convOutputSize(inH, { kernel: kernelH, stride: stride[0], pad: padding[0] }),
    outW: convOutputSize(inW, { kernel: kernelW, stride: stride[1], pad: padding[1] }),
    kernelH,
    kernelW,
    strideH: stride[0],
    strideW: stride[1],
    padH: padding[0],
    padW: padding[1],
  };
}

const op = defineOp<Attributes, ConvShape>({
  name: "conv2d",
  infer([x, weight, bias], attributes) {
    const [xs, ws] = [(x as Tensor).shape, (weight as Tensor).shape];
    checkConvArguments("conv2d", { x: xs, weight: ws, bias: bias?.shape, contracted: 2, produced: 3, attributes });
    const { batch, outH, outW, outC } = shapeOf(xs, ws, attributes);
    if (outH < 1 || outW < 1) {
      throw new OpError({ code: "op/conv2d", message: `conv2d: x ${shapeText(xs)} is smaller than the kernel of weight ${shapeText(ws)}` });
    }
    return [batch, outH, outW, outC];
  },
  forward([x, weight, bias], attributes, output) {
    const [xt, wt] = [x as Tensor, weight as Tensor];
    const shape = shapeOf(xt.shape, wt.shape, attributes);
    convForward(xt.gpu, { x: xt.range, w: wt.range, bias: bias?.range, y: output.range, shape, ...(attributes.force ? { force: attributes.force } : {}) });
    return shape;
  },
  backward(gradient, { inputs: [x, weight, bias], needs, saved: shape, attributes, target }) {
    const [xt, wt] = [x as Tensor, weight as Tensor];
    const { gpu } = xt;
    const force = attributes.force ? { force: attributes.force } : {};
    const gradX = needs[0] ? target(0) : undefined;
    if (gradX) convGradInput(gpu, { gradY: gradient.range, w: wt.range, gradX: gradX.range, shape, ...force });
    const gradW = needs[1] ? target(1) : undefined;
    if (gradW) convGradWeight(gpu, { x: xt.range, gradY: gradient.range, gradW: gradW.range, shape, ...force });
    if (!bias) return [gradX, gradW];
    const gradBias = needs[2] ? target(2) : undefined;
    if (gradBias) columnSum(gpu, { x: gradient.range, out: gradBias.range, rows: elementCount(gradient.shape) / shape.outC, columns: shape.outC });
    return [gradX, gradW, gradBias];
  },
});

/**
 * y[n, i, j, co] = sum x[n, i*s - p + a, j*s - p + b, ci] w[a, b, ci, co] (+ bias[co]).
 * @param x [n, h, w, ci]  @param weight [kh, kw, ci, co]
 * @returns [n, floor((h + 2p - kh)/s) + 1, ..., co]. Errors: OpError naming the argument.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const inputs = options.bias ? [x, weight, options.bias] : [x, weight];
  return op(inputs, { stride: pair(options.stride, 1), padding: pair(options.padding, 0), force: options.force });
}

