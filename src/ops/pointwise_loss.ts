/** Losses of each element of prediction and target: mse, l1, smoothL1, bceWithLogits, lsgan. One op, rows of one table. */
import { defineOp, wantsGradient } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { mapForward } from "../kernels/map.ts";
import { type LossKind, type PointwiseLoss, pointwiseLossEach, pointwiseLossGradient, pointwiseLossSum } from "../kernels/pointwise_loss.ts";
import { byteCount, sameShape, shapeText, stopGradient, Tensor } from "../tensor/tensor.ts";
import { broadcastShape } from "./elementwise.ts";
import { expand } from "./shape.ts";

/** What becomes of the elements' losses: their mean over all elements (weighted or not), their sum, or themselves. */
export type Reduction = "mean" | "sum" | "none";

/** Options of every pointwise loss. */
export interface LossOptions {
  /** A tensor of the prediction's shape, or a number that counts for every element. */
  target: Tensor | number;
  /** Factor of each element's loss, a constant that broadcasts to the prediction's shape. The mean counts elements, not weights. */
  weight?: Tensor;
  /** Default: mean. */
  reduction?: Reduction;
}

interface Attributes {
  kind: LossKind;
  /** Undefined where it is the second input. */
  target: number | undefined;
  weighted: boolean;
  beta: number;
  reduction: Reduction;
}

function fail(op: string, argument: string, { expected, got }: { expected: string; got: string }): never {
  throw new OpError({ code: `op/${op}`, message: `${op}: ${argument} must be ${expected}, got ${got}` });
}

function lossOf(inputs: readonly Tensor[], { kind, target, weighted, beta, reduction }: Attributes): PointwiseLoss {
  const [prediction, second] = inputs as [Tensor, Tensor];
  return {
    kind,
    prediction: prediction.range,
    target: target ?? second.range,
    weight: weighted ? inputs.at(-1)?.range : undefined,
    count: prediction.size,
    beta,
    scale: reduction === "mean" ? 1 / prediction.size : 1,
  };
}

/** Saved: the gradient of a reduced loss by the prediction, made in the pass that computes the loss. */
const op = defineOp<Attributes, Tensor | undefined>({
  name: "pointwise_loss",
  infer([prediction, second], { target, reduction, kind }) {
    const { shape } = prediction as Tensor;
    if (target === undefined && !sameShape((second as Tensor).shape, shape)) fail(kind, "target", { expected: `${shapeText(shape)} like prediction`, got: shapeText((second as Tensor).shape) });
    return reduction === "none" ? shape : [];
  },
  forward(inputs, attributes, output) {
    const { gpu } = output;
    const loss = lossOf(inputs, attributes);
    if (attributes.reduction === "none") {
      pointwiseLossEach(gpu, loss, output.range);
      return undefined;
    }
    const [prediction] = inputs as [Tensor];
    const gradient = wantsGradient(prediction) ? new Tensor(gpu, { shape: prediction.shape, range: gpu.allocate(byteCount(prediction.shape), "loss gradient") }) : undefined;
    pointwiseLossSum(gpu, loss, { y: output.range, gradient: gradient?.range });
    return gradient;
  },
  backward(gradient, { inputs, attributes, saved, needs, seeded, target }) {
    const { gpu } = gradient;
    const loss = lossOf(inputs, attributes);
    const each = attributes.reduction === "none";
    return inputs.map((_, i) => {
      if (!needs[i]) return undefined;
      if (i === 0 && saved && seeded) return saved;
      const into = target(i);
      if (i === 0 && saved) mapForward(gpu, "mul", { operands: [saved, gradient], shape: saved.shape, y: into.range });
      else pointwiseLossGradient(gpu, loss, { dy: gradient.range, dx: into.range, each, of: i === 0 ? "prediction" : "target" });
      return into;
    });
  },
});

function call(kind: LossKind, prediction: Tensor, { target, weight, reduction = "mean", beta = 0 }: LossOptions & { beta?: number }): Tensor {
  const { shape } = prediction;
  const inputs = [prediction, ...(typeof target === "number" ? [] : [target])];
  if (weight) {
    if (wantsGradient(weight)) fail(kind, "weight", { expected: "a constant", got: "a tensor that wants a gradient" });
    if (!sameShape(broadcastShape(kind, [weight.shape, shape]), shape)) fail(kind, "weight", { expected: `a shape that broadcasts to ${shapeText(shape)}`, got: shapeText(weight.shape) });
    inputs.push(sameShape(weight.shape, shape) ? weight : stopGradient(expand(weight, shape)));
  }
  return op(inputs, { kind, target: typeof target === "number" ? target : undefined, weighted: weight !== undefined, beta, reduction });
}

/**
 * Squared error: (x - t)², PyTorch's mse_loss (no factor 1/2). Differentiable in prediction and target.
 * @param prediction any shape @returns [] for mean and sum, else the prediction's shape. Errors: OpError naming the argument.
 */
export function mse(prediction: Tensor, options: LossOptions): Tensor {
  return call("mse", prediction, options);
}

/** Absolute error: |x - t|, PyTorch's l1_loss; its gradient at 0 is 0. Shapes and errors as for mse. */
export function l1(prediction: Tensor, options: LossOptions): Tensor {
  return call("l1", prediction, options);
}

/**
 * (x - t)² / (2 beta) where |x - t| < beta, else |x - t| - beta / 2: PyTorch's smooth_l1_loss (Girshick 2015). A beta of 0
 * gives l1. Shapes and errors as for mse, and OpError for a negative beta.
 */
export function smoothL1(prediction: Tensor, { beta = 1, ...options }: LossOptions & { beta?: number }): Tensor {
  if (!(beta >= 0 && beta < Infinity)) fail("smoothL1", "beta", { expected: "0 or more", got: String(beta) });
  return call("smoothL1", prediction, { ...options, beta });
}

/**
 * Cross entropy of sigmoid(x) with a target in [0, 1]: max(x, 0) - x t + log(1 + e^-|x|), PyTorch's
 * binary_cross_entropy_with_logits; no overflow for any x. Shapes and errors as for mse.
 */
export function bceWithLogits(prediction: Tensor, options: LossOptions): Tensor {
  return call("bceWithLogits", prediction, options);
}

/**
 * Loss of least-squares GANs (Mao et al. 2017) on raw scores: (x - 1)² where they should be taken for real, x² where for fake.
 * Shapes and errors as for mse.
 */
export function lsgan(scores: Tensor, { real, reduction = "mean" }: { real: boolean; reduction?: Reduction }): Tensor {
  return call("mse", scores, { target: real ? 1 : 0, reduction });
}
