/** AI Challenger's keypoint score: the mean over thresholds of the share of persons whose best OKS is above. */
import type { CocoGroundTruth } from "../data/coco_types.ts";
import { AIC14 } from "../pose/joint_sets.ts";
import type { KeypointDetection } from "./coco_eval.ts";
import { OKS_THRESHOLDS } from "./coco_eval.ts";

/** A visible joint in the form that the reader gives. */
const VISIBLE = 2;

/** OKS over the visible joints of a person, 0 where it has none. Source: AI Challenger's keypoint_eval.py. */
export function aicOks(detected: ArrayLike<number>, person: { keypoints: ArrayLike<number>; area: number }): number {
  let [sum, count] = [0, 0];
  AIC14.sigmas.forEach((sigma, j) => {
    if (person.keypoints[3 * j + 2] !== VISIBLE) return;
    const dx = (detected[3 * j] as number) - (person.keypoints[3 * j] as number);
    const dy = (detected[3 * j + 1] as number) - (person.keypoints[3 * j + 1] as number);
    sum += Math.exp(-(dx * dx + dy * dy) / (2 * (2 * sigma) ** 2 * (person.area + 1)));
    count++;
  });
  return count > 0 ? sum / count : 0;
}

/**
 * Score and its value per threshold. Every person takes its best detection, whoever else takes it too; images count as the
 * larger of their numbers of persons and detections. Detections on images outside the truth are not looked at, as there.
 */
export function evaluateAic(truth: CocoGroundTruth, detections: readonly KeypointDetection[]): { score: number; byThreshold: number[] } {
  const found = Map.groupBy(detections, ({ imageId }) => imageId);
  const persons = Map.groupBy(truth.annotations, ({ imageId }) => imageId);
  const best: number[] = [];
  let total = 0;
  for (const { id } of truth.images) {
    const people = persons.get(id) ?? [];
    const candidates = found.get(id) ?? [];
    for (const person of people) best.push(candidates.reduce((most, { keypoints }) => Math.max(most, aicOks(keypoints, person)), 0));
    total += Math.max(people.length, candidates.length);
  }
  const byThreshold = OKS_THRESHOLDS.map((threshold) => (total > 0 ? best.filter((value) => value > threshold).length / total : 0));
  return { score: byThreshold.reduce((sum, value) => sum + value, 0) / byThreshold.length, byThreshold };
}
