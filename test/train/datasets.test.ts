/** Every data set and mixed set is trained a few steps and validated by its own score, all by configuration. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import sharp from "sharp";
import { parseConfig } from "../../src/config/load.ts";
import { readMat, writeMat } from "../../src/data/mat.ts";
import { readPckTruth } from "../../src/data/mpii.ts";
import { writeZip } from "../../src/data/zip.ts";
import { jointMap, MPII16 } from "../../src/pose/joint_sets.ts";
import { UNION24 } from "../../src/pose/skeleton.ts";
import { Random } from "../../src/random.ts";
import { buildModel } from "../../src/models/build.ts";
import { evaluateNetworks, type NetworkScores } from "../../src/train/evaluate.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { chooseLabelled, labelledJoints, openTrainingData, readSet, SampleSource } from "../../src/train/data.ts";
import { runTraining } from "../../src/train/run.ts";
import { readJson } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const root = mkdtempSync(join(tmpdir(), "limber-datasets-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const TRUTH = join(import.meta.dir, "../golden/readers/gt_valid.mat");
const SIDE = 300;
const [TRAIN_IMAGES, VAL_IMAGES] = [4, 2];

function write(path: string, content: unknown): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), JSON.stringify(content));
}

/** A person's joints in a file's form, inside the image. */
const place = (joint: number, person: number): [x: number, y: number] => [60 + ((37 * joint + 11 * person) % 120), 40 + 12 * joint];
const triples = (joints: number, person: number, flag = 2) => Array.from({ length: joints }, (_, j) => [...place(j, person), flag]).flat();
const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, i) => i + from);

const cocoForm = (joints: number, count: number) => ({
  images: numbers(count).map((id) => ({ id, width: SIDE, height: SIDE, file_name: `${id}.jpg`, crowdIndex: 0.1 * id })),
  annotations: numbers(2 * count).map((id) => ({ id, image_id: 1 + (id % count), category_id: 1, bbox: [40, 30, 180, 240], area: 20_000, iscrowd: 0, num_keypoints: joints, keypoints: triples(joints, id) })),
});
const mpiiForm = (count: number) =>
  numbers(count).map((id) => ({ image: `${id}.jpg`, center: [140, 150], scale: 1.2, joints: numbers(16, 0).map((j) => place(j, id)), joints_vis: numbers(16, 0).map((j) => Number(j !== 6)) }));
const aicForm = (count: number) =>
  numbers(count).map((id) => ({ image_id: String(id), human_annotations: { human1: [40, 30, 220, 270], human2: [50, 40, 200, 250] }, keypoint_annotations: { human1: triples(14, id, 1), human2: triples(14, id + 9, 2) } }));

beforeAll(async () => {
  const random = new Random({ seed: 4, stream: 77 });
  const noise = Uint8Array.from({ length: 3 * 30 * 30 }, () => random.integer(0, 256));
  const jpeg = await sharp(noise, { raw: { width: 30, height: 30, channels: 3 } }).resize(SIDE, SIDE).jpeg().toBuffer();
  for (const folder of ["coco/images/train2017", "coco/images/val2017", "coco/images/unlabeled2017", "mpii/images", "lsp/images", "ai_challenger/train/images", "ai_challenger/validation/images", "lspet/images"]) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const id of numbers(TRAIN_IMAGES)) writeFileSync(join(root, folder, folder.startsWith("lspet") ? `im0000${id}.jpg` : `${id}.jpg`), jpeg);
  }
  for (const [set, count] of [["train", TRAIN_IMAGES], ["val", VAL_IMAGES]] as const) {
    write(`coco/annotations/person_keypoints_${set}2017.json`, cocoForm(17, count));
    write(`crowdpose/json/crowdpose_${set}.json`, cocoForm(14, count));
    const aic = set === "val" ? "validation" : set;
    write(`ai_challenger/${aic}/keypoint_${aic}_annotation.json`, aicForm(count));
  }
  // CrowdPose's images lie in an archive, under their names alone as HRNet has them.
  await writeZip(join(root, "crowdpose/images.zip"), Object.fromEntries(numbers(TRAIN_IMAGES).map((id) => [`${id}.jpg`, new Uint8Array(jpeg)])));
  write("coco/annotations/image_info_unlabeled2017.json", { images: cocoForm(17, TRAIN_IMAGES).images });
  write("boxes.json", [0.9, 0.8, 0.1].map((score, i) => ({ image_id: 1 + i, category_id: 1, bbox: [20, 20, 100, 200], score })));
  const truth = await readPckTruth(TRUTH);
  const scored = numbers(truth.count, 0).map((n) => ({
    image: `${n + 1}.jpg`, center: [150, 160], scale: 1, joints_vis: numbers(16, 0).map((j) => 1 - (truth.missing[16 * n + j] as number)),
    joints: numbers(16, 0).map((j) => [...truth.positions.subarray(2 * (16 * n + j), 2 * (16 * n + j) + 2)]),
  }));
  write("mpii/annot/train.json", mpiiForm(4));
  write("mpii/annot/trainval.json", mpiiForm(3));
  write("mpii/annot/valid.json", scored);
  write("lsp/annot/train.json", mpiiForm(2));
  write("lsp/annot/test.json", scored);
  copyFileSync(TRUTH, join(root, "mpii/annot/gt_valid.mat"));
  copyFileSync(TRUTH, join(root, "lsp/annot/gt_test.mat"));
  const joints = Float64Array.from({ length: 14 * 3 * TRAIN_IMAGES }, (_, i) => [...place(i % 14, 1), 1][Math.floor(i / 14) % 3] as number);
  await writeMat(join(root, "lspet/joints.mat"), { joints: { shape: [14, 3, TRAIN_IMAGES], data: joints } });
});

