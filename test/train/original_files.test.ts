/** The files that a run leaves under MultiAugs' names, TensorBoard's among them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../../src/config/load.ts";
import type { Dataset } from "../../src/data/datasets.ts";
import { matNumbers, readMat } from "../../src/data/mat.ts";
import { readNpy } from "../../src/data/npy.ts";
import { openSafetensors, type StoredTensor } from "../../src/interop/safetensors.ts";
import { openTorch, stateDict } from "../../src/interop/torch.ts";
import type { TorchTensor } from "../../src/interop/torch_graph.ts";
import { buildModel } from "../../src/models/build.ts";
import { COCO_JOINTS, MPII16 } from "../../src/pose/joint_sets.ts";
import { writeOriginalPredictions } from "../../src/train/original_files.ts";
import { readEvents } from "../support/event_files.ts";
import { readJson, TinyProject } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());

const DUAL = ["--exp_subname", "pair", "MODEL.NAME=pose_dual", "SAVE_INTER=2", "--logDir", "log"];
const folder = join(project.folder, "dual", "mix_coco_coco", "pose_dual_8", "tiny_pair");
beforeAll(async () => {
  const { code, errors } = await project.train("dual", ...DUAL);
  if (code !== 0) throw new Error(errors);
});

const isStatistic = (name: string) => /\.(running_(mean|var)|num_batches_tracked)$/.test(name);
const bytesOf = ({ data }: StoredTensor) => Buffer.from(data).toString("base64");

test("the folder is named as the original names it, and holds its files", () => {
  const files = readdirSync(folder, { recursive: true }).map(String);
  for (const name of ["checkpoint.pth.tar", "model_best.pth.tar", "State_epoch2.pth.tar", "final_state.pth.tar", "all_preds.npy"]) expect(files).toContain(name);
  expect(files).not.toContain("State_epoch1.pth.tar");
  expect(files.filter((name) => name.startsWith("results/")).toSorted()).toEqual([1, 2, 3].map((i) => `results/person_keypoints_val2017_eval_${i}.json`));
  expect(files.filter((name) => /^tiny_\d{4}(-\d{2}){4}_train\.log$/.test(name))).toHaveLength(1);
});

test("weights for PyTorch have the original's names and the run's values", async () => {
  const own = await openSafetensors(join(folder, readJson(join(folder, "latest.json")).tensors.file));
  const final = await openTorch(join(folder, "final_state.pth.tar"));
  const original = (name: string) => name.replace(/^model\./, "").replace(".final_layer.", ".final_layer_1.");
  const weights = [...own.entries.keys()].filter((name) => name.startsWith("model."));
  const { tensors } = stateDict(final);
  expect([...tensors.keys()].toSorted()).toEqual(weights.map(original).toSorted());
  expect(weights.map(original)).toContain("resnet2.final_layer_1.weight");
  for (const name of weights) expect(bytesOf(await final.read(tensors.get(original(name)) as TorchTensor))).toBe(bytesOf(await own.read(name)));
});

test("checkpoint.pth.tar holds weights and optimiser as PyTorch's load_state_dict wants them", async () => {
  const own = await openSafetensors(join(folder, readJson(join(folder, "latest.json")).tensors.file));
  const file = await openTorch(join(folder, "checkpoint.pth.tar"));
  const root = file.root as Map<string, unknown>;
  const optimiser = root.get("optimizer") as Map<string, unknown>;
  const state = optimiser.get("state") as Map<number, Map<string, unknown>>;
  const [group] = optimiser.get("param_groups") as Map<string, unknown>[];
  const names = [...stateDict(await openTorch(join(folder, "final_state.pth.tar"))).tensors.keys()];
  const parameters = names.filter((name) => !isStatistic(name)).map((name) => `adam.m.${name.replace("final_layer_1", "final_layer")}`);
  expect(parameters.toSorted()).toEqual([...own.entries.keys()].filter((name) => name.startsWith("adam.m.")).toSorted());
  expect(root.get("epoch")).toBe(2);
  expect(root.get("model")).toBe("pose_dual");
  expect(root.get("perf")).toBe(readJson(join(folder, "latest.json")).state.best.score);
  expect(group?.get("params")).toEqual(parameters.map((_, i) => i));
  expect(group?.get("lr")).toBeCloseTo(0.0002, 12);
  expect(group?.get("weight_decay")).toBe(0);
  expect(group?.get("betas")).toEqual([0.9, 0.999]);
  expect(group?.get("eps")).toBe(1e-8);
  expect(group?.get("amsgrad")).toBe(false);
  expect([...state.keys()]).toEqual(parameters.map((_, i) => i));
  expect(state.get(0)?.get("step")).toBe(20);
  for (const [i, name] of parameters.entries()) {
    expect(bytesOf(await file.read(state.get(i)?.get("exp_avg") as TorchTensor))).toBe(bytesOf(await own.read(name)));
  }
});

test("parameters are numbered as PyTorch numbers them", async () => {
  const { tensors } = stateDict(await openTorch(join(import.meta.dir, "../golden/torch/pose_dual10.pth")));
  const { store } = buildModel(parseConfig("MODEL: {NAME: pose_dual, EXTRA: {NUM_LAYERS: 10}}\nDATASET: {TRAIN_DATASET: mix_coco_coco}\n", { path: "a.yaml" }).config);
  const original = [...tensors.keys()].filter((name) => !isStatistic(name)).map((name) => name.replace(/^module\./, "").replace("final_layer_1", "final_layer"));
  expect(store.declarations.map(({ name }) => name)).toEqual(original);
});

test("valid reads them, finds the scores of the run, and leaves the same predictions", async () => {
  const { best } = readJson(join(folder, "results.json"));
  const predictions = ["all_preds.npy", ...[1, 2, 3].map((i) => join("results", `person_keypoints_val2017_eval_${i}.json`))].map((name) => join(folder, name));
  const left = () => predictions.map((path) => readFileSync(path).toString("base64"));
  const ofTheRun = left();
  for (const path of predictions) rmSync(path);
  for (const name of ["model_best.pth.tar", "checkpoint.pth.tar"]) {
    const { code, errors } = await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=dual", ...DUAL.slice(0, 3), "--model-file", join(folder, name)]);
    expect(errors).not.toContain("error:");
    expect(code).toBe(0);
    const scores = readJson(join(folder, "scores.json"));
    const wanted = name === "model_best.pth.tar" ? best.score : scores.at(-1).score;
    const [log = ""] = readdirSync(folder).filter((file) => /^tiny_[\d-]{16}_valid\.log$/.test(file));
    expect(readFileSync(join(folder, log), "utf8")).toContain("AP (M)");
    expect(readJson(join(folder, "valid_results.json")).scores.AP).toBeCloseTo(wanted, 4);
  }
  // Those of the last epoch, again.
  expect(left()).toEqual(ofTheRun);
});

test("all_preds.npy are the first network's predictions", async () => {
  const { shape, data } = await readNpy(join(folder, "all_preds.npy"));
  expect(shape).toEqual([4, 17, 3]);
  const [first] = readJson(join(folder, "results", "person_keypoints_val2017_eval_1.json"));
  const of = (n: number) => [...(data as Float64Array).subarray(51 * n, 51 * n + 51)];
  expect([0, 1, 2, 3].some((n) => of(n).every((value, i) => Math.abs(value - first.keypoints[i]) < 1e-6))).toBe(true);
});

test("where scores are by PCK there are MAT files, and SAVE_RESULT leaves out all but all_preds.npy", async () => {
  const at = (name: string) => join(project.folder, name);
  const { config } = parseConfig("MODEL: {NUM_JOINTS: 16}\nDATASET: {TEST_DATASET: mpii, TRAIN_DATASET: mpii}\n", { path: "a.yaml" });
  const scored = ["net 1", "net 2", "ensemble"].map((name, i) => ({
    name,
    scores: { rows: [], primary: 0, primaryName: "Mean", results: [], predictions: Float64Array.from({ length: 2 * 16 * 3 }, (_, k) => 100 * i + k) },
    predictions: [],
  }));
  const evaluation = { scored, rows: [], primary: 0, primaryName: "Mean" };
  const set: Dataset = { name: "mpii", joints: MPII16, file: "mpii_valid.json", records: [] };
  await writeOriginalPredictions(at("mat"), { evaluation, set, config });
  expect(readdirSync(at("mat")).toSorted()).toEqual(["all_preds.npy", "ensemble_pred.mat", "head2_pred.mat", "pred.mat"]);
  const file = at("mat/head2_pred.mat");
  const { data } = matNumbers(await readMat(file), { file, name: "preds", shape: [2, 16, 3] });
  expect([data[0], data[1]]).toEqual([101, 149]); // 1-based, column-major
  await writeOriginalPredictions(at("none"), { evaluation, set, config: { ...config, TEST: { ...config.TEST, SAVE_RESULT: false } } });
  expect(readdirSync(at("none"))).toEqual(["all_preds.npy"]);
});

test("results of a set that lists images alone are named as those of others", async () => {
  const at = join(project.folder, "dev");
  const { config } = parseConfig("", { path: "a.yaml" });
  const scored = ["net 1", "net 2", "ensemble"].map((name) => ({ name, scores: { rows: [], primary: 0, primaryName: "AP", results: [], predictions: new Float64Array() }, predictions: [] }));
  const set: Dataset = { name: "coco", joints: COCO_JOINTS, file: "coco/annotations/image_info_test-dev2017.json", records: [], truth: { images: [], annotations: [] } };
  await writeOriginalPredictions(at, { evaluation: { scored, rows: [], primary: 0, primaryName: "AP" }, set, config });
  expect(readdirSync(join(at, "results")).toSorted()).toEqual([1, 2, 3].map((i) => `person_keypoints_test-dev2017_eval_${i}.json`));
});

test("TensorBoard's file has every step, the scores and the figures", () => {
  const base = join(project.folder, "log", "mix_coco_coco", "pose_dual_8");
  const [name = ""] = readdirSync(base);
  expect(name).toMatch(/^tiny_pair_\d{4}(-\d{2}){4}$/);
  const [file = ""] = readdirSync(join(base, name));
  const events = readEvents(readFileSync(join(base, name, file)));
  const lines = readFileSync(join(folder, "steps.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  const scalars = (tag: string) => events.flatMap(({ step, values }) => values.filter((value) => value.tag === tag).map(({ scalar }) => [step, scalar]));
  for (const tag of ["lr", "loss_pose", "loss_cons"]) expect(scalars(tag)).toEqual(lines.map((line) => [line.step, Math.fround(line[tag])]));
  const scores = readJson(join(folder, "scores.json"));
  expect(scalars("valid/average/AP")).toEqual(scores.map(({ score }: { score: number }, i: number) => [10 * (i + 1), Math.fround(score)]));
  expect(scalars("valid/net 2/AP")).toHaveLength(2);
  const images = events.flatMap(({ step, values }) => values.filter(({ image }) => image).map(({ tag, image }) => ({ step, tag, png: image?.png })));
  expect(images.map(({ step, tag }) => [step, tag])).toEqual([[20, "predictions"], [20, "views"]]);
  expect(Buffer.from(images[1]?.png ?? []).equals(readFileSync(join(folder, "views.png")))).toBe(true);
});

test("milestones come when they are due in a resumed run (D-16)", async () => {
  const rate = ["MODEL.NAME=pose_resnet", "TRAIN.LR_STEP=[2]", "TRAIN.STEPS_PER_EPOCH=2", "TRAIN.CHECKPOINT_STEPS=0"];
  await project.trained("milestone", ...rate, "TRAIN.END_EPOCH=1");
  const resumed = await project.trained("milestone", ...rate, "TRAIN.END_EPOCH=3", "--resume");
  const lines = readFileSync(join(resumed, "steps.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  const low = 0.002 * 0.1;
  expect(lines.map(({ epoch, lr }) => [epoch, lr])).toEqual([[1, 0.002], [1, 0.002], [2, 0.002], [2, 0.002], [3, low], [3, low]]);
});
