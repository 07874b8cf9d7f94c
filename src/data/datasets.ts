/** The data sets of the 2D systems by name: which reader, which layout on disk, which joints. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ConfigError, DataError } from "../error.ts";
import { AIC14, COCO_JOINTS, CROWDPOSE14, type JointSet, LSP14, MPII16 } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Size } from "../pose/types.ts";
import { aicPlace, readAicGroundTruth } from "./aic.ts";
import { type CocoPlace, cocoPlace, personRecords, type PersonRecord, readCocoGroundTruth } from "./coco.ts";
import type { CocoGroundTruth } from "./coco_types.ts";
import { crowdPosePlace, readCrowdPoseGroundTruth, unswapSizes } from "./crowdpose.ts";
import { detectionRecords, readDetections } from "./detections.ts";
import { type LspPerson, lspRecords, readLspPersons } from "./lsp.ts";
import { lspetMpiiRecords, mpiiPlace, mpiiRecords, readMpiiPersons } from "./mpii.ts";

/** Names as the source systems' configurations have them; lspet is LSP Extended as distributed. */
export const DATASET_NAMES = ["coco", "mpii", "ai_challenger", "crowdpose", "lspet", "lspetmpii"] as const;
export type DatasetName = (typeof DATASET_NAMES)[number];

const JOINT_SETS: Readonly<Record<DatasetName, JointSet>> = { coco: COCO_JOINTS, mpii: MPII16, ai_challenger: AIC14, crowdpose: CROWDPOSE14, lspet: LSP14, lspetmpii: MPII16 };

/** Joints that a data set annotates. */
export function jointsOf(name: DatasetName): JointSet {
  return JOINT_SETS[name];
}

/** What to read. */
export interface DatasetFacts {
  root: string;
  /** For example train, val, train2017; of lspet the numbers of the first and last image, "1-1500", and otherwise all. */
  set: string;
  /** Joints of the records, which are the network's. */
  skeleton: Skeleton;
  /** Network input [width, height], for the aspect ratio. */
  inputSize: Size;
  /** Files in place of those that root and set name. */
  place?: CocoPlace;
  /** Images lie in archives: <folder>.zip in place of each image folder (DATA_FORMAT zip). */
  zip?: boolean;
  /** Crop these boxes instead of the annotated persons (TEST.USE_GT_BBOX false). */
  detections?: { file: string; threshold: number };
  /** Told of every person left out because its box lies outside its image. */
  report?: (line: string) => void;
}

/** Persons to crop and what scores them. */
export interface Dataset {
  name: DatasetName;
  /** Joints that are annotated and scored. */
  joints: JointSet;
  /** The annotation file. */
  file: string;
  records: PersonRecord[];
  /** Where scores are by OKS. */
  truth?: CocoGroundTruth;
  /** Where scores are by PCK and have a file of their own. */
  pckFile?: string;
  /** The files were named one by one, and not found by root and set. */
  ownFiles?: boolean;
}

/** Where the images of a folder are: in it, or in the archive that stands in its place, below the folder's name. */
function imagesIn(folder: string, zip = false): string {
  return zip ? `${folder}.zip@/${basename(folder)}` : folder;
}

async function cocoLike(name: "coco" | "ai_challenger" | "crowdpose", facts: DatasetFacts): Promise<Dataset> {
  const { root, set, skeleton, inputSize, detections, report } = facts;
  const joints = jointsOf(name);
  const found = facts.place ?? { coco: cocoPlace, ai_challenger: aicPlace, crowdpose: crowdPosePlace }[name](root, set);
  const place = { ...found, images: imagesIn(found.images, facts.zip) };
  const file = place.annotations;
  const annotated = !basename(file).startsWith("image_info_");
  if (!annotated && !detections) {
    throw new DataError({ code: "data/no-boxes", where: file, message: `${set} lists images without persons`, fix: "name a detection file of this set: TEST.USE_GT_BBOX: false with TEST.COCO_BBOX_FILE for validation, DATASET.UNSUP_BBOX_FILE for unlabelled images" });
  }
  let truth: CocoGroundTruth;
  if (name === "coco") truth = await readCocoGroundTruth(file, { annotated });
  else if (name === "crowdpose") truth = await unswapSizes(await readCrowdPoseGroundTruth(file), place.images);
  else truth = await readAicGroundTruth(file);
  if (detections) {
    const records = detectionRecords(await readDetections(detections.file, detections.threshold), { file: detections.file, truth, images: place.images, skeleton, inputSize });
    return { name, joints, file, records, truth };
  }
  const records = personRecords(truth, {
    place, skeleton, inputSize,
    annotated: joints,
    clip: name !== "ai_challenger",
    ...(report ? { report } : {}),
  });
  const pckFile = join(dirname(file), `gt_${basename(dirname(file))}.npy`);
  return { name, joints, file, records, truth, ...(name === "ai_challenger" ? { pckFile } : {}) };
}

/** Persons of the images that a set "FIRST-LAST" names; all for a name without numbers. Errors: DataError for images that there are not. */
function personsOfRange(persons: readonly LspPerson[], set: string, file: string): readonly LspPerson[] {
  if (!/\d/.test(set)) return persons;
  const [, first = 0, last = 0] = (/^(\d+)-(\d+)$/.exec(set) ?? []).map(Number);
  if (first >= 1 && first <= last && last <= persons.length) return persons.filter(({ image }) => image >= first && image <= last);
  throw new DataError({ code: "data/no-images", where: file, message: `the set "${set}" is no range of its images, which are 1 to ${persons.length}`, fix: "name the first and the last image, for example 1-1500" });
}

/** gt_<name>.mat beside <name>.json, as MPII's are. */
function pckFileBeside(annotations: string): string {
  return join(dirname(annotations), `gt_${basename(annotations, ".json")}.mat`);
}

/**
 * Reads a set of a data set. Errors: DataError naming file and item, ConfigError where the network's joints do not hold the data
 * set's, or where detections are asked for and the data set has none.
 */
export async function readDataset(name: DatasetName, facts: DatasetFacts): Promise<Dataset> {
  if (name === "coco" || name === "ai_challenger" || name === "crowdpose") return cocoLike(name, facts);
  if (facts.detections) {
    throw new ConfigError({ code: "config/detections", message: `${name} has no detection files`, fix: "set TEST.USE_GT_BBOX: true" });
  }
  const { root, set, skeleton, inputSize } = facts;
  if (name === "lspet") {
    const base = existsSync(join(root, "lspet")) ? join(root, "lspet") : root;
    const place = facts.place ?? { annotations: join(base, "joints.mat"), images: join(base, "images") };
    const records = lspRecords(personsOfRange(await readLspPersons(place.annotations), set, place.annotations), { images: imagesIn(place.images, facts.zip), skeleton, inputSize });
    return { name, joints: jointsOf(name), file: place.annotations, records };
  }
  if (name === "lspetmpii" && set.startsWith("train") && !facts.place) {
    const records = await lspetMpiiRecords(root, { skeleton, imagesIn: (folder) => imagesIn(folder, facts.zip) });
    return { name, joints: jointsOf(name), file: mpiiPlace(root, "trainval").annotations, records };
  }
  const place = facts.place ? { ...facts.place, truth: pckFileBeside(facts.place.annotations) } : mpiiPlace(root, set, name === "lspetmpii" ? "lsp" : "mpii");
  const records = mpiiRecords(await readMpiiPersons(place.annotations), { images: imagesIn(place.images, facts.zip), skeleton });
  return { name, joints: jointsOf(name), file: place.annotations, records, pckFile: place.truth, ownFiles: facts.place !== undefined };
}
