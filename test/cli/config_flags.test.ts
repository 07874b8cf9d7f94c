import { describe, expect, test } from "bun:test";
import { type Flags, parseFlags } from "../../src/cli/command.ts";
import { flagOverrides, TRAINING_FLAGS, VALIDATION_FLAGS } from "../../src/cli/config_flags.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { ResolvedConfig } from "../../src/config/resolved.ts";
import { ConfigError } from "../../src/error.ts";

/** A file in which nothing is at its default. */
const FILE = `
MODEL: {NAME: pose_cons}
DATASET: {TRAIN_DATASET: mix_coco_coco, TRAIN_LEN: 7}
TRAIN: {LR: 0.5, LR_STEP: [3, 4], END_EPOCH: 9, BATCH_SIZE: 6, RESUME: true}
USE_Cutout_AUG: true
MULTI_AUGS: true
CONF_THRESH: 0.25
REPEAT_TIMES: 4
EXP_SUB_NAME: file
PRINT_FREQ: 11
DEBUG: {DEBUG: true}
`;

function configured(flags: Flags, args: readonly string[]) {
  const { values, rest } = parseFlags({ name: "a", flags, rest: { name: "KEY=VALUE", description: "" } }, args);
  return parseConfig(FILE, { path: "a.yaml", overrides: [...flagOverrides(flags, values), ...rest] });
}

function refusal(flags: Flags, args: readonly string[]): string {
  try {
    configured(flags, args);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).toText();
  }
  throw new Error("accepted");
}

function flat(config: ResolvedConfig): Map<string, unknown> {
  const values = new Map<string, unknown>();
  const walk = (value: Readonly<Record<string, unknown>>, prefix: string) => {
    for (const [name, child] of Object.entries(value)) {
      if (typeof child === "object" && child !== null && !Array.isArray(child)) walk(child as Record<string, unknown>, `${prefix}${name}.`);
      else values.set(prefix + name, child);
    }
  };
  walk(config, "");
  return values;
}

/** What of the configuration the arguments change. */
function changes(flags: Flags, args: readonly string[]): Record<string, unknown> {
  const before = flat(configured(flags, []).config);
  const after = flat(configured(flags, args).config);
  return Object.fromEntries([...after].filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before.get(name))));
}

/** The flags of the arguments, without values. */
const flagsIn = (cases: readonly (readonly [string[], unknown])[]) => new Set(cases.flatMap(([args]) => args).map((arg) => arg.split("=")[0]));

