/** Readers of MPII Human Pose in HRNet's form: persons as JSON, ground truth of the scores as a MAT file. LSP in the same form too. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { DataError } from "../error.ts";
import { jointMap, MPII16 } from "../pose/joint_sets.ts";
import { PIXEL_STD } from "../pose/box.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Point } from "../pose/types.ts";
import { type AnnotationFormat, badItem, checkItem, finite, listOf, readJson } from "./annotation_file.ts";
import type { PersonRecord } from "./coco.ts";
import { matNumbers, matStrings, readMat } from "./mat.ts";

/** Where a split is; the ground truth of its scores may be absent (train, test). */
export interface MpiiPlace {
  annotations: string;
  images: string;
  truth: string;
}

/** One entry of the JSON file, as it stands there: 1-based pixels. */
export interface MpiiPerson {
  image: string;
  center: Point;
  /** Side of the person in units of 200 px. */
  scale: number;
  /** [16][2]; empty in the test set. */
  joints: readonly (readonly [number, number])[];
  /** [16], 0 or 1; empty in the test set. */
  visible: readonly number[];
}

const JOINTS = MPII16.jointNames.length;
const MPII_FORMAT: AnnotationFormat = {
  code: "mpii",
  missingFix: "expected <root>/mpii/annot/<set>.json and <root>/mpii/images/*.jpg; check DATASET.ROOT",
  itemFix: `a person has image, center [x, y], scale, ${JOINTS} joints [x, y] and ${JOINTS} joints_vis (test sets have no joints)`,
};

const pair = v.strictTuple([finite, finite]);
const personSchema = v.object({
  image: v.pipe(v.string(), v.nonEmpty()),
  center: pair,
  scale: v.pipe(finite, v.gtValue(0)),
  joints: v.optional(v.pipe(v.array(pair), v.length(JOINTS))),
  joints_vis: v.optional(v.pipe(v.array(v.picklist([0, 1])), v.length(JOINTS))),
});

/**
 * Files of a set below a data root, in HRNet's layout (mpii/annot/<set>.json, gt_<set>.mat) or MMPose's
 * (mpii/annotations/mpii_<set>.json). The validation set may be called valid, val or validation.
 */
export function mpiiPlace(root: string, set: string, folder: "mpii" | "lsp" = "mpii"): MpiiPlace {
  const base = existsSync(join(root, folder)) || !existsSync(join(root, "annot")) ? join(root, folder) : root;
  const names = ["valid", "val", "validation"].includes(set) ? [set, ...["valid", "validation", "val"].filter((name) => name !== set)] : [set];
  const choose = (candidates: readonly string[]) => candidates.find((path) => existsSync(path)) ?? (candidates[0] as string);
  return {
    annotations: choose(names.flatMap((name) => [join(base, "annot", `${name}.json`), join(base, "annotations", `${folder}_${name}.json`)])),
    images: join(base, "images"),
    truth: choose(names.flatMap((name) => [join(base, "annot", `gt_${name}.mat`), join(base, "annotations", `${folder}_gt_${name}.mat`)])),
  };
}

/** Reads and checks the persons of a set. Errors: DataError naming file and person. */
export async function readMpiiPersons(file: string): Promise<MpiiPerson[]> {
  return mpiiPersons(await readJson(file, MPII_FORMAT), file);
}

/** Checks the content of a set's file. Errors: DataError naming file and person. */
export function mpiiPersons(parsed: unknown, file: string): MpiiPerson[] {
  return listOf(parsed, { file, format: MPII_FORMAT }).map((value, i) => {
    const image = typeof value === "object" && value !== null && "image" in value && typeof value.image === "string" ? ` (${value.image})` : "";
    const item = `person ${i}${image}`;
    const { image: name, center, scale, joints, joints_vis } = checkItem(personSchema, value, { file, item, format: MPII_FORMAT });
    if ((joints === undefined) !== (joints_vis === undefined)) throw badItem(file, item, { detail: "joints and joints_vis belong together", format: MPII_FORMAT });
    return { image: name, center, scale, joints: joints ?? [], visible: joints_vis ?? [] };
  });
}

/** How records are made of persons. */
export interface MpiiRecordFacts {
  /** Image folder. */
  images: string;
  /** Joints of the records, which are the network's. */
  skeleton: Skeleton;
  /** Leave out persons without a visible joint, as ASDA does. */
  skipInvisible?: boolean;
}

/** A centre of -1 means that there is none. */
const NO_CENTER = -1;

/**
 * Persons to crop, in file order; image and annotation ids are places in the file. The crop is moved down by 15 scale px and
 * enlarged by 1.25, then all coordinates become 0-based. Source: HRNet's MPII data set.
 */
