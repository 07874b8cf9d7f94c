import { expect, test } from "bun:test";
import { configDigest, restoreConfig, resumeConflicts } from "../../src/config/resume.ts";
import { ConfigError } from "../../src/error.ts";
import { parse } from "../support/parsed_config.ts";

test("stored as JSON it is restored, and refused where it does not fit", () => {
  const loaded = parse("DATASET:\n  TRAIN_DATASET: mix_coco_coco\n  SYNTHETIC: {PERSONS: 2}\n", ["TRAIN.LR=1e-7"]);
  expect(restoreConfig(JSON.parse(JSON.stringify(loaded.config)), "ckpt")).toEqual(loaded.config);
  expect(() => restoreConfig({ TRAIN: { LR: "x" }, FOO: 1 }, "ckpt")).toThrow(ConfigError);
  expect(() => restoreConfig(null, "ckpt")).toThrow(ConfigError);
});

test("only keys that leave a run's numbers alone may change on resume", () => {
  const free = parse("", [
    "OUTPUT_DIR=b",
    "TRAIN.END_EPOCH=200",
    "TEST.BATCH_SIZE=1",
    "WORKERS=1",
    "PRINT_FREQ=1",
  ]).config;
  const base = parse("").config;
  expect(resumeConflicts(base, free)).toEqual([]);
  expect(configDigest(free)).toBe(configDigest(base));
  const other = parse("", ["TRAIN.LR=1", "DATASET.SYNTHETIC.SEED=1"]).config;
  expect(resumeConflicts(base, other).map(({ key }) => key)).toEqual([
    "DATASET.SYNTHETIC.TRAIN_IMAGES",
    "DATASET.SYNTHETIC.VAL_IMAGES",
    "DATASET.SYNTHETIC.IMAGE_SIZE",
    "DATASET.SYNTHETIC.PERSONS",
    "DATASET.SYNTHETIC.SEED",
    "TRAIN.LR",
  ]);
  expect(resumeConflicts(base, other).at(-1)).toEqual({ key: "TRAIN.LR", before: "0.001", after: "1" });
  expect(configDigest(other)).not.toBe(configDigest(base));
  const conflicts = (overrides: readonly string[], later: readonly string[]) => resumeConflicts(parse("", overrides).config, parse("", [...overrides, ...later]).config).map(({ key }) => key);
  expect(conflicts([], ["TEST.IMAGE_THRE=0.5"])).toEqual(["TEST.IMAGE_THRE"]); // chooses unlabelled persons too
  expect(conflicts(["PROG_MODE=PROG_1"], ["TRAIN.END_EPOCH=200"])).toEqual(["TRAIN.END_EPOCH"]); // progress goes by it
  expect(conflicts(["PROG_MODE=PROG_1", "STEP_WISE=true"], ["TRAIN.END_EPOCH=200"])).toEqual([]);
});
