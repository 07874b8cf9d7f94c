import { expect, test } from "bun:test";
import { packCrops } from "../../src/augment/crop_batch.ts";
import type { CropSample } from "../../src/data/sample.ts";
import { PoseCons } from "../../src/methods/semi/pose_cons.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { Adam } from "../../src/optim/adam.ts";
import { Random } from "../../src/random.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const JOINTS = 17;
const SIZE = [32, 32] as const;
const ALL = Array.from({ length: JOINTS }, (_, joint) => joint);

/** Samples of random pixels; their places differ with the seed. */
function samples(batch: number, seed: number): CropSample[] {
  const random = new Random({ seed, stream: 900 });
  const [width, height] = SIZE;
  return Array.from({ length: batch }, () => ({
    pixels: Uint8Array.from({ length: 3 * width * height }, () => random.integer(0, 256)),
    window: { x: 0, y: 0, width, height },
    imageSize: SIZE,
    flip: false,
    toInput: [1, 0, 0, 0, 1, 0],
    joints: Float32Array.from({ length: 2 * JOINTS }, () => random.range(0, 32)),
    visible: Uint8Array.from({ length: JOINTS }, () => Number(random.chance(0.8))),
    center: [0, 0],
    scale: [1, 1],
    rotationDegrees: 0,
    record: { imageId: 0, annotationId: 0, imagePath: "", imageSize: SIZE, center: [0, 0], scale: [1, 1], joints: new Float64Array(2 * JOINTS), visible: new Uint8Array(JOINTS), box: [0, 0, 1, 1], score: 1 },
  }));
}

/** A trainer of one tiny network with the losses of the last step. */
function trainer({ batch, separate = false, views = true }: { batch: number; separate?: boolean; views?: boolean }) {
  const network = new PoseResnet({ depth: 8, joints: JOINTS, width: 8, deconvFilters: [16, 16] });
  const { store } = network;
  store.materialise(gpu, 1);
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena });
  const crop = { batch, size: SIZE, joints: JOINTS, rgb: true };
  const method = new PoseCons(network, {
    ...crop,
    seed: 4,
    heatmapSize: [8, 8],
    sigma: 1,
    useTargetWeight: true,
    labelledJoints: ALL,
    separate,
    ...(views ? { views: { warp: true, scaleFactor: 0.25, rotationFactor: 30, jointCutouts: 3, cutoutPool: ALL, swapLimits: true } } : {}),
  });
  const losses = gpu.upload(new Float32Array(2), "losses");
  const work = () => {
    const loss = method.encode();
    addInto(gpu, { a: loss.range, b: undefined, out: losses, count: loss.size });
    adam.step();
  };
  const prepare = (step: number, { learningRate = 1e-3, seed = step }: { learningRate?: number; seed?: number } = {}) => {
    method.prepare({ labelled: packCrops(samples(batch, 10 + seed), crop), unlabelled: packCrops(samples(batch, 50 + seed), crop) }, { epoch: 0, stepInEpoch: step, step });
    adam.prepare(learningRate);
  };
  const state = async () => ({
    losses: await gpu.readFloats(losses),
    gradients: await gpu.readFloats(store.gradientArena),
    parameters: await gpu.readFloats(store.parameterArena),
    statistics: await gpu.readFloats(store.runningArena),
  });
  return { method, work, prepare, state };
}

// A batch of 1 puts the second group of the weights where no adapter can bind; 16 where every adapter can.
test("merged passes equal separate ones: losses, gradients, running statistics", async () => {
  for (const batch of [1, 3, 16]) {
    const [merged, separate] = [false, true].map((apart) => trainer({ batch, separate: apart }));
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
    const [eager, replayed] = [0, 1].map(() => trainer({ batch: 3, views }));
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
    const { prepare, work, state } = trainer({ batch: 3 });
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
  const { prepare, work } = trainer({ batch: 3 });
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
