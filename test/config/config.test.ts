import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  configDigest,
  loadConfig,
  parseConfig,
  renderConfig,
  restoreConfig,
  resumeConflicts,
  runFolder,
} from "../../src/config/config.ts";
import { configKeys } from "../../src/config/keys.ts";
import { ConfigError } from "../../src/error.ts";

function parse(text: string, overrides: readonly string[] = []) {
  return parseConfig(text, { path: "a.yaml", overrides });
}

/** The text that a user would see. */
function refusal(text: string, overrides: readonly string[] = []): string {
  try {
    parse(text, overrides);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).toText();
  }
  throw new Error("accepted");
}

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

describe("mistakes are refused with place, expectation and remedy:", () => {
  const cases: [string, string, string[], string[]][] = [
    ["unknown key", "TRAIN:\n  LRR: 1\n", [], ["a.yaml:2:3: TRAIN.LRR: unknown key; did you mean TRAIN.LR?"]],
    ["key in the wrong section", "LR: 1\n", [], ["a.yaml:1:1: LR: unknown key; did you mean TRAIN.LR?"]],
    [
      "key beside those without effect",
      "CUDNN:\n  ENABLE: true\n",
      [],
      ["a.yaml:2:3: CUDNN.ENABLE: unknown key; did you mean CUDNN.ENABLED?"],
    ],
    ["wrong type", "TRAIN:\n  LR: fast\n", [], ['a.yaml:2:7: TRAIN.LR: expected a number, received "fast"']],
    [
      "Python boolean words",
      "DATASET:\n  FLIP: yes\n",
      [],
      ["a.yaml:2:9", 'expected true or false, received "yes"', "YAML 1.2"],
    ],
    [
      "not one of the names",
      "MODEL:\n  NAME: pose_kons\n",
      [],
      ['expected "pose_resnet" or "pose_hrnet" or "pose_hourglass" or "pose_cons" or "pose_dual" or "pose_sspcm", received "pose_kons"'],
    ],
    [
      "not one of the numbers",
      "MODEL: {NUM_JOINTS: 15}\n",
      [],
      ["a.yaml:1:21: MODEL.NUM_JOINTS: expected 14 or 16 or 17 or 24, received 15"],
    ],
    ["fraction", "TRAIN:\n  BATCH_SIZE: 1.5\n", [], ["expected a whole number, received 1.5"]],
    ["too small", "TRAIN:\n  BATCH_SIZE: 0\n", [], ["expected at least 1, received 0"]],
    ["zero learning rate", "TRAIN:\n  LR: 0\n", [], ["expected more than 0, received 0"]],
    ["not a number", "TRAIN:\n  LR: .nan\n", [], ["TRAIN.LR: expected a number, received NaN"]],
    ["infinite", "TRAIN:\n  LR: .inf\n", [], ["expected a finite number, received Infinity"]],
    [
      "width not a multiple of 4",
      "",
      ["MODEL.EXTRA.WIDTH=18"],
      ["from command line: MODEL.EXTRA.WIDTH: expected a multiple of 4, received 18"],
    ],
    ["no value", "TRAIN:\n  LR:\n", [], ["a.yaml:2:3: TRAIN.LR: expected a number, received nothing"]],
    [
      "value in place of a section",
      "TRAIN: 3\n",
      [],
      ["a.yaml:1:8: TRAIN: expected a section with keys such as LR", "received 3"],
    ],
    [
      "element of a list",
      "TRAIN:\n  LR_STEP: [1, x]\n",
      [],
      ['a.yaml:2:16: TRAIN.LR_STEP.1: expected a number, received "x"'],
    ],
    [
      "three sides",
      "MODEL:\n  IMAGE_SIZE: [1, 2, 3]\n",
      [],
      ["expected [width, height] or one number for both, received a list of 3"],
    ],
    ["syntax", "TRAIN:\n\tLR: 1\n", [], ["a.yaml:2:1: not valid YAML"]],
    ["key given twice", "SEED: 1\nSEED: 2\n", [], ["a.yaml:2:1: not valid YAML", "unique"]],
    ["foreign tag", "SEED: !!python/object:x 1\n", [], ["a.yaml:1:7: not valid YAML"]],
    ["a list at the top", "- 1\n", [], ['expected keys such as "TRAIN:"']],
    ["a list as a key", "a: 1\n? [1, 2]\n: x\n", [], ["a.yaml:2:3: expected a name before the colon"]],
    ["unknown alias", "SEED: *x\n", [], ["a.yaml", "not"]],
    ["override without value", "", ["foo"], ['from command line: "foo" is not an override, expected KEY=VALUE']],
    ["override of a section", "", ["TRAIN=1"], ["TRAIN is a section", "TRAIN.LR=..."]],
    [
      "override of an unknown key",
      "",
      ["TRAIN.LRR=1"],
      ["from command line: TRAIN.LRR: unknown key; did you mean TRAIN.LR?"],
    ],
    ["override of an object member", "", ["__proto__.LR=1"], ["from command line: __proto__.LR: unknown key"]],
    ["override that is not YAML", "", ["TRAIN.LR_STEP=[1"], ['"[1" is not a value', "quote"]],
    [
      "override of the wrong type",
      "",
      ["TRAIN.LR=yes"],
      ['from command line: TRAIN.LR: expected a number, received "yes"'],
    ],
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
  test.each(cases)("%s", (_, text, overrides, expected) => {
    const message = refusal(text, overrides);
    for (const part of expected) expect(message).toContain(part);
    expect(message).not.toContain("    at ");
  });

  test("several at once, in the order of the file, the command line last", () => {
    const message = refusal("TRAIN:\n  LR: x\n  OPTIMISER: adam\nSEEED: 1\n", ["WORKERS=0"]);
    const lines = message.split("\n");
    expect(lines[0]).toBe("a.yaml: 4 mistakes:");
    expect(lines.slice(1, 5).map((line) => line.trim().split(" ")[0])).toEqual([
      "a.yaml:2:7",
      "a.yaml:3:3",
      "a.yaml:4:1",
      "from",
    ]);
  });

  test("a missing file, with the nearest name in its folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "limber-config-"));
    writeFileSync(join(folder, "quickstart.yaml"), "");
    await expect(loadConfig(join(folder, "quikstart.yaml"))).rejects.toMatchObject({
      code: "config/missing-file",
      fix: `did you mean ${join(folder, "quickstart.yaml")}?`,
    });
    await expect(loadConfig(join(folder, "no/such.yaml"))).rejects.toBeInstanceOf(ConfigError);
    await expect(loadConfig(folder)).rejects.toMatchObject({ message: "is a folder, expected a YAML file" });
  });

  test("whatever is in the file, the answer is a configuration or a ConfigError", () => {
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

describe("the configuration stored with a run", () => {
  const loaded = parse(
    "MODEL:\n  NAME: pose_cons\nDATASET:\n  TRAIN_DATASET: mix_coco_coco\n  SYNTHETIC: {PERSONS: 2}\n",
    ["OUTPUT_DIR=yes", "DATASET.ROOT=a: #b", "TRAIN.LR=1e-7"],
  );

  test("rendered as YAML it says where every value came from and loads again", () => {
    const text = renderConfig(loaded);
    expect(text).toMatch(/NAME: pose_cons +# a\.yaml:2\n/);
    expect(text).toMatch(/OUTPUT_DIR: "yes" +# command line\n/);
    expect(text).toMatch(/SEED: 1314 +# default\n/);
    expect(parse(text).config).toEqual(loaded.config);
  });

  test("as JSON it is restored, and refused where it does not fit", () => {
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

  test("every run has its folder", () => {
    expect(runFolder({ config: parse("").config, path: "configs/quick.start.yaml" })).toBe(
      "output/coco/pose_resnet_50/quick.start",
    );
  });
});

test("every key has a description and a type", () => {
  const keys = configKeys();
  expect(keys.length).toBeGreaterThan(50);
  for (const key of keys) {
    expect(key.description.length).toBeGreaterThan(5);
    expect(key.type).not.toBe("");
  }
});
