import { expect, test } from "bun:test";
import { testDevice } from "../support/device.ts";
import { tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();

/** 300 in an ordinary run; ENDURANCE_STEPS=5000 for a nightly one. */
const STEPS = Number(process.env["ENDURANCE_STEPS"] ?? 300);
/** What a garbage collector may hold back at a given moment. */
const SLACK_BYTES = 24 * 2 ** 20;

test(`${STEPS} replayed steps: the process and the device hold what they held at the beginning`, async () => {
  const { prepare, work, state } = tinyTrainer(gpu, { batch: 3 });
  prepare(0);
  gpu.scope(work);
  prepare(1);
  const recording = gpu.record(work);
  const resident = () => {
    Bun.gc(true);
    return process.memoryUsage.rss();
  };
  const step = async (number: number) => {
    prepare(number);
    recording.replay();
    await gpu.fence();
  };
  // A while for pools, caches and the compiler.
  for (let number = 2; number < 100; number++) await step(number);
  const before = { bytes: resident(), memory: gpu.memory, counters: gpu.counters };
  for (let number = 100; number < 100 + STEPS; number++) await step(number);
  const after = { bytes: resident(), memory: gpu.memory, counters: gpu.counters };
  expect(after.memory).toEqual(before.memory);
  expect({ ...after.counters, submits: 0, dispatches: 0 }).toEqual({ ...before.counters, submits: 0, dispatches: 0 });
  expect(after.bytes - before.bytes).toBeLessThan(SLACK_BYTES);
  if (process.env["ENDURANCE_STEPS"]) console.log(`${STEPS} steps: resident ${(before.bytes / 2 ** 20).toFixed(1)} to ${(after.bytes / 2 ** 20).toFixed(1)} MiB; device ${JSON.stringify(after.memory)}`);
  expect((await state()).losses.every(Number.isFinite)).toBe(true);
  recording.dispose();
});
