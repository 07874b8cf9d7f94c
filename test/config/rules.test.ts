import { expect, test } from "bun:test";
import { refusal } from "../support/parsed_config.ts";

const cases: [string, string, string[], string[]][] = [
  ["image size", "MODEL:\n  IMAGE_SIZE: 100\n", [], ["a.yaml:2:15: MODEL.IMAGE_SIZE: expected multiples of 32"]],
  [
    "heatmap size",
    "MODEL: {EXTRA: {HEATMAP_SIZE: 32}}\n",
    [],
    ["expected [64, 64] for IMAGE_SIZE [256, 256] and 3 deconvolutions"],
  ],
  [
    "number of filters",
    "MODEL: {EXTRA: {NUM_DECONV_FILTERS: [8]}}\n",
    [],
    ["expected 3 numbers (NUM_DECONV_LAYERS), received 1"],
  ],
  ["no unlabelled data", "MODEL: {NAME: pose_cons}\n", [], ["DATASET.TRAIN_DATASET: expected mix_coco_coco"]],
  [
    "annotations without images",
    "DATASET: {TEST_ANNOTATIONS: a.json}\n",
    [],
    ["expected DATASET.TEST_IMAGES beside it"],
  ],
  ["detected boxes without a file", "TEST: {USE_GT_BBOX: false}\n", [], ["expected TEST.COCO_BBOX_FILE beside it"]],
  ["falling milestones", "TRAIN: {LR_STEP: [20, 10]}\n", [], ["expected rising epochs"]],
  ["no epochs", "TRAIN: {BEGIN_EPOCH: 5, END_EPOCH: 5}\n", [], ["expected more than BEGIN_EPOCH (5), received 5"]],
];

test.each(cases)("refused: %s", (_, text, overrides, expected) => {
  const message = refusal(text, overrides);
  for (const part of expected) expect(message).toContain(part);
  expect(message).not.toContain("    at ");
});
