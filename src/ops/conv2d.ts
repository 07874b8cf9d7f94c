/** 2-d convolution, NHWC, weights [kh, kw, ci / groups, co]; and what convolutions of one and two axes share. */
import { checkDtype, defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { GemmForce } from "../kernels/gemm_plan.ts";
import { columnSum, convForward, convGradInput, convGradWeight, convOutputSize } from "../kernels/conv.ts";
import { groupedConvForward, groupedConvGradInput, groupedConvGradWeight, type GroupedConvShape } from "../kernels/grouped_conv.ts";
import { type DType, elementCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

/** Attributes of a convolution; one number serves both axes. */
export interface Conv2dOptions {
  bias?: Tensor | undefined;
  stride?: number | readonly [number, number];
  padding?: number | readonly [number, number];
  /** Positions of x from one tap to the next. */
  dilation?: number | readonly [number, number];
  /** Parts that the channels of x and y are cut into; y's see only the part of x that has their place. */
  groups?: number;
  /** Stores the output as f32 whatever x is, as the last layer of a network in mixed precision wants it. */
  output?: "f32";
  /** Forces an algorithm, for tests and benches; there is no choice where groups are more than one. */
  force?: GemmForce;
}

/** Attributes of a convolution, both axes. */
export interface ConvAttributes {
  stride: readonly [number, number];
  padding: readonly [number, number];
  dilation: readonly [number, number];
  groups: number;
  output?: "f32" | undefined;
  force?: GemmForce | undefined;
}

/** Both axes of an attribute that may be given as one number. */
export function pair(value: number | readonly [number, number] | undefined, fallback: number): readonly [number, number] {
  if (value === undefined) return [fallback, fallback];
  return typeof value === "number" ? [value, value] : value;
}

/** What the arguments of a convolution or deconvolution are checked by. */
export interface ConvArguments {
  x: Shape;
  weight: Shape;
  bias: Shape | undefined;
  /** Spatial axes. */
  axes: 1 | 2;
  attributes: ConvAttributes;
}

/** Checks what convolutions and deconvolutions share; throws OpError. */
export function checkConvArguments(op: string, { x, weight, bias, axes, attributes }: ConvArguments): void {
  const fail = (argument: string, expected: string, got: string | number): never => {
    throw new OpError({ code: `op/${op}`, message: `${op}: ${argument} must be ${expected}, got ${got}` });
  };
  const { groups } = attributes;
  if (x.length !== axes + 2) fail("x", axes === 2 ? "[n, h, w, c]" : "[n, l, c]", shapeText(x));
  if (weight.length !== axes + 2) fail("weight", axes === 2 ? "[kh, kw, ci, co]" : "[k, ci, co]", shapeText(weight));
  const [channels, contracted, produced] = [x.at(-1) as number, weight.at(-2) as number, weight.at(-1) as number];
  if (!(Number.isInteger(groups) && groups >= 1 && channels % groups === 0)) fail("groups", `a divisor of the ${channels} channels of x ${shapeText(x)}`, groups);
  if (produced % groups !== 0) fail(`weight[${axes + 1}]`, `a multiple of ${groups} groups`, produced);
  if (contracted !== channels / groups) {
    fail(`weight[${axes}]`, groups === 1 ? `${channels} (the channels of x ${shapeText(x)})` : `${channels / groups} (the channels of x ${shapeText(x)} in ${groups} groups)`, contracted);
  }
  if (bias && (bias.length !== 1 || bias[0] !== produced)) fail("bias", `[${produced}]`, shapeText(bias));
  for (const [name, least] of [["stride", 1], ["padding", 0], ["dilation", 1]] as const) {
    const values = attributes[name].slice(-axes);
    if (!values.every((value) => Number.isInteger(value) && value >= least)) fail(name, `integers of at least ${least}`, values.join(", "));
  }
}

/** x is f32 or f16 and the output like it; weights and biases are f32, and so are their gradients. Errors: OpError. */
export function convDtype(op: string, [x, weight, bias]: readonly Tensor[]): DType {
  checkDtype(op, "weight", { tensor: weight, dtype: "f32" });
  checkDtype(op, "bias", { tensor: bias, dtype: "f32" });
  return (x as Tensor).dtype;
}

function shapeOf(x: Shape, weight: Shape, { stride, padding, dilation, groups }: ConvAttributes): GroupedConvShape {
  // A convolution along one axis is one of height 1.
  const [batch = 0, inH = 0, inW = 0, inC = 0] = x.length === 3 ? x.toSpliced(1, 0, 1) : x;
  const [kernelH = 0, kernelW = 0, , outC = 0] = weight.length === 3 ? [1, ...weight] : weight;
  return {
    batch,
    inH,
    inW,
    inC,
    outC,
    outH: convOutputSize(inH, { kernel: kernelH, stride: stride[0], pad: padding[0], dilation: dilation[0] }),
    outW: convOutputSize(inW, { kernel: kernelW, stride: stride[1], pad: padding[1], dilation: dilation[1] }),
    kernelH,
    kernelW,
    strideH: stride[0],
    strideW: stride[1],
    padH: padding[0],
    padW: padding[1],
    dilationH: dilation[0],
    dilationW: dilation[1],
    groups,
  };
}

/** The convolution along one or two axes as an op: views of the GEMM, or the direct kernels where there are groups. */
export function defineConvolution(name: string, axes: 1 | 2): (inputs: readonly Tensor[], attributes: ConvAttributes) => Tensor {
  return defineOp<ConvAttributes, GroupedConvShape>({
    name,
    infer([x, weight, bias], attributes) {
      const [xs, ws] = [(x as Tensor).shape, (weight as Tensor).shape];
      checkConvArguments(name, { x: xs, weight: ws, bias: bias?.shape, axes, attributes });
      const { batch, outH, outW, outC } = shapeOf(xs, ws, attributes);
      if (outH < 1 || outW < 1) {
        throw new OpError({ code: `op/${name}`, message: `${name}: x ${shapeText(xs)} is smaller than the kernel of weight ${shapeText(ws)}` });
      }
      return axes === 2 ? [batch, outH, outW, outC] : [batch, outW, outC];
    },
    dtype(inputs, { groups, output }) {
      if (groups > 1) checkDtype(name, `x with ${groups} groups`, { tensor: inputs[0], dtype: "f32" });
      const dtype = convDtype(name, inputs);
      return output ?? dtype;
    },
    multiplications: ([, weight], output) => elementCount(output) * ((weight as Tensor).size / (output.at(-1) as number)),
    forward([x, weight, bias], attributes, output) {
      const [xt, wt] = [x as Tensor, weight as Tensor];
      const shape = shapeOf(xt.shape, wt.shape, attributes);
      const call = { x: xt.range, w: wt.range, bias: bias?.range, y: output.range, shape };
      if (shape.groups > 1) groupedConvForward(xt.gpu, call);
      else convForward(xt.gpu, { ...call, ...(attributes.force ? { force: attributes.force } : {}) });
      return shape;
    },
    backward(gradient, { inputs: [x, weight, bias], needs, saved: shape, attributes, target }) {
      const [xt, wt] = [x as Tensor, weight as Tensor];
      const { gpu } = xt;
      const force = attributes.force ? { force: attributes.force } : {};
      // The weight's gradient first: it alone reads x, whose memory may then serve for gradX.
      const gradW = needs[1] ? target(1) : undefined;
      if (gradW) {
        const call = { x: xt.range, gradY: gradient.range, gradW: gradW.range, shape };
        if (shape.groups > 1) groupedConvGradWeight(gpu, call);
        else convGradWeight(gpu, { ...call, ...force });
      }
      const gradX = needs[0] ? target(0) : undefined;
      if (gradX) {
        const call = { gradY: gradient.range, w: wt.range, gradX: gradX.range, shape };
        if (shape.groups > 1) groupedConvGradInput(gpu, call);
        else convGradInput(gpu, { ...call, ...force });
      }
      if (!bias) return [gradX, gradW];
      const gradBias = needs[2] ? target(2) : undefined;
      if (gradBias) columnSum(gpu, { x: gradient.range, out: gradBias.range, rows: elementCount(gradient.shape) / shape.outC, columns: shape.outC });
      return [gradX, gradW, gradBias];
    },
  });
}

const op = defineConvolution("conv2d", 2);

/**
 * y[n, i, j, q] = sum x[n, i*s - p + a*d, j*s - p + b*d, g + c] w[a, b, c, q] (+ bias[q]), where g is the first channel of
 * q's group: 0 without groups, q with as many groups as channels (depthwise).
 * @param x [n, h, w, ci], f32 or (with one group) f16  @param weight [kh, kw, ci / groups, co]
 * @returns [n, floor((h + 2p - d*(kh - 1) - 1)/s) + 1, ..., co]. Errors: OpError naming the argument.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  return op(options.bias ? [x, weight, options.bias] : [x, weight], {
    stride: pair(options.stride, 1),
    padding: pair(options.padding, 0),
    dilation: pair(options.dilation, 1),
    groups: options.groups ?? 1,
    output: options.output,
    force: options.force,
  });
}
