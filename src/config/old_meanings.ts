/** Keys of the original programs that mean something else here, or nothing. */
import { AUGMENTATION_KEYS } from "./method_checks.ts";
import { INERT_KEYS } from "./schema.ts";
import { isRecord, valueAt } from "./tree.ts";

/**
 * Fills in what the keys of the original programs were meant to say. Source: multiaugs D-9, D-27, and Semi_Human_Pose, where
 * the number of patches turns joint cutout on.
 */
export function readOldMeanings(raw: Record<string, unknown>, fromCommandLine: Set<string>): string[] {
  const notes: string[] = [];
  if (raw["CONS_RAND_AUG"] === true && raw["USE_RandAug_AUG"] === undefined) {
    raw["USE_RandAug_AUG"] = true;
    notes.push("CONS_RAND_AUG turns USE_RandAug_AUG on");
  }
  const patches = raw["MASK_JOINT_NUM"];
  const chosen = AUGMENTATION_KEYS.some((name) => raw[name] !== undefined) || (raw["PROG_MODE"] ?? "") !== "";
  if (typeof patches === "number" && patches > 0 && !chosen) {
    raw["USE_JointCutout_AUG"] = true;
    notes.push("MASK_JOINT_NUM without any USE_ key turns USE_JointCutout_AUG on");
  }
  const { DATASET } = raw;
  const detections = valueAt(raw, ["TEST", "COCO_BBOX_FILE"]);
  if (isRecord(DATASET) && String(DATASET["TRAIN_UNSUP_SET"]).includes("unlabel") && !DATASET["UNSUP_BBOX_FILE"] && detections) {
    DATASET["UNSUP_BBOX_FILE"] = detections;
    if (fromCommandLine.has("TEST.COCO_BBOX_FILE")) fromCommandLine.add("DATASET.UNSUP_BBOX_FILE");
    notes.push("DATASET.UNSUP_BBOX_FILE is not given: the unlabelled persons are those of TEST.COCO_BBOX_FILE");
  }
  return notes;
}

/** The keys of the file that are inert, as one line; and what a file that has such keys is silent about. */
export function describeInert(raw: Readonly<Record<string, unknown>>): string[] {
  const given = INERT_KEYS.filter((name) => valueAt(raw, name.split(".")) !== undefined);
  if (given.length === 0) return [];
  // A file of the original programs, which know no PARITY.
  const parity = raw["PARITY"] === undefined ? ["PARITY is not given: the original program's oddities are corrected; PARITY=original trains with them, as published numbers were made"] : [];
  return [`without effect here: ${given.join(", ")}`, ...parity];
}
