/** Reader of COCO keypoint files and the person records that training and validation crop from. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import * as v from "valibot";
import { boxToCenterScale, cleanBox, PIXEL_STD } from "../pose/box.ts";
import { jointMap } from "../pose/joint_sets.ts";
import { COCO17, type Skeleton } from "../pose/skeleton.ts";
import type { Box, Point, Size } from "../pose/types.ts";
import { type AnnotationFormat, badItem, checkItem, finite, integer, listOf, nameOf, readJson } from "./annotation_file.ts";
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
  /** Undefined where the annotations do not state it (MPII, AI Challenger, LSP). */
  imageSize: Size | undefined;
  center: Point;
  /** In units of 200 px. */
  scale: Point;
  /** [2 * joints], image px. */
  joints: Float64Array;
  /** [joints], 0 or 1. */
  visible: Uint8Array;
  /** As it stands in the file, also where the crop is made of what the image holds of it: results carry it (MultiAugs' raw_box). */
  box: Box;
  /** 1 for ground-truth boxes. */
  score: number;
  /** The box is a detector's, and annotationId its place in the detection file. */
  detected?: true;
}

const imageSchema = v.object({ id: integer, width: v.pipe(finite, v.minValue(1)), height: v.pipe(finite, v.minValue(1)), file_name: v.string(), crowdIndex: v.optional(finite) });

const annotationSchema = (joints: number) =>
  v.object({
    id: integer,
    image_id: integer,
    category_id: v.optional(v.number(), 1),
    keypoints: v.pipe(v.array(finite), v.length(3 * joints)),
    num_keypoints: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    bbox: v.strictTuple([finite, finite, v.pipe(finite, v.minValue(0)), v.pipe(finite, v.minValue(0))]),
    area: v.optional(v.pipe(finite, v.minValue(0))),
    iscrowd: v.optional(v.union([v.picklist([0, 1]), v.boolean()]), 0),
  });

/** An annotation as the schema gives it. */
interface RawAnnotation {
  id: number;
  image_id: number;
  category_id?: number;
  keypoints: number[];
  num_keypoints?: number;
  bbox: [number, number, number, number];
  area?: number;
  iscrowd?: 0 | 1 | boolean;
}

/**
 * Whether an annotation passes the schema, without the copies that the schema makes: a quarter of a million persons take a
 * tenth of the time. What does not pass goes to the schema, which finds the words.
 */
function isSound(value: unknown, joints: number): value is RawAnnotation {
  if (typeof value !== "object" || value === null) return false;
  const { id, image_id, category_id, keypoints, num_keypoints, bbox, area, iscrowd } = value as Record<string, unknown>;
  if (!Number.isInteger(id) || !Number.isInteger(image_id)) return false;
  if (!Array.isArray(keypoints) || keypoints.length !== 3 * joints || !Array.isArray(bbox) || bbox.length !== 4) return false;
  for (const entry of keypoints) if (!Number.isFinite(entry)) return false;
  for (const entry of bbox) if (!Number.isFinite(entry)) return false;
  if (bbox[2] < 0 || bbox[3] < 0) return false;
  if (category_id !== undefined && !Number.isFinite(category_id)) return false;
  if (num_keypoints !== undefined && !(Number.isInteger(num_keypoints) && (num_keypoints as number) >= 0)) return false;
  if (area !== undefined && !(Number.isFinite(area) && (area as number) >= 0)) return false;
  return iscrowd === undefined || iscrowd === 0 || iscrowd === 1 || typeof iscrowd === "boolean";
}

