import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import sharp from "sharp";
import { parse } from "yaml";
import { cocoPlace, personRecords, readCocoGroundTruth } from "../../src/data/coco.ts";
import { openSafetensors } from "../../src/interop/safetensors.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { readJson, tensorHash, TinyProject, unfinishedFiles } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());

const text = (...path: string[]) => readFileSync(join(...path), "utf8");
const stepsOf = (folder: string) => text(folder, "steps.jsonl").trimEnd().split("\n");

const whole = project.runFolder("whole");
let whatItSaid = "";
beforeAll(async () => {
  const { code, output, errors } = await project.train("whole");
  if (code !== 0) throw new Error(errors);
  whatItSaid = output + errors;
});

/** A PNG that decodes to at least 100 px a side and is not one flat colour. */
async function expectPicture(path: string): Promise<void> {
  const { format, width, height } = await sharp(path).metadata();
  expect(format).toBe("png");
  expect(Math.min(width, height)).toBeGreaterThan(100);
  expect((await sharp(path).stats()).entropy).toBeGreaterThan(0.1);
}

test("a run leaves checkpoints, losses, scores, results and figures, and nothing unfinished", async () => {
  const files = readdirSync(whole).map((name) => name.replace(/_[\d-]{16}_/, "_<minute>_"));
  const tensors = ["latest", "best"].map((name): string => readJson(join(whole, `${name}.json`)).tensors.file);
  const named = ["best.json", "config.yaml", "curves.png", "keypoints_results.json", "latest.json", "peaks.png", "tensorboard", "tiny_<minute>_train.log", "predictions.png", "results.json", "scores.json", "steps.jsonl", "train.log", "views.png"];
  const originals = ["all_preds.npy", "checkpoint.pth.tar", "final_state.pth.tar", "model_best.pth.tar", "results"];
  expect(files.toSorted()).toEqual([...named, ...originals, ...tensors].toSorted()); // of the older checkpoints nothing is left
  expect(unfinishedFiles(project.folder)).toEqual([]);
  for (const name of ["curves.png", "peaks.png", "predictions.png", "views.png"]) await expectPicture(join(whole, name));

  const [latest, best] = await Promise.all(tensors.map((name) => openSafetensors(join(whole, name))));
  const names = (file: typeof latest) => [...(file?.entries.keys() ?? [])];
  expect(names(latest)).toContain("model.conv1.weight");
  expect(names(latest)).toContain("model.bn1.running_var");
  expect(names(latest)).toContain("adam.v.final_layer.bias");
  expect(names(best)).toEqual(names(latest).filter((name) => !name.startsWith("adam."))); // weights are enough to predict
  expect(parse(text(whole, "config.yaml")).TRAIN.LR).toBe(0.002);
});

test("every step is logged with its losses and the learning rate of its epoch", () => {
  const lines = stepsOf(whole).map((line) => JSON.parse(line));
  expect(lines.map(({ step, epoch, lr }) => [step, epoch, lr])).toEqual(Array.from({ length: 20 }, (_, i) => [i + 1, i < 10 ? 1 : 2, i < 10 ? 0.002 : 0.002 * 0.1]));
  const mean = (part: { loss_pose: number }[]) => part.reduce((sum, line) => sum + line.loss_pose, 0) / part.length;
  expect(mean(lines.slice(-5))).toBeLessThan(mean(lines.slice(0, 3))); // it learns
  for (const line of lines) {
    expect(line.loss_pose).toBeGreaterThan(0);
    expect(line.loss_cons).toBeGreaterThan(0);
  }
});

test("results and scores are those of the last epoch, and the table shows them", () => {
  const results = readJson(join(whole, "keypoints_results.json"));
  expect(results).toHaveLength(4);
  for (const { category_id, keypoints, score } of results) {
    expect(category_id).toBe(1);
    expect(keypoints).toHaveLength(51);
    expect(Number.isFinite(score)).toBe(true);
  }
  const scores = readJson(join(whole, "scores.json"));
  expect(scores.map(({ epoch }: { epoch: number }) => epoch)).toEqual([1, 2]);
  const final = readJson(join(whole, "results.json"));
  expect(final.epoch).toBe(2);
  expect(final.scores).toEqual(scores[1].figures);
  expect(final.scores.AP).toBe(scores[1].score);
  expect(final.best).toEqual(readJson(join(whole, "latest.json")).state.best);
  expect(whatItSaid).toMatch(new RegExp(`final +${Object.values<number>(final.scores).map((value) => value.toFixed(4)).join(" +")}\n`));
});

