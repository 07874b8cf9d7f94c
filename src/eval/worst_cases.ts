/** The persons that were predicted worst, for figures. */
import type { Dataset } from "../data/datasets.ts";
import { gatherJoints } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box } from "../pose/types.ts";
import { type KeypointDetection, keypointSimilarity } from "./coco_eval.ts";
import type { PredictedPerson } from "./results.ts";

/** A person with what was found of it; keypoints [3 * joints of the data set]: x, y, visibility or score. */
export interface WorstCase {
  imagePath: string;
  box: Box;
  truth: readonly number[];
  /** Undefined where no detection of the image is like the person. */
  found: readonly number[] | undefined;
  /** The larger the worse; in the units of `caption`. */
  badness: number;
  caption: string;
}

/** A person is shown only if at least this share of its joints is labelled: with one joint any guess may be all wrong. */
const LABELLED_SHARE = 0.4;
/** What is less like a person is another one. */
const LEAST_OKS = 1e-3;

/** The predictions of a set's records, in their order; undefined where the image is corrupt. */
type Persons = readonly (PredictedPerson | undefined)[];

function byOks({ truth, joints, records }: Dataset, persons: Persons, results: readonly KeypointDetection[]): WorstCase[] {
  const paths = new Map(records.filter((_, n) => persons[n]).map(({ imageId, imagePath }) => [imageId, imagePath]));
  const found = Map.groupBy(results, ({ imageId }) => imageId);
  return (truth?.annotations ?? []).flatMap((person) => {
    const imagePath = paths.get(person.imageId);
    if (imagePath === undefined || person.iscrowd || person.numKeypoints < LABELLED_SHARE * joints.jointNames.length) return [];
    let [best, match]: [number, KeypointDetection | undefined] = [LEAST_OKS, undefined];
    for (const detection of found.get(person.imageId) ?? []) {
      const oks = keypointSimilarity(detection, { keypoints: person.keypoints, box: person.bbox, area: person.area, labelled: person.numKeypoints }, joints.sigmas);
      if (oks > best) [best, match] = [oks, detection];
    }
    const caption = match ? `OKS ${best.toFixed(2)}` : "not found";
    return [{ imagePath, box: person.bbox, truth: person.keypoints, found: match?.keypoints, badness: match ? 1 - best : 1, caption }];
  });
}

/** The extent of labelled joints [3 * joints]. */
function extentOf(keypoints: readonly number[]): Box {
  const along = (axis: 0 | 1) => keypoints.filter((_, i) => i % 3 === axis && (keypoints[i - axis + 2] as number) > 0);
  const [xs, ys] = [along(0), along(1)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return [x, y, Math.max(...xs) - x, Math.max(...ys) - y];
}

function byDistance({ joints, records }: Dataset, persons: Persons, network: Skeleton): WorstCase[] {
  return records.flatMap((record, n) => {
    const person = persons[n];
    const count = joints.jointNames.length;
    const flags = gatherJoints(record.visible, { network, set: joints, perJoint: 1 });
    const places = gatherJoints(record.joints, { network, set: joints, perJoint: 2 });
    const labelled = flags.reduce((sum, flag) => sum + flag, 0);
    if (!person || labelled < LABELLED_SHARE * count) return [];
    const found = [...gatherJoints(person.keypoints, { network, set: joints })];
    const truth = Array.from({ length: 3 * count }, (_, i) => (i % 3 === 2 ? flags[(i - 2) / 3] : places[2 * Math.floor(i / 3) + (i % 3)]) as number);
    let sum = 0;
    for (let j = 0; j < count; j++) if (flags[j] === 1) sum += Math.hypot((found[3 * j] as number) - (places[2 * j] as number), (found[3 * j + 1] as number) - (places[2 * j + 1] as number));
    const side = Math.max(record.box[2], record.box[3]);
    const badness = sum / labelled / side;
    return [{ imagePath: record.imagePath, box: extentOf(truth), truth, found, badness, caption: `off by ${(100 * badness).toFixed(0)} % of the box` }];
  });
}

/**
 * The `count` persons with many labelled joints that are predicted worst, the worst first: by the best OKS that any detection of
 * their image has, or by the mean distance of their joints where the data set is scored by PCK. Images without a prediction have none.
 */
export function worstCases(dataset: Dataset, { persons, results, network, count }: { persons: Persons; results: readonly KeypointDetection[]; network: Skeleton; count: number }): WorstCase[] {
  const cases = dataset.truth ? byOks(dataset, persons, results) : byDistance(dataset, persons, network);
  return cases.toSorted((a, b) => b.badness - a.badness).slice(0, count);
}