const configOf = (data: string, { name = "pose_resnet", joints = 24, more = "" } = {}) =>
  parseConfig(
    `MODEL: { NAME: ${name}, NUM_JOINTS: ${joints}, IMAGE_SIZE: 32, EXTRA: { NUM_LAYERS: 8, WIDTH: 4, NUM_DECONV_LAYERS: 2, NUM_DECONV_FILTERS: [8, 8], SIGMA: 1 } }
DATASET: { ROOT: ${root}, ${data} }
TRAIN: { END_EPOCH: 1, BATCH_SIZE: 2, STEPS_PER_EPOCH: 2 }
TEST: { BATCH_SIZE: 4, FLIP_TEST: true ${more} }
OUTPUT_DIR: ${join(root, "output")}
`,
    { path: "tiny.yaml" },
  );

/** Trains and validates; returns what it left and what it trained on. */
async function trained(loaded: ReturnType<typeof configOf>, output: string) {
  const folder = join(root, "output", output);
  const outcome = await runTraining({ loaded, folder, resume: false, stop: new AbortController().signal });
  expect(outcome).toBe("finished");
  const steps = readFileSync(join(folder, "steps.jsonl"), "utf8").trimEnd().split("\n").map((line): Record<string, number> => JSON.parse(line));
  expect(steps).toHaveLength(2);
  for (const step of steps) expect(step["loss_pose"]).toBeGreaterThan(0);
  const data = await openTrainingData(loaded.config, new SampleSource(loaded.config));
  return { folder, scores: readJson(join(folder, "results.json")).scores as Record<string, number>, labelled: data.labelled, unlabelled: data.unlabelled, steps };
}

test("MPII with labels and AI Challenger without: the union skeleton, scored by PCKh and written as pred.mat", async () => {
  const loaded = configOf("TRAIN_DATASET: mix_mpii_ai, TRAIN_SET: train, TEST_DATASET: mpii, TEST_SET: valid, TRAIN_LEN: 3", { name: "pose_cons" });
  const { folder, scores, labelled, unlabelled, steps } = await trained(loaded, "mpii_ai");
  expect([labelled.length, unlabelled?.length]).toEqual([3, 8]);
  expect(unlabelled?.every(({ imagePath }) => imagePath.includes("ai_challenger/train/images"))).toBe(true);
  expect(steps[0]?.["loss_cons"]).toBeGreaterThan(0);
  expect(labelledJoints(loaded.config)).toEqual(jointMap(MPII16, UNION24));
  // The first person's joints, 0-based, where the union skeleton has MPII's.
  const [first] = labelled;
  jointMap(MPII16, UNION24).forEach((joint, j) => expect([...(first?.joints.subarray(2 * joint, 2 * joint + 2) ?? [])]).toEqual(place(j, 1).map((value) => value - 1)));
  expect(Object.keys(scores)).toEqual(["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1", "Mean@0.10", "Mean@0.2", "Mean@0.3", "Mean@0.4"]);
  const preds = (await readMat(join(folder, "pred.mat"))).get("preds");
  expect(preds?.shape).toEqual([2, 16, 3]);
});

