/**
 * Flags of MultiAugs' programs: each stands for configuration keys, so that only what is given changes the file's values
 * (multiaugs D-8, D-9), or is refused where one process on one GPU has no answer to it. Source: multiaugs §7.6.
 */
import type { Flag, Flags, FlagValues } from "./command.ts";

const ONE_GPU = "one process trains on one GPU; for the batch of n GPUs give n times the --batch_size";

function text(hint: string, key: string, description: string): Flag {
  return { type: "text", hint, sets: [key], description: `${description} (${key})` };
}

function on(key: string, description: string): Flag {
  return { type: "switch", sets: [`${key}=true`], description: `${description} (${key})` };
}

/** Accepts the one value that is true here. */
function only(value: string, reason: string): (given: string) => string | undefined {
  return (given) => (given === value ? undefined : reason);
}

/** Flags that training and validation share. */
const SHARED_FLAGS = {
  modelDir: text("DIR", "OUTPUT_DIR", "Folder for checkpoints, logs and figures"),
  logDir: text("DIR", "LOG_DIR", "Folder for TensorBoard's files"),
  dataDir: text("DIR", "DATA_DIR", "Put before the relative paths of the file"),
  "data-format": text("jpg|zip", "DATASET.DATA_FORMAT", "Images in folders or in archives"),
  workers: text("N", "WORKERS", "Batches prepared ahead"),
  frequent: text("N", "PRINT_FREQ", "Steps between two lines of the log"),
  exp_subname: text("NAME", "EXP_SUB_NAME", "Appended to the name of the run's folder"),
  NoDebug: { type: "text", hint: "TEXT", sets: ["DEBUG.DEBUG=false", "TEST.SAVE_RESULT=false"], description: "Any text: no image grids of batches, no results files" },
  gpus: { type: "text", hint: "0", description: "The adapter is chosen by the environment variable ADAPTER", refuse: only("0", `${ONE_GPU}; the adapter is chosen by the environment variable ADAPTER`) },
} as const satisfies Flags;

/** Flags that turn augmentations of unlabelled images on. */
export const AUGMENTATION_FLAGS = {
  ra_aug: on("USE_RandAug_AUG", "RandAugment"),
  ta_aug: on("USE_TrivialAug_AUG", "TrivialAugment"),
  yocora_aug: on("USE_YOCORA_AUG", "YOCO of RandAugment"),
  yocota_aug: on("USE_YOCOTA_AUG", "YOCO of TrivialAugment"),
  jc_aug: on("USE_JointCutout_AUG", "Joint cutout"),
  jo_aug: on("USE_JointCutMix_AUG", "Joint cut-occlusion"),
  co_aug: on("USE_Cutout_AUG", "Cutout"),
  mu_aug: on("USE_MixUp_AUG", "MixUp"),
  cm_aug: on("USE_CutMix_AUG", "CutMix"),
  joco_aug: on("USE_JointCutMix_CutOut_AUG", "T_JOCO"),
  jccm_aug: on("USE_JointCutout_CutMix_AUG", "T_JCCM"),
} as const satisfies Flags;

/** Flags of training. */
export const TRAINING_FLAGS = {
  ...SHARED_FLAGS,
  pretrained_model: text("FILE", "MODEL.PRETRAINED", "Weights to start from"),
  batch_size: text("N", "TRAIN.BATCH_SIZE", "Labelled persons in a step, and as many unlabelled ones"),
  epochs: text("N", "TRAIN.END_EPOCH", "Number after the last epoch"),
  lr: text("RATE", "TRAIN.LR", "Learning rate at the start"),
  lr_steps: { type: "list", hint: "EPOCH ...", sets: ["TRAIN.LR_STEP"], description: "Epochs after which the learning rate falls (TRAIN.LR_STEP)" },
  train_len: text("N", "DATASET.TRAIN_LEN", "Keep the labels of the first so many persons"),
  ...AUGMENTATION_FLAGS,
  multi_augs: on("MULTI_AUGS", "A view for every augmentation"),
  repeat_aug: on("REPEAT_AUG", "Several views for every augmentation"),
  repeat_times: text("N", "REPEAT_TIMES", "Views of --repeat_aug"),
  heat_fusion: on("HEAT_FUSION", "Compare the mean of the students' heatmaps"),
  sharpen_pred: on("SHARPEN_PRED", "Compare heatmaps after a softmax"),
  conf_masking: on("CONF_MASKING", "Leave out uncertain pseudo labels"),
  conf_thresh: text("X", "CONF_THRESH", "Threshold of --conf_masking"),
  prog_mode: text("PROG_n", "PROG_MODE", "Progression of augmentations"),
  stepwise: on("STEP_WISE", "Progress within every epoch"),
  num_gpus: { type: "text", hint: "1", description: "One process trains on one GPU", refuse: only("1", ONE_GPU) },
  distributed: { type: "switch", description: "Refused: one process trains on one GPU", refuse: () => ONE_GPU },
  local_rank: { type: "text", hint: "N", description: "Refused: one process trains on one GPU", refuse: () => `${ONE_GPU}; start it without a launcher` },
} as const satisfies Flags;

/** Flags of validation. Source: multiaugs §7.7. */
export const VALIDATION_FLAGS = {
  ...SHARED_FLAGS,
  logDir: { type: "text", hint: "DIR", description: "Refused: validation writes no files for TensorBoard", refuse: () => "validation writes no files for TensorBoard; its results go to the run's folder, below --modelDir" },
  "flip-test": on("TEST.FLIP_TEST", "Average with the heatmaps of the mirror image"),
  "shift-heatmap": on("TEST.SHIFT_HEATMAP", "Align the mirrored heatmaps by one column"),
  "post-process": on("TEST.POST_PROCESS", "Shift peaks by a quarter pixel"),
  post_type: text("shift|dark", "TEST.POST_TYPE", "How a peak is placed below the pixel"),
  "use-detect-bbox": { type: "switch", sets: ["TEST.USE_GT_BBOX=false"], description: "Crop detected boxes, those of --coco-bbox-file (TEST.USE_GT_BBOX)" },
  "coco-bbox-file": text("FILE", "TEST.COCO_BBOX_FILE", "Detections in COCO's form"),
} as const satisfies Flags;

/** The overrides KEY=VALUE that the given flags stand for. */
export function flagOverrides<F extends Flags>(flags: F, values: FlagValues<F>): string[] {
  const overrides: string[] = [];
  for (const [name, flag] of Object.entries<Flag>(flags)) {
    const value: boolean | string | readonly string[] | undefined = values[name];
    if (value === undefined || value === false || (typeof value === "object" && value.length === 0)) continue;
    for (const target of flag.sets ?? []) {
      if (target.includes("=")) overrides.push(target);
      else overrides.push(`${target}=${typeof value === "object" ? `[${value.join(",")}]` : value}`);
    }
  }
  return overrides;
}
