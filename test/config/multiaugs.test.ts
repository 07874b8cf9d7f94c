/** The experiment files of MultiAugs, the configurations that stand for them, and the rules between their keys. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseFlags } from "../../src/cli/command.ts";
import { flagOverrides, TRAINING_FLAGS } from "../../src/cli/config_flags.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import type { ResolvedConfig } from "../../src/config/resolved.ts";
import { AUGMENTATION_KEYS } from "../../src/config/method_checks.ts";
import { INERT_KEYS } from "../../src/config/schema.ts";
import { viewPlan } from "../../src/methods/build.ts";
import { originalFiles } from "../support/original_files.ts";
import { parse, refusal } from "../support/parsed_config.ts";

const FOLDER = join(import.meta.dir, "../../configs/multiaugs");
const ORIGINALS = originalFiles();

const CONS = "MODEL: {NAME: pose_cons}\nDATASET: {TRAIN_DATASET: mix_coco_coco}\n";
const DUAL = CONS.replace("pose_cons", "pose_dual");

describe("experiment files of the original programs", () => {
  test("there is one for every row of the table", () => {
    expect(ORIGINALS.length).toBe(26);
    expect(new Set(ORIGINALS.map(({ name }) => name)).size).toBe(26);
  });

  test.each(ORIGINALS)("$name loads unchanged, as configs/multiaugs/$ours.yaml", async ({ name, ours, text }) => {
    const original = parseConfig(text, { path: `experiments/${name}.yaml` });
    const own = await loadConfig(join(FOLDER, `${ours}.yaml`));
    // Paths are the user's, dead settings are left out of our files, and val2017 has two names.
    const comparable = (config: ResolvedConfig) => ({
      ...config,
      MODEL: { ...config.MODEL, PRETRAINED: "" },
      DATASET: { ...config.DATASET, ROOT: "", UNSUP_BBOX_FILE: "", TEST_SET: config.DATASET.TEST_SET.replace("validation", "val") },
      TEST: { ...config.TEST, COCO_BBOX_FILE: "" },
      PARITY: "",
      OPTIONS: "",
      LOG_DIR: "",
      DEBUG: "",
      CONS_RAND_AUG: false,
    });
    expect(comparable(original.config)).toEqual(comparable(own.config));
    expect(own.config.PARITY).toBe("original");
    expect(original.notes[0] ?? "").not.toBe("");
    const inert = original.notes.find((note) => note.startsWith("without effect here: "));
    for (const key of ["GPUS", "CUDNN.BENCHMARK", "TRAIN.GAMMA1", "TRAIN.SHUFFLE", "TEST.NMS_THRE"]) expect(inert).toContain(key);
    expect(original.notes.at(-1)).toContain("PARITY is not given");
    expect(parseConfig(text, { path: "a.yaml", overrides: ["PARITY=original"] }).notes.join()).not.toContain("PARITY");
    expect(own.notes).toEqual([]);
  });

  test("the patches of a file without USE_ keys turn joint cutout on, CONS_RAND_AUG RandAugment (D-9)", () => {
    const find = (end: string) => parse(ORIGINALS.find(({ name }) => name.endsWith(end))?.text ?? "");
    const on = ({ config }: { config: ResolvedConfig }) => AUGMENTATION_KEYS.filter((key) => config[key]);
    expect(on(find("1K_PoseDual_JointCutout"))).toEqual(["USE_JointCutout_AUG"]);
    expect(on(find("PoseDual_RandAug"))).toEqual(["USE_RandAug_AUG"]);
    expect(on(find("1K_PoseDual_AS"))).toEqual([]);
    expect(on(parse(`${CONS}MASK_JOINT_NUM: 3\n`, ["USE_JointCutout_AUG=false"]))).toEqual([]);
    expect(on(parse(`${CONS}MASK_JOINT_NUM: 3\n`, ["USE_CutMix_AUG=true"]))).toEqual(["USE_CutMix_AUG"]);
    expect(on(parse(`${CONS}MASK_JOINT_NUM: 0\n`))).toEqual([]);
    expect(parse(`${CONS}MASK_JOINT_NUM: 3\n`).notes).toEqual(["MASK_JOINT_NUM without any USE_ key turns USE_JointCutout_AUG on"]);
  });

  test("unknown keys are refused with the nearest name, also below EXTRA and beside dead keys", () => {
    const file = (ORIGINALS[0]?.text ?? "").replace("NUM_LAYERS", "NUM_LAYER").replace("GAMMA1", "GAMMA3").replace("DETERMINISTIC", "DETERMINISTC");
    const message = refusal(file);
    for (const part of ["3 mistakes", "MODEL.EXTRA.NUM_LAYERS?", "TRAIN.GAMMA3: unknown key", "CUDNN.DETERMINISTIC?"]) expect(message).toContain(part);
    expect(refusal("USE_JointCutMix_Aug: true\n")).toContain("did you mean USE_JointCutMix_AUG?");
  });

  test("every dead key is accepted, in a file and on the command line, and named", () => {
    for (const key of INERT_KEYS) expect(parse("", [`${key}=1`, "PARITY=corrected"]).notes).toEqual([`without effect here: ${key}`]);
  });

  test("what this program cannot do is refused with the reason", () => {
    expect(refusal("MODEL: {EXTRA: {TARGET_TYPE: offset}}\n")).toContain('MODEL.EXTRA.TARGET_TYPE: expected "gaussian", received "offset": targets are Gaussians');
    expect(refusal("MODEL: {GROUPS: 32}\n")).toContain("grouped residual blocks are not available");
  });
});

describe("configs/multiaugs", () => {
  const files = readdirSync(FOLDER, { recursive: true }).map(String).filter((name) => name.endsWith(".yaml"));

  test.each(files)("%s loads, with the settings of the original program", async (name) => {
    const { config } = await loadConfig(join(FOLDER, name));
    expect(config.OPTIONS).toEqual({ SWAP_CUT_LIMITS: true, SWAP_JOINT_AXES: true, JOINT_POOL: "all", DUAL_HOLE_COUNTS: "original", CENTRE_SHIFT: true, ADAM_WEIGHT_DECAY: false });
    expect(config.MODEL.NUM_JOINTS).toBe(24);
    expect(readFileSync(join(FOLDER, name), "utf8")).toStartWith("# ");
  });

  // What the steps of a run look like: teacher > student views, stage by stage.
  test.each([
    ["coco1k_r18_cons", ["A30 > A60"]],
    ["coco1k_r18_dual_ra", ["A30 > RA"]],
    ["mpii_aic_w32_dual_jc", ["A30 > JC"]],
    ["ablations/jo_co_cm", ["A30 > JO+CO+CM"]],
    ["ablations/multi_joco_cm", ["A30 > CM, JOCO"]],
    ["ablations/multi_joco_jccm", ["A30 > JOCO, JCCM"]],
    ["ablations/repeat_joco", ["A30 > JOCO, JOCO"]],
    ["ablations/prog_4", ["JO > JC", "CO > JO", "CM > CO", "MU > CM", "A60 > MU", "A30 > A60"]],
    ["ablations/prog_5", ["A30 > A60", "A30 > CM", "A30 > JC", "A30 > JC+CM"]],
  ])("%s trains on %j", async (name, stages) => {
    const { config } = await loadConfig(join(FOLDER, `${name}.yaml`));
    expect(viewPlan(config)?.stages.map((stage) => stage.name)).toEqual(stages);
  });

  test("every file but the ablations stands for an experiment", () => {
    const named = new Set(ORIGINALS.map(({ ours }) => `${ours}.yaml`));
    expect(files.filter((name) => !name.startsWith("ablations") && !named.has(name))).toEqual([]);
  });
});

describe("PARITY", () => {
  test("sets the options that are left out", () => {
    expect(parse("").config.OPTIONS).toMatchObject({ SWAP_CUT_LIMITS: false, SWAP_JOINT_AXES: false, JOINT_POOL: "labelled", DUAL_HOLE_COUNTS: "as_configured", CENTRE_SHIFT: false });
    const { config, origins } = parse("PARITY: original\nOPTIONS: {CENTRE_SHIFT: false}\n", ["OPTIONS.JOINT_POOL=labelled"]);
    expect(config.OPTIONS).toMatchObject({ SWAP_CUT_LIMITS: true, JOINT_POOL: "labelled", CENTRE_SHIFT: false });
    expect(origins.get("OPTIONS.SWAP_CUT_LIMITS")).toBe("PARITY: original");
    expect(origins.get("OPTIONS.CENTRE_SHIFT")).toBe("a.yaml:2");
    expect(origins.get("OPTIONS.JOINT_POOL")).toBe("command line");
  });
});

describe("progressions", () => {
  test("have the couples of the table, and each may be replaced", () => {
    const { AUG_EASY_HARD_COUPLES: couples, PROG_MODE } = parse("AUG_EASY_HARD_COUPLES: {PROG_2: [[A30, JC+CM], [JO, A60]]}\n").config;
    expect(PROG_MODE).toBe(""); // D-36
    expect(couples.PROG_1.map((couple) => couple.join(">")).join(" ")).toBe("A30>A60 A30>MU A30>CM A30>CO A30>JO A30>JC");
    expect(couples.PROG_2).toEqual([["A30", "JC+CM"], ["JO", "A60"]]);
    expect(couples.PROG_3.map((couple) => couple.join(">")).join(" ")).toBe("A30>A60 A60>MU MU>CM CM>CO CO>JO JO>JC");
    expect(couples.PROG_4).toEqual([...couples.PROG_3].reverse());
    expect(couples.PROG_5.at(-1)).toEqual(["A30", "JC+CM"]);
    expect(couples.PROG_6.at(-1)).toEqual(["A30", "JO+CO"]);
    expect(couples.PROG_7).toEqual([...couples.PROG_5].reverse());
    expect(couples.PROG_8).toEqual([...couples.PROG_6].reverse());
  });

  test("wrong couples are refused", () => {
    expect(refusal("AUG_EASY_HARD_COUPLES: {PROG_1: [[A30, JX]]}\n")).toContain('a.yaml:1:40: AUG_EASY_HARD_COUPLES.PROG_1.0.1: expected a student view such as "A60" or "JC+CM", received "JX"');
    expect(refusal("AUG_EASY_HARD_COUPLES: {PROG_1: [[A90, A60]]}\n")).toContain('expected "A30" or "A60"');
    expect(refusal("AUG_EASY_HARD_COUPLES: {PROG_1: [[A30]]}\n")).toContain("expected");
    expect(refusal("AUG_EASY_HARD_COUPLES: {PROG_1: []}\n")).toContain("a list that is not empty");
    expect(refusal("AUG_EASY_HARD_COUPLES: {PROG_9: []}\n")).toContain("unknown key");
  });
});

describe("contradictions are refused, and only for methods that learn from unlabelled images:", () => {
  const cases: [string, string, string[], string][] = [
    ["MULTI and REPEAT (D-20)", CONS, ["MULTI_AUGS=true", "REPEAT_AUG=true", "USE_Cutout_AUG=true"], "REPEAT_AUG: expected one of MULTI_AUGS and REPEAT_AUG, received both"],
    ["MULTI without an augmentation (D-37)", CONS, ["MULTI_AUGS=true"], "MULTI_AUGS: expected an augmentation beside it"],
    ["REPEAT without an augmentation (D-37)", DUAL, ["REPEAT_AUG=true"], "REPEAT_AUG: expected an augmentation beside it"],
    ["TrivialAugment of two networks (D-12)", DUAL, ["USE_TrivialAug_AUG=true"], "USE_TrivialAug_AUG: expected false: pose_dual has no view for TA; pose_cons has"],
    ["YOCO of two networks (D-12)", DUAL, ["USE_YOCORA_AUG=true"], "pose_dual has no view for YOCORA"],
    ["RandAugment among several views of two networks (D-12)", DUAL, ["USE_RandAug_AUG=true", "MULTI_AUGS=true"], "pose_dual with MULTI_AUGS has no view for RandAugment"],
    ["RandAugment repeated", CONS, ["USE_RandAug_AUG=true", "REPEAT_AUG=true"], "REPEAT_AUG repeats JC, JO, CO, MU, CM, JOCO, JCCM, not RA"],
    ["two augmentations of whole images", CONS, ["USE_RandAug_AUG=true", "USE_YOCOTA_AUG=true"], "expected one of USE_RandAug_AUG, USE_YOCOTA_AUG, received 2"],
    ["patches without a number", CONS, ["USE_JointCutout_AUG=true", "MASK_JOINT_NUM=0"], "MASK_JOINT_NUM: expected at least 1 beside USE_JointCutout_AUG, received 0"],
    ["more patches than joints", CONS, ["MODEL.NUM_JOINTS=17", "MASK_JOINT_NUM=18"], "MASK_JOINT_NUM: expected at most 17, a patch for every joint (MODEL.NUM_JOINTS), received 18"],
    ["more patches than joints to paste", CONS, ["KP_CutMix_JOINT_NUM=25"], "KP_CutMix_JOINT_NUM: expected a whole number from 0 to 24, received 25"],
    ["patches of a chain without a number", CONS, ["USE_JointCutMix_CutOut_AUG=true", "MULTI_AUGS=true", "MASK_HOLES_NUM_CO=0"], "MASK_HOLES_NUM_CO: expected at least 1 beside USE_JointCutMix_CutOut_AUG"],
    ["magnitudes the wrong way round", CONS, ["RAND_MAGNITUDE=[9, 3]"], "RAND_MAGNITUDE: expected the lower magnitude first"],
    ["progress in steps through nothing", CONS, ["STEP_WISE=true"], "STEP_WISE: expected PROG_MODE beside it"],
    ["a teacher that only one network has", DUAL, ["PROG_MODE=PROG_1", "AUG_EASY_HARD_COUPLES.PROG_1=[[RA, A60]]"], "AUG_EASY_HARD_COUPLES.PROG_1.0: expected another teacher than RA"],
    ["a teacher whose image is not made", CONS, ["PROG_MODE=PROG_1", "AUG_EASY_HARD_COUPLES.PROG_1=[[A30, A60], [TA, JC]]"], "AUG_EASY_HARD_COUPLES.PROG_1.1: expected USE_TrivialAug_AUG beside a teacher of TA"],
    ["patches of a progression without a number", CONS, ["PROG_MODE=PROG_5", "MASK_JOINT_NUM=0"], "MASK_JOINT_NUM: expected at least 1 beside JC of AUG_EASY_HARD_COUPLES.PROG_5.2, received 0"],
    ["boxes of a progression's teacher without a number", CONS, ["PROG_MODE=PROG_3", "MASK_HOLES_NUM_CO=0", "MULTI_AUGS=true", "USE_CutMix_AUG=true"], "MASK_HOLES_NUM_CO: expected at least 1 beside CO of AUG_EASY_HARD_COUPLES.PROG_3.4"],
    ["a mask of distances without that of scores", CONS.replace("pose_cons", "pose_sspcm"), ["SSPCM.DISTANCE_FILTER=mask", "SSPCM.SCORE_FILTER=false"], "SSPCM.DISTANCE_FILTER: expected SSPCM.SCORE_FILTER beside mask"],
    ["a third network with other heatmaps", CONS.replace("pose_cons", "pose_sspcm"), ["SSPCM.OTHER_MODEL.BACKBONE=resnet", "SSPCM.OTHER_MODEL.NUM_LAYERS=8"], "SSPCM.OTHER_MODEL.NUM_LAYERS: expected a network with heatmaps of the same size"],
    ["no unlabelled images", DUAL.replace("mix_coco_coco", "coco"), [], "because pose_dual needs unlabelled images"],
    ["unlabelled images without boxes (D-27)", CONS, ["DATASET.TRAIN_UNSUP_SET=unlabeled2017"], "expected DATASET.UNSUP_BBOX_FILE beside it"],
    ["a folder in the name of a run", CONS, ["EXP_SUB_NAME=a/b"], "EXP_SUB_NAME: expected a name without slashes"],
    ["magnitudes of three", CONS, ["RAND_MAGNITUDE=[1, 2, 3]"], "RAND_MAGNITUDE: expected [lowest, highest] or one number for both"],
  ];
  test.each(cases)("%s", (_, text, overrides, expected) => {
    expect(refusal(text, overrides)).toContain(expected);
  });

  test("the supervised run beside a method takes the method's file", () => {
    const { config } = parse(DUAL, ["MODEL.NAME=pose_resnet", "MULTI_AUGS=true", "USE_TrivialAug_AUG=true"]);
    expect(config.MODEL.NAME).toBe("pose_resnet");
  });

  test("what the original crashes on or ignores, and is mended, is accepted", () => {
    for (const name of ["USE_JointCutMix_CutOut_AUG", "USE_JointCutout_CutMix_AUG"]) parse(DUAL, [`${name}=true`]); // D-11
    parse(DUAL.replace("mix_coco_coco", "mix_mpii_ai"), ["USE_RandAug_AUG=true"]); // D-10
    expect(parse(CONS, ["RAND_MAGNITUDE=[5, 25]"]).config.RAND_MAGNITUDE).toEqual([5, 25]);
    expect(parse(CONS).config.RAND_MAGNITUDE).toEqual([20, 20]);
  });

  test("one detection file for both sets still works, with a note (D-27)", () => {
    const { notes, config } = parse(CONS, ["DATASET.TRAIN_UNSUP_SET=unlabeled2017", "TEST.COCO_BBOX_FILE=wild.json"]);
    expect(notes).toEqual(["DATASET.UNSUP_BBOX_FILE is not given: the unlabelled persons are those of TEST.COCO_BBOX_FILE"]);
    expect(config.DATASET.UNSUP_BBOX_FILE).toBe("wild.json");
  });
});

describe("DATA_DIR", () => {
  const file = "DATA_DIR: /d\nDATASET: {ROOT: data, UNSUP_BBOX_FILE: /abs/u.json}\nOUTPUT_DIR: out\nLOG_DIR: log\nMODEL: {PRETRAINED: m.pth}\nTEST: {COCO_BBOX_FILE: boxes.json}\n";

  test("stands before the relative paths of the file, and the stored configuration is complete without it", () => {
    const { config, origins } = parse(file);
    expect(config.DATASET.ROOT).toBe("/d/data");
    expect(config.OUTPUT_DIR).toBe("/d/out");
    expect(config.LOG_DIR).toBe("log");
    expect(config.MODEL.PRETRAINED).toBe("/d/m.pth");
    expect(config.TEST).toMatchObject({ COCO_BBOX_FILE: "/d/boxes.json", MODEL_FILE: "" });
    expect(config.DATASET.UNSUP_BBOX_FILE).toBe("/abs/u.json");
    expect(config.DATA_DIR).toBe("");
    expect(origins.get("DATASET.ROOT")).toBe("a.yaml:2, below DATA_DIR");
  });

  test("paths of the command line stay as given, all but OUTPUT_DIR, as in the original", () => {
    const { config } = parse(file, ["DATASET.ROOT=here", "MODEL.PRETRAINED=w.pth", "OUTPUT_DIR=o", "DATA_DIR=e"]);
    expect(config).toMatchObject({ DATASET: { ROOT: "here" }, MODEL: { PRETRAINED: "w.pth" }, OUTPUT_DIR: "e/o", TEST: { COCO_BBOX_FILE: "e/boxes.json" } });
  });
});

describe("configs/multiaugs/README.md", () => {
  const text = readFileSync(join(FOLDER, "README.md"), "utf8");
  const commands = [...text.matchAll(/^\| `bun run (?:train|valid) (.*?)`/gm)].map(([, args = ""]) => args);

  test.each(commands)("%s is a command that loads", async (args) => {
    const flags = { cfg: { type: "text", description: "" }, ...TRAINING_FLAGS } as const;
    const { values, rest } = parseFlags({ name: "train", flags, rest: { name: "KEY=VALUE", description: "" } }, args.split(" "));
    const { cfg = "", ...settings } = values;
    const { config } = await loadConfig(join(FOLDER, "../..", cfg), [...flagOverrides(TRAINING_FLAGS, settings), ...rest]);
    expect(config.PARITY).toBe("original");
  });

  test("names every file", () => {
    const named = (name: string) => text.includes(`${name.replace(/^ablations\//, "")}`) || /prog_[2-7]/.test(name);
    expect(readdirSync(FOLDER, { recursive: true }).map(String).filter((name) => name.endsWith(".yaml") && !named(name))).toEqual([]);
  });
});