test("MPII and LSP joined, as ASDA trains; LSP scores by torsos", async () => {
  const { scores, labelled } = await trained(configOf("TRAIN_DATASET: lspetmpii, TEST_DATASET: lspetmpii, TEST_SET: test", { joints: 16 }), "lspetmpii");
  expect(labelled.map(({ imagePath }) => basename(dirname(dirname(imagePath))))).toEqual(["mpii", "mpii", "mpii", "lsp", "lsp"]);
  expect(scores["Mean"]).toBeGreaterThanOrEqual(0);
  const { config } = configOf("TRAIN_DATASET: lspetmpii, TRAIN_LEN: 4", { joints: 16 });
  expect(chooseLabelled(config, await readSet(config, "train"))).toHaveLength(4);
});

test("COCO's unlabelled images through detections, apart from those of validation", async () => {
  const loaded = configOf(`TRAIN_DATASET: mix_coco_coco, TRAIN_LEN: 3, TRAIN_UNSUP_SET: unlabeled2017, UNSUP_BBOX_FILE: ${join(root, "boxes.json")}`, { name: "pose_cons", joints: 17, more: ", IMAGE_THRE: 0.5" });
  const { scores, labelled, unlabelled } = await trained(loaded, "coco_unlabelled");
  expect([labelled.length, unlabelled?.length]).toEqual([3, 2]);
  expect(unlabelled?.map(({ imagePath, box }) => [imagePath, box])).toEqual([1, 2].map((id) => [join(root, `coco/images/unlabeled2017/${id}.jpg`), [20, 20, 100, 200]]));
  expect(scores["AP"]).toBeGreaterThanOrEqual(0);
  // To predict the unlabelled images, boxes are detected ones whatever USE_GT_BBOX says.
  const { records, truth } = await readSet(configOf("TEST_SET: unlabeled2017", { joints: 17, more: `, COCO_BBOX_FILE: ${join(root, "boxes.json")}, IMAGE_THRE: 0` }).config, "test");
  expect([records.length, truth?.annotations.length]).toEqual([3, 0]);
  expect(() => configOf("TRAIN_DATASET: mix_coco_coco, TRAIN_UNSUP_SET: unlabeled2017")).toThrow("expected DATASET.UNSUP_BBOX_FILE beside it");
});

