/**
 * What training steps hold on the device: state, planned activations, the same without reuse, and what PyTorch keeps for
 * its backward pass (bench/peers/torch_saved.py). Nothing is run: the steps are recorded and planned only.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Gpu, openDevice } from "../src/gpu/device.ts";
import { renderTable } from "../src/train/log.ts";
import { chosen } from "./chosen.ts";
import { openReport } from "./report.ts";
import { buildStep, POSE_CONS, poseResnet, QUICKSTART, type StepProblem, stepProblem, SUPERVISED } from "./step.ts";

/** The steps of the table; PyTorch's figures go by these names. */
export const MEMORY_STEPS: readonly StepProblem[] = [
  stepProblem("quickstart supervised", ...QUICKSTART, ...SUPERVISED),
  stepProblem("quickstart PoseCons", ...QUICKSTART, ...POSE_CONS),
  stepProblem("PoseResNet-18 supervised", ...poseResnet(18, 8), ...SUPERVISED),
  stepProblem("PoseResNet-50 supervised", ...poseResnet(50, 8), ...SUPERVISED),
  stepProblem("PoseResNet-18 PoseCons", ...poseResnet(18, 8), ...POSE_CONS),
];

/** Bytes of one step. */
export interface MemoryRow {
  name: string;
  recompute: boolean;
  /** Parameters, gradients, Adam's moments. */
  stateBytes: number;
  /** Transient tensors of the recorded step, as they are placed. */
  plannedBytes: number;
  /** Most of them in use at one dispatch: no plan takes less. */
  liveBytes: number;
  /** The same without reuse. */
  unsharedBytes: number;
  /** What PyTorch saves between forward and backward pass. */
  torchBytes: number;
}

/** PyTorch's figures by the step's name. */
export async function torchSavedBytes(): Promise<Readonly<Record<string, number>>> {
  const path = join(dirname(fileURLToPath(import.meta.url)), "peers", "torch_saved.json");
  const { savedBytes } = JSON.parse(await readFile(path, "utf8")) as { savedBytes: Record<string, number> };
  return savedBytes;
}

/** Plans a step with and without recomputation. */
export function measureStep(gpu: Gpu, problem: StepProblem, torchBytes: number): MemoryRow[] {
  return [false, true].map((recompute) => {
    const { prepare, work, stateBytes, free } = buildStep(gpu, problem, { recompute });
    prepare(0);
    const recording = gpu.record(work, { execute: false });
    const { plannedBytes, plan } = recording;
    recording.dispose();
    free();
    return { name: problem.name, recompute, stateBytes, plannedBytes, liveBytes: plan.liveBytes, unsharedBytes: plan.unsharedBytes, torchBytes };
  });
}

/** Prints and writes the table of the steps whose name contains `only`. */
export async function runMemoryBench({ only, out }: { only?: string | undefined; out?: string | undefined }): Promise<void> {
  const gpu = await openDevice();
  const report = await openReport(gpu, { name: "memory", out });
  const torch = await torchSavedBytes();
  const rows: MemoryRow[] = [];
  for (const problem of chosen(MEMORY_STEPS, only, ({ name }) => name)) {
    const torchBytes = torch[problem.name];
    if (torchBytes === undefined) throw new Error(`bench/peers/torch_saved.json lacks "${problem.name}": run bench/peers/torch_saved.py`);
    rows.push(...measureStep(gpu, problem, torchBytes));
    await gpu.trim();
  }
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(0)} %`;
  console.log(
    await renderTable(
      ["MiB", "recompute", "state", "planned", "bound", "no reuse", "of no reuse", "PyTorch", "of PyTorch"],
      rows.map(({ name, recompute, stateBytes, plannedBytes, liveBytes, unsharedBytes, torchBytes }) => [
        name,
        recompute ? "on" : "off",
        mib(stateBytes),
        mib(plannedBytes),
        mib(liveBytes),
        mib(unsharedBytes),
        percent(plannedBytes, unsharedBytes),
        mib(torchBytes),
        percent(plannedBytes, torchBytes),
      ]),
    ),
  );
  await report.write({ rows });
  console.error(`written  ${report.path}`);
}