test("a run ends with the time of a step, images and operations a second, the share of waiting and the most memory", () => {
  const [, ms = "", images = "", imagesPerSecond = ""] = /speed +([\d.]+) ms a step of (\d+) images, ([\d.]+) images\/s, \d+\.\d GFLOP\/s by direct count(?:, \d+ % of a plain product's on this adapter)?\n/.exec(whatItSaid) ?? [];
  expect((Number(imagesPerSecond) * Number(ms)) / 1000 / Number(images)).toBeCloseTo(1, 1);
  const [, host = "", waited = ""] = /host ([\d.]+) % of the steps' time; waited [\d.]+ s for data \(([\d.]+) %\)/.exec(whatItSaid) ?? [];
  expect(Number(host)).toBeWithin(0, 100);
  expect(Number(waited)).toBeWithin(0, 100);
  const [, peak = "", shared = ""] = /memory +(\d+) MiB on the device at most; a step's tensors share (\d+) MiB/.exec(whatItSaid) ?? [];
  expect(Number(peak)).toBeGreaterThan(Number(shared));
});

test("the same configuration gives the same bytes, whatever the number of workers", async () => {
  for (const workers of [2, 1, 6]) {
    const again = await project.trained(`workers${workers}`, `WORKERS=${workers}`);
    expect(tensorHash(again)).toBe(tensorHash(whole));
    expect(stepsOf(again)).toEqual(stepsOf(whole));
    for (const name of ["predictions.png", "views.png", "curves.png"]) expect(readFileSync(join(again, name)).equals(readFileSync(join(whole, name)))).toBe(true);
  }
});

test("a run that begins at a later epoch logs that epoch with its learning rate", async () => {
  const later = await project.trained("later", "TRAIN.BEGIN_EPOCH=1");
  const lines = stepsOf(later).map((line) => JSON.parse(line));
  expect(lines.map(({ step, epoch, lr }) => [step, epoch, lr])).toEqual(Array.from({ length: 10 }, (_, i) => [i + 1, 2, 0.002 * 0.1]));
});

test("another seed gives another run", async () => {
  const seeded = await project.trained("seeded", "SEED=5", "TRAIN.END_EPOCH=1");
  expect(stepsOf(seeded)[0]).not.toBe(stepsOf(whole)[0]);
});

test("valid prints the table of the run's last weights and gives its figures", async () => {
  const { code, output } = await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=whole", "--model-file", join(whole, "latest.json")]);
  expect(code).toBe(0);
  const { scores } = readJson(join(whole, "valid_results.json"));
  expect(scores).toEqual(readJson(join(whole, "results.json")).scores);
  expect(output).toMatch(new RegExp(`PoseResNet-8 +${Object.values<number>(scores).map((value) => value.toFixed(4)).join(" +")}\n`));
  expect(text(whole, "valid_keypoints_results.json")).toBe(text(whole, "keypoints_results.json"));
  await expectPicture(join(whole, "valid_predictions.png"));
});

test("valid crops detected boxes, and places peaks by DARK, where TEST says so", async () => {
  const place = cocoPlace(join(project.folder, "data"), "val");
  const records = personRecords(await readCocoGroundTruth(place.annotations), { place, skeleton: COCO17, inputSize: [32, 32] });
  // Annotated boxes are cropped up to their last pixel, detected ones as they are.
  const boxes = records.map(({ imageId, box: [x, y, w, h] }) => ({ image_id: imageId, category_id: 1, bbox: [x, y, x + (w - 1) - x, y + (h - 1) - y], score: 1 }));
  writeFileSync(join(project.folder, "boxes.json"), JSON.stringify([...boxes, { image_id: records[0]?.imageId, category_id: 1, bbox: [1, 1, 9, 9], score: 0.1 }]));
  const valid = (...overrides: string[]) => project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=whole", "--model-file", join(whole, "latest.json"), ...overrides]);
  const detected = ["TEST.USE_GT_BBOX=false", "TEST.COCO_BBOX_FILE=boxes.json"];
  const keypoints = () => text(whole, "valid_keypoints_results.json");
  expect((await valid(...detected, "TEST.IMAGE_THRE=0.5")).code).toBe(0);
  // The crops are those of the annotations, and so is what is found in them; a result carries the box of its own file.
  const withoutBoxes = (json: string) => (JSON.parse(json) as Record<string, unknown>[]).map((result) => ({ ...result, bbox: undefined }));
  const found = withoutBoxes(keypoints());
  expect(found).toHaveLength(records.length);
  expect(found).toEqual(withoutBoxes(text(whole, "keypoints_results.json")));
  expect((await valid("TEST.POST_TYPE=dark")).code).toBe(0);
  expect(keypoints()).not.toBe(text(whole, "keypoints_results.json"));
  const { code, errors } = await valid(...detected, "TEST.IMAGE_THRE=2");
  expect(code).toBe(1);
  expect(errors).toContain("boxes.json: no person with a score of at least 2");
});

test("predict writes keypoints of every box, an overlay and heatmaps", async () => {
  const image = project.image();
  const { code, output, errors } = await project.run([
    "predict", "--model-file", join(whole, "latest.json"), "--image", image,
    "--bbox", "4,4,30,40", "--bbox", "10,0,20,20", "--out", "predicted", "--save-heatmaps", "predicted/maps.npy",
  ]);
  expect(errors).toBe("");
  expect(code).toBe(0);
  const out = join(project.folder, "predicted");
  const stem = basename(image, ".jpg");
  const names = [`${stem}.json`, `${stem}_overlay.png`, "maps.npy"];
  expect(readdirSync(out).toSorted()).toEqual(names.toSorted());
  expect(output.trimEnd().split("\n")).toEqual(names.map((name) => join("predicted", name)));
  await expectPicture(join(out, `${stem}_overlay.png`));

  const { persons, width, height } = readJson(join(out, `${stem}.json`));
  expect([width, height]).toEqual([48, 48]);
  expect(persons.map(({ box }: { box: number[] }) => box)).toEqual([[4, 4, 30, 40], [10, 0, 20, 20]]);

  // NPY 1.0: magic, version, header length, header, data.
  const bytes = readFileSync(join(out, "maps.npy"));
  expect(bytes.subarray(0, 8).toString("latin1")).toBe("\x93NUMPY\x01\x00");
  const start = 10 + bytes.readUInt16LE(8);
  expect(start % 64).toBe(0);
  const header = bytes.subarray(10, start).toString("latin1");
  expect(header).toContain("'descr': '<f4', 'fortran_order': False, 'shape': (2, 8, 8, 17)");
  const maps = new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  expect(maps).toHaveLength(2 * 8 * 8 * 17);
  // A joint's score is the height of its map's peak.
  persons.forEach(({ keypoints }: { keypoints: { name: string; score: number }[] }, person: number) => {
    expect(keypoints).toHaveLength(17);
    keypoints.forEach(({ score }, joint) => {
      const map = Array.from({ length: 64 }, (_, pixel) => maps[(person * 64 + pixel) * 17 + joint] as number);
      expect(score).toBeCloseTo(Math.max(...map), 5);
    });
  });
  expect(new Set(maps.subarray(0, 1088)).size).toBeGreaterThan(500); // heatmaps, not a constant
});

test("predict without boxes takes the whole image as one person", async () => {
  const image = project.image();
  expect((await project.run(["predict", "--model-file", join(whole, "best.json"), "--image", image, "--out", "alone"])).code).toBe(0);
  const { persons } = readJson(join(project.folder, "alone", `${basename(image, ".jpg")}.json`));
  expect(persons.map(({ box }: { box: number[] }) => box)).toEqual([[0, 0, 48, 48]]);
});

test("every optimiser trains", async () => {
  for (const overrides of [["TRAIN.OPTIMIZER=sgd", "TRAIN.NESTEROV=true", "TRAIN.WD=0.0001"], ["TRAIN.OPTIMIZER=rmsprop"]]) {
    const name = (overrides[0] as string).split("=")[1] as string;
    const train = (end: number, ...more: string[]) => project.run(["train", "--cfg", "tiny.yaml", `OUTPUT_DIR=${name}`, `TRAIN.END_EPOCH=${end}`, ...overrides, ...more]);
    expect((await train(2)).code).toBe(0);
    const folder = project.runFolder(name);
    const losses = readFileSync(join(folder, "steps.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line).loss_pose as number);
    expect(losses.at(-1) as number).toBeLessThan(losses[0] as number);
    expect(readFileSync(join(folder, "train.log"), "utf8")).not.toContain("diverged");
  }
});

const SMALL_HRNET = [2, 3, 4].flatMap((branches) => [
  `MODEL.EXTRA.STAGE${branches}.NUM_BLOCKS=[${Array.from({ length: branches }, () => 1)}]`,
  `MODEL.EXTRA.STAGE${branches}.NUM_CHANNELS=[${Array.from({ length: branches }, (_, i) => 4 * 2 ** i)}]`,
]);

test("HRNet trains by PoseCons and supervised, hourglasses supervised, all are validated and predict, by configuration", async () => {
  const hourglass = ["MODEL.NAME=pose_hourglass", "MODEL.NET.NSTACKS=2", "MODEL.NET.NCHANNELS=8", "MODEL.NET.NREDUCTIONS=2"];
  for (const [size, title, ...choice] of [
    ["pose_cons_4", "HRNet-W4", "MODEL.BACKBONE=hrnet", ...SMALL_HRNET],
    ["pose_hrnet_4", "HRNet-W4", "MODEL.NAME=pose_hrnet", ...SMALL_HRNET],
    ["pose_hourglass_2", "Hourglass-2", ...hourglass],
  ] as const) {
    const overrides = [...choice, "OUTPUT_DIR=hrnet", "TRAIN.END_EPOCH=1"];
    const { code, errors } = await project.run(["train", "--cfg", "tiny.yaml", ...overrides]);
    expect(errors).not.toContain("error");
    expect(code).toBe(0);
    const folder = join(project.folder, "hrnet", "mix_coco_coco", size, "tiny");
    expect(readFileSync(join(folder, "train.log"), "utf8")).toContain(`network   ${title}, `);
    const valid = await project.run(["valid", "--cfg", "tiny.yaml", ...overrides, "--model-file", join(folder, "latest.json")]);
    expect(valid.code).toBe(0);
    const images = join(project.folder, "data", "coco", "images", "val2017");
    const predicted = await project.run(["predict", "--model-file", join(folder, "latest.json"), "--image", join(images, readdirSync(images)[0] as string), "--out", "hrnet_predicted"]);
    expect(predicted.code).toBe(0);
  }
});
