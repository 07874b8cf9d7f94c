import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cocoPlace, readCocoGroundTruth } from "../../src/data/coco.ts";
import { writeSafetensors } from "../../src/interop/safetensors.ts";
import { openWeights } from "../../src/train/weights_file.ts";
import { colorDistance, pictureOf } from "../support/pictures.ts";
import { readJson, TinyProject } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());

const folder = join(project.folder, "pair", "mix_coco_coco", "pose_dual_8", "tiny");
const FIGURES = ["precision_recall", "errors", "worst_cases", "predictions"];

beforeAll(async () => {
  const { code, errors } = await project.train("pair", "MODEL.NAME=pose_dual", "TRAIN.END_EPOCH=1", "TRAIN.STEPS_PER_EPOCH=4");
  if (code !== 0) throw new Error(errors);
});

const valid = (...args: string[]) => project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=pair", "MODEL.NAME=pose_dual", ...args]);
const row = (scores: Record<string, number>) => Object.values(scores).map((value) => value.toFixed(4)).join(" +");

test("of a pair each network, their average and their ensemble are scored, and written in COCO's form", async () => {
  const { code, output } = await valid();
  expect(code).toBe(0);
  const { networks, scores, joints, errors: kinds, persons } = readJson(join(folder, "valid_results.json"));
  expect(Object.keys(networks)).toEqual(["net 1", "net 2", "average", "ensemble"]);
  for (const [name, figures] of Object.entries<Record<string, number>>(networks)) expect(output).toMatch(new RegExp(`${name} +${row(figures)}\n`));
  expect(output).toContain("32x32_pose_dual_8_d16d16");
  expect(scores).toEqual(networks.average);
  for (const name of Object.keys(scores)) expect(scores[name]).toBeCloseTo((networks["net 1"][name] + networks["net 2"][name]) / 2, 12);
  for (const suffix of ["_1", "_2", "_ensemble"]) expect(readJson(join(folder, `valid_keypoints_results${suffix}.json`))[0].keypoints).toHaveLength(51);
  // The run's own validation wrote the same.
  expect(readJson(join(folder, "results.json")).scores).toEqual(scores);
  expect(readFileSync(join(folder, "keypoints_results_2.json"), "utf8")).toBe(readFileSync(join(folder, "valid_keypoints_results_2.json"), "utf8"));

  const truth = await readCocoGroundTruth(cocoPlace(join(project.folder, "data"), "val").annotations);
  expect(persons).toBe(truth.annotations.length);
  const labelled = truth.annotations.reduce((sum, { numKeypoints }) => sum + numKeypoints, 0);
  expect(joints.at(-1)).toMatchObject({ joint: "all" });
  expect(joints).toHaveLength(18);
  expect(joints.at(-1).labelled).toBeLessThanOrEqual(labelled);
  expect(kinds.good + kinds.jitter + kinds.inversion + kinds.swap + kinds.miss).toBe(joints.at(-1).labelled);
  const tables = readFileSync(join(folder, "valid_tables.md"), "utf8");
  expect(tables).toContain("| joint | labelled | similarity | good % | jitter % | inversion % | swap % | miss % |");
  for (const name of FIGURES) {
    const picture = await pictureOf(readFileSync(join(folder, `valid_${name}.png`)));
    expect(picture.count((color) => colorDistance(color, [255, 255, 255]) > 60), name).toBeGreaterThan(2000);
  }
});

