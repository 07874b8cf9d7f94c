/** PCK and PCKh: the share of joints within a fraction of a person's size. */
import type { PersonRecord } from "../data/coco.ts";
import type { PckTruth } from "../data/mpii.ts";
import { writeMat } from "../data/mat.ts";
import { DataError } from "../error.ts";
import { type JointSet, jointMap } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";

/** What differs between the benchmarks. */
export interface PckOptions {
  /** Length per person, px, that distances are divided by; [count]. */
  lengths: Float64Array;
  /** Joints that the mean leaves out. */
  masked?: readonly number[];
  /** Count missing joints too, as LSP does. */
  countMissing?: boolean;
  /** Threshold of the columns by joint. */
  threshold?: number;
}

/** Percentages. */
export interface PckScores {
  /** [joints] at the threshold; NaN where no joint is counted. */
  joints: Float64Array;
  /** [joints] how many were counted. */
  counts: Float64Array;
  /** Weighted by count, over the joints that are not masked. */
  mean: number;
  /** The same mean at 0, 0.01, ... 0.5. */
  curve: Float64Array;
}

/** A head is 0.6 of its box's diagonal. Source: MPII's evalMPII. */
const HEAD_SHARE = 0.6;
const CURVE_POINTS = 51;
/** Thresholds of the curve. */
export const PCK_THRESHOLDS: readonly number[] = Array.from({ length: CURVE_POINTS }, (_, i) => i * 0.01);
/** Pelvis and thorax. */
export const MPII_MASKED: readonly number[] = [6, 7];
const AIC_HEAD_PX = 95;

/**
 * Ground truth made of records where there is no file of it: invisible joints are missing, and the box of a person is the segment
 * between two of its joints (head top and neck, or opposite shoulder and hip). Positions are 0-based, as the records'.
 */
export function pckTruthOf(records: readonly PersonRecord[], { network, joints, segment }: { network: Skeleton; joints: JointSet; segment: readonly [string, string] }): PckTruth {
  const map = jointMap(joints, network);
  const count = joints.jointNames.length;
  const truth: PckTruth = {
    jointNames: joints.jointNames,
    count: records.length,
    missing: new Uint8Array(records.length * count),
    positions: new Float64Array(2 * records.length * count),
    boxes: new Float64Array(4 * records.length),
  };
  const ends = segment.map((name) => joints.jointNames.indexOf(name));
  if (ends.includes(-1)) throw new Error(`${joints.name} has no joints ${segment.join(" and ")}`);
  records.forEach((record, n) => {
    map.forEach((joint, j) => {
      truth.missing[n * count + j] = record.visible[joint] === 1 ? 0 : 1;
      truth.positions.set(record.joints.subarray(2 * joint, 2 * joint + 2), 2 * (n * count + j));
    });
    ends.forEach((j, end) => truth.boxes.set(truth.positions.subarray(2 * (n * count + j), 2 * (n * count + j) + 2), 4 * n + 2 * end));
  });
  return truth;
}

/** Diagonals of the boxes of a ground truth times `share`, [count]. */
export function boxDiagonals({ count, boxes }: PckTruth, share = 1): Float64Array {
  return Float64Array.from({ length: count }, (_, n) => {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.subarray(4 * n);
    return share * Math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2);
  });
}

/**
 * Shares of joints whose distance is at most a fraction of their person's length. Predictions are [count * joints * columns],
 * x and y first, in the pixels of the truth. Errors: DataError where their number is not that of the truth.
 */
export function scorePck(truth: PckTruth, predictions: ArrayLike<number>, { lengths, masked = [], countMissing = false, threshold = 0.5 }: PckOptions): PckScores {
  const joints = truth.jointNames.length;
  const columns = predictions.length / (truth.count * joints);
  if (truth.count === 0 || !Number.isInteger(columns) || columns < 2) {
    throw new DataError({
      code: "eval/pck-count",
      message: `${predictions.length} numbers predicted for ${truth.count} persons with ${joints} joints each`,
      fix: "the annotation file of the persons and the ground truth of the scores must be of the same set",
    });
  }
  const counts = new Float64Array(joints);
  const right = new Float64Array(joints);
  const rightAt = new Float64Array(CURVE_POINTS * joints);
  for (let n = 0; n < truth.count; n++) {
    for (let j = 0; j < joints; j++) {
      const i = n * joints + j;
      if (!countMissing && truth.missing[i] === 1) continue;
      counts[j] = (counts[j] as number) + 1;
      const dx = (predictions[columns * i] as number) - (truth.positions[2 * i] as number);
      const dy = (predictions[columns * i + 1] as number) - (truth.positions[2 * i + 1] as number);
      const error = Math.sqrt(dx * dx + dy * dy) / (lengths[n] as number);
      if (error <= threshold) right[j] = (right[j] as number) + 1;
      for (let t = CURVE_POINTS - 1; t >= 0 && error <= (PCK_THRESHOLDS[t] as number); t--) rightAt[t * joints + j] = (rightAt[t * joints + j] as number) + 1;
    }
  }
  const meanOf = (hits: Float64Array) => {
    let [hit, total] = [0, 0];
    for (let j = 0; j < joints; j++) {
      if (masked.includes(j)) continue;
      hit += hits[j] as number;
      total += counts[j] as number;
    }
    return total > 0 ? (100 * hit) / total : Number.NaN;
  };
  return {
    joints: Float64Array.from(right, (hit, j) => (100 * hit) / (counts[j] as number)),
    counts,
    mean: meanOf(right),
    curve: Float64Array.from({ length: CURVE_POINTS }, (_, t) => meanOf(rightAt.subarray(t * joints, (t + 1) * joints))),
  };
}

