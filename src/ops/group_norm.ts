/** Normalisation of every sample by itself: groupNorm over groups of channels, layerNorm over the last axes. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { BufferRange } from "../gpu/device.ts";
import { groupMoments, groupNormApply, groupNormGradInput, groupNormGradParameters, type GroupNormShape } from "../kernels/group_norm.ts";
import { elementCount, sameShape, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

/** What follows the normalisation, and what is added to the variance. */
export interface LayerNormOptions {
  /** Shape of what is normalised: the last axes of x. */
  gamma: Tensor;
  beta: Tensor;
  epsilon?: number;
}

/** Attributes of a groupNorm call; gamma and beta are [c]. */
export interface GroupNormOptions extends LayerNormOptions {
  /** Equal contiguous groups of channels. */
  groups: number;
}

interface Attributes {
  name: "groupNorm" | "layerNorm";
  groups: number;
  epsilon: number;
}

function extents(x: Shape, normalised: number, { name, groups }: Attributes): GroupNormShape {
  if (name === "layerNorm") {
    const axis = x.length - normalised;
    return { batch: elementCount(x.slice(0, axis)), pixels: 1, groups: 1, channels: elementCount(x.slice(axis)) };
  }
  return { batch: x[0] as number, pixels: elementCount(x.slice(1, -1)), groups, channels: x.at(-1) as number };
}

const op = defineOp<Attributes, { moments: BufferRange; extents: GroupNormShape }>({
  name: "groupNorm",
  infer([input, gamma, beta], { name, groups }) {
    const { shape } = input as Tensor;
    const refuse = (message: string) => new OpError({ code: `op/${name}`, message: `${name}: ${message}` });
    const scale = (gamma as Tensor).shape;
    if (name === "groupNorm") {
      const channels = shape.at(-1) as number;
      if (shape.length < 2) throw refuse(`x must be [n, ..., c], got ${shapeText(shape)}`);
      if (!(groups >= 1) || channels % groups !== 0) throw refuse(`groups must divide the ${channels} channels of x ${shapeText(shape)}, got ${groups}`);
      if (!sameShape(scale, [channels])) throw refuse(`gamma must be [${channels}] for x ${shapeText(shape)}, got ${shapeText(scale)}`);
    } else if (scale.length === 0 || scale.length > shape.length || !sameShape(scale, shape.slice(-scale.length))) {
      throw refuse(`gamma must have the shape of the last axes of x ${shapeText(shape)}, got ${shapeText(scale)}`);
    }
    if (!sameShape((beta as Tensor).shape, scale)) throw refuse(`beta must be ${shapeText(scale)} like gamma, got ${shapeText((beta as Tensor).shape)}`);
    return shape;
  },
  forward([input, gamma, beta], attributes, output) {
    const { gpu, range: x, shape } = input as Tensor;
    const own = extents(shape, (gamma as Tensor).shape.length, attributes);
    const moments = groupMoments(gpu, { x, shape: own, epsilon: attributes.epsilon });
    groupNormApply(gpu, { x, moments, gamma: (gamma as Tensor).range, beta: (beta as Tensor).range, y: output.range, shape: own });
    return { moments, extents: own };
  },
  backward(gradient, { inputs: [input, gamma], saved: { moments, extents: shape }, needs, target }) {
    const { gpu, range: x } = input as Tensor;
    const [gradX, gradGamma, gradBeta] = [0, 1, 2].map((i) => (needs[i] ? target(i) : undefined));
    const call = { x, gradY: gradient.range, moments, shape };
    if (gradX) groupNormGradInput(gpu, { ...call, gamma: (gamma as Tensor).range, gradX: gradX.range });
    if (gradGamma || gradBeta) groupNormGradParameters(gpu, { ...call, gradGamma: gradGamma?.range, gradBeta: gradBeta?.range });
    return [gradX, gradGamma, gradBeta];
  },
});

/**
 * y = (x - mean) / sqrt(var + eps) * gamma + beta, mean and biased variance over the pixels and the channels of a group of
 * one sample (Wu and He, ECCV 2018; PyTorch's GroupNorm). As many groups as channels make instance normalisation.
 * @param x [n, ..., c]. Errors: OpError naming the argument.
 */
export function groupNorm(x: Tensor, { groups, gamma, beta, epsilon = 1e-5 }: GroupNormOptions): Tensor {
  return op([x, gamma, beta], { name: "groupNorm", groups, epsilon });
}

/**
 * y = (x - mean) / sqrt(var + eps) * gamma + beta, mean and biased variance over the last axes, as many as gamma has
 * (Ba et al., 2016; PyTorch's LayerNorm).
 * @param x [..., *gamma's shape]. Errors: OpError naming the argument.
 */
export function layerNorm(x: Tensor, { gamma, beta, epsilon = 1e-5 }: LayerNormOptions): Tensor {
  return op([x, gamma, beta], { name: "layerNorm", groups: 1, epsilon });
}
