/** From a person record to what the crop kernel needs: a window of pixels, a map, joints in input px. */
import { DataError } from "../error.ts";
import { applyAffine, clippedNormal, cropAffine, invertAffine } from "../pose/affine.ts";
import { PIXEL_STD } from "../pose/box.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Affine, Point, Size } from "../pose/types.ts";
import type { Random } from "../random.ts";
import type { PersonRecord } from "./coco.ts";
import type { DecodedImage } from "./image.ts";

/** How one sample is augmented. */
export interface Geometry {
  /** Factor on the crop's scale. */
  scale: number;
  rotationDegrees: number;
  flip: boolean;
  /** Crop to the upper or lower body instead of the box, where the labels allow. */
  halfBody?: { preferUpper: boolean } | undefined;
}

/** The spread of the random geometry. */
export interface GeometrySpread {
  scaleFactor: number;
  rotationFactor: number;
  flip: boolean;
  probHalfBody: number;
}

/** A sample as it is uploaded. */
export interface CropSample {
  /** The decoded image from the first pixel on of the window that the crop touches: RGB interleaved. */
  pixels: Uint8Array;
  /** Bytes from one row of the window to the next; 3 * window.width where absent. */
  rowBytes?: number;
  /** Place of the window in the image, which is not flipped. */
  window: { x: number; y: number; width: number; height: number };
  imageSize: Size;
  flip: boolean;
  /** (Flipped) image px to input px. */
  toInput: Affine;
  /** [2 * joints], input px; joints without a label keep their image coordinates (their weight is 0). */
  joints: Float32Array;
  /** [joints]. */
  visible: Uint8Array;
  center: Point;
  scale: Point;
  rotationDegrees: number;
  record: PersonRecord;
}

/** No augmentation: validation. */
export const IDENTITY_GEOMETRY: Geometry = { scale: 1, rotationDegrees: 0, flip: false };

const ROTATION_CHANCE = 0.6;
const FLIP_CHANCE = 0.5;
/** The chance of the upper body among half-body crops, as the normal draw of the originals has it. */
const UPPER_CHANCE = 0.6915;
const HALF_BODY_MARGIN = 1.5;

/**
 * Random scale, rotation, flip and half-body choice of one sample. Half body is decided by a uniform draw (multiaugs D-32:
 * the original compares a normal one with 0.5, which is the same chance here).
 */
export function drawGeometry(random: Random, { scaleFactor, rotationFactor, flip, probHalfBody }: GeometrySpread): Geometry {
  const half = random.chance(probHalfBody);
  const preferUpper = random.chance(UPPER_CHANCE);
  const scale = clippedNormal(random, { mean: 1, deviation: scaleFactor, low: 1 - scaleFactor, high: 1 + scaleFactor });
  const rotated = random.chance(ROTATION_CHANCE);
  const rotation = clippedNormal(random, { mean: 0, deviation: rotationFactor, low: -2 * rotationFactor, high: 2 * rotationFactor });
  const flipped = random.chance(FLIP_CHANCE);
  return {
    scale,
    rotationDegrees: rotated ? rotation : 0,
    flip: flip && flipped,
    halfBody: half ? { preferUpper } : undefined,
  };
}

/** Centre and scale of the upper or lower body; undefined where too few joints are labelled. */
function halfBodyCrop(record: PersonRecord, facts: { skeleton: Skeleton; inputSize: Size; preferUpper: boolean; minJoints: number }): { center: Point; scale: Point } | undefined {
  const { skeleton, inputSize, preferUpper, minJoints } = facts;
  const labelled = [...record.visible.keys()].filter((joint) => record.visible[joint] === 1);
  if (labelled.length <= minJoints) return undefined;
  const upper = labelled.filter((joint) => skeleton.upperBody.includes(joint));
  const lower = labelled.filter((joint) => !skeleton.upperBody.includes(joint));
  const chosen = preferUpper && upper.length > 2 ? upper : lower.length > 2 ? lower : upper;
  if (chosen.length < 2) return undefined;
  const xs = chosen.map((joint) => record.joints[2 * joint] as number);
  const ys = chosen.map((joint) => record.joints[2 * joint + 1] as number);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [w, h] = [Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)];
  const aspect = inputSize[0] / inputSize[1];
  const [width, height] = w > aspect * h ? [w, w / aspect] : [aspect * h, h];
  if (width === 0) return undefined; // all in one point
  return {
    center: [mean(xs), mean(ys)],
    scale: [(width / PIXEL_STD) * HALF_BODY_MARGIN, (height / PIXEL_STD) * HALF_BODY_MARGIN],
  };
}

