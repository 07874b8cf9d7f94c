import { expect, test } from "bun:test";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();
// A batch of 1 puts the second group of the weights where no adapter can bind; 16 where every adapter can.
test("merged passes equal separate ones: losses, gradients, running statistics", async () => {
  for (const batch of [1, 3, 16]) {
    const [merged, separate] = [false, true].map((apart) => tinyTrainer(gpu, { batch, separate: apart }));
    if (!merged || !separate) throw new Error("two trainers");
    for (const { prepare, work } of [merged, separate]) {
      prepare(0);
      gpu.scope(work);
    }
    const [a, b] = [await merged.state(), await separate.state()];
    expectClose(a.losses, b.losses, "passes", `losses, batch ${batch}`);
    expectClose(a.gradients, b.gradients, "passes", `gradients, batch ${batch}`);
    expectClose(a.statistics, b.statistics, "passes", `running statistics, batch ${batch}`);
  }
});

test("a replayed step equals an eager one bit for bit, whatever changes between steps", async () => {
  for (const views of [true, false]) {
    const [eager, replayed] = [0, 1].map(() => tinyTrainer(gpu, { batch: 3, views }));
    if (!eager || !replayed) throw new Error("two trainers");
    const rates = [1e-3, 5e-4, 2e-3, 1e-3, 1e-4];
    for (const [step, learningRate] of rates.entries()) {
      eager.prepare(step, { learningRate });
      gpu.scope(eager.work);
    }
    replayed.prepare(0, { learningRate: rates[0] as number });
    gpu.scope(replayed.work);
    replayed.prepare(1, { learningRate: rates[1] as number });
    const recording = gpu.record(replayed.work);
    for (let step = 2; step < rates.length; step++) {
      replayed.prepare(step, { learningRate: rates[step] as number });
      recording.replay();
    }
    expect(await replayed.state()).toEqual(await eager.state());
    recording.dispose();
  }
});

test("a replayed step sees its batch, its learning rate and its place in the run, each by itself", async () => {
  const results: string[] = [];
  for (const change of [{}, { seed: 9 }, { learningRate: 5e-3 }, { step: 7 }]) {
    const { prepare, work, state } = tinyTrainer(gpu, { batch: 3 });
    prepare(0);
    gpu.scope(work);
    prepare(1);
    const recording = gpu.record(work);
    const { step = 2, ...facts } = change as { step?: number; seed?: number; learningRate?: number };
    prepare(step, { seed: 2, ...facts });
    recording.replay();
    results.push(Bun.hash((await state()).parameters.buffer).toString(16));
    recording.dispose();
  }
  expect(new Set(results).size).toBe(4);
});

test("replaying makes no buffer, no bind group, no pipeline, and reads nothing", async () => {
  const { prepare, work } = tinyTrainer(gpu, { batch: 3 });
  prepare(0);
  gpu.scope(work);
  prepare(1);
  const recording = gpu.record(work);
  const counts: unknown[] = [];
  for (let step = 2; step < 34; step++) {
    prepare(step);
    recording.replay();
    await gpu.fence();
    const { bindGroups, pipelines, reads } = gpu.counters;
    if (step === 3 || step === 33) counts.push({ bindGroups, pipelines, reads, memory: gpu.memory });
  }
  expect(counts[1]).toEqual(counts[0]);
  recording.dispose();
});

test("a look at the views changes nothing and shows what the coming step would see", async () => {
  const batch = 3;
  const [looked, plain] = [tinyTrainer(gpu, { batch }), tinyTrainer(gpu, { batch })];
  for (const { prepare, work } of [looked, plain]) {
    prepare(0);
    gpu.scope(work);
    prepare(1);
  }
  const before = gpu.memory.liveBytes;
  const { slices, images, targets, predictions, batch: each } = await looked.method.inspect();
  expect(gpu.memory.liveBytes).toBe(before);
  expect({ slices, each }).toEqual({ slices: ["labelled", "hard view"], each: batch });
  expect(images).toHaveLength(2 * batch * 32 * 32 * 3);
  for (const maps of [targets, predictions]) expect(maps).toHaveLength(2 * batch * 8 * 8 * 17);
  expect(Math.max(...targets.subarray(0, targets.length / 2))).toBeGreaterThan(0.5); // Gaussians at labelled joints
  for (const { work } of [looked, plain]) gpu.scope(work);
  expect(await looked.state()).toEqual(await plain.state());
});