/** MPII's PCKh: lengths are 0.6 of the head boxes' diagonals, pelvis and thorax stay out of the mean. */
export function scoreMpii(truth: PckTruth, predictions: ArrayLike<number>, threshold = 0.5): PckScores {
  return scorePck(truth, predictions, { lengths: boxDiagonals(truth, HEAD_SHARE), masked: MPII_MASKED, threshold });
}

/** PCK@0.2 of LSP as ASDA has it: torso boxes, all joints counted as visible, the joints 6 and 7 masked as for MPII. */
export function scoreLsp(truth: PckTruth, predictions: ArrayLike<number>, threshold = 0.2): PckScores {
  return scorePck(truth, predictions, { lengths: boxDiagonals(truth), masked: MPII_MASKED, countMissing: true, threshold });
}

/** AI Challenger's PCK: from head top to neck, 95 px where either is not labelled. Boxes of the truth hold these two joints. */
export function scoreAicPck(truth: PckTruth, predictions: ArrayLike<number>, threshold = 0.5): PckScores {
  const joints = truth.jointNames.length;
  const [head, neck] = [joints - 2, joints - 1];
  const labelled = truth.labelled ?? truth.missing.map((flag) => 1 - flag);
  const lengths = boxDiagonals(truth).map((length, n) => (labelled[n * joints + head] === 1 && labelled[n * joints + neck] === 1 ? length : AIC_HEAD_PX));
  return scorePck(truth, predictions, { lengths, threshold });
}

/** Columns of the table: joints by the four-letter names of ground-truth files. */
const GROUPS = [
  ["Head", ["head"]],
  ["Neck", ["neck"]],
  ["Shoulder", ["lsho", "rsho"]],
  ["Elbow", ["lelb", "relb"]],
  ["Wrist", ["lwri", "rwri"]],
  ["Hip", ["lhip", "rhip"]],
  ["Knee", ["lkne", "rkne"]],
  ["Ankle", ["lank", "rank"]],
] as const;

/** A joint's name as ground-truth files have it: left_shoulder is lsho, head_top is head. */
function fourLetterName(joint: string): string {
  return joint === "head_top" ? "head" : joint.replace(/^(l|r)(?:eft|ight)_(...).*$/, "$1$2");
}

/**
 * The row of the source systems' table; AI Challenger's has a column for the neck too. PARITY: their "Mean@0.1" is the curve's
 * entry 11, which is a threshold of 0.11; the value at 0.10 stands beside it. Errors: DataError where the truth lacks a joint.
 */
export function pckRows({ jointNames }: PckTruth, scores: PckScores, { neck = false }: { neck?: boolean } = {}): [name: string, value: number][] {
  const of = (name: string) => {
    const joint = jointNames.findIndex((own) => fourLetterName(own) === name);
    if (joint < 0) throw new DataError({ code: "eval/pck-joints", message: `the ground truth has no joint "${name}" (it has ${jointNames.join(", ")})`, fix: "use the ground-truth file of the data set" });
    return scores.joints[joint] as number;
  };
  const groups = GROUPS.filter(([group]) => neck || group !== "Neck");
  const rows = groups.map(([group, names]): [string, number] => [group, names.reduce((sum, name) => sum + of(name), 0) / names.length]);
  const at = (index: number) => scores.curve[index] as number;
  return [...rows, ["Mean", scores.mean], ["Mean@0.1", at(11)], ["Mean@0.10", at(10)], ["Mean@0.2", at(20)], ["Mean@0.3", at(30)], ["Mean@0.4", at(40)]];
}

/** MPII's submission: `preds` [count, joints, columns] in 1-based pixels. Predictions are 0-based, row-major. */
export async function writePredMat(path: string, predictions: ArrayLike<number>, { joints, columns }: { joints: number; columns: 2 | 3 }): Promise<void> {
  const count = predictions.length / (joints * columns);
  if (!Number.isInteger(count)) throw new Error(`${predictions.length} numbers are no [count, ${joints}, ${columns}]`);
  const data = new Float64Array(predictions.length);
  for (let n = 0; n < count; n++) {
    for (let j = 0; j < joints; j++) {
      for (let k = 0; k < columns; k++) data[n + count * (j + joints * k)] = (predictions[columns * (n * joints + j) + k] as number) + (k < 2 ? 1 : 0);
    }
  }
  await writeMat(path, { preds: { shape: [count, joints, columns], data } });
}
