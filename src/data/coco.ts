/** Reader of COCO keypoint files and the person records that training and validation crop from. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as v from "valibot";
import { DataError } from "../error.ts";
import { boxToCenterScale, cleanBox } from "../pose/box.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box, Point, Size } from "../pose/types.ts";
import type { CocoAnnotation, CocoGroundTruth, CocoImage } from "./coco_types.ts";

/** Where a split is. */
export interface CocoPlace {
  annotations: string;
  images: string;
}

/** One person to crop. */
export interface PersonRecord {
  imageId: number;
  annotationId: number;
  imagePath: string;
  imageSize: Size;
  center: Point;
  /** In units of 200 px. */
  scale: Point;
  /** [2 * joints], image px. */
  joints: Float64Array;
  /** [joints], 0 or 1. */
  visible: Uint8Array;
  box: Box;
  /** 1 for ground-truth boxes. */
  score: number;
}

const COCO_JOINTS = 17;

const finite = v.pipe(v.number(), v.finite());
const imageSchema = v.object({ id: v.pipe(v.number(), v.integer()), width: v.pipe(finite, v.minValue(1)), height: v.pipe(finite, v.minValue(1)), file_name: v.string() });
const annotationSchema = v.object({
  id: v.pipe(v.number(), v.integer()),
  image_id: v.pipe(v.number(), v.integer()),
  category_id: v.optional(v.number(), 1),
  keypoints: v.pipe(v.array(finite), v.length(3 * COCO_JOINTS)),
  num_keypoints: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  bbox: v.strictTuple([finite, finite, v.pipe(finite, v.minValue(0)), v.pipe(finite, v.minValue(0))]),
  area: v.optional(v.pipe(finite, v.minValue(0))),
  iscrowd: v.optional(v.union([v.picklist([0, 1]), v.boolean()]), 0),
});

/** Full set names: train is train2017, val and validation are val2017, anything else is itself. */
export function cocoSetName(set: string): string {
  if (set === "train") return "train2017";
  if (set === "val" || set === "validation") return "val2017";
  return set;
}

/** Annotation file and image folder of a set below a data root (<root>/coco/... or <root>/...). */
export function cocoPlace(root: string, set: string): CocoPlace {
  const name = cocoSetName(set);
  const base = existsSync(join(root, "coco", "annotations")) || !existsSync(join(root, "annotations")) ? join(root, "coco") : root;
  const inImages = join(base, "images", name);
  return {
    annotations: join(base, "annotations", `person_keypoints_${name}.json`),
    images: existsSync(inImages) || !existsSync(join(base, name)) ? inImages : join(base, name),
  };
}

function badItem(file: string, item: string, detail: string): DataError {
  return new DataError({
    code: "data/coco-item",
    where: file,
    message: `${item}: ${detail}`,
    fix: "correct or remove this entry; keypoint files have 17 (x, y, visibility) triples per person",
  });
}

function issueText(issues: readonly { path?: readonly { key?: unknown }[] | undefined; message: string }[]): string {
  const issue = issues[0];
  const path = issue?.path?.map(({ key }) => String(key)).join(".") ?? "";
  return `${path ? `${path}: ` : ""}${issue?.message ?? "malformed"}`;
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new DataError(
      {
        code: "data/coco-missing",
        where: file,
        message: "annotation file not found or not readable",
        fix: "expected <root>/coco/annotations/person_keypoints_<set>.json and <root>/coco/images/<set>/*.jpg; check DATASET.ROOT, or name files with DATASET.TRAIN_ANNOTATIONS and TRAIN_IMAGES",
      },
      { cause },
    );
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(
      { code: "data/coco-json", where: file, message: `not complete JSON (${text.length} characters): ${detail}`, fix: "copy or download the file again" },
      { cause },
    );
  }
}

function listOf(value: unknown, key: string, file: string): unknown[] {
  const list = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  if (!Array.isArray(list)) {
    throw new DataError({
      code: "data/coco-list",
      where: file,
      message: `expected an object with a list "${key}", found ${list === undefined ? "none" : typeof list}`,
      fix: "this must be a COCO keypoint annotation file",
    });
  }
  return list;
}

