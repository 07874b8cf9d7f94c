/** The joints of the data sets besides COCO, and how they map into one another. Source: the data sets' own tools. */
import { ConfigError } from "../error.ts";
import { COCO17, COCO_SIGMAS, type Skeleton, UNION24 } from "./skeleton.ts";

/** A data set's joints with what scoring needs of them. */
export interface JointSet extends Skeleton {
  /** OKS deviations, one per joint. */
  sigmas: readonly number[];
}

/** None of COCO's joints is looked up in these sets: they are read from files of their own. */
const NO_COCO_JOINTS: readonly number[] = [];

const tenths = (values: readonly number[]) => values.map((value) => value / 10);

export const COCO_JOINTS: JointSet = { ...COCO17, sigmas: COCO_SIGMAS };

/** MPII Human Pose, 16 joints. The deviations are pseudo values of MMPose: MPII itself is scored by PCKh. */
export const MPII16: JointSet = {
  name: "mpii",
  jointNames: [
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax",
    "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
  ],
  flipPairs: [[0, 5], [1, 4], [2, 3], [10, 15], [11, 14], [12, 13]],
  limbs: [[0, 1], [1, 2], [2, 6], [6, 3], [3, 4], [4, 5], [6, 7], [7, 8], [8, 9], [8, 12], [12, 11], [11, 10], [8, 13], [13, 14], [14, 15]],
  upperBody: [7, 8, 9, 10, 11, 12, 13, 14, 15],
  fromCoco: NO_COCO_JOINTS,
  sigmas: [0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026, 0.062, 0.072, 0.179, 0.179, 0.072, 0.062],
};

/** AI Challenger keypoints, 14 joints. */
export const AIC14: JointSet = {
  name: "aic",
  jointNames: [
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "head_top", "neck",
  ],
  flipPairs: [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]],
  limbs: [[2, 1], [1, 0], [0, 13], [13, 3], [3, 4], [4, 5], [8, 7], [7, 6], [6, 9], [9, 10], [10, 11], [12, 13], [0, 6], [3, 9]],
  upperBody: [0, 1, 2, 3, 4, 5, 12, 13],
  fromCoco: NO_COCO_JOINTS,
  sigmas: [
    0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144, 0.03909642, 0.03686941, 0.01981803, 0.03843971,
    0.03412318, 0.02415081, 0.01291456, 0.01236173,
  ],
};

/** CrowdPose, 14 joints. */
export const CROWDPOSE14: JointSet = {
  name: "crowdpose",
  jointNames: [
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "head_top", "neck",
  ],
  flipPairs: [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]],
  limbs: [[12, 13], [13, 0], [13, 1], [0, 2], [2, 4], [1, 3], [3, 5], [0, 6], [1, 7], [6, 8], [8, 10], [7, 9], [9, 11]],
  upperBody: [0, 1, 2, 3, 4, 5, 12, 13],
  fromCoco: NO_COCO_JOINTS,
  sigmas: tenths([0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79]),
};

/** Deviations that ASDA's CrowdPose NMS uses; its evaluation uses those of CROWDPOSE14. */
export const CROWDPOSE_NMS_SIGMAS: readonly number[] = [...CROWDPOSE14.sigmas.slice(0, 12), 0.026, 0.026];

/** Leeds Sports Pose, 14 joints. PCK scores it; the deviations are MPII's. */
export const LSP14: JointSet = {
  name: "lsp",
  jointNames: [
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist",
    "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top",
  ],
  flipPairs: [[0, 5], [1, 4], [2, 3], [6, 11], [7, 10], [8, 9]],
  limbs: [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [6, 7], [7, 8], [8, 12], [12, 9], [9, 10], [10, 11], [12, 13], [2, 8], [3, 9]],
  upperBody: [6, 7, 8, 9, 10, 11, 12, 13],
  fromCoco: NO_COCO_JOINTS,
  sigmas: [0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.062, 0.072, 0.179, 0.179, 0.072, 0.062, 0.026, 0.026],
};

/** Data sets of 14 joints, by the names of the configuration. */
const SETS_OF_14: Readonly<Record<string, JointSet>> = { ai_challenger: AIC14, crowdpose: CROWDPOSE14, lspet: LSP14 };

/**
 * The joints of a network with so many outputs: 24 are the union skeleton, 17 COCO's, 16 MPII's; 14 are those of the first of the
 * data sets that has 14. Errors: ConfigError for other numbers, and for 14 without such a data set.
 */
export function skeletonFor(numJoints: number, datasets: readonly string[] = []): Skeleton {
  const own = datasets.map((name) => SETS_OF_14[name]).find((set) => set !== undefined);
  const skeleton = { 24: UNION24, 17: COCO17, 16: MPII16, 14: own }[numJoints];
  if (skeleton) return skeleton;
  throw new ConfigError({
    code: "config/num-joints",
    message:
      numJoints === 14
        ? `MODEL.NUM_JOINTS: 14 joints are those of ${Object.keys(SETS_OF_14).join(", ")}, and none of them is the data set`
        : `MODEL.NUM_JOINTS: expected 14, 16 (MPII), 17 (COCO) or 24 (union skeleton), received ${numJoints}`,
  });
}

/** Joint i of the first set is joint table[i] of the second. */
const MAPS: Readonly<Record<string, readonly number[]>> = {
  "coco>union": UNION24.fromCoco,
  "mpii>union": [3, 2, 1, 4, 5, 6, 0, 8, 10, 13, 19, 18, 17, 14, 15, 16],
  "aic>union": [17, 18, 19, 14, 15, 16, 1, 2, 3, 4, 5, 6, 13, 9],
  "lsp>mpii": [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9],
};

/** For each joint of one set, its index in another. Errors: ConfigError for a pair of sets that has no map. */
export function jointMap(from: Skeleton, to: Skeleton): readonly number[] {
  if (from.name === to.name) return from.jointNames.map((_, joint) => joint);
  const map = MAPS[`${from.name}>${to.name}`];
  if (map) return map;
  throw new ConfigError({
    code: "config/joints",
    message: `the ${from.jointNames.length} joints of ${from.name} have no places among the ${to.jointNames.length} of ${to.name}`,
    fix: `known: ${Object.keys(MAPS).join(", ")}, and every set to itself; set MODEL.NUM_JOINTS accordingly`,
  });
}

/** Gathers the joints of a data set, in its order, from values [perJoint * joints] of a network: union predictions as the data set scores them. */
export function gatherJoints(values: ArrayLike<number>, { network, set, perJoint = 3 }: { network: Skeleton; set: Skeleton; perJoint?: number }): Float64Array {
  const out = new Float64Array(perJoint * set.jointNames.length);
  jointMap(set, network).forEach((joint, i) => {
    for (let k = 0; k < perJoint; k++) out[perJoint * i + k] = values[perJoint * joint + k] as number;
  });
  return out;
}
