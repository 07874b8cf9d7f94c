/** CrowdPose AP: COCO's rules with 14 joints, overall and by how crowded the images are. Source: crowdposetools' cocoeval. */
import type { CocoGroundTruth } from "../data/coco_types.ts";
import { CROWDPOSE14 } from "../pose/joint_sets.ts";
import { evaluateKeypoints, type KeypointDetection, type KeypointScores } from "./coco_eval.ts";

/** The nine figures that mean something; AP easy, medium and hard are rounded to 4 decimals as there. */
export interface CrowdPoseScores {
  ap: number;
  ap50: number;
  ap75: number;
  ar: number;
  ar50: number;
  ar75: number;
  apEasy: number;
  apMedium: number;
  apHard: number;
  overall: KeypointScores;
}

/** Crowd index below which images are easy, and below which they are medium. */
const [EASY_BELOW, MEDIUM_BELOW] = [0.2, 0.8];

/** Rounds to 4 decimals, halves to even, as NumPy does. */
function round4(value: number): number {
  const scaled = value * 1e4;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  return (floor + (up ? 1 : 0)) / 1e4;
}

/** Ground truth and detections of some images alone. */
function part(truth: CocoGroundTruth, detections: readonly KeypointDetection[], ids: ReadonlySet<number>): KeypointScores {
  const images = truth.images.filter(({ id }) => ids.has(id));
  const annotations = truth.annotations.filter(({ imageId }) => ids.has(imageId));
  return evaluateKeypoints({ images, annotations }, detections.filter(({ imageId }) => ids.has(imageId)), { sigmas: CROWDPOSE14.sigmas });
}

/**
 * Scores detections on CrowdPose; areas of the ground truth are 0.53 of the boxes (the reader sets them). Images without a crowd
 * index are in no split. PARITY: a split is the plain mean of its precision table, with the -1 of a split without persons.
 */
export function evaluateCrowdPose(truth: CocoGroundTruth, detections: readonly KeypointDetection[]): CrowdPoseScores {
  const overall = evaluateKeypoints(truth, detections, { sigmas: CROWDPOSE14.sigmas });
  const split = (inside: (crowdIndex: number) => boolean) => {
    const ids = new Set(truth.images.filter(({ crowdIndex }) => crowdIndex !== undefined && inside(crowdIndex)).map(({ id }) => id));
    const values = part(truth, detections, ids).precision.flat();
    return round4(values.reduce((sum, value) => sum + value, 0) / values.length);
  };
  const { ap, ap50, ap75, ar, ar50, ar75 } = overall;
  return {
    ap, ap50, ap75, ar, ar50, ar75, overall,
    apEasy: split((index) => index < EASY_BELOW),
    apMedium: split((index) => index >= EASY_BELOW && index < MEDIUM_BELOW),
    apHard: split((index) => index >= MEDIUM_BELOW),
  };
}

/** The figures under the names of the CrowdPose table. */
export function crowdPoseRows(scores: CrowdPoseScores): [name: string, value: number][] {
  return [
    ["AP", scores.ap],
    ["AP .5", scores.ap50],
    ["AP .75", scores.ap75],
    ["AR", scores.ar],
    ["AR .5", scores.ar50],
    ["AR .75", scores.ar75],
    ["AP (easy)", scores.apEasy],
    ["AP (medium)", scores.apMedium],
    ["AP (hard)", scores.apHard],
  ];
}
