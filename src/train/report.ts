/** What an evaluation leaves on the disk: results in the official formats, tables, figures. */
import { join } from "node:path";
import type { Dataset } from "../data/datasets.ts";
import { writePredMat } from "../eval/pck.ts";
import { writeResults } from "../eval/results.ts";
import type { Evaluation } from "./evaluate.ts";

/**
 * Writes the predictions of every network in the official form of the data set: COCO's JSON where scores are by OKS
 * (keypoints_results.json), MPII's pred.mat where they are by PCK. Of several networks the files end in _1, _2, ... and _ensemble.
 * Returns the paths.
 */
export async function writePredictions(folder: string, { evaluation, set, prefix = "" }: { evaluation: Evaluation; set: Dataset; prefix?: string }): Promise<string[]> {
  const paths: string[] = [];
  for (const { name, scores } of evaluation.scored) {
    const suffix = name === "" ? "" : `_${name.replace(/^net /, "")}`;
    const path = join(folder, set.truth ? `${prefix}keypoints_results${suffix}.json` : `${prefix}pred${suffix}.mat`);
    if (set.truth) await writeResults(path, scores.results);
    else await writePredMat(path, scores.predictions, { joints: set.joints.jointNames.length, columns: 3 });
    paths.push(path);
  }
  return paths;
}
