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

/** The most picks that the soft variant makes. */
const SOFT_PICKS = 20;

/**
 * Indices of at most 20 persons, best first; after each pick the scores of the rest are multiplied by exp(-oks² / threshold).
 * PARITY: the decayed scores order the picks and are not written back. Source: HRNet's soft_oks_nms.
 */
export function softOksNms(persons: readonly ScoredPerson[], threshold: number, sigmas: readonly number[] = COCO_SIGMAS): number[] {
  // NumPy's argsort()[::-1], anew after every pick.
  const sorted = (left: readonly { i: number; score: number }[]) => left.toSorted((a, b) => a.score - b.score).reverse();
  let left = sorted(persons.map(({ score }, i) => ({ i, score })));
  const kept: number[] = [];
  while (left.length > 0 && kept.length < SOFT_PICKS) {
    const [best, ...rest] = left as [{ i: number; score: number }];
    kept.push(best.i);
    left = sorted(rest.map(({ i, score }) => ({ i, score: score * Math.exp(-(detectionOks(persons[best.i] as ScoredPerson, persons[i] as ScoredPerson, sigmas) ** 2) / threshold) })));
  }
  return kept;
}
