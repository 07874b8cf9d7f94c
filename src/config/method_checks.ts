/** Which combinations of method and augmentation keys make sense. The decisions (D-n) are those of specs/multiaugs.md §10.3. */
import type { ResolvedConfig } from "./resolved.ts";

/** Whether a run learns from labels alone. */
export function isSupervised({ MODEL }: { readonly MODEL: { readonly NAME: string } }): boolean {
  return ["pose_resnet", "pose_hrnet", "pose_hourglass"].includes(MODEL.NAME);
}

/** The keys that turn augmentations on, with their codes. */
const AUGMENTATIONS = {
  USE_RandAug_AUG: "RA",
  USE_TrivialAug_AUG: "TA",
  USE_YOCORA_AUG: "YOCORA",
  USE_YOCOTA_AUG: "YOCOTA",
  USE_JointCutout_AUG: "JC",
  USE_JointCutMix_AUG: "JO",
  USE_Cutout_AUG: "CO",
  USE_MixUp_AUG: "MU",
  USE_CutMix_AUG: "CM",
  USE_JointCutMix_CutOut_AUG: "JOCO",
  USE_JointCutout_CutMix_AUG: "JCCM",
} as const;

export type AugmentationKey = keyof typeof AUGMENTATIONS;

/** All of them, in the order of the chain. */
export const AUGMENTATION_KEYS = Object.keys(AUGMENTATIONS) as readonly AugmentationKey[];

/** Codes of the augmentations that are on, in the order of the chain. */
export function augmentationsOf(config: ResolvedConfig): (typeof AUGMENTATIONS)[AugmentationKey][] {
  return AUGMENTATION_KEYS.filter((name) => config[name]).map((name) => AUGMENTATIONS[name]);
}

/** Those that change colours of whole images; there can be one of them. */
const IMAGE_AUGMENTATIONS: readonly AugmentationKey[] = ["USE_RandAug_AUG", "USE_TrivialAug_AUG", "USE_YOCORA_AUG", "USE_YOCOTA_AUG"];

/** How many patches an augmentation takes from which key. */
const COUNTS: Partial<Record<AugmentationKey, readonly ("MASK_JOINT_NUM" | "KP_CutMix_JOINT_NUM" | "MASK_HOLES_NUM_CO" | "MASK_HOLES_NUM_CM")[]>> = {
  USE_JointCutout_AUG: ["MASK_JOINT_NUM"],
  USE_JointCutMix_AUG: ["KP_CutMix_JOINT_NUM"],
  USE_Cutout_AUG: ["MASK_HOLES_NUM_CO"],
  USE_CutMix_AUG: ["MASK_HOLES_NUM_CM"],
  USE_JointCutMix_CutOut_AUG: ["KP_CutMix_JOINT_NUM", "MASK_HOLES_NUM_CO"],
  USE_JointCutout_CutMix_AUG: ["MASK_JOINT_NUM", "MASK_HOLES_NUM_CM"],
};

