/** Where the time of training steps goes: every kernel with its calls, device time and rates. */
import { loadConfig } from "../src/config/load.ts";
import { type Gpu, openDevice, type ProfileRow } from "../src/gpu/device.ts";
import { openMatrixCore } from "../src/kernels/matrix_gate.ts";
import { renderTable } from "../src/train/log.ts";
import { openReport } from "./report.ts";
import { buildStep, DUAL_MULTI_4, POSE_CONS, poseResnet, QUICKSTART, type StepProblem, stepProblem } from "./step.ts";

/** The quickstart's step; on a GPU a published one, with half floats too where the adapter has them. */
function stepsOf({ info, features }: Gpu): StepProblem[] {
  if (info.kind !== "hardware") return [stepProblem("quickstart PoseCons", ...QUICKSTART, ...POSE_CONS)];
  const dual = [...poseResnet(18, 32), ...DUAL_MULTI_4];
  return [
    stepProblem("PoseDual MULTI K=4 PoseResNet-18 256x192", ...dual),
    ...(features.has("shader-f16") ? [stepProblem("mixed PoseDual MULTI K=4 PoseResNet-18 256x192", ...dual, "PRECISION=mixed")] : []),
  ];
}

/** Prints one step's table. Errors: Error where its losses are no numbers, so that nothing wrong is timed. */
async function profileStep(gpu: Gpu, problem: StepProblem): Promise<readonly ProfileRow[]> {
  const { prepare, work, losses, free } = buildStep(gpu, problem);
  prepare(0);
  const recording = gpu.record(work, { execute: false });
  recording.replay(); // compiled, zeroed, warm
  const found = await gpu.readFloats(losses);
  if (!found.every(Number.isFinite)) throw new Error(`${problem.name}: losses ${found.join(", ")}`);
  prepare(1);
  const rows = await gpu.profile(() => recording.profileOnce());
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  const rate = (value: number, digits: number) => (value > 0 ? value.toFixed(digits) : "");
  console.log(
    await renderTable(
      [problem.name, "calls", "ms", "% of step", "GFLOP/s", "GB/s bound"],
      [
        ...rows.map(({ kernel, calls, ms, gflops, gbytes }) => [kernel, String(calls), ms.toFixed(3), ((100 * ms) / total).toFixed(1), rate(gflops, 1), rate(gbytes, 2)]),
        ["all", String(recording.dispatches), total.toFixed(3), "100.0", rate(recording.flops / total / 1e6, 1), ""],
      ],
    ),
  );
  recording.dispose();
  free();
  return rows;
}

/** Prints and writes the table for the step of a configuration file, or for those of the adapter. */
export async function runKernelBench({ cfg, out }: { cfg?: string | undefined; out?: string | undefined }): Promise<void> {
  const given = cfg === undefined ? undefined : { name: cfg, config: (await loadConfig(cfg)).config };
  const gpu = await openDevice();
  const report = await openReport(gpu, { name: "kernels", out });
  await openMatrixCore(gpu, console.error); // for steps in mixed precision
  const steps: { step: string; rows: readonly ProfileRow[] }[] = [];
  for (const problem of given ? [given] : stepsOf(gpu)) {
    steps.push({ step: problem.name, rows: await profileStep(gpu, problem) });
    await report.write({ steps });
    await gpu.trim();
  }
  console.error(`written  ${report.path}`);
}
