import { expect, test } from "bun:test";
import { addInto } from "../../src/kernels/elementwise.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import type { Evaluation } from "../../src/train/evaluate.ts";
import { StepRunner } from "../../src/train/step_runner.ts";
import { closingLines } from "../../src/train/summary.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

/** The end of a run of three steps, of which the host and data took so long. */
async function linesOf(ms: { epochs: number; waited: number; host: number }, corrupt = 0): Promise<string> {
  const [x, y] = [persistentTensor(gpu, [64]), persistentTensor(gpu, [64])];
  const runner = new StepRunner(gpu, () => addInto(gpu, { a: x.range, b: undefined, out: y.range, count: 64 }));
  for (let i = 0; i < 3; i++) runner.run(0);
  runner.host.ms = ms.host;
  const trainer = { gpu, runner, scaler: undefined, progress: { epoch: 2, stepInEpoch: 0, step: 3, best: { score: 0.25, epoch: 1 } }, flops: 6e9 };
  const evaluation: Evaluation = { scored: [], rows: [{ name: "", figures: [["AP", 0.2]] }], primary: 0.2, primaryName: "AP" };
  const lines = await closingLines(trainer, { evaluation, imagesPerStep: 8, ms: { run: ms.epochs + 500, epochs: ms.epochs, waited: ms.waited }, corrupt, figures: ["a.png"] });
  runner.dispose();
  for (const { range } of [x, y]) gpu.free(range);
  return lines.join("\n");
}

test("the end of a run: best, shares of host and data, time of a step, images and operations a second, memory", async () => {
  const { live } = gpu.memory;
  const text = await linesOf({ epochs: 3000, waited: 600, host: 30 });
  expect(text).toContain("best      AP 0.2500 at epoch 1");
  expect(text).toContain("host 1.0 % of the steps' time; waited 0.6 s for data (20.0 %)");
  // 6 x 10^9 operations and 3 x 8 images in 3 s.
  expect(text).toContain("speed     1000.0 ms a step of 8 images, 8.0 images/s, 2.0 GFLOP/s by direct count\n");
  expect(text).toMatch(/memory +\d+ MiB on the device at most; a step's tensors share \d+ MiB/);
  expect(text).not.toContain("passed over");
  expect(await linesOf({ epochs: 3000, waited: 0, host: 0 }, 4)).toContain("passed over 4 images");
  expect(gpu.memory.live).toBe(live);
});

test("a run that was long enough tells its share of what a plain product reaches on the adapter", async () => {
  const { live } = gpu.memory;
  const text = await linesOf({ epochs: 30_000, waited: 0, host: 0 });
  const [, gflops = "", share = ""] = /([\d.]+) GFLOP\/s by direct count, (\d+) % of a plain product's on this adapter/.exec(text) ?? [];
  expect([gflops, Number(share) < 100]).toEqual(["0.2", true]);
  expect(gpu.memory.live).toBe(live); // what it was measured with is given back
}, 60_000);
