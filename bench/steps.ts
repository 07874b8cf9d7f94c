/**
 * Whole training steps, recorded and replayed as a run replays them. Correct means: on the same views the
 * loss falls, and a replay makes nothing.
 */
import { type Gpu, openDevice } from "../src/gpu/device.ts";
import { openMatrixCore } from "../src/kernels/matrix_gate.ts";
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

/** Steps that end in minutes on two CPU cores, and with `large` or on a GPU those of the published batch; these with half floats too, where the adapter has them. */
export function stepProblems({ hardware, half, large }: { hardware: boolean; half: boolean; large: boolean }): StepProblem[] {
  const small = [...onNetwork("quickstart network", QUICKSTART), ...onNetwork("PoseResNet-18 256x192", poseResnet(18, 1))];
  const published = hardware
    ? [
        ...onNetwork("PoseResNet-18 256x192", poseResnet(18, 32)),
        ...(half ? onNetwork("mixed PoseResNet-18 256x192", [...poseResnet(18, 32), "PRECISION=mixed"]) : []),
        ...onNetwork("PoseResNet-50 256x192", poseResnet(50, 32)),
      ]
    : onNetwork("PoseResNet-18 256x192", poseResnet(18, 8));
  return large || hardware ? [...small, ...published] : small;
}

/** Replays that are timed, at least; further ones until the loss has fallen, at most. */
const [SETTLING_STEPS, MORE_STEPS] = [3, 40];

function stepCase(problem: StepProblem): Case {
  const { BATCH_SIZE: batch } = problem.config.TRAIN;
  const name = `${problem.name}, batch ${batch}`;
  return { name, run: (gpu) => measure(gpu, problem, name) };
}

async function measure(gpu: Gpu, problem: StepProblem, name: string): Promise<Row> {
  const { bytes: others } = gpu.memory;
  const { prepare, work, losses, lossCount, imagesPerStep, free } = buildStep(gpu, problem);
  const totalLoss = async () => (await gpu.readFloats(losses)).subarray(0, lossCount).reduce((sum, loss) => sum + loss, 0);
  prepare(0);
  const recording = gpu.record(work, { execute: false });
  recording.replay();
  const before = await totalLoss();
  const { bindGroups, pipelines } = gpu.counters;
  const { created, bytes } = gpu.memory;
  const began = performance.now();
  let [best, host, total] = [Infinity, 0, 0];
  for (let round = 0; round < SETTLING_STEPS || (round < BENCH_ROUNDS.most && performance.now() - began < BENCH_ROUNDS.ms); round++) {
    const started = performance.now();
    prepare(0); // the same views, so that losses can be compared
    recording.replay();
    host += performance.now() - started;
    gpu.fenceBlocking();
    const ms = performance.now() - started;
    best = Math.min(best, ms);
    total += ms;
  }
  let after = await totalLoss();
  // Losses of views rise at first where heatmaps begin to show, and steps in mixed precision are left out until the scale fits.
  for (let step = 0; step < MORE_STEPS && !(after < before); step++) {
    prepare(0);
    recording.replay();
    after = await totalLoss();
  }
  const still = gpu.counters.bindGroups === bindGroups && gpu.counters.pipelines === pipelines && gpu.memory.created === created;
  if (!still) console.error(`${name}: a replay made buffers, bind groups or pipelines`);
  if (!(after < before)) console.error(`${name}: the loss went from ${before} to ${after}`);
  const row: Row = { name, ms: best, gflops: recording.flops / best / 1e6, hostShare: host / total, images: (1000 * imagesPerStep) / best, bytes: bytes - others, error: still && after < before ? 0 : 1 };
  recording.dispose();
  free();
  return row;
}

/** Runs the table; returns whether every check passed. */
export async function runStepBench({ only, out, large }: { only?: string | undefined; out?: string | undefined; large: boolean }): Promise<boolean> {
  const gpu = await openDevice();
  await openMatrixCore(gpu, console.error); // for steps in mixed precision
  const problems = stepProblems({ hardware: gpu.info.kind === "hardware", half: gpu.features.has("shader-f16"), large });
  return runTable(gpu, { name: "step", cases: problems.map(stepCase), only, out });
}
