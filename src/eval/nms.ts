/** Rescoring of persons by their joints, and non-maximum suppression by OKS. */
import { detectionOks } from "../pose/oks.ts";
import { COCO_SIGMAS } from "../pose/skeleton.ts";

/** A person before suppression. */
export interface ScoredPerson {
  /** [3 * joints]: x, y, score. */
  keypoints: ArrayLike<number>;
  /** Of the crop: product of 200 * scale. */
  area: number;
  score: number;
}

/** Mean of the joint scores above a threshold (0 if none is), times the box's score. */
export function rescore(keypoints: ArrayLike<number>, { boxScore, threshold }: { boxScore: number; threshold: number }): number {
  let [sum, count] = [0, 0];
  for (let i = 2; i < keypoints.length; i += 3) {
    const score = keypoints[i] as number;
    if (score > threshold) {
      sum += score;
      count++;
    }
  }
  return count > 0 ? (sum / count) * boxScore : 0;
}

/** Indices of the persons that stay: best first, each removing those with an OKS above the threshold. */
export function oksNms(persons: readonly ScoredPerson[], threshold: number, sigmas: readonly number[] = COCO_SIGMAS): number[] {
  // NumPy's argsort()[::-1]: a stable ascending sort, reversed.
  let order = [...persons.keys()].sort((a, b) => (persons[a] as ScoredPerson).score - (persons[b] as ScoredPerson).score).reverse();
  const kept: number[] = [];
  while (order.length > 0) {
    const best = order[0] as number;
    kept.push(best);
    order = order.slice(1).filter((i) => detectionOks(persons[best] as ScoredPerson, persons[i] as ScoredPerson, sigmas) <= threshold);
  }
  return kept;
}