/** Window of the unflipped image that a crop reads, two pixels wider than its corners. */
function cropWindow(toInput: Affine, facts: { inputSize: Size; imageSize: Size; flip: boolean }): CropSample["window"] {
  const { inputSize: [w, h], imageSize: [imageW, imageH], flip } = facts;
  const back = invertAffine(toInput);
  const corners = ([[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]] as const).map((corner) => applyAffine(back, corner));
  const columns = corners.map(([x]) => (flip ? imageW - 1 - x : x));
  const rows = corners.map(([, y]) => y);
  const low = (values: number[], size: number) => Math.min(size, Math.max(0, Math.floor(Math.min(...values)) - 2));
  const high = (values: number[], size: number) => Math.min(size, Math.max(0, Math.ceil(Math.max(...values)) + 3));
  const [x, y] = [low(columns, imageW), low(rows, imageH)];
  return { x, y, width: Math.max(0, high(columns, imageW) - x), height: Math.max(0, high(rows, imageH) - y) };
}

/** What prepareSample needs besides the record. */
export interface SampleFacts {
  image: DecodedImage;
  geometry: Geometry;
  skeleton: Skeleton;
  inputSize: Size;
  /** More labelled joints than this are needed for a half-body crop. */
  numJointsHalfBody?: number;
}

/**
 * Applies a geometry to a record: scale, rotation, flip with joint pairs swapped, crop. Source: HRNet's JointsDataset.
 * Errors: DataError naming image and annotation where the image is not of the size that its annotations were made for.
 */
export function prepareSample(record: PersonRecord, { image, geometry, skeleton, inputSize, numJointsHalfBody = 8 }: SampleFacts): CropSample {
  const { flip, rotationDegrees } = geometry;
  const [width, height] = record.imageSize ?? [image.width, image.height];
  if (image.width !== width || image.height !== height) {
    throw new DataError({
      code: "data/image-size",
      where: record.imagePath,
      message: `${record.detected ? "detection" : "annotation"} ${record.annotationId}: the image is ${image.width}x${image.height} px, its annotations are for ${width}x${height} px`,
      fix: "use the images that belong to the annotation file, neither resized nor rotated",
    });
  }
  const half = geometry.halfBody
    ? halfBodyCrop(record, { skeleton, inputSize, preferUpper: geometry.halfBody.preferUpper, minJoints: numJointsHalfBody })
    : undefined;
  const base = half ?? { center: record.center, scale: record.scale };
  const scale: Point = [base.scale[0] * geometry.scale, base.scale[1] * geometry.scale];
  const center: Point = flip ? [image.width - base.center[0] - 1, base.center[1]] : base.center;
  const toInput = cropAffine({ center, scale, rotationDegrees, size: inputSize });

  const count = skeleton.jointNames.length;
  const mirror = Array.from({ length: count }, (_, joint) => joint);
  if (flip) {
    for (const [a, b] of skeleton.flipPairs) {
      mirror[a] = b;
      mirror[b] = a;
    }
  }
  const joints = new Float32Array(2 * count);
  const visible = new Uint8Array(count);
  for (let joint = 0; joint < count; joint++) {
    const source = mirror[joint] as number;
    const shown = record.visible[source] as number;
    visible[joint] = shown;
    let [x, y] = [record.joints[2 * source] as number, record.joints[2 * source + 1] as number];
    if (flip) [x, y] = [(image.width - x - 1) * shown, y * shown];
    if (shown) [x, y] = applyAffine(toInput, [x, y]);
    joints[2 * joint] = x;
    joints[2 * joint + 1] = y;
  }
  const imageSize: Size = [image.width, image.height];
  const window = cropWindow(toInput, { inputSize, imageSize, flip });
  // A view: the window is copied once, into its batch.
  return { pixels: image.pixels.subarray(3 * (window.y * width + window.x)), rowBytes: 3 * width, window, imageSize, flip, toInput, joints, visible, center, scale, rotationDegrees, record };
}
