/** Predicted persons to the table and the results of their data set. */
import { existsSync } from "node:fs";
import type { Dataset } from "../data/datasets.ts";
import { readAicPckTruth } from "../data/aic.ts";
import { type PckTruth, readPckTruth } from "../data/mpii.ts";
import { DataError } from "../error.ts";
import { PIXEL_STD } from "../pose/box.ts";
import { CROWDPOSE_NMS_SIGMAS, gatherJoints } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import { evaluateAic } from "./aic_eval.ts";
import { evaluateKeypoints, type KeypointScores, scoreRows } from "./coco_eval.ts";
import { crowdPoseRows, evaluateCrowdPose } from "./crowdpose_eval.ts";
import { boxDiagonals, MPII_MASKED, pckRows, pckTruthOf, type PckScores, scoreAicPck, scoreLsp, scoreMpii, scorePck } from "./pck.ts";
import { type CocoResult, type PredictedPerson, toResults } from "./results.ts";

/** A data set's table. */
export interface DatasetScores {
  rows: [name: string, value: number][];
  /** The figure by which the best model is chosen, and its name; 0 where the set has no ground truth. */
  primary: number;
  primaryName: string;
  /** Where scores are by OKS: precision at all thresholds. */
  keypoints?: KeypointScores;
  /** Where scores are by PCK: every joint, and the mean by threshold. */
  pck?: PckScores;
  /** For the results file in COCO's form; PCK data sets have none. */
  results: CocoResult[];
  /** [persons * joints * 3] in the data set's order, 0-based px, NaN where nothing is predicted: what writePredMat takes. */
  predictions: Float64Array;
}

export interface DatasetScoreOptions {
  network: Skeleton;
  inVisThreshold: number;
  oksThreshold: number;
  soft?: boolean;
  /** Of LSP Extended: what distances are measured by, and the share of it that is right; the torso and 0.2 where absent. */
  pck?: { length: "torso" | "box"; threshold: number };
}

/** Lengths below a pixel would make every distance too far: torsos and heads seen from above or below. */
const [SHORTEST_TORSO_PX, SHORTEST_HEAD_PX] = [1, 1];

/** Refuses a ground truth of other persons than the annotations, naming both files. */
function checkCount(truth: PckTruth, { file, records, pckFile }: Dataset): PckTruth {
  if (truth.count === records.length) return truth;
  throw new DataError({
    code: "eval/pck-count",
    where: pckFile ?? file,
    message: `ground truth of ${truth.count} persons; ${file} gives ${records.length}`,
    fix: "both files must be of the same set",
  });
}

const UNSCORED = { rows: [] as [string, number][], primary: 0, primaryName: "score" };

function jointRows(names: readonly string[], scores: PckScores, mean: string): [string, number][] {
  return [...names.map((name, j): [string, number] => [name, scores.joints[j] as number]), [mean, scores.mean]];
}

/**
 * Scores persons predicted for the records of a data set, in the order of the records; one that is undefined counts as not found
 * (its image is corrupt). COCO and CrowdPose: rescored, suppressed, AP; MPII and LSP: PCKh and PCK by their ground-truth file; AI Challenger: PCK, and its OKS score without suppression.
 * Sets without ground truth give no rows.
 */
export async function scoreDataset(dataset: Dataset, predicted: readonly (PredictedPerson | undefined)[], { network, inVisThreshold, oksThreshold, soft = false, pck = { length: "torso", threshold: 0.2 } }: DatasetScoreOptions): Promise<DatasetScores> {
  const { name, joints, truth, records, pckFile, ownFiles = false } = dataset;
  const persons = predicted.filter((person) => person !== undefined);
  const nowhere = Array.from({ length: 3 * joints.jointNames.length }, () => Number.NaN);
  const predictions = Float64Array.from(predicted.flatMap((person) => (person ? [...gatherJoints(person.keypoints, { network, set: joints })] : nowhere)));
  const options = { skeleton: network, joints, inVisThreshold, oksThreshold, soft };
  if (truth && name === "ai_challenger") {
    // A threshold that no similarity exceeds: the challenge's own score knows no suppression.
    const results = toResults(persons, { ...options, oksThreshold: Infinity, soft: false });
    if (truth.annotations.length === 0) return { ...UNSCORED, results, predictions };
    const { score } = evaluateAic(truth, results);
    const scores = { keypoints: evaluateKeypoints(truth, results, { sigmas: joints.sigmas }), results, predictions };
    // PCK compares person by person: detected boxes have no such order.
    if (records.some(({ detected }) => detected)) return { rows: [["AP", score]], primary: score, primaryName: "AP", ...scores };
    const own = pckFile && existsSync(pckFile) ? checkCount(await readAicPckTruth(pckFile), dataset) : pckTruthOf(records, { network, joints, segment: ["head_top", "neck"] });
    const pckScores = scoreAicPck(own, predictions);
    return { rows: [...pckRows(own, pckScores, { neck: true }), ["AP", score]], primary: pckScores.mean, primaryName: "Mean", pck: pckScores, ...scores };
  }
  if (truth) {
    const results = toResults(persons, { ...options, ...(name === "crowdpose" ? { nmsSigmas: CROWDPOSE_NMS_SIGMAS } : {}) });
    if (truth.annotations.length === 0) return { ...UNSCORED, results, predictions };
    if (name === "crowdpose") {
      const scores = evaluateCrowdPose(truth, results);
      return { rows: crowdPoseRows(scores), primary: scores.ap, primaryName: "AP", keypoints: scores.overall, results, predictions };
    }
    const scores = evaluateKeypoints(truth, results);
    return { rows: scoreRows(scores), primary: scores.ap, primaryName: "AP", keypoints: scores, results, predictions };
  }
  if (name === "lspet") {
    const own = pckTruthOf(records, { network, joints, segment: ["left_shoulder", "right_hip"] });
    const torsos = () => boxDiagonals(own).map((length) => Math.max(length, SHORTEST_TORSO_PX));
    const boxes = () => Float64Array.from(records, ({ scale }) => PIXEL_STD * Math.max(...scale));
    const scores = scorePck(own, predictions, { lengths: pck.length === "torso" ? torsos() : boxes(), threshold: pck.threshold });
    const title = `PCK@${pck.threshold}${pck.length === "box" ? " of the box" : ""}`;
    return { rows: jointRows(joints.jointNames, scores, title), primary: scores.mean, primaryName: title, pck: scores, results: [], predictions };
  }
  const hasFile = pckFile !== undefined && existsSync(pckFile);
  if (!hasFile && records.every(({ visible }) => !visible.includes(1))) return { ...UNSCORED, results: [], predictions };
  if (!hasFile && ownFiles) {
    // Annotations of one's own, without a file of head boxes: heads reach from the upper neck to the top.
    const own = pckTruthOf(records, { network, joints, segment: ["upper_neck", "head_top"] });
    const scores = scorePck(own, predictions, { lengths: boxDiagonals(own).map((length) => Math.max(length, SHORTEST_HEAD_PX)), masked: MPII_MASKED });
    return { rows: jointRows(joints.jointNames, scores, "PCK@0.5 of the head"), primary: scores.mean, primaryName: "PCK@0.5 of the head", pck: scores, results: [], predictions };
  }
  const own = checkCount(await readPckTruth(pckFile ?? ""), dataset);
  const oneBased = predictions.map((value, i) => (i % 3 === 2 ? value : value + 1));
  const scores = name === "mpii" ? scoreMpii(own, oneBased) : scoreLsp(own, oneBased);
  return { rows: pckRows(own, scores), primary: scores.mean, primaryName: "Mean", pck: scores, results: [], predictions };
}