describe("flags of train.py", () => {
  // Each flag, and what of the configuration it changes; nothing else may change.
  const cases: [string[], Partial<Record<string, unknown>>][] = [
    [[], {}],
    [["--modelDir", "out"], { OUTPUT_DIR: "out" }],
    [["--logDir", "logs"], { LOG_DIR: "logs" }],
    [["--dataDir", "/d"], { "DATASET.ROOT": "/d/data", OUTPUT_DIR: "/d/output" }],
    [["--data-format", "zip"], { "DATASET.DATA_FORMAT": "zip" }],
    [["--workers", "2"], { WORKERS: 2 }],
    [["--frequent", "7"], { PRINT_FREQ: 7 }],
    [["--exp_subname", "12"], { EXP_SUB_NAME: "12" }],
    [["--NoDebug", "x", "SEED=2"], { "TEST.SAVE_RESULT": false, "DEBUG.DEBUG": false, SEED: 2 }],
    [["--gpus", "0"], {}],
    [["--num_gpus", "1"], {}],
    [["--pretrained_model", "w.pth"], { "MODEL.PRETRAINED": "w.pth" }],
    [["--batch_size", "64"], { "TRAIN.BATCH_SIZE": 64 }],
    [["--epochs", "30"], { "TRAIN.END_EPOCH": 30 }],
    [["--lr", "1e-4"], { "TRAIN.LR": 1e-4 }],
    [["--lr_steps", "20", "25", "--lr", "0.1"], { "TRAIN.LR_STEP": [20, 25], "TRAIN.LR": 0.1 }],
    [["--lr_steps", "20", "25", "SEED=3"], { "TRAIN.LR_STEP": [20, 25], SEED: 3 }],
    [["--lr_steps=5"], { "TRAIN.LR_STEP": [5] }],
    [["--train_len", "-1"], { "DATASET.TRAIN_LEN": -1 }],
    [["--ra_aug"], { USE_RandAug_AUG: true }],
    [["--ta_aug"], { USE_TrivialAug_AUG: true }],
    [["--yocora_aug"], { USE_YOCORA_AUG: true }],
    [["--yocota_aug"], { USE_YOCOTA_AUG: true }],
    [["--jc_aug"], { USE_JointCutout_AUG: true }],
    [["--jo_aug"], { USE_JointCutMix_AUG: true }],
    [["--mu_aug"], { USE_MixUp_AUG: true }],
    [["--cm_aug"], { USE_CutMix_AUG: true }],
    [["--joco_aug"], { USE_JointCutMix_CutOut_AUG: true }],
    [["--jccm_aug"], { USE_JointCutout_CutMix_AUG: true }],
    [["--co_aug"], {}],
    [["--multi_augs"], {}],
    [["--repeat_aug", "MULTI_AUGS=false", "--repeat_times", "3"], { REPEAT_AUG: true, MULTI_AUGS: false, REPEAT_TIMES: 3 }],
    [["--heat_fusion"], { HEAT_FUSION: true }],
    [["--sharpen_pred"], { SHARPEN_PRED: true }],
    [["--conf_masking", "--conf_thresh", "0.7"], { CONF_MASKING: true, CONF_THRESH: 0.7 }],
    [["--prog_mode", "PROG_5", "--stepwise"], { PROG_MODE: "PROG_5", STEP_WISE: true }],
  ];
  test.each(cases)("%j", (args, expected) => {
    expect(changes(TRAINING_FLAGS, args)).toEqual(expected);
  });

  test("every flag is in these cases or among the refused ones", () => {
    const tested = flagsIn(cases).add("--distributed").add("--local_rank");
    expect(Object.keys(TRAINING_FLAGS).filter((name) => !tested.has(`--${name}`))).toEqual([]);
  });

  // multiaugs §7.6, but for --cfg, which train.ts has.
  test("none of the original's is unknown", () => {
    const original = `frequent gpus num_gpus workers local_rank modelDir logDir dataDir data-format NoDebug pretrained_model distributed batch_size epochs
      lr_steps lr yocora_aug yocota_aug ta_aug ra_aug jc_aug jo_aug co_aug cm_aug mu_aug jccm_aug joco_aug exp_subname prog_mode stepwise multi_augs
      sharpen_pred heat_fusion conf_masking conf_thresh repeat_aug repeat_times train_len`;
    expect(Object.keys(TRAINING_FLAGS).toSorted()).toEqual(original.split(/\s+/).toSorted());
  });

  test("the configuration of the run tells what the command line gave", () => {
    const { origins } = configured(TRAINING_FLAGS, ["--lr", "0.1", "--jc_aug"]);
    expect(origins.get("TRAIN.LR")).toBe("command line");
    expect(origins.get("USE_JointCutout_AUG")).toBe("command line");
    expect(origins.get("TRAIN.LR_STEP")).toBe("a.yaml:4");
  });

  test.each([
    [["--gpus", "0,1"], "--gpus 0,1 is not available: one process trains on one GPU"],
    [["--gpus", "1"], "ADAPTER"],
    [["--num_gpus", "4"], "n times the --batch_size"],
    [["--distributed"], "--distributed is not available"],
    [["--local_rank=0"], "start it without a launcher"],
    [["--workers", "0"], "from command line: WORKERS: expected a whole number from 1 to 256, received 0"],
    [["--batch_size", "100000"], "TRAIN.BATCH_SIZE: expected a whole number from 1 to 4096, received 100000"],
    [["--epochs", "0"], "TRAIN.END_EPOCH: expected a whole number from 1 to 1000000, received 0"],
    [["--conf_thresh", "1.5"], "CONF_THRESH: expected a number from 0 to 1, received 1.5"],
    [["--repeat_times", "0"], "REPEAT_TIMES: expected a whole number from 1 to 64, received 0"],
    [["--train_len", "some"], 'DATASET.TRAIN_LEN: expected a number, received "some"'],
    [["--data-format", "tar"], 'DATASET.DATA_FORMAT: expected "jpg" or "zip", received "tar"'],
    [["--stepwise"], "STEP_WISE: expected PROG_MODE beside it"],
    [["--lr", "1", "TRAIN.LR=2"], "TRAIN.LR is given twice"],
    [["--lr_steps"], "--lr_steps expects EPOCH ..., received nothing"],
    [["--lr_steps", "20", "ten"], 'TRAIN.LR_STEP.1: expected a number, received "ten"'],
    [["--prog_mode", "PROG_9"], "PROG_MODE: expected"],
    [["--jc_augs"], "did you mean --jc_aug?"],
    [["--repeat_aug"], "expected one of MULTI_AUGS and REPEAT_AUG, received both"],
  ])("refused: %j", (args, expected) => {
    expect(refusal(TRAINING_FLAGS, args)).toContain(expected);
  });
});