test("data sets of fourteen joints alone: CrowdPose out of an archive, AI Challenger, LSP Extended; each with its own figures", async () => {
  const cases = [
    ["crowdpose", ", DATA_FORMAT: zip", ["AP", "AP .5", "AP .75", "AR", "AR .5", "AR .75", "AP (easy)", "AP (medium)", "AP (hard)"]],
    ["ai_challenger", "", ["Head", "Neck", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1", "Mean@0.10", "Mean@0.2", "Mean@0.3", "Mean@0.4", "AP"]],
    ["lspet", "", undefined],
  ] as const;
  for (const [name, more, figures] of cases) {
    const { folder, scores, labelled } = await trained(configOf(`TRAIN_DATASET: ${name}, TEST_DATASET: ${name}${more}`, { joints: 14 }), name);
    expect(labelled.length, name).toBe({ crowdpose: 8, ai_challenger: 8, lspet: 4 }[name]);
    if (figures) expect(Object.keys(scores), name).toEqual([...figures]);
    else expect(scores["PCK@0.2"], name).toBeGreaterThanOrEqual(0);
    expect(existsSync(join(folder, name === "lspet" ? "pred.mat" : "keypoints_results.json")), name).toBe(true);
    if (name !== "ai_challenger") continue;
    // The challenge's own form, by the images' names.
    const submitted = readJson(join(folder, "keypoints_results.json")) as { image_id: string; keypoint_annotations: Record<string, number[]> }[];
    expect(submitted.map(({ image_id, keypoint_annotations }) => [image_id, ...Object.keys(keypoint_annotations)])).toEqual(["1", "2"].map((id) => [id, "human1", "human2"]));
    for (const { keypoint_annotations } of submitted) for (const joints of Object.values(keypoint_annotations)) expect(joints).toHaveLength(42);
    expect(readFileSync(join(folder, "results", "keypoint_validation_annotation_eval_1.json"), "utf8")).toBe(readFileSync(join(folder, "keypoints_results.json"), "utf8"));
  }
});

test("a TRAIN_LEN beyond the set takes all of it, and says so", async () => {
  const said = async (length: number) => {
    const lines: string[] = [];
    const { config } = configOf(`TRAIN_DATASET: coco, TRAIN_LEN: ${length}`, { joints: 17 });
    const { labelled } = await openTrainingData(config, new SampleSource(config), (line) => lines.push(line));
    return [labelled.length, ...lines];
  };
  expect(await said(8)).toEqual([8]);
  expect(await said(1000)).toEqual([8, "note      DATASET.TRAIN_LEN is 1000, the set has 8 persons: all of them are used"]);
});

test("a corrupt image that is passed over leaves its persons unfound, and every other with its own prediction", async () => {
  const cases = [["lspet", "lspet/images/im00002.jpg"], ["coco", "coco/images/val2017/2.jpg"]] as const;
  const gpu = await openDevice();
  for (const [name, file] of cases) {
    const read = configOf(`TRAIN_DATASET: ${name}, TEST_DATASET: ${name}, SKIP_CORRUPT: true`, { joints: name === "lspet" ? 14 : 17, more: ", SCALES: [1, 1.2]" }).config;
    const config = { ...read, TEST: { ...read.TEST, BATCH_SIZE: 1 } }; // one of the batches is empty
    const { store, networks: [{ network }] } = buildModel(config);
    store.materialise(gpu, 1, { slots: 1, gradients: false });
    const set = await readSet(config, "test");
    const evaluated = async () => {
      const source = new SampleSource(config);
      const said: string[] = [];
      source.report = (line) => said.push(line);
      const { scored } = await evaluateNetworks([network], { set, source, config });
      return { ...(scored[0] as NetworkScores), said };
    };
    const sound = await evaluated();
    const bytes = readFileSync(join(root, file));
    try {
      writeFileSync(join(root, file), bytes.subarray(0, 400));
      const { predictions, scores, said } = await evaluated();
      const lost = set.records.map(({ imagePath }) => imagePath === join(root, file));
      expect(lost).toContain(true);
      expect(said).toEqual([expect.stringContaining(`passed over ${join(root, file)}: image cannot be decoded`)]);
      predictions.forEach((prediction, n) => expect(prediction, `${name} ${n}`).toEqual(lost[n] ? undefined : sound.predictions[n]));
      scores.predictions.forEach((value, i) => expect(Number.isNaN(value)).toBe(lost[Math.floor((i / scores.predictions.length) * lost.length)] as boolean));
      expect(scores.results.map(({ imageId }) => imageId)).toEqual(sound.scores.results.map(({ imageId }) => imageId).filter((id) => id !== 2));
      expect(scores.primary).toBeGreaterThanOrEqual(0);
      for (const { imagePath } of set.records) writeFileSync(imagePath, "");
      await expect(evaluated()).rejects.toThrow("cannot be decoded, nor that of any other");
    } finally {
      for (const { imagePath } of set.records) writeFileSync(imagePath, bytes);
    }
  }
});

test("persons whose joints lie beside their boxes are left out with SELECT_DATA, and boxes outside their images are told", async () => {
  const file = cocoForm(17, 2);
  const [first, second] = file.annotations;
  if (!first || !second) throw new Error("no persons");
  first.keypoints = first.keypoints.map((value, i) => (i % 3 === 0 ? value + 200 : value));
  second.bbox = [400, 400, 20, 20];
  write("selected.json", file);
  const config = configOf(`SELECT_DATA: true, TRAIN_ANNOTATIONS: ${join(root, "selected.json")}, TRAIN_IMAGES: ${join(root, "coco/images/train2017")}`).config;
  const said: string[] = [];
  const set = await readSet(config, "train", (line) => said.push(line));
  const records = chooseLabelled(config, set);
  expect(records.map(({ annotationId }) => annotationId).toSorted()).toEqual([3, 4]);
  // TRAIN_LEN counts what is left.
  const one = { DATASET: { ...config.DATASET, TRAIN_LEN: 1 } };
  expect(chooseLabelled(one, set)).toEqual(records.slice(0, 1));
  const none = set.records.filter((record) => !records.includes(record));
  expect(() => chooseLabelled(one, { ...set, records: none })).toThrow("no person of 1 whose joints agree with its box");
  expect(said).toEqual([`${join(root, "selected.json")}: annotation 2: its box [400, 400, 20, 20] lies outside image 1 (300x300 px); left out`]);
});
