import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { TinyProject } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());

const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
/** Hash of a checkpoint's tensors: weights, moments, running statistics. */
const tensorsOf = (folder: string): string => json(join(folder, "latest.json")).tensors.sha256;
const stepsOf = (folder: string) => readFileSync(join(folder, "steps.jsonl"), "utf8");

const whole = project.runFolder("whole");
beforeAll(async () => {
  const { code, errors } = await project.train("whole");
  if (code !== 0) throw new Error(errors);
});

test("a run leaves checkpoints, losses, scores, results and figures, and nothing temporary", async () => {
  const files = readdirSync(whole);
  for (const name of ["latest.json", "best.json", "config.yaml", "train.log", "steps.jsonl", "scores.json", "results.json", "keypoints_results.json"]) expect(files).toContain(name);
  expect(files.filter((name) => name.includes("tmp"))).toEqual([]);
  for (const name of ["curves.png", "predictions.png", "views.png"]) {
    const { width, height } = await sharp(join(whole, name)).metadata();
    expect(Math.min(width, height)).toBeGreaterThan(100);
    const { entropy } = await sharp(join(whole, name)).stats();
    expect(entropy).toBeGreaterThan(0.1); // not one flat colour
  }
  const lines = stepsOf(whole).trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(lines.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  for (const line of lines) {
    expect(line.loss_pose).toBeGreaterThan(0);
    expect(line.loss_cons).toBeGreaterThan(0);
    expect(line.lr).toBeCloseTo(0.002, 10);
  }
  const results = json(join(whole, "keypoints_results.json"));
  expect(results).toHaveLength(4);
  expect(results[0].keypoints).toHaveLength(51);
  expect(json(join(whole, "scores.json")).map(({ epoch }: { epoch: number }) => epoch)).toEqual([1, 2]);
});

test("the same configuration gives the same bits, whatever the number of workers", async () => {
  const again = await project.train("again", "WORKERS=6");
  expect(again.errors).not.toContain("error");
  expect(tensorsOf(project.runFolder("again"))).toBe(tensorsOf(whole));
  expect(stepsOf(project.runFolder("again"))).toBe(stepsOf(whole));
});

test("another seed gives another run", async () => {
  await project.train("seed", "SEED=5", "TRAIN.END_EPOCH=1");
  expect(stepsOf(project.runFolder("seed")).split("\n")[0]).not.toBe(stepsOf(whole).split("\n")[0]);
});

/** Starts a run, kills it behind a checkpoint inside an epoch, resumes it; returns the folder. */
async function killedAndResumed(output: string, { step, method, overrides = [] }: { step: number; method: string; overrides?: string[] }): Promise<string> {
  const folder = project.runFolder(output, method);
  const { child, outcome } = project.start(["train", "--cfg", "tiny.yaml", `OUTPUT_DIR=${output}`, ...overrides]);
  const file = join(folder, "latest.json");
  while (!existsSync(file) || json(file).state.step < step) {
    if (child.exitCode !== null) throw new Error(`the run ended by itself: ${(await outcome).errors}`);
    await Bun.sleep(1);
  }
  child.kill("SIGKILL");
  expect((await outcome).signal).toBe("SIGKILL");
  const resumedFrom = json(file).state.step;
  expect(resumedFrom).toBeGreaterThanOrEqual(step);
  expect(resumedFrom).toBeLessThan(20);
  const resumed = await project.run(["train", "--cfg", "tiny.yaml", "--resume", `OUTPUT_DIR=${output}`, ...overrides]);
  expect(resumed.errors).not.toContain("error");
  expect(resumed.code).toBe(0);
  expect(readFileSync(join(folder, "train.log"), "utf8")).toContain(`continued behind step ${resumedFrom}`);
  return folder;
}

test("PoseCons: 10 steps, kill -9 and the rest equal 20 steps, bit for bit", async () => {
  for (const step of [5, 10, 15]) {
    const folder = await killedAndResumed(`killed${step}`, { step, method: "pose_cons" });
    expect(tensorsOf(folder)).toBe(tensorsOf(whole));
    expect(stepsOf(folder)).toBe(stepsOf(whole));
    expect(readFileSync(join(folder, "scores.json"), "utf8")).toBe(readFileSync(join(whole, "scores.json"), "utf8"));
  }
});

test("supervised: 10 steps, kill -9 and the rest equal 20 steps, bit for bit", async () => {
  const overrides = ["MODEL.NAME=pose_resnet"];
  expect((await project.train("supervised", ...overrides)).code).toBe(0);
  const reference = project.runFolder("supervised", "pose_resnet");
  const folder = await killedAndResumed("supervised_killed", { step: 10, method: "pose_resnet", overrides });
  expect(tensorsOf(folder)).toBe(tensorsOf(reference));
  expect(stepsOf(folder)).toBe(stepsOf(reference));
});

test("an interrupted run saves, says how to go on, and goes on to the same bits", async () => {
  const { child, outcome } = project.start(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=stopped"]);
  const folder = project.runFolder("stopped");
  while (!existsSync(join(folder, "latest.json"))) await Bun.sleep(1);
  child.kill("SIGINT");
  const { code, output, errors } = await outcome;
  expect(code).toBe(130);
  expect(output + errors).toContain("--resume");
  expect((await project.run(["train", "--cfg", "tiny.yaml", "--resume", "OUTPUT_DIR=stopped"])).code).toBe(0);
  expect(tensorsOf(folder)).toBe(tensorsOf(whole));
});

test("a changed configuration is refused on --resume, key by key", async () => {
  const { code, errors } = await project.run(["train", "--cfg", "tiny.yaml", "--resume", "OUTPUT_DIR=whole", "TRAIN.LR=0.5"]);
  expect(code).toBe(1);
  expect(errors).toContain("TRAIN.LR was 0.002, is 0.5");
});

test("valid on the stored weights gives the run's final figures", async () => {
  const { code, output } = await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=whole", "--model-file", join(whole, "latest.json")]);
  expect(code).toBe(0);
  expect(output).toContain("PoseResNet-8");
  expect(json(join(whole, "valid_results.json")).scores).toEqual(json(join(whole, "results.json")).scores);
  expect(readFileSync(join(whole, "valid_keypoints_results.json"), "utf8")).toBe(readFileSync(join(whole, "keypoints_results.json"), "utf8"));
});

test("predict writes keypoints of every box, an overlay and heatmaps", async () => {
  const folder = join(project.folder, "data", "coco", "images", "val2017");
  const [image = ""] = readdirSync(folder).filter((name) => name.endsWith(".jpg"));
  const { code, errors } = await project.run([
    "predict", "--model-file", join(whole, "latest.json"), "--image", join(folder, image),
    "--bbox", "4,4,30,40", "--bbox", "10,0,20,20", "--out", "predicted", "--save-heatmaps", "predicted/maps.npy",
  ]);
  expect(errors).not.toContain("error");
  expect(code).toBe(0);
  const out = join(project.folder, "predicted");
  const stem = image.replace(".jpg", "");
  const { persons } = json(join(out, `${stem}.json`));
  expect(persons).toHaveLength(2);
  expect(persons[0].keypoints).toHaveLength(17);
  expect((await sharp(join(out, `${stem}_overlay.png`)).metadata()).format).toBe("png");
  const maps = readFileSync(join(out, "maps.npy"));
  expect(maps.subarray(0, 6).toString("latin1")).toBe("\x93NUMPY");
  expect(maps.subarray(10, 128).toString("latin1")).toContain("(2, 8, 8, 17)");
  expect(statSync(join(out, "maps.npy")).size).toBeGreaterThan(4 * 2 * 17 * 64);
});
