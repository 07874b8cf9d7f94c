/** What a student's heatmaps are compared with its pseudo labels by. Source: multiaugs §5. */
import { withoutGradient } from "../../autograd/op.ts";
import { greater, mul } from "../../ops/elementwise.ts";
import { heatmapMse } from "../../ops/heatmap_mse.ts";
import { max, mean } from "../../ops/reduce.ts";
import { reshape } from "../../ops/reshape.ts";
import { softmax } from "../../ops/softmax.ts";
import { batchView, type Tensor } from "../../tensor/tensor.ts";

/** Variants of the consistency term; all off as a rule. */
export interface ConsistencyOptions {
  /** PARITY: both sides pass through a softmax over pixels, which leaves next to no signal (multiaugs D-28). */
  sharpen: boolean;
  /** Only joints whose pseudo label rises above this count. */
  confidence: number | undefined;
  /** The students' heatmaps are averaged over the views first. */
  fuse: boolean;
}

/** Targets of a batch of heatmaps: [n, h, w, joints] and [n, joints]. */
export interface HeatmapLabels {
  targets: Tensor;
  weights: Tensor;
}

/** 1 where the largest value of a map exceeds the threshold, else 0. @param maps [n, h, w, joints] @returns [n, joints] */
function confidenceMask(maps: Tensor, threshold: number): Tensor {
  return withoutGradient(() => greater(max(maps, { axes: [1, 2] }), threshold));
}

/** Softmax over the pixels of each map, after weighting. @param maps [n, h, w, joints] @param weights [n, joints] */
function sharpened(maps: Tensor, weights: Tensor): Tensor {
  const [n = 0, h = 0, w = 0, joints = 0] = maps.shape;
  const weighted = mul(maps, reshape(weights, [n, 1, 1, joints]));
  return reshape(softmax(reshape(weighted, [n, h * w, joints]), { axis: 1 }), maps.shape);
}

/**
 * Losses of `views` batches of student heatmaps behind one another, one per view, or a single one where they are fused.
 * @param prediction [views * n, h, w, joints]
 * @param labels the same batches, pseudo labels repeated per view; with `fuse` only those of the first view are read.
 * @param units ones [views * n, joints]
 */
export function consistencyLoss(prediction: Tensor, labels: HeatmapLabels, { views, units, ...options }: ConsistencyOptions & { views: number; units: Tensor }): Tensor {
  const { sharpen, confidence, fuse } = options;
  const [rows = 0, ...map] = prediction.shape;
  const n = rows / views;
  const first = (tensor: Tensor): Tensor => firstRows(tensor, fuse ? n : rows);
  const groups = fuse ? 1 : views;
  const p = fuse && views > 1 ? reshape(mean(reshape(prediction, [views, n, ...map]), { axes: [0] }), [n, ...map]) : prediction;
  const [targets, weights] = [first(labels.targets), first(labels.weights)];
  const mask = confidence === undefined ? undefined : confidenceMask(targets, confidence);
  if (!sharpen) return heatmapMse(p, { target: targets, weight: mask ? withoutGradient(() => mul(weights, mask)) : weights, groups });
  return heatmapMse(sharpened(p, weights), { target: withoutGradient(() => sharpened(targets, weights)), weight: mask ?? first(units), groups });
}

/** The first rows of a constant, for they lie at its beginning. */
function firstRows(tensor: Tensor, rows: number): Tensor {
  return tensor.shape[0] === rows ? tensor : batchView(tensor, 0, rows);
}
