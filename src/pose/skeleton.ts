/** Joint sets: names, mirror pairs, limbs, OKS deviations. */
/** A set of joints. */
export interface Skeleton {
  name: string;
  jointNames: readonly string[];
  /** Joints that trade places in a mirrored image. */
  flipPairs: readonly (readonly [number, number])[];
  /** Bones to draw. */
  limbs: readonly (readonly [number, number])[];
  upperBody: readonly number[];
  /** For each COCO joint, its index in this set. */
  fromCoco: readonly number[];
}

/** OKS deviations of the COCO joints (Lin et al., COCO keypoint evaluation). */
export const COCO_SIGMAS: readonly number[] = [
  0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
];

export const COCO17: Skeleton = {
  name: "coco",
  jointNames: [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
  ],
  flipPairs: [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16]],
  limbs: [
    [15, 13], [13, 11], [16, 14], [14, 12], [11, 12], [5, 11], [6, 12], [5, 6], [5, 7], [6, 8],
    [7, 9], [8, 10], [1, 2], [0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6],
  ],
  upperBody: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  fromCoco: Array.from({ length: 17 }, (_, i) => i),
};

/** The union of COCO, MPII and AI Challenger joints that the MultiAugs networks predict. */
export const UNION24: Skeleton = {
  name: "union",
  jointNames: [
    "root",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "belly",
    "thorax",
    "neck",
    "upper_neck",
    "nose",
    "head",
    "head_top",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
  ],
  flipPairs: [[1, 4], [2, 5], [3, 6], [14, 17], [15, 18], [16, 19], [20, 21], [22, 23]],
  limbs: [
    [3, 2], [2, 1], [6, 5], [5, 4], [1, 4], [14, 4], [17, 1], [14, 17], [14, 15], [17, 18],
    [15, 16], [18, 19], [20, 21], [11, 20], [11, 21], [20, 22], [21, 23], [23, 14], [22, 17],
  ],
  upperBody: Array.from({ length: 17 }, (_, i) => i + 7),
  fromCoco: [11, 21, 20, 23, 22, 14, 17, 15, 18, 16, 19, 4, 1, 5, 2, 6, 3],
};
