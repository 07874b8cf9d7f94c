/** Whole training steps, recorded and replayed as a run replays them. Correct means: losses are finite, that of labels falls, and a replay makes nothing. */
import { type Gpu, openDevice } from "../src/gpu/device.ts";
import { BENCH_ROUNDS } from "../src/gpu/time_replay.ts";
import type { Case, Row } from "./case.ts";
import { buildStep, DUAL_MULTI_4, MULTI_2, MULTI_4, POSE_CONS, poseResnet, QUICKSTART, type StepProblem, stepProblem, SUPERVISED } from "./step.ts";
import { runTable } from "./table.ts";

/** By name: the keys of the methods that the table has. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  supervised: SUPERVISED,
  "PoseCons K=1": POSE_CONS,
  "PoseCons MULTI K=2": MULTI_2,
  "PoseCons MULTI K=4": MULTI_4,
  "PoseDual MULTI K=4": DUAL_MULTI_4,
};

/** Every method on a network, by the network's name and keys. */
function onNetwork(name: string, keys: readonly string[]): StepProblem[] {
  return Object.entries(METHODS).map(([method, own]) => stepProblem(`${name} ${method}`, ...keys, ...own));
}

/** Steps that end in minutes on two CPU cores, and with `large` or on a GPU those of the published batch. */
export function stepProblems({ hardware, large }: { hardware: boolean; large: boolean }): StepProblem[] {
  const small = [...onNetwork("quickstart network", QUICKSTART), ...onNetwork("PoseResNet-18 256x192", poseResnet(18, 1))];
  const published = hardware
    ? [...onNetwork("PoseResNet-18 256x192", poseResnet(18, 32)), ...onNetwork("PoseResNet-50 256x192", poseResnet(50, 32))]
    : onNetwork("PoseResNet-18 256x192", poseResnet(18, 8));
  return large || hardware ? [...small, ...published] : small;
}

/** Replays of an only sample before its loss is looked at, at least. */
const SETTLING_STEPS = 4;

function stepCase(problem: StepProblem): Case {
  const { BATCH_SIZE: batch } = problem.config.TRAIN;
  const name = `${problem.name}, batch ${batch}`;
  return { name, run: (gpu) => measure(gpu, problem, name) };
}

async function measure(gpu: Gpu, problem: StepProblem, name: string): Promise<Row> {
  const { prepare, work, losses, imagesPerStep, free } = buildStep(gpu, problem);
  prepare(0);
  const recording = gpu.record(work, { execute: false });
  recording.replay();
  const first = (await gpu.readFloats(losses))[0] as number;
  const { bindGroups, pipelines } = gpu.counters;
  const { created } = gpu.memory;
  const began = performance.now();
  let [best, host] = [Infinity, 0];
  let step = 1;
  for (; step < SETTLING_STEPS || (step <= BENCH_ROUNDS.most && performance.now() - began < BENCH_ROUNDS.ms); step++) {
    prepare(step);
    gpu.fenceBlocking();
    const replayed = performance.now();
    const hostMs = recording.replay();
    gpu.fenceBlocking();
    const ms = performance.now() - replayed;
    if (ms < best) [best, host] = [ms, hostMs];
  }
  const bytes = gpu.memory.bytes;
  const after = await gpu.readFloats(losses);
  const still = gpu.counters.bindGroups === bindGroups && gpu.counters.pipelines === pipelines && gpu.memory.created === created;
  const right = after.every(Number.isFinite) && (after[0] as number) < first && still;
  const row: Row = { name, ms: best, gflops: recording.flops / best / 1e6, hostShare: host / best, images: (1000 * imagesPerStep) / best, bytes, error: right ? 0 : 1 };
  if (!right) console.error(`${name}: loss ${first} -> ${after.join(" ")}; ${still ? "a replay made nothing" : "a replay made something"}`);
  recording.dispose();
  free();
  return row;
}

/** Runs the table; returns whether every check passed. */
export async function runStepBench({ only, out, large }: { only?: string | undefined; out?: string | undefined; large: boolean }): Promise<boolean> {
  const gpu = await openDevice();
  const problems = stepProblems({ hardware: gpu.info.kind === "hardware", large });
  return runTable(gpu, { name: "step", cases: problems.map(stepCase), only, out });
}
