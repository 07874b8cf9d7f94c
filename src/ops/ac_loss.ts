/** AC-Loss: heatmap losses whose pixels weigh as much as they are wrong. */
import { defineOp, wantsGradient } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { acLossForward } from "../kernels/ac_loss.ts";
import { fill } from "../kernels/elementwise.ts";
import { mapForward } from "../kernels/map.ts";
import { byteCount, emptyTensor, sameShape, shapeText, Tensor } from "../tensor/tensor.ts";

/** Options of both forms. */
export interface AcLossOptions {
  /** Heatmaps of the prediction's shape, in [0, 1], exactly 1 at the joints and exactly 0 on the background. A constant. */
  target: Tensor;
  /**
   * Exponent of the target where it is neither 0 nor 1, above 0: near 0 such pixels count as the joint, 1 trusts the
   * heatmap. A number is fixed in a recorded step; a tensor of one element may change from step to step.
   */
  exponent: Tensor | number;
  /** Keeps the gradient from flowing through the pixels' weights. Default: false. */
  detachWeight?: boolean;
  /** The published form, whose weights and losses fall below 0 where an error exceeds 1 or 2. Default: false, errors count as 1 at most in the weights. */
  raw?: boolean;
}

interface Attributes {
  name: string;
  groups: number;
  factor: number;
  detachWeight: boolean;
  raw: boolean;
  /** What the fourth input is. */
  fourth: "mask" | "weight" | undefined;
}

/** Saved: the gradient of the sum of all groups' losses, made in the pass that computes them. */
const op = defineOp<Attributes, Tensor | undefined>({
  name: "ac_loss",
  infer([prediction, target, exponent, fourth], { name, groups, fourth: role }) {
    const { shape } = prediction as Tensor;
    const fail = (argument: string, expected: string, got: string): never => {
      throw new OpError({ code: "op/ac_loss", message: `${name}: ${argument} must be ${expected}, got ${got}` });
    };
    if (shape.length !== 4) fail("prediction", "[n, h, w, joints]", shapeText(shape));
    const [n = 0, h = 0, w = 0, joints = 0] = shape;
    if (!sameShape((target as Tensor).shape, shape)) fail("target", `${shapeText(shape)} like prediction`, shapeText((target as Tensor).shape));
    if ((exponent as Tensor).size !== 1) fail("exponent", "one element", shapeText((exponent as Tensor).shape));
    const expected = role === "mask" ? [n, h, w] : [n, joints];
    if (role && !sameShape((fourth as Tensor).shape, expected)) fail(role, shapeText(expected), shapeText((fourth as Tensor).shape));
    for (const [argument, tensor] of [["target", target], ["exponent", exponent], [role ?? "", fourth]] as const) {
      if (tensor && wantsGradient(tensor)) fail(argument, "a constant", "a tensor that wants a gradient");
    }
    if (!(Number.isInteger(groups) && groups >= 1) || n % groups !== 0) fail("groups", `a divisor of the batch ${n}`, String(groups));
    return [groups];
  },
  forward([prediction, target, exponent, fourth], { groups, factor, detachWeight, raw, fourth: role }, output) {
    const p = prediction as Tensor;
    const [batch = 0, h = 0, w = 0, joints = 0] = p.shape;
    const gradient = wantsGradient(p) ? new Tensor(p.gpu, { shape: p.shape, range: p.gpu.allocate(byteCount(p.shape), "loss gradient"), label: "loss gradient" }) : undefined;
    acLossForward(p.gpu, {
      prediction: p.range,
      target: (target as Tensor).range,
      exponent: (exponent as Tensor).range,
      ...(role ? { [role]: (fourth as Tensor).range } : {}),
      loss: output.range,
      gradient: gradient?.range,
      shape: { batch, pixels: h * w, joints, groups },
      factor,
      detachWeight,
      raw,
    });
    return gradient;
  },
  backward(gradient, { inputs, saved, attributes: { groups }, seeded, target }) {
    const none = inputs.slice(1).map(() => undefined);
    if (!saved) throw new Error("ac_loss: the prediction wants a gradient that its forward pass did not keep");
    if (seeded) return [saved, ...none];
    const scaled = target(0);
    const shape = [groups, saved.size / groups];
    mapForward(saved.gpu, "mul", { operands: [{ range: saved.range, shape }, { range: gradient.range, shape: [groups, 1] }], shape, y: scaled.range });
    return [scaled, ...none];
  },
});

function exponentTensor(name: string, { gpu }: Tensor, exponent: Tensor | number): Tensor {
  if (typeof exponent !== "number") return exponent;
  if (!(exponent > 0 && exponent < Infinity)) throw new OpError({ code: "op/ac_loss", message: `${name}: exponent must be above 0, got ${exponent}` });
  const tensor = emptyTensor(gpu, [1], { label: "exponent" });
  fill(gpu, { out: tensor.range, count: 1, value: exponent });
  return tensor;
}

/**
 * AC-Loss (Overcoming Data Deficiency for Multi-Person Pose Estimation, TNNLS 2023) of each image, as bottom-up systems
 * use it: mean over pixels and joints of mask W (p - g)², W = f + (1 - f) d, d = |p - g|; f = |1 - p| where g = 1, |p| where
 * g = 0, |g^exponent - p| g^exponent elsewhere. Differentiable in the prediction, through W too.
 * @param prediction [n, h, w, joints] @param options.mask [n, h, w], 1 where the image is labelled; all of it by default
 * @returns [n]. Errors: OpError naming the argument.
 */
export function acLoss(prediction: Tensor, { target, exponent, mask, detachWeight = false, raw = false }: AcLossOptions & { mask?: Tensor }): Tensor {
  const name = "acLoss";
  const inputs = [prediction, target, exponentTensor(name, prediction, exponent), ...(mask ? [mask] : [])];
  return op(inputs, { name, groups: prediction.shape[0] ?? 0, factor: 1, detachWeight, raw, fourth: mask ? "mask" : undefined });
}

/**
 * AC-Loss in the place of heatmapMse, for top-down systems: per contiguous group of the batch 1/2 * mean over all elements
 * of W (w p - w g)² with the W of acLoss, which knows nothing of w; the mean counts joints of weight 0 too.
 * @param prediction [n, h, w, joints] @param options.weight [n, joints] @returns [groups]. Errors: OpError naming the argument.
 */
export function acLossTopDown(
  prediction: Tensor,
  { target, weight, exponent, groups = 1, detachWeight = false, raw = false }: AcLossOptions & { weight: Tensor; groups?: number },
): Tensor {
  const name = "acLossTopDown";
  return op([prediction, target, exponentTensor(name, prediction, exponent), weight], { name, groups, factor: 0.5, detachWeight, raw, fourth: "weight" });
}
