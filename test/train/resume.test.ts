import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../src/random.ts";
import { readJson, tensorHash, TinyProject, unfinishedFiles } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());

const SUPERVISED = "MODEL.NAME=pose_resnet";
const whole = project.runFolder("whole");
beforeAll(() => project.trained("whole"));

/** Everything that a continued run must have in common with one that was never stopped, to the byte. */
function bytesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => /^(steps\.jsonl|scores\.json|(keypoints_)?results(_\w+)?\.json)$/.test(name));
  expect(names.length).toBeGreaterThanOrEqual(4);
  return { tensors: tensorHash(folder), ...Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), "utf8")])) };
}

const stepOf = (folder: string): number => readJson(join(folder, "latest.json")).state.step;

/** kill -9 once a checkpoint of that step is there; returns the step to be continued behind. */
async function kill(output: string, step: number, ...rest: string[]): Promise<number> {
  const { signal } = await project.interrupted(output, { step, signal: "SIGKILL", rest });
  expect(signal).toBe("SIGKILL");
  return stepOf(project.runFolder(output, rest));
}

async function resume(output: string, ...rest: string[]): Promise<string> {
  const from = stepOf(project.runFolder(output, rest));
  const folder = await project.trained(output, "--resume", ...rest);
  expect(readFileSync(join(folder, "train.log"), "utf8")).toContain(`continued behind step ${from}`);
  expect(unfinishedFiles(folder)).toEqual([]);
  return folder;
}

test("PoseCons: 10 steps, kill -9 and the rest equal 20 steps, byte for byte", async () => {
  expect(await kill("ten", 10)).toBeWithin(10, 20);
  expect(bytesOf(await resume("ten"))).toEqual(bytesOf(whole));
});

test("a run killed in its first epoch and again in its second goes on to the same bytes", async () => {
  expect(await kill("twice", 5)).toBeWithin(5, 20);
  const from = await kill("twice", 15, "--resume");
  expect(from).toBe(15);
  expect(bytesOf(await resume("twice"))).toEqual(bytesOf(whole));
});

test("supervised: 10 steps, kill -9 and the rest equal 20 steps, byte for byte", async () => {
  const reference = await project.trained("supervised", SUPERVISED);
  expect(tensorHash(reference)).not.toBe(tensorHash(whole));
  expect(await kill("supervised_killed", 10, SUPERVISED)).toBeWithin(10, 20);
  expect(bytesOf(await resume("supervised_killed", SUPERVISED))).toEqual(bytesOf(reference));
});

/** Times that a run is killed at a random moment; LIMBER_KILLS=10 for a nightly one. */
const KILLS = Number(process.env["LIMBER_KILLS"] ?? 3);
const VIEWS = ["MULTI_AUGS=true", "USE_JointCutout_AUG=false", "USE_JointCutMix_CutOut_AUG=true", "USE_JointCutout_CutMix_AUG=true"];

for (const [name, keys] of Object.entries({
  pose_dual: ["MODEL.NAME=pose_dual", ...VIEWS],
  pose_sspcm: ["MODEL.NAME=pose_sspcm", "SSPCM.CORRECTION_WARMUP_EPOCH=0"],
})) {
  test(`${name}, killed at ${KILLS} random moments, ends with the same bytes as without`, async () => {
    const rest = [...keys, "TRAIN.END_EPOCH=4", "TRAIN.CHECKPOINT_STEPS=2"];
    const reference = await project.trained(`${name}_whole`, ...rest);
    const random = new Random({ seed: Date.now(), stream: 940 });
    const moments: number[] = [];
    for (let kills = 0; kills < KILLS; kills++) {
      const { child, outcome } = project.start(["train", "--cfg", "tiny.yaml", `OUTPUT_DIR=${name}_killed`, "--resume", ...rest]);
      moments.push(random.range(500, 2500));
      await Promise.race([Bun.sleep(moments.at(-1) as number), child.exited]);
      child.kill("SIGKILL");
      const { code, errors } = await outcome;
      if (code !== null && code !== 0) throw new Error(`after ${moments.join(", ")} ms: ${errors}`);
    }
    const folder = await project.trained(`${name}_killed`, "--resume", ...rest);
    expect(bytesOf(folder), `killed after ${moments.map((ms) => ms.toFixed(0)).join(", ")} ms`).toEqual(bytesOf(reference));
    expect(unfinishedFiles(folder)).toEqual([]);
  });
}

test.each([["SIGINT", 130], ["SIGTERM", 143]] as const)("a run that %s stops saves, says how to go on, exits with %d, and goes on to the same bytes", async (signal, exitCode) => {
  const { code, errors } = await project.interrupted(signal, { step: 5, signal });
  expect(code).toBe(exitCode);
  expect(errors).toContain("Stopping after this step ...");
  expect(errors).toContain(`Stopped. Continue with: bun run train --cfg tiny.yaml OUTPUT_DIR=${signal} --resume`);
  expect(errors).not.toContain("    at ");
  const folder = project.runFolder(signal);
  const step = stepOf(folder);
  expect(step).toBeWithin(5, 20);
  expect(readFileSync(join(folder, "steps.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(step);
  expect(unfinishedFiles(folder)).toEqual([]);
  expect(bytesOf(await resume(signal))).toEqual(bytesOf(whole));
});

test("a finished run that is resumed changes nothing", async () => {
  const figures = () => Object.fromEntries(["curves.png", "peaks.png", "predictions.png", "views.png"].map((name) => [name, Bun.hash(readFileSync(join(whole, name)))]));
  const before = { ...bytesOf(whole), ...figures() };
  expect({ ...bytesOf(await resume("whole")), ...figures() }).toEqual(before);
  expect(readFileSync(join(whole, "train.log"), "utf8")).toContain("none left of 2 epochs");
});

test("--resume without a checkpoint begins anew", async () => {
  const folder = await project.trained("fresh", "--resume", "TRAIN.END_EPOCH=1");
  const lines = (path: string) => readFileSync(join(path, "steps.jsonl"), "utf8").trimEnd().split("\n");
  expect(lines(folder)).toEqual(lines(whole).slice(0, 10));
  expect(readFileSync(join(folder, "train.log"), "utf8")).toContain("to go on from: the run begins");
});

test("a changed configuration is refused on --resume, key by key", async () => {
  const { code, errors } = await project.train("whole", "--resume", "TRAIN.LR=0.5", "SEED=7");
  expect(code).toBe(1);
  expect(errors).toContain("TRAIN.LR was 0.002, is 0.5");
  expect(errors).toContain("SEED was 1314, is 7");
  expect(errors).not.toContain("    at ");
});
