/**
 * What goes wrong with single joints. Source: Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose
 * Estimation", ICCV 2017.
 */
import type { CocoAnnotation, CocoGroundTruth } from "../data/coco_types.ts";
import type { JointSet } from "../pose/joint_sets.ts";
import { type KeypointDetection, keypointSimilarity } from "./coco_eval.ts";

/**
 * good: similarity at least 0.85; jitter: at least 0.5; inversion: at the mirrored joint of the same person; swap: at the same or
 * mirrored joint of another person; miss: at none.
 */
export const ERROR_KINDS = ["good", "jitter", "inversion", "swap", "miss"] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** Counts over the labelled joints of matched persons. */
export interface ErrorBreakdown {
  /** Per joint of the set. */
  joints: Record<ErrorKind, number>[];
  total: Record<ErrorKind, number>;
  /** Mean similarity per joint; NaN where none is counted. */
  similarity: number[];
  /** Persons with labelled joints that no detection matches, and detections that match none. */
  missedPersons: number;
  spareDetections: number;
}

const [GOOD, NEAR] = [0.85, 0.5];
/** Detections that are less like a person than this are detections of nothing. */
const LEAST_OKS = 0.1;

const noErrors = (): Record<ErrorKind, number> => ({ good: 0, jitter: 0, inversion: 0, swap: 0, miss: 0 });

/**
 * Matches detections to persons, best score first, each to the free person most like it (OKS at least 0.1), and sorts every
 * labelled joint of a matched person by what the detection has in its place: the place that it is most like, its own first.
 * Crowds and persons without labelled joints are left out.
 */
export function breakDownErrors(truth: CocoGroundTruth, detections: readonly KeypointDetection[], { joints }: { joints: JointSet }): ErrorBreakdown {
  const { sigmas, flipPairs, jointNames } = joints;
  const mirror = jointNames.map((_, joint) => flipPairs.flatMap(([a, b]) => (a === joint ? [b] : b === joint ? [a] : []))[0]);
  const found = Map.groupBy(detections, ({ imageId }) => imageId);
  const persons = Map.groupBy(truth.annotations.filter(({ iscrowd, numKeypoints }) => !iscrowd && numKeypoints > 0), ({ imageId }) => imageId);
  const breakdown: ErrorBreakdown = { joints: jointNames.map(noErrors), total: noErrors(), similarity: jointNames.map(() => 0), missedPersons: 0, spareDetections: 0 };

  /** Similarity of one detected joint to a place of a person; 0 where that is not labelled. */
  const likeness = (detection: KeypointDetection, joint: number, { person, at, area }: { person: CocoAnnotation; at: number | undefined; area: number }) => {
    if (at === undefined || !((person.keypoints[3 * at + 2] as number) > 0)) return 0;
    const dx = (detection.keypoints[3 * joint] as number) - (person.keypoints[3 * at] as number);
    const dy = (detection.keypoints[3 * joint + 1] as number) - (person.keypoints[3 * at + 1] as number);
    return Math.exp(-(dx * dx + dy * dy) / (2 * (2 * (sigmas[at] as number)) ** 2 * (area + Number.EPSILON)));
  };

  for (const { id } of truth.images) {
    const free = new Set(persons.get(id) ?? []);
    const people = [...free];
    for (const detection of (found.get(id) ?? []).toSorted((a, b) => b.score - a.score)) {
      let match: CocoAnnotation | undefined;
      let best = LEAST_OKS;
      for (const person of free) {
        const oks = keypointSimilarity(detection, { keypoints: person.keypoints, box: person.bbox, area: person.area, labelled: person.numKeypoints }, sigmas);
        if (oks >= best) [match, best] = [person, oks];
      }
      if (!match) {
        breakdown.spareDetections++;
        continue;
      }
      const own = match;
      const { area } = own;
      free.delete(own);
      jointNames.forEach((_, joint) => {
        if (!((own.keypoints[3 * joint + 2] as number) > 0)) return;
        const here = likeness(detection, joint, { person: own, at: joint, area });
        let kind: ErrorKind = here >= GOOD ? "good" : here >= NEAR ? "jitter" : "miss";
        if (kind === "miss") {
          let most = NEAR;
          const consider = (candidate: ErrorKind, value: number) => {
            if (value > most || (value === most && kind === "miss")) [kind, most] = [candidate, value];
          };
          consider("inversion", likeness(detection, joint, { person: own, at: mirror[joint], area }));
          for (const other of people) {
            if (other === own) continue;
            for (const at of [joint, mirror[joint]]) consider("swap", likeness(detection, joint, { person: other, at, area: other.area }));
          }
        }
        (breakdown.joints[joint] as Record<ErrorKind, number>)[kind]++;
        breakdown.similarity[joint] = (breakdown.similarity[joint] as number) + here;
        breakdown.total[kind]++;
      });
    }
    breakdown.missedPersons += free.size;
  }
  const counted = (joint: number) => Object.values(breakdown.joints[joint] ?? {}).reduce((sum, count) => sum + count, 0);
  return { ...breakdown, similarity: breakdown.similarity.map((sum, joint) => sum / counted(joint)) };
}
