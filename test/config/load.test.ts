import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/error.ts";
import { parse } from "../support/parsed_config.ts";

describe("values", () => {
  test("an empty file gives the defaults of MultiAugs", () => {
    const { config } = parse("");
    expect(config.TRAIN).toMatchObject({ LR: 0.001, LR_STEP: [90, 110], END_EPOCH: 140, BATCH_SIZE: 32, WD: 1e-4 });
    expect(config.MODEL.EXTRA).toMatchObject({
      NUM_LAYERS: 50,
      NUM_DECONV_FILTERS: [256, 256, 256],
      HEATMAP_SIZE: [64, 64],
      SIGMA: 2,
    });
    expect(config.DATASET.SYNTHETIC).toBeUndefined();
    expect(config.UNSUP_TRANSFORM).toBe(true);
    expect(config.MASK_JOINT_NUM).toBe(5);
  });

  test("Python tuples, exponents, single sizes and a merged anchor are read", () => {
    const { config, origins } = parse(
      "TEST: &same\n  BATCH_SIZE: 8\nTRAIN:\n  <<: *same\n  LR: 1e-3\nMODEL:\n  IMAGE_SIZE: (192, 256)\n  EXTRA:\n    HEATMAP_SIZE: ( 48,64, )\n",
    );
    expect(config.TRAIN.BATCH_SIZE).toBe(8);
    expect(config.TRAIN.LR).toBe(0.001);
    expect(config.MODEL.IMAGE_SIZE).toEqual([192, 256]);
    expect(config.MODEL.EXTRA.HEATMAP_SIZE).toEqual([48, 64]);
    expect(origins.get("TEST.BATCH_SIZE")).toBe("a.yaml:2");
    expect(origins.has("TEST.INTERVAL")).toBe(false);
    expect(parse("MODEL: {IMAGE_SIZE: 128}").config.MODEL.IMAGE_SIZE).toEqual([128, 128]);
  });

  test("overrides win, keep text as text, and know their origin", () => {
    const { config, origins } = parse("TRAIN:\n  LR: 1\n", [
      "TRAIN.LR=1e-4",
      "TRAIN.LR_STEP=[20, 25]",
      "MODEL.IMAGE_SIZE=(64,96)",
      "OUTPUT_DIR=2024",
      "DATASET.TRAIN_UNSUP_SET=",
      "DATASET.ROOT=a=b",
      "DATASET.SYNTHETIC.SEED=7",
    ]);
    expect(config.TRAIN.LR).toBe(1e-4);
    expect(config.TRAIN.LR_STEP).toEqual([20, 25]);
    expect(config.MODEL.EXTRA.HEATMAP_SIZE).toEqual([16, 24]);
    expect(config.OUTPUT_DIR).toBe("2024");
    expect(config.DATASET.TRAIN_UNSUP_SET).toBe("");
    expect(config.DATASET.ROOT).toBe("a=b");
    expect(config.DATASET.SYNTHETIC).toEqual({
      TRAIN_IMAGES: 1000,
      VAL_IMAGES: 200,
      IMAGE_SIZE: [160, 160],
      PERSONS: 1,
      SEED: 7,
    });
    expect(origins.get("TRAIN.LR")).toBe("command line");
  });

  test("the result is frozen to its leaves", () => {
    const { config } = parse("");
    expect(Object.isFrozen(config.MODEL.EXTRA.NUM_DECONV_FILTERS)).toBe(true);
    expect(() => Object.assign(config.TRAIN, { LR: 1 })).toThrow();
  });

  test("filters and kernels follow the number of deconvolutions", () => {
    const { config } = parse("", ["MODEL.EXTRA.NUM_DECONV_LAYERS=2"]);
    expect(config.MODEL.EXTRA.NUM_DECONV_KERNELS).toEqual([4, 4]);
    expect(config.MODEL.EXTRA.HEATMAP_SIZE).toEqual([32, 32]);
  });
});

describe("the answer is a configuration or a ConfigError:", () => {
  test("a missing file, with the nearest name in its folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "limber-config-"));
    writeFileSync(join(folder, "quickstart.yaml"), "");
    await expect(loadConfig(join(folder, "quikstart.yaml"))).rejects.toMatchObject({
      code: "config/missing-file",
      fix: `did you mean ${join(folder, "quickstart.yaml")}?`,
    });
    await expect(loadConfig(join(folder, "no/such.yaml"))).rejects.toBeInstanceOf(ConfigError);
    writeFileSync(join(folder, "picture.yaml"), Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16));
    await expect(loadConfig(join(folder, "picture.yaml"))).rejects.toMatchObject({ code: "config/syntax", message: "is no text in UTF-8, expected a YAML file" });
    await expect(loadConfig(folder)).rejects.toMatchObject({ message: "is a folder, expected a YAML file" });
  });

  test("whatever is in the file", () => {
    const piece = fc.constantFrom(
      "TRAIN:",
      "  LR: ",
      "MODEL",
      ": ",
      "\n",
      "\n  ",
      "- ",
      "[1, 2]",
      "{a: b}",
      "(1,2)",
      "*a",
      "&a ",
      "yes",
      "~",
      "\t",
      "'",
      "SEED: 1",
      "<<: ",
      "!!x ",
      "#",
      "1e9",
      "---\n",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          parse(pieces.join(""));
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});
