/** Where the time of one training step goes: every kernel with its calls, device time and rates. */
import { openDevice } from "../src/gpu/device.ts";
import { openMatrixCore } from "../src/kernels/matrix_gate.ts";
import { loadConfig } from "../src/config/load.ts";
import { renderTable } from "../src/train/log.ts";
import { openReport } from "./report.ts";
import { buildStep, POSE_CONS, QUICKSTART, type StepProblem, stepProblem } from "./step.ts";

/** Prints and writes the table for the step of a configuration file, or of the quickstart network with PoseCons. */
export async function runKernelBench({ cfg, out }: { cfg?: string | undefined; out?: string | undefined }): Promise<void> {
  const problem: StepProblem = cfg === undefined ? stepProblem("quickstart PoseCons", ...QUICKSTART, ...POSE_CONS) : { name: cfg, config: (await loadConfig(cfg)).config };
  const gpu = await openDevice();
  const report = await openReport(gpu, { name: "kernels", out });
  await openMatrixCore(gpu, console.error); // for steps in mixed precision
  const { prepare, work } = buildStep(gpu, problem);
  prepare(0);
  const recording = gpu.record(work, { execute: false });
  recording.replay(); // compiled, zeroed, warm
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
  await report.write({ step: problem.name, rows });
  console.error(`written  ${report.path}`);
}
