/** Person detections in COCO's result form: the boxes that are cropped where ground-truth boxes are not to be used. */
import { basename, join } from "node:path";
import * as v from "valibot";
import { boxToCenterScale } from "../pose/box.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box, Size } from "../pose/types.ts";
import { type AnnotationFormat, badItem, checkItem, finite, integer, listOf, readJson } from "./annotation_file.ts";
import type { PersonRecord } from "./coco.ts";
import type { CocoGroundTruth } from "./coco_types.ts";

/** One detected box. */
export interface PersonDetection {
  imageId: number;
  /** As in the file, not clipped. */
  box: Box;
  score: number;
  /** Place in the file. */
  index: number;
}

const DETECTION_FORMAT: AnnotationFormat = {
  code: "detections",
  missingFix: "expected a file such as COCO_val2017_detections_AP_H_56_person.json; check TEST.COCO_BBOX_FILE",
  itemFix: "a detection has image_id, category_id, bbox [x, y, width, height] and score",
};

const PERSON = 1;
const extent = v.pipe(finite, v.gtValue(0));
const detectionSchema = v.object({ image_id: integer, category_id: integer, bbox: v.strictTuple([finite, finite, extent, extent]), score: finite });

/** Reads the persons of a detection file whose score is at least `threshold`. Errors: DataError naming file and detection. */
export async function readDetections(file: string, threshold = 0): Promise<PersonDetection[]> {
  return personDetections(await readJson(file, DETECTION_FORMAT), file, threshold);
}

/** Checks the content of a detection file. Errors: DataError naming file and detection. */
export function personDetections(parsed: unknown, file: string, threshold = 0): PersonDetection[] {
  const found: PersonDetection[] = [];
  listOf(parsed, { file, format: DETECTION_FORMAT }).forEach((value, index) => {
    const image = typeof value === "object" && value !== null && "image_id" in value ? ` (image ${String(value.image_id)})` : "";
    const { image_id, category_id, bbox, score } = checkItem(detectionSchema, value, { file, item: `detection ${index}${image}`, format: DETECTION_FORMAT });
    if (category_id === PERSON && score >= threshold) found.push({ imageId: image_id, box: bbox, score, index });
  });
  return found;
}

/** How records are made of detections. */
export interface DetectionRecordFacts {
  /** The detection file, for messages. */
  file: string;
  /** Names the images. */
  truth: CocoGroundTruth;
  /** Image folder. */
  images: string;
  skeleton: Skeleton;
  /** Network input [width, height], for the aspect ratio. */
  inputSize: Size;
}

/**
 * Persons to crop, in file order: joints 0 and visible, as HRNet has them; boxes are not clipped. Errors: DataError where a
 * detection is on an image that the annotations do not list.
 */
export function detectionRecords(detections: readonly PersonDetection[], { file, truth, images, skeleton, inputSize }: DetectionRecordFacts): PersonRecord[] {
  const known = new Map(truth.images.map((image) => [image.id, image]));
  const joints = skeleton.jointNames.length;
  return detections.map(({ imageId, box, score, index }) => {
    const image = known.get(imageId);
    if (!image) throw badItem(file, `detection ${index}`, { detail: `image_id ${imageId} is not among the ${known.size} images of the annotations`, format: DETECTION_FORMAT });
    return {
      imageId,
      annotationId: index,
      imagePath: join(images, basename(image.fileName)),
      imageSize: image.width > 0 ? [image.width, image.height] : undefined,
      ...boxToCenterScale(box, inputSize),
      joints: new Float64Array(2 * joints),
      visible: new Uint8Array(joints).fill(1),
      box,
      score,
      detected: true,
    };
  });
}