export function mpiiRecords(persons: readonly MpiiPerson[], { images, skeleton, skipInvisible = false }: MpiiRecordFacts): PersonRecord[] {
  const map = jointMap(MPII16, skeleton);
  const records: PersonRecord[] = [];
  for (const [i, person] of persons.entries()) {
    if (skipInvisible && !person.visible.includes(1)) continue;
    const centred = person.center[0] !== NO_CENTER;
    // PARITY: the shift uses the scale before it is enlarged, and comes before the step to 0-based pixels.
    const center: Point = [person.center[0] - 1, person.center[1] + (centred ? 15 * person.scale : 0) - 1];
    const scale = person.scale * (centred ? 1.25 : 1);
    const joints = new Float64Array(2 * skeleton.jointNames.length);
    const visible = new Uint8Array(skeleton.jointNames.length);
    person.joints.forEach(([x, y], joint) => {
      const at = map[joint] as number;
      joints[2 * at] = x - 1;
      joints[2 * at + 1] = y - 1;
      visible[at] = person.visible[joint] as number;
    });
    const side = PIXEL_STD * scale;
    records.push({
      imageId: i,
      annotationId: i,
      imagePath: join(images, person.image),
      imageSize: undefined,
      center,
      scale: [scale, scale],
      joints,
      visible,
      box: [center[0] - side / 2, center[1] - side / 2, side, side],
      score: 1,
    });
  }
  return records;
}

/** What PCKh or PCK is computed against: 1-based pixels, persons in the order of the JSON file. */
export interface PckTruth {
  jointNames: readonly string[];
  count: number;
  /** [count * joints], 1 where the joint is missing. */
  missing: Uint8Array;
  /** [count * joints], 1 where the joint is labelled, where the file says it apart from what is missing (AI Challenger). */
  labelled?: Uint8Array;
  /** [count * joints * 2]. */
  positions: Float64Array;
  /** Two corners of the head box (MPII) or torso box (LSP): [count * 4], x0, y0, x1, y1. */
  boxes: Float64Array;
}

/**
 * Reads gt_valid.mat: joint names, positions, missing joints, and head boxes (MPII) or torso boxes (LSP).
 * Errors: DataError naming file and variable.
 */
export async function readPckTruth(file: string): Promise<PckTruth> {
  const variables = await readMat(file);
  const jointNames = matStrings(variables, { file, name: "dataset_joints" });
  const joints = jointNames.length;
  const source = matNumbers(variables, { file, name: "pos_gt_src", shape: [joints, 2, -1] });
  const count = source.shape[2] as number;
  const lacking = matNumbers(variables, { file, name: "jnt_missing", shape: [joints, count] });
  const cornersName = variables.has("torso_boxes_src") ? "torso_boxes_src" : "headboxes_src";
  const corners = matNumbers(variables, { file, name: cornersName, shape: [2, 2, count] });
  const missing = new Uint8Array(count * joints);
  const positions = new Float64Array(2 * count * joints);
  const boxes = new Float64Array(4 * count);
  const bad = (message: string) => new DataError({ code: "data/mpii-item", where: file, message, fix: "copy or download the file again" });
  for (let n = 0; n < count; n++) {
    for (let j = 0; j < joints; j++) {
      missing[n * joints + j] = lacking.data[j + joints * n] === 0 ? 0 : 1;
      for (let k = 0; k < 2; k++) {
        const value = source.data[j + joints * (k + 2 * n)] as number;
        if (!Number.isFinite(value) && missing[n * joints + j] === 0) throw bad(`pos_gt_src: person ${n}, joint ${jointNames[j]}: ${value} is no position`);
        positions[2 * (n * joints + j) + k] = value;
      }
    }
    for (let corner = 0; corner < 2; corner++) {
      for (let k = 0; k < 2; k++) {
        const value = corners.data[corner + 2 * (k + 2 * n)] as number;
        // Whoever has no joint needs no length.
        if (!Number.isFinite(value) && missing.subarray(n * joints, (n + 1) * joints).includes(0)) throw bad(`${cornersName}: person ${n}: ${value} is no corner of a box`);
        boxes[4 * n + 2 * corner + k] = value;
      }
    }
  }
  return { jointNames, count, missing, positions, boxes };
}

/**
 * The training set that ASDA calls lspetmpii: MPII's trainval followed by LSP's train, both in MPII's form and joints below one
 * data root. Annotation ids count through both.
 */
export async function lspetMpiiRecords(root: string, { skeleton, imagesIn = (folder) => folder }: { skeleton: Skeleton; imagesIn?: (folder: string) => string }): Promise<PersonRecord[]> {
  const places = [mpiiPlace(root, "trainval"), mpiiPlace(root, "train", "lsp")];
  const sets = await Promise.all(places.map(async ({ annotations, images }) => mpiiRecords(await readMpiiPersons(annotations), { images: imagesIn(images), skeleton, skipInvisible: true })));
  return sets.flat().map((record, i) => ({ ...record, imageId: i, annotationId: i }));
}
