import { expect, test } from "bun:test";
import { LossLog } from "../../src/train/loss_log.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("losses that are read late are those of their steps, whatever later steps wrote into the same rows", async () => {
  const log = new LossLog(gpu, ["pose", "cons"]);
  const losses = persistentTensor(gpu, [2]);
  const recording = gpu.record(() => log.encode(losses), { execute: false });
  const run = (step: number) => {
    gpu.write(losses.range, Float32Array.of(step, step / 2));
    log.prepare(step);
    recording.replay();
  };
  const expected = (...steps: number[]) => steps.map((step) => ({ step, losses: { pose: step, cons: step / 2 } }));
  run(1);
  run(2);
  const late = log.fetch();
  run(3); // into the first row again, before the others were waited for
  expect(await late()).toEqual(expected(1, 2));
  run(4);
  expect(await log.read()).toEqual(expected(3, 4));
  expect(await log.read()).toEqual([]);
  recording.dispose();
  gpu.free(losses.range);
});