/** Tells every contradiction to `refuse`: the key and what was expected of it. */
export function checkMethod(config: ResolvedConfig, refuse: (key: string, message: string) => void): void {
  const { MODEL, DATASET, MULTI_AUGS, REPEAT_AUG, PROG_MODE, AUG_EASY_HARD_COUPLES, SSPCM } = config;
  for (const name of ["MASK_JOINT_NUM", "KP_CutMix_JOINT_NUM"] as const) {
    if (config[name] > MODEL.NUM_JOINTS) refuse(name, `expected at most ${MODEL.NUM_JOINTS}, a patch for every joint (MODEL.NUM_JOINTS), received ${config[name]}`);
  }
  if (isSupervised(config)) return; // one file serves a method and the supervised run beside it
  if (!DATASET.TRAIN_DATASET.startsWith("mix_")) {
    refuse("DATASET.TRAIN_DATASET", `expected mix_coco_coco, mix_mpii_ai or mix_lspet_lspet, because ${MODEL.NAME} needs unlabelled images, received ${DATASET.TRAIN_DATASET}`);
  }
  const on = AUGMENTATION_KEYS.filter((name) => config[name]);
  const image = on.filter((name) => IMAGE_AUGMENTATIONS.includes(name));
  const others = on.filter((name) => !IMAGE_AUGMENTATIONS.includes(name));
  const severalViews = MULTI_AUGS ? "MULTI_AUGS" : "REPEAT_AUG";
  if (MULTI_AUGS && REPEAT_AUG) refuse("REPEAT_AUG", "expected one of MULTI_AUGS and REPEAT_AUG, received both"); // D-20
  if ((MULTI_AUGS || REPEAT_AUG) && on.length === 0) {
    // D-37: the original trains without any unlabelled image, silently.
    refuse(severalViews, "expected an augmentation beside it, for example USE_JointCutMix_CutOut_AUG (--joco_aug): without one there is no student view");
  }
  if (config.HEAT_FUSION && config.ACCUMULATE_VIEWS) refuse("ACCUMULATE_VIEWS", "expected false beside HEAT_FUSION, which needs the heatmaps of all views at once");
  if (image.length > 1) refuse(image[1] as string, `expected one of ${image.join(", ")}, received ${image.length}`);
  const [aux] = image;
  if (aux !== undefined && MODEL.NAME !== "pose_cons") {
    // D-12: the original crashes, or loads a copy that nothing reads.
    if (aux !== "USE_RandAug_AUG") refuse(aux, `expected false: ${MODEL.NAME} has no view for ${AUGMENTATIONS[aux]}; pose_cons has`);
    else if (MULTI_AUGS) refuse(aux, `expected false: ${MODEL.NAME} with MULTI_AUGS has no view for RandAugment; pose_cons has, and ${MODEL.NAME} in a chain`);
  }
  if (aux !== undefined && REPEAT_AUG) {
    refuse(aux, `expected false: REPEAT_AUG repeats ${AUGMENTATION_KEYS.filter((name) => !IMAGE_AUGMENTATIONS.includes(name)).map((name) => AUGMENTATIONS[name]).join(", ")}, not ${AUGMENTATIONS[aux]}`);
  }
  for (const name of others) {
    for (const number of COUNTS[name] ?? []) if (config[number] === 0) refuse(number, `expected at least 1 beside ${name}, received 0`);
  }
  const [low, high] = config.RAND_MAGNITUDE;
  if (low > high) refuse("RAND_MAGNITUDE", `expected the lower magnitude first, received [${low}, ${high}]`);
  if (config.STEP_WISE && PROG_MODE === "") refuse("STEP_WISE", "expected PROG_MODE beside it, the progression to run through");
  if (PROG_MODE !== "" && MODEL.NAME === "pose_sspcm") refuse("PROG_MODE", "expected none: the third network of pose_sspcm learns from the easy view of both teachers");
  if (PROG_MODE !== "") {
    AUG_EASY_HARD_COUPLES[PROG_MODE].forEach(([teacher, student], i) => {
      const at = `AUG_EASY_HARD_COUPLES.${PROG_MODE}.${i}`;
      // With several views the original leaves the student's name aside.
      const codes = [teacher, ...(MULTI_AUGS || REPEAT_AUG ? [] : student.split("+"))];
      for (const name of AUGMENTATION_KEYS.filter((key) => codes.includes(AUGMENTATIONS[key]))) {
        for (const number of COUNTS[name] ?? []) if (config[number] === 0) refuse(number, `expected at least 1 beside ${AUGMENTATIONS[name]} of ${at}, received 0`);
      }
      const source = IMAGE_AUGMENTATIONS.find((name) => AUGMENTATIONS[name] === teacher);
      if (source === undefined) return;
      if (MODEL.NAME !== "pose_cons") refuse(at, `expected another teacher than ${teacher}: only pose_cons has it`);
      else if (!config[source]) refuse(at, `expected ${source} beside a teacher of ${teacher}`);
    });
  }
  if (MODEL.NAME === "pose_sspcm" && SSPCM.DISTANCE_FILTER === "mask" && !SSPCM.SCORE_FILTER) {
    refuse("SSPCM.DISTANCE_FILTER", "expected SSPCM.SCORE_FILTER beside mask, which lets pass by distance what the score's filter stops");
  }
  const third = SSPCM.OTHER_MODEL;
  if (MODEL.NAME === "pose_sspcm" && SSPCM.FEATURE_ATTACK) {
    if (MODEL.BACKBONE !== "resnet" || third.BACKBONE === "hrnet") refuse("SSPCM.FEATURE_ATTACK", "expected false: only PoseResNet has deepest features of one size");
    if (config.PRECISION === "mixed") refuse("SSPCM.FEATURE_ATTACK", "expected false beside PRECISION mixed, which does not have it");
  }
  if (MODEL.NAME === "pose_sspcm" && third.BACKBONE === "resnet" && MODEL.BACKBONE === "resnet" && (third.NUM_LAYERS === 8) !== (MODEL.EXTRA.NUM_LAYERS === 8)) {
    refuse("SSPCM.OTHER_MODEL.NUM_LAYERS", "expected a network with heatmaps of the same size; ResNet-8 has a stage less than the others");
  }
}
