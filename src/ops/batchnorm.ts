/** Batch normalisation over all but the last axis, with statistics per contiguous group of the batch. */
import { checkDtype, defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { batchMoments, batchnormApply, batchnormBackward, type BatchnormShape, runningMoments, type StatisticsPlace } from "../kernels/batchnorm.ts";
import type { BufferRange } from "../gpu/device.ts";
import { Parameter, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

/** How a pass normalises. */
export interface BatchnormMode {
  /** True: statistics of the batch, recorded in the slots of this pass; false (evaluation, frozen): running statistics, nothing recorded. */
  training: boolean;
  /** Contiguous equal slices of the batch, each normalised by its own statistics. */
  groups: number;
  /** Slot of the first group's statistics. */
  slot: number;
}

/** Attributes of a batchnorm call. */
export interface BatchnormOptions extends BatchnormMode {
  gamma: Tensor;
  beta: Tensor;
  place: StatisticsPlace;
  epsilon?: number;
  /** Added after the normalisation, before the relu; the shape of x. */
  residual?: Tensor | undefined;
  relu?: boolean;
}

interface Attributes extends BatchnormMode {
  place: StatisticsPlace;
  epsilon: number;
  relu: boolean;
}

interface Saved {
  moments: BufferRange;
  shape: BatchnormShape;
}

function sizes(x: Shape, groups: number): BatchnormShape {
  const channels = x.at(-1) ?? 0;
  const rows = x.slice(0, -1).reduce((product, size) => product * size, 1);
  return { groups, rows: rows / groups, channels };
}

function apply(output: Tensor, { inputs: [x, gamma, beta, residual], attributes, saved }: { inputs: readonly Tensor[]; attributes: Attributes; saved: Saved }): Saved {
  const { moments, shape } = saved;
  batchnormApply(output.gpu, {
    x: (x as Tensor).range,
    moments,
    sharedMoments: !attributes.training,
    gamma: (gamma as Tensor).range,
    beta: (beta as Tensor).range,
    y: output.range,
    shape,
    tail: { relu: attributes.relu, residual: residual?.range },
  });
  return saved;
}

const op = defineOp<Attributes, Saved>({
  name: "batchnorm",
  infer([x, gamma, beta, residual], { groups, training }) {
    const shape = (x as Tensor).shape;
    const channels = shape.at(-1);
    if (shape.length < 2) throw new OpError({ code: "op/batchnorm", message: `batchnorm: x must be [n, ..., c], got ${shapeText(shape)}` });
    for (const [name, parameter] of [["gamma", gamma], ["beta", beta]] as const) {
      if (parameter?.shape.length !== 1 || parameter.shape[0] !== channels) {
        throw new OpError({ code: "op/batchnorm", message: `batchnorm: ${name} must be [${channels}] for x ${shapeText(shape)}, got ${shapeText(parameter?.shape ?? [])}` });
      }
    }
    if (residual && shapeText(residual.shape) !== shapeText(shape)) {
      throw new OpError({ code: "op/batchnorm", message: `batchnorm: residual must be ${shapeText(shape)} like x, got ${shapeText(residual.shape)}` });
    }
    if (!(groups >= 1 && Number.isInteger(groups)) || (shape[0] ?? 0) % groups !== 0) {
      throw new OpError({ code: "op/batchnorm", message: `batchnorm: groups must divide the batch of x ${shapeText(shape)}, got ${groups}` });
    }
    if (training && sizes(shape, groups).rows < 2) {
      throw new OpError({ code: "op/batchnorm", message: `batchnorm: a group of x ${shapeText(shape)} has one value per channel; training statistics need two` });
    }
    return shape;
  },
  dtype([x, gamma, beta, residual]) {
    const { dtype } = x as Tensor;
    checkDtype("batchnorm", "gamma", { tensor: gamma, dtype: "f32" });
    checkDtype("batchnorm", "beta", { tensor: beta, dtype: "f32" });
    checkDtype("batchnorm", "residual", { tensor: residual, dtype });
    return dtype;
  },
  forward(inputs, attributes, output) {
    const { training, groups, slot, place, epsilon } = attributes;
    const input = inputs[0] as Tensor;
    const { gpu } = input;
    const shape = sizes(input.shape, groups);
    const moments = training
      ? batchMoments(gpu, { x: input.range, shape, place, slot, epsilon })
      : runningMoments(gpu, { channels: shape.channels, place, epsilon });
    return apply(output, { inputs, attributes, saved: { moments, shape } });
  },
  remake: apply,
  backward(gradient, { inputs: [x, gamma, beta, residual], output, saved, attributes, needs, ownsGradient, target }) {
    const input = x as Tensor;
    const inPlace = ownsGradient && !(input instanceof Parameter);
    const [gradX, gradGamma, gradBeta, gradResidual] = [0, 1, 2, 3].map((i) => (!needs[i] ? undefined : i === 0 && inPlace ? gradient : target(i)));
    batchnormBackward(input.gpu, {
      x: input.range,
      // The values where a relu was closed; without a residual they follow from x.
      y: attributes.relu && residual ? output.range : undefined,
      gradY: gradient.range,
      moments: saved.moments,
      gamma: (gamma as Tensor).range,
      beta: (beta as Tensor).range,
      gradX: gradX?.range,
      gradGamma: gradGamma?.range,
      gradBeta: gradBeta?.range,
      gradResidual: gradResidual?.range,
      shape: saved.shape,
      relu: attributes.relu,
      frozen: !attributes.training,
    });
    const entries = [gradX, gradGamma, gradBeta];
    return residual ? [...entries, gradResidual] : entries;
  },
});

/**
 * y = relu?((x - mean) / sqrt(var + eps) * gamma + beta (+ residual)), biased variance: PyTorch's BatchNorm1d for x [n, c]
 * and [n, l, c], BatchNorm2d for [n, h, w, c].
 * @param x [n, ..., c], f32 or f16 (residual and y like it; statistics, gamma and beta are f32); groups cut n.
 * In training the batch statistics (unbiased variance) are left in the slots
 * slot .. slot + groups - 1 of the network's arena; the running averages change only by updateRunning. Otherwise the
 * running averages are constants, and gradients flow to x, gamma and beta all the same.
 * Errors: OpError naming the argument.
 */
export function batchnorm(x: Tensor, options: BatchnormOptions): Tensor {
  const { gamma, beta, residual, training, groups, slot, place } = options;
  const inputs = residual ? [x, gamma, beta, residual] : [x, gamma, beta];
  return op(inputs, { training, groups, slot, place, epsilon: options.epsilon ?? 1e-5, relu: options.relu ?? false });
}
