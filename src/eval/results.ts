/** From predicted persons to results in the official forms. */
import { parse } from "node:path";
import type { CocoImage } from "../data/coco_types.ts";
import type { Dataset } from "../data/datasets.ts";
import { writeFileAtomic } from "../files.ts";
import { COCO_JOINTS, gatherJoints, type JointSet } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box, Point } from "../pose/types.ts";
import type { KeypointDetection } from "./coco_eval.ts";
import { oksNms, rescore, softOksNms } from "./nms.ts";

/** One person as a network sees it. */
export interface PredictedPerson {
  imageId: number;
  /** [3 * joints of the network]: x, y in image px, score. */
  keypoints: Float64Array;
  center: Point;
  scale: Point;
  boxScore: number;
  box: Box;
}

/** Thresholds of rescoring and suppression. */
export interface ResultOptions {
  skeleton: Skeleton;
  inVisThreshold: number;
  oksThreshold: number;
  /** Joints of the results; COCO's where absent. */
  joints?: JointSet;
  /** Deviations for the suppression; those of the joints where absent. */
  nmsSigmas?: readonly number[];
  /** Soft suppression (SOFT_NMS). */
  soft?: boolean;
}

/** A result entry with what the official format adds. */
export interface CocoResult extends KeypointDetection {
  center: Point;
  scale: Point;
}

/** Gathers the scored joints, rescores, suppresses near-duplicates per image. */
export function toResults(persons: readonly PredictedPerson[], { skeleton, inVisThreshold, oksThreshold, joints = COCO_JOINTS, nmsSigmas = joints.sigmas, soft = false }: ResultOptions): CocoResult[] {
  const byImage = new Map<number, (CocoResult & { area: number })[]>();
  for (const { imageId, keypoints, center, scale, boxScore, box } of persons) {
    const scored = [...gatherJoints(keypoints, { network: skeleton, set: joints })];
    const entry = {
      imageId,
      keypoints: scored,
      score: rescore(scored, { boxScore, threshold: inVisThreshold }),
      area: 200 * scale[0] * (200 * scale[1]),
      bbox: box,
      center,
      scale,
    };
    const list = byImage.get(imageId);
    if (list) list.push(entry);
    else byImage.set(imageId, [entry]);
  }
  return [...byImage.values()].flatMap((list) =>
    (soft ? softOksNms : oksNms)(list, oksThreshold, nmsSigmas).map((i) => {
      const { area: _, ...result } = list[i] as CocoResult & { area: number };
      return result;
    }),
  );
}

/** An image of AI Challenger's submission: its name without .jpg, and the persons that were found as human1, human2, ... */
function aicEntries(images: readonly CocoImage[], results: readonly CocoResult[]): { image_id: string; keypoint_annotations: Record<string, readonly number[]> }[] {
  const found = Map.groupBy(results, ({ imageId }) => imageId);
  return images.flatMap(({ id, fileName }) => {
    const persons = found.get(id);
    if (!persons) return [];
    return { image_id: parse(fileName).name, keypoint_annotations: Object.fromEntries(persons.map(({ keypoints }, n) => [`human${n + 1}`, keypoints])) };
  });
}

/** Writes results of a data set that is scored by OKS in its official JSON form: AI Challenger's (x, y, score a joint), else COCO's. */
export async function writeDatasetResults(path: string, { name, truth }: Pick<Dataset, "name" | "truth">, results: readonly CocoResult[]): Promise<void> {
  if (name === "ai_challenger") await writeFileAtomic(path, JSON.stringify(aicEntries(truth?.images ?? [], results)));
  else await writeResults(path, results);
}

/** Writes results in COCO's official JSON form. */
async function writeResults(path: string, results: readonly CocoResult[]): Promise<void> {
  const entries = results.map(({ imageId, keypoints, score, bbox, center, scale }) => ({
    image_id: imageId,
    category_id: 1,
    keypoints,
    score,
    bbox,
    center,
    scale,
  }));
  await writeFileAtomic(path, JSON.stringify(entries));
}