describe("flags of valid.py", () => {
  const cases: [string[], Partial<Record<string, unknown>>][] = [
    [[], {}],
    [["--gpus", "0"], {}],
    [["--workers", "2"], { WORKERS: 2 }],
    [["--frequent", "7"], { PRINT_FREQ: 7 }],
    [["--flip-test"], { "TEST.FLIP_TEST": true }],
    [["--shift-heatmap"], {}],
    [["--post-process"], {}],
    [["--post_type", "dark"], { "TEST.POST_TYPE": "dark" }],
    [["--use-detect-bbox", "--coco-bbox-file", "d.json"], { "TEST.USE_GT_BBOX": false, "TEST.COCO_BBOX_FILE": "d.json" }],
    [["--modelDir", "out"], { OUTPUT_DIR: "out" }],
    [["--dataDir", "/d"], { "DATASET.ROOT": "/d/data", OUTPUT_DIR: "/d/output" }],
    [["--data-format", "zip"], { "DATASET.DATA_FORMAT": "zip" }],
    [["--exp_subname", "12"], { EXP_SUB_NAME: "12" }],
    [["--NoDebug", "x"], { "TEST.SAVE_RESULT": false, "DEBUG.DEBUG": false }],
  ];
  test.each(cases)("%j", (args, expected) => {
    expect(changes(VALIDATION_FLAGS, args)).toEqual(expected);
  });

  test("those that turn on what is on by default turn it on where a file has it off", () => {
    const { values } = parseFlags({ name: "valid", flags: VALIDATION_FLAGS, rest: { name: "", description: "" } }, ["--shift-heatmap", "--post-process"]);
    const { config } = parseConfig(`${FILE}TEST: {SHIFT_HEATMAP: false, POST_PROCESS: false}\n`, { path: "a.yaml", overrides: flagOverrides(VALIDATION_FLAGS, values) });
    expect([config.TEST.SHIFT_HEATMAP, config.TEST.POST_PROCESS]).toEqual([true, true]);
  });

  // multiaugs §7.7, but for --cfg and --model-file, which valid.ts has.
  test("none of the original's is unknown, and every one is in these cases or among the refused ones", () => {
    const original = "gpus workers use-detect-bbox flip-test post-process shift-heatmap coco-bbox-file modelDir logDir dataDir exp_subname post_type frequent data-format NoDebug";
    expect(Object.keys(VALIDATION_FLAGS).toSorted()).toEqual(original.split(" ").toSorted());
    const tested = flagsIn(cases).add("--logDir");
    expect(Object.keys(VALIDATION_FLAGS).filter((name) => !tested.has(`--${name}`))).toEqual([]);
  });

  test.each([
    [["--logDir", "logs"], "--logDir logs is not available: validation writes no files for TensorBoard"],
    [["--gpus", "1"], "--gpus 1 is not available"],
    [["--use-detect-bbox"], "TEST.USE_GT_BBOX: expected TEST.COCO_BBOX_FILE beside it"],
    [["--post_type", "drak"], 'TEST.POST_TYPE: expected "shift" or "dark", received "drak"'],
    [["--flip_test"], "unknown flag --flip_test; did you mean --flip-test?"],
    [["--coco-bbox-file"], "--coco-bbox-file expects FILE, received nothing"],
    [["--epochs", "3"], "unknown flag --epochs"],
  ])("refused: %j", (args, expected) => {
    expect(refusal(VALIDATION_FLAGS, args)).toContain(expected);
  });
});
