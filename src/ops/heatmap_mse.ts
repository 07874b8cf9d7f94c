/** The weighted mean squared error of heatmaps, per contiguous group of the batch. */
import { defineOp, wantsGradient } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { heatmapMseForward } from "../kernels/heatmap_mse.ts";
import { mapForward } from "../kernels/map.ts";
import { byteCount, sameShape, shapeText, Tensor } from "../tensor/tensor.ts";

interface Attributes {
  groups: number;
}

const op = defineOp<Attributes, Tensor>({
  name: "heatmap_mse",
  infer([prediction, target, weight], { groups }) {
    const shape = (prediction as Tensor).shape;
    const fail = (argument: string, expected: string, got: string): never => {
      throw new OpError({ code: "op/heatmap_mse", message: `heatmap_mse: ${argument} must be ${expected}, got ${got}` });
    };
    if (shape.length !== 4) fail("prediction", "[n, h, w, joints]", shapeText(shape));
    if (!sameShape((target as Tensor).shape, shape)) fail("target", `${shapeText(shape)} like prediction`, shapeText((target as Tensor).shape));
    const [n = 0, , , joints = 0] = shape;
    if (!sameShape((weight as Tensor).shape, [n, joints])) fail("weight", `[${n}, ${joints}]`, shapeText((weight as Tensor).shape));
    for (const [argument, tensor] of [["target", target], ["weight", weight]] as const) {
      if (wantsGradient(tensor as Tensor)) fail(argument, "a constant", "a tensor that wants a gradient");
    }
    if (!(Number.isInteger(groups) && groups >= 1) || n % groups !== 0) fail("groups", `a divisor of the batch ${n}`, String(groups));
    return [groups];
  },
  forward([prediction, target, weight], { groups }, output) {
    const p = prediction as Tensor;
    const [batch = 0, h = 0, w = 0, joints = 0] = p.shape;
    const gradient = new Tensor(p.gpu, { shape: p.shape, range: p.gpu.allocate(byteCount(p.shape), "loss gradient"), label: "loss gradient" });
    heatmapMseForward(p.gpu, {
      prediction: p.range,
      target: (target as Tensor).range,
      weight: (weight as Tensor).range,
      gradient: gradient.range,
      loss: output.range,
      shape: { batch, pixels: h * w, joints, groups },
    });
    return gradient;
  },
  backward(gradient, { inputs, saved, attributes: { groups }, seeded, target }) {
    const none = inputs.slice(1).map(() => undefined);
    if (seeded) return [saved, ...none];
    const scaled = target(0);
    const grouped = [groups, saved.size / groups];
    mapForward(saved.gpu, "mul", { operands: [{ range: saved.range, shape: grouped }, { range: gradient.range, shape: [groups, 1] }], shape: grouped, y: scaled.range });
    return [scaled, ...none];
  },
});

/**
 * loss[g] = 1/2 * mean over all elements of group g of (w p - w t)²: the mean counts zero-weight joints too.
 * Differentiable in the prediction only; target and weight must be constants.
 * @param prediction [n, h, w, joints] @param options.target the same @param options.weight [n, joints]
 * @returns [groups]. Errors: OpError naming the argument.
 */
export function heatmapMse(prediction: Tensor, { target, weight, groups = 1 }: { target: Tensor; weight: Tensor; groups?: number }): Tensor {
  return op([prediction, target, weight], { groups });
}
