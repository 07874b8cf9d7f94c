/** Reader of AI Challenger keypoints: the challenge's own JSON, or COCO's form of it (MMPose). */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { AIC14 } from "../pose/joint_sets.ts";
import { DataError } from "../error.ts";
import { type AnnotationFormat, badItem, checkItem, finite, listOf, readJson } from "./annotation_file.ts";
import { cocoGroundTruth, type CocoPlace } from "./coco.ts";
import type { CocoAnnotation, CocoGroundTruth, CocoImage } from "./coco_types.ts";
import type { PckTruth } from "./mpii.ts";
import { readNpyDictionary } from "./npy_dictionary.ts";

const JOINTS = AIC14.jointNames.length;
const AIC_FORMAT: AnnotationFormat = {
  code: "aic",
  missingFix: "expected <root>/ai_challenger/<set>/keypoint_<set>_annotation.json with its images in <set>/images; check DATASET.ROOT",
  itemFix: `an image has image_id, human_annotations {human: [x1, y1, x2, y2]} and keypoint_annotations {human: ${JOINTS} x (x, y, v)}`,
};

const imageSchema = v.object({
  image_id: v.pipe(v.string(), v.nonEmpty()),
  human_annotations: v.record(v.string(), v.strictTuple([finite, finite, finite, finite])),
  keypoint_annotations: v.record(v.string(), v.pipe(v.array(finite), v.length(3 * JOINTS))),
});

/** Files of a set below a data root, in the challenge's layout (ai_challenger/<set>/...) or MMPose's (aic/annotations/aic_<set>.json). */
export function aicPlace(root: string, set: string): CocoPlace {
  const name = set === "val" || set === "valid" ? "validation" : set;
  const short = name === "validation" ? "val" : name;
  const converted = join(root, "aic", "annotations", `aic_${short}.json`);
  const base = existsSync(join(root, "ai_challenger")) || !existsSync(join(root, name)) ? join(root, "ai_challenger") : root;
  const own = join(base, name, `keypoint_${name}_annotation.json`);
  if (!existsSync(own) && existsSync(converted)) return { annotations: converted, images: join(root, "aic", "images") };
  return { annotations: own, images: join(base, name, "images") };
}

/** The challenge's flags (1 visible, 2 occluded, 3 not labelled) as COCO's (2, 1, 0). */
const COCO_FLAGS: Readonly<Record<number, number>> = { 1: 2, 2: 1, 3: 0 };

/**
 * Reads and checks a set. Images and persons are numbered from 1 where the file has no numbers; flags are COCO's; sizes of
 * images are 0 where the file does not state them; the area is that of the box. Errors: DataError naming file, image and person.
 */
export async function readAicGroundTruth(file: string): Promise<CocoGroundTruth> {
  return aicGroundTruth(await readJson(file, AIC_FORMAT), file);
}

/** Checks the content of a set's file. Errors: DataError naming file, image and person. */
export function aicGroundTruth(parsed: unknown, file: string): CocoGroundTruth {
  if (!Array.isArray(parsed)) return cocoGroundTruth(parsed, file, { joints: JOINTS, areaOfBox: ([, , width, height]) => width * height });
  const images: CocoImage[] = [];
  const annotations: CocoAnnotation[] = [];
  listOf(parsed, { file, format: AIC_FORMAT }).forEach((value, i) => {
    const id = typeof value === "object" && value !== null && "image_id" in value ? String(value.image_id) : `[${i}]`;
    const item = `image ${id}`;
    const { image_id, human_annotations, keypoint_annotations } = checkItem(imageSchema, value, { file, item, format: AIC_FORMAT });
    images.push({ id: i + 1, width: 0, height: 0, fileName: `${image_id}.jpg` });
    for (const [human, flagged] of Object.entries(keypoint_annotations)) {
      const bad = (detail: string) => badItem(file, `${item}, ${human}`, { detail, format: AIC_FORMAT });
      const corners = human_annotations[human];
      if (!corners) throw bad("no box under human_annotations");
      const [x1, y1, x2, y2] = corners;
      if (x2 < x1 || y2 < y1) throw bad(`box [${corners.join(", ")}]: expected [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2`);
      const keypoints = flagged.map((entry, k) => {
        if (k % 3 !== 2) return entry;
        const flag = COCO_FLAGS[entry];
        if (flag === undefined) throw bad(`joint ${AIC14.jointNames[(k - 2) / 3]}: visibility ${entry}, expected 1, 2 or 3`);
        return flag;
      });
      annotations.push({
        id: annotations.length + 1,
        imageId: i + 1,
        keypoints,
        bbox: [x1, y1, x2 - x1, y2 - y1],
        area: (x2 - x1) * (y2 - y1),
        iscrowd: false,
        numKeypoints: keypoints.filter((flag, k) => k % 3 === 2 && flag > 0).length,
      });
    }
  });
  return { images, annotations };
}

/**
 * Reads gt_validation.npy, which AI Challenger's PCK is computed against: a dictionary of joint names, positions [n, 14, 2], missing and
 * labelled joints [n, 14], ends of heads [n, 2, 2]. Errors: DataError naming file and array.
 */
export async function readAicPckTruth(file: string): Promise<PckTruth> {
  const arrays = await readNpyDictionary(file);
  const bad = (name: string, message: string) => new DataError({ code: "data/aic-truth", where: file, message: `${name}: ${message}`, fix: "use gt_validation.npy of AI Challenger" });
  const names = arrays.get("dataset_joints")?.data;
  if (!Array.isArray(names)) throw bad("dataset_joints", "expected names of joints");
  const count = arrays.get("pos_gt_src")?.shape[0] ?? 0;
  const numbers = (name: string, shape: readonly number[]) => {
    const array = arrays.get(name);
    if (!array || array.shape.join() !== shape.join()) throw bad(name, `expected an array [${shape.join(", ")}], found ${array ? `[${array.shape.join(", ")}]` : "none"}`);
    return Float64Array.from(array.data as ArrayLike<number | bigint | string>, Number);
  };
  /** Numbers of which only those that count must be finite. */
  const places = (name: string, shape: readonly number[], counts: (i: number) => boolean) => {
    const values = numbers(name, shape);
    const wrong = values.findIndex((value, i) => !Number.isFinite(value) && counts(i));
    if (wrong >= 0) throw bad(name, `person ${Math.floor((wrong * count) / values.length)}: ${values[wrong]} is no position`);
    return values;
  };
  const flags = (name: string) => Uint8Array.from(numbers(name, [count, names.length]), (value) => (value === 0 ? 0 : 1));
  const [missing, labelled] = [flags("jnt_missing"), flags("jnt_labeled")];
  const hasHead = (n: number) => [names.length - 2, names.length - 1].every((joint) => labelled[n * names.length + joint] === 1);
  return {
    jointNames: names,
    count,
    missing,
    labelled,
    positions: places("pos_gt_src", [count, names.length, 2], (i) => missing[i >> 1] === 0),
    boxes: places("headboxes_src", [count, 2, 2], (i) => hasHead(i >> 2)),
  };
}