/** Reads and checks an annotation file. Errors: DataError naming file and item. */
export async function readCocoGroundTruth(file: string): Promise<CocoGroundTruth> {
  const parsed = await readJson(file);
  const images = listOf(parsed, "images", file).map((item, i): CocoImage => {
    const result = v.safeParse(imageSchema, item);
    if (!result.success) throw badItem(file, `images[${i}]`, issueText(result.issues));
    const { id, width, height, file_name } = result.output;
    return { id, width, height, fileName: file_name };
  });
  const known = new Set<number>();
  images.forEach(({ id }, i) => {
    if (known.has(id)) throw badItem(file, `images[${i}]`, `id ${id} is that of an earlier image too`);
    known.add(id);
  });
  const annotations: CocoAnnotation[] = [];
  listOf(parsed, "annotations", file).forEach((item, i) => {
    const named = typeof item === "object" && item !== null && "id" in item ? `annotation ${String(item.id)}` : `annotations[${i}]`;
    const result = v.safeParse(annotationSchema, item);
    if (!result.success) throw badItem(file, named, issueText(result.issues));
    const { id, image_id, category_id, keypoints, bbox, area, iscrowd } = result.output;
    if (category_id !== 1) return;
    if (!known.has(image_id)) throw badItem(file, named, `image_id ${image_id} is not among the images`);
    const labelled = keypoints.filter((value, k) => k % 3 === 2 && value > 0).length;
    annotations.push({
      id,
      imageId: image_id,
      keypoints,
      bbox,
      area: area ?? bbox[2] * bbox[3],
      iscrowd: Boolean(iscrowd),
      numKeypoints: result.output.num_keypoints ?? labelled,
    });
  });
  return { images, annotations };
}

/** How records are made of annotations. */
export interface RecordFacts {
  place: CocoPlace;
  skeleton: Skeleton;
  /** Network input [width, height], for the aspect ratio. */
  inputSize: Size;
  /** Keep the first so many persons (not images); all where absent. */
  limit?: number;
}

/**
 * Persons to crop, in the order of the image list: no crowds, a box inside the image, at least one labelled joint.
 * Joints that the annotation lacks have visibility 0. Source: HRNet's COCO data set.
 */
export function personRecords(truth: CocoGroundTruth, { place, skeleton, inputSize, limit }: RecordFacts): PersonRecord[] {
  const byImage = new Map<number, CocoAnnotation[]>();
  for (const annotation of truth.annotations) {
    const list = byImage.get(annotation.imageId);
    if (list) list.push(annotation);
    else byImage.set(annotation.imageId, [annotation]);
  }
  const records: PersonRecord[] = [];
  for (const image of truth.images) {
    const imageSize: Size = [image.width, image.height];
    for (const annotation of byImage.get(image.id) ?? []) {
      if (limit !== undefined && records.length >= limit) return records;
      const box = cleanBox(annotation.bbox, imageSize);
      // A box of no extent has no crop: its scale would be 0.
      if (annotation.iscrowd || !box || Math.max(box[2], box[3]) === 0 || annotation.area <= 0 || Math.max(...annotation.keypoints) === 0) continue;
      const joints = new Float64Array(2 * skeleton.jointNames.length);
      const visible = new Uint8Array(skeleton.jointNames.length);
      skeleton.fromCoco.forEach((joint, k) => {
        joints[2 * joint] = annotation.keypoints[3 * k] as number;
        joints[2 * joint + 1] = annotation.keypoints[3 * k + 1] as number;
        visible[joint] = (annotation.keypoints[3 * k + 2] as number) > 0 ? 1 : 0;
      });
      records.push({
        imageId: image.id,
        annotationId: annotation.id,
        imagePath: join(place.images, basename(image.fileName)),
        imageSize,
        ...boxToCenterScale(box, inputSize),
        joints,
        visible,
        box,
        score: 1,
      });
    }
  }
  return records;
}
