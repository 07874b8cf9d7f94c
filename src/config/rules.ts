/** Rules between keys. What the methods ask of theirs is in method_checks.ts. */
import { checkMethod, isSupervised } from "./method_checks.ts";
import { backboneOf, modelSize, networkGrid } from "./network.ts";
import type { Problem } from "./problems.ts";
import type { ResolvedConfig } from "./resolved.ts";

/** Every contradiction between keys. */
export function checkRules(config: ResolvedConfig): Problem[] {
  const { MODEL, DATASET, TRAIN, TEST } = config;
  const { EXTRA } = MODEL;
  const problems: Problem[] = [];
  const refuse = (key: string, message: string): void => {
    problems.push({ code: "config/conflict", path: key.split("."), message });
  };
  const layers = EXTRA.NUM_DECONV_LAYERS;
  const { multiple, scale } = networkGrid(MODEL);
  if (MODEL.IMAGE_SIZE.some((px) => px % multiple !== 0)) {
    refuse("MODEL.IMAGE_SIZE", `expected multiples of ${multiple} for ${MODEL.NAME}_${modelSize(MODEL)}, received [${MODEL.IMAGE_SIZE.join(", ")}]`);
  } else {
    const fitting = MODEL.IMAGE_SIZE.map((px) => (px / multiple) * scale);
    const reason = { hrnet: "HRNet", hourglass: "the hourglass", resnet: `${layers} deconvolutions` }[backboneOf(MODEL)];
    if (EXTRA.HEATMAP_SIZE.some((px, axis) => px !== fitting[axis])) {
      refuse(
        "MODEL.EXTRA.HEATMAP_SIZE",
        `expected [${fitting.join(", ")}] for IMAGE_SIZE [${MODEL.IMAGE_SIZE.join(", ")}] and ${reason}, received [${EXTRA.HEATMAP_SIZE.join(", ")}]`,
      );
    }
  }
  for (const name of ["NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS"] as const) {
    const given = EXTRA[name].length;
    if (given !== layers)
      refuse(`MODEL.EXTRA.${name}`, `expected ${layers} numbers (NUM_DECONV_LAYERS), received ${given}`);
  }
  checkMethod(config, refuse);
  if (DATASET.TRAIN_UNSUP_SET.includes("unlabel") && !DATASET.UNSUP_BBOX_FILE) {
    refuse("DATASET.TRAIN_UNSUP_SET", "expected DATASET.UNSUP_BBOX_FILE beside it: the detections of this image set");
  }
  for (const set of ["TRAIN", "TEST"] as const) {
    const annotations = DATASET[`${set}_ANNOTATIONS`];
    const images = DATASET[`${set}_IMAGES`];
    if (annotations && !images)
      refuse(`DATASET.${set}_ANNOTATIONS`, `expected DATASET.${set}_IMAGES beside it: the folder of its images`);
    if (images && !annotations)
      refuse(
        `DATASET.${set}_IMAGES`,
        `expected DATASET.${set}_ANNOTATIONS beside it: the annotation file of these images`,
      );
  }
  if (!TEST.USE_GT_BBOX && !TEST.COCO_BBOX_FILE)
    refuse("TEST.USE_GT_BBOX", "expected TEST.COCO_BBOX_FILE beside it: the detections to crop instead");
  if (TRAIN.LR_STEP.some((epoch, i) => i > 0 && epoch <= (TRAIN.LR_STEP[i - 1] as number))) {
    refuse("TRAIN.LR_STEP", `expected rising epochs, received [${TRAIN.LR_STEP.join(", ")}]`);
  }
  if (TRAIN.END_EPOCH <= TRAIN.BEGIN_EPOCH) {
    refuse("TRAIN.END_EPOCH", `expected more than BEGIN_EPOCH (${TRAIN.BEGIN_EPOCH}), received ${TRAIN.END_EPOCH}`);
  }
  return problems;
}

/** Values that do something else than one may expect of them. */
export function warnings(config: ResolvedConfig): string[] {
  return config.SHARPEN_PRED && !isSupervised(config) ? ["SHARPEN_PRED leaves a loss near 1e-9, hardly a signal"] : [];
}