const cocoFormat = (joints: number): AnnotationFormat => ({
  code: "coco",
  missingFix:
    "expected <root>/coco/annotations/person_keypoints_<set>.json and <root>/coco/images/<set>/*.jpg; check DATASET.ROOT and the set, or name files with DATASET.TRAIN_ANNOTATIONS and TRAIN_IMAGES (TEST_ANNOTATIONS and TEST_IMAGES)",
  itemFix: `keypoint files in COCO's form have lists of images and annotations, and ${joints} (x, y, visibility) triples per person`,
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
  // The two test sets share their images.
  const inImages = join(base, "images", name.startsWith("test") ? name.replace("-dev", "") : name);
  const annotated = join(base, "annotations", `person_keypoints_${name}.json`);
  const imagesOnly = join(base, "annotations", `image_info_${name}.json`);
  return {
    annotations: !existsSync(annotated) && existsSync(imagesOnly) ? imagesOnly : annotated,
    images: existsSync(inImages) || !existsSync(join(base, name)) ? inImages : join(base, name),
  };
}

/** How a file in COCO's form is read. */
export interface CocoFileOptions {
  /** Joints per person. */
  joints?: number;
  /** Replaces the area of the file, from the box. */
  areaOfBox?: (box: Box) => number;
  /** False for files of test sets (image_info_*.json), which list images only. */
  annotated?: boolean;
}

/** Reads and checks an annotation file in COCO's form. Errors: DataError naming file and item. */
export async function readCocoGroundTruth(file: string, options: CocoFileOptions = {}): Promise<CocoGroundTruth> {
  const format = cocoFormat(options.joints ?? COCO17.jointNames.length);
  return cocoGroundTruth(await readJson(file, format), file, options);
}

/** Checks the content of an annotation file in COCO's form. Errors: DataError naming file and item. */
export function cocoGroundTruth(parsed: unknown, file: string, { joints = COCO17.jointNames.length, areaOfBox, annotated = true }: CocoFileOptions = {}): CocoGroundTruth {
  const format = cocoFormat(joints);
  const known = new Set<number>();
  const images = listOf(parsed, { file, format, key: "images" }).map((value, i): CocoImage => {
    const item = `images[${i}]`;
    const { id, width, height, file_name, crowdIndex } = checkItem(imageSchema, value, { file, item, format });
    if (known.has(id)) throw badItem(file, item, { detail: `id ${id} is that of an earlier image too`, format });
    known.add(id);
    return { id, width, height, fileName: file_name, ...(crowdIndex === undefined ? {} : { crowdIndex }) };
  });
  const annotations: CocoAnnotation[] = [];
  if (!annotated) return { images, annotations };
  const schema = annotationSchema(joints);
  listOf(parsed, { file, format, key: "annotations" }).forEach((value, i) => {
    const entry = isSound(value, joints) ? value : checkItem(schema, value, { file, item: nameOf(value, "annotations", i), format });
    const { id, image_id, category_id = 1, keypoints, num_keypoints, bbox, area, iscrowd = 0 } = entry;
    if (category_id !== 1) return;
    if (!known.has(image_id)) throw badItem(file, nameOf(value, "annotations", i), { detail: `image_id ${image_id} is not among the images`, format });
    annotations.push({
      id,
      imageId: image_id,
      keypoints,
      bbox,
      area: areaOfBox?.(bbox) ?? area ?? bbox[2] * bbox[3],
      iscrowd: Boolean(iscrowd),
      numKeypoints: num_keypoints ?? keypoints.filter((flag, k) => k % 3 === 2 && flag > 0).length,
    });
  });
  return { images, annotations };
}

/**
 * Whether the middle of a person's visible joints is about that of its crop (SELECT_DATA). Source: HRNet's select_data; multiaugs
 * gives the numbers.
 */
export function agreesWithBox({ joints, visible, center, scale }: PersonRecord): boolean {
  let [x, y, count] = [0, 0, 0];
  visible.forEach((flag, joint) => {
    if (flag === 0) return;
    x += joints[2 * joint] as number;
    y += joints[2 * joint + 1] as number;
    count++;
  });
  if (count === 0) return false;
  const distance = (x / count - center[0]) ** 2 + (y / count - center[1]) ** 2;
  const area = scale[0] * scale[1] * PIXEL_STD ** 2;
  const share = 0.2 / 16;
  return Math.exp(-distance / (2 * 0.2 ** 2 * area)) > share * count + 0.45 - share;
}

/** How records are made of annotations. */
export interface RecordFacts {
  place: CocoPlace;
  /** Joints of the records, which are the network's. */
  skeleton: Skeleton;
  /** Joints of the annotations. */
  annotated?: Skeleton;
  /** Network input [width, height], for the aspect ratio. */
  inputSize: Size;
  /** Clip boxes to their images as COCO's loaders do; AI Challenger's do not. */
  clip?: boolean;
  /** Told of every person left out because its box lies outside its image. */
  report?: (line: string) => void;
}

/**
 * Persons to crop, in the order of the image list: no crowds, a box inside the image, at least one labelled joint.
 * Joints that the annotation lacks have visibility 0. Source: HRNet's COCO data set.
 */
export function personRecords(truth: CocoGroundTruth, { place, skeleton, annotated = COCO17, inputSize, clip = true, report }: RecordFacts): PersonRecord[] {
  const map = jointMap(annotated, skeleton);
  const byImage = new Map<number, CocoAnnotation[]>();
  for (const annotation of truth.annotations) {
    const list = byImage.get(annotation.imageId);
    if (list) list.push(annotation);
    else byImage.set(annotation.imageId, [annotation]);
  }
  const records: PersonRecord[] = [];
  for (const image of truth.images) {
    const imagePath = join(place.images, basename(image.fileName));
    const imageSize: Size | undefined = image.width > 0 ? [image.width, image.height] : undefined;
    for (const annotation of byImage.get(image.id) ?? []) {
      const box = clip && imageSize ? cleanBox(annotation.bbox, imageSize) : annotation.bbox;
      if (!box && imageSize) report?.(`${place.annotations}: annotation ${annotation.id}: its box [${annotation.bbox.join(", ")}] lies outside image ${image.id} (${imageSize.join("x")} px); left out`);
      // A box of no extent has no crop: its scale would be 0.
      if (annotation.iscrowd || !box || Math.max(box[2], box[3]) === 0 || annotation.area <= 0 || Math.max(...annotation.keypoints) === 0) continue;
      const joints = new Float64Array(2 * skeleton.jointNames.length);
      const visible = new Uint8Array(skeleton.jointNames.length);
      map.forEach((joint, k) => {
        joints[2 * joint] = annotation.keypoints[3 * k] as number;
        joints[2 * joint + 1] = annotation.keypoints[3 * k + 1] as number;
        visible[joint] = (annotation.keypoints[3 * k + 2] as number) > 0 ? 1 : 0;
      });
      records.push({
        imageId: image.id,
        annotationId: annotation.id,
        imagePath,
        imageSize,
        ...boxToCenterScale(box, inputSize),
        joints,
        visible,
        box: annotation.bbox,
        score: 1,
      });
    }
  }
  return records;
}