test("a single network is taken of the pair's weights, with --ensemble both; one network is no ensemble", async () => {
  const { networks } = readJson(join(folder, "valid_results.json"));
  const single = (...args: string[]) => project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=pair", "MODEL.NAME=pose_resnet", "--model-file", join(folder, "latest.json"), ...args]);
  const at = join(project.folder, "pair", "mix_coco_coco", "pose_resnet_8", "tiny");
  expect((await single()).code).toBe(0);
  expect(readJson(join(at, "valid_results.json")).scores).toEqual(networks["net 1"]);
  expect((await single("--ensemble")).code).toBe(0);
  expect(readJson(join(at, "valid_results.json")).networks).toEqual(networks);
  // The same weights twice: all rows are equal.
  expect((await single("--model-file", join(folder, "latest.json"))).code).toBe(0);
  const twice = readJson(join(at, "valid_results.json"));
  for (const name of ["net 1", "net 2", "average", "ensemble"]) expect(twice.networks[name]).toEqual(networks["net 1"]);
  expect(twice.modelFile).toHaveLength(2);
  // Several files behind one flag.
  expect((await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=pair", "MODEL.NAME=pose_resnet", "--model-file", join(folder, "latest.json"), join(folder, "best.json")])).code).toBe(0);
  expect(readJson(join(at, "valid_results.json")).modelFile).toHaveLength(2);
  const pair = await openWeights(join(folder, "latest.json"));
  const own = [...pair.tensors.keys()].filter((name) => name.startsWith("resnet."));
  const alone = join(project.folder, "alone.safetensors");
  await writeSafetensors(alone, new Map(await Promise.all(own.map(async (name) => [name, await pair.read(name)] as const))));
  const refused = await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=pair", "MODEL.NAME=pose_resnet", "--model-file", alone, "--ensemble"]);
  expect(refused.code).toBe(1);
  expect(refused.errors).toContain("one network is no ensemble");
});

test("several sizes of crops are voted on; one size twice is that size", async () => {
  const results = () => readFileSync(join(folder, "valid_keypoints_results_1.json"), "utf8");
  expect((await valid()).code).toBe(0);
  const once = results();
  expect((await valid("TEST.SCALES=[1, 1]")).code).toBe(0);
  expect(results()).toBe(once);
  expect((await valid("TEST.SCALES=[1, 1.1]")).code).toBe(0);
  expect(results()).not.toBe(once);
});

test("a corrupt image is passed over where that is allowed; a set without annotations gets results and predictions, and no scores", async () => {
  const root = join(project.folder, "blemished", "coco");
  cpSync(join(project.folder, "data"), join(project.folder, "blemished"), { recursive: true });
  const file = cocoPlace(join(project.folder, "blemished"), "val").annotations;
  const { images, annotations } = readJson(file);
  const [broken] = images;
  writeFileSync(join(root, "images", "val2017", broken.file_name), "no image");
  const blemished = (...args: string[]) => valid("DATASET.ROOT=blemished", "TEST.SAVE_RESULT=true", ...args);
  expect((await blemished()).errors).toContain("image cannot be decoded");
  const passed = await blemished("DATASET.SKIP_CORRUPT=true");
  expect(passed.code).toBe(0);
  expect(passed.output + passed.errors).toContain(`passed over ${join("blemished", "coco", "images", "val2017", broken.file_name)}`);
  const imageIds = () => new Set(readJson(join(folder, "valid_keypoints_results_ensemble.json")).map((entry: { image_id: number }) => entry.image_id));
  const others = new Set(images.slice(1).map(({ id }: { id: number }) => id));
  expect(imageIds()).toEqual(others);

  writeFileSync(join(root, "annotations", "image_info_test-dev2017.json"), JSON.stringify({ images }));
  writeFileSync(join(project.folder, "found.json"), JSON.stringify(annotations.map(({ image_id, bbox }: { image_id: number; bbox: number[] }) => ({ image_id, category_id: 1, bbox, score: 0.5 }))));
  cpSync(join(root, "images", "val2017"), join(root, "images", "test2017"), { recursive: true });
  rmSync(join(folder, "valid_precision_recall.png"));
  expect((await blemished("DATASET.SKIP_CORRUPT=true", "DATASET.TEST_SET=test-dev2017", "--use-detect-bbox", "--coco-bbox-file", "found.json")).code).toBe(0);
  expect(imageIds()).toEqual(others);
  expect(readJson(join(folder, "valid_results.json"))).toMatchObject({ scores: {}, persons: annotations.length });
  expect(existsSync(join(folder, "valid_precision_recall.png"))).toBe(false);
});

test("flags stand for keys: detected boxes, flip test without the shift, DARK; results files may be left out", async () => {
  const truth = await readCocoGroundTruth(cocoPlace(join(project.folder, "data"), "val").annotations);
  const boxes = truth.annotations.map(({ imageId, bbox }) => ({ image_id: imageId, category_id: 1, bbox, score: 0.5 }));
  writeFileSync(join(project.folder, "boxes.json"), JSON.stringify(boxes));
  for (const name of ["_1", "_2", "_ensemble"]) rmSync(join(folder, `valid_keypoints_results${name}.json`));
  expect((await valid("--use-detect-bbox", "--coco-bbox-file", "boxes.json", "--flip-test", "--post_type", "dark", "TEST.SHIFT_HEATMAP=false", "TEST.SOFT_NMS=true")).code).toBe(0);
  const [first] = readJson(join(folder, "valid_keypoints_results_1.json"));
  expect(first.score).toBeLessThanOrEqual(0.5); // the boxes' scores count
  rmSync(join(folder, "valid_keypoints_results_1.json"));
  expect((await valid("--NoDebug", "yes")).code).toBe(0);
  expect(existsSync(join(folder, "valid_keypoints_results_1.json"))).toBe(false);
  expect((await valid("--use-detect-bbox")).errors).toContain("expected TEST.COCO_BBOX_FILE beside it");
  expect((await valid("--post_type", "integral")).errors).toContain("TEST.POST_TYPE: expected");
});
