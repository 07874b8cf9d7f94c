import { expect, test } from "bun:test";
import { withRecompute } from "../../src/autograd/op.ts";
import { backward } from "../../src/autograd/tape.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { ResidualBlock } from "../../src/models/resnet.ts";
import { EVALUATION } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { elementCount, persistentTensor, type Shape, type Tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";
import { type TinyTrainer, tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();
const half = gpu.features.has("shader-f16");

/** Length of a difference relative to the length of what was expected. */
function distance(actual: Float32Array, expected: Float32Array): number {
  const length = (values: Float32Array) => Math.hypot(...values);
  return length(actual.map((value, i) => value - (expected[i] as number))) / length(expected);
}

/** Output, gradient of the input and of every parameter, under a training pass. */
async function pass(store: ParameterStore, { shape, dtype, forward }: { shape: Shape; dtype: "f32" | "f16"; forward: (x: Tensor) => Tensor }) {
  const x = persistentTensor(gpu, shape, { data: Float32Array.from(Float16Array.from(randomValues(elementCount(shape), 1))), dtype, requiresGradient: true });
  store.zeroGradients();
  const y = forward(x);
  // Gradients of one sign: what relu gates let through on either side of a rounding is then a small part of the sums.
  const upstream = randomValues(y.size, 2).map((value) => 0.5 + value / 4);
  const gradient = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: upstream, dtype: y.dtype }), leaves: [x] }).get(x) as Tensor;
  const parameters = await Promise.all(store.parameters.map(async (parameter) => [parameter.label, await parameter.gradient.toArray()] as const));
  return { y: await y.toArray(), output: y.dtype, gradients: new Map([["x", await gradient.toArray()] as const, ...parameters]) };
}

for (const block of ["basic", "bottleneck"] as const) {
  test.skipIf(!half)(`a ${block} residual block in f16 against f32: output and all gradients`, async () => {
    const store = new ParameterStore();
    const unit = new ResidualBlock(store, "block", { block, from: 8, planes: 6, stride: 2, start: "framework" });
    store.materialise(gpu, 1);
    const training = { training: true, groups: 1, slot: 0 };
    const run = (dtype: "f32" | "f16") => pass(store, { shape: [4, 12, 10, 8], dtype, forward: (x) => unit.forward(x, training) });
    const [whole, short] = [await run("f32"), await run("f16")];
    expect(short.output).toBe("f16");
    expectClose(short.y, whole.y, "halfNetwork", "output");
    expect(await pass(store, { shape: [4, 12, 10, 8], dtype: "f16", forward: (x) => withRecompute(() => unit.forward(x, training)) })).toEqual(short);
    for (const [name, values] of whole.gradients) expect(distance(short.gradients.get(name) as Float32Array, values), name).toBeLessThan(0.05);
  });
}

test.skipIf(!half)("PoseResNet in f16 gives f32 heatmaps close to those of f32, in training and with running statistics", async () => {
  const network = new PoseResnet({ depth: 10, joints: 5, width: 8, deconvFilters: [16, 16, 16], start: "framework" });
  network.store.materialise(gpu, 1);
  for (const mode of [{ training: true, groups: 2, slot: 0 }, EVALUATION]) {
    const run = (dtype: "f32" | "f16") => pass(network.store, { shape: [4, 64, 64, 3], dtype, forward: (x) => network.forward(x, mode) });
    const [whole, short] = [await run("f32"), await run("f16")];
    expect(short.output).toBe("f32");
    expectClose(short.y, whole.y, "halfNetwork", "heatmaps");
    network.store.updateRunning([0, 1]);
  }
});

/** Steps over three batches, recorded and replayed; losses of each, what the trainer left, bytes of a step. */
async function train(steps: number, { learningRate, ...options }: TinyTrainer & { learningRate?: number }) {
  const { method, prepare, work, state } = tinyTrainer(gpu, options);
  const recording = gpu.record(work, { execute: false });
  const losses: number[][] = [];
  for (let step = 0; step < steps; step++) {
    prepare(step, { seed: step % 3, ...(learningRate ? { learningRate } : {}) });
    recording.replay();
    losses.push([...(await state()).losses.subarray(0, method.lossNames.length)]);
  }
  const bytes = recording.plannedBytes;
  recording.dispose();
  return { losses, state: await state(), bytes };
}

for (const semi of [false, true]) {
  test.skipIf(!half)(`30 steps of ${semi ? "PoseCons" : "supervised training"} in mixed precision stay within 3 % of fp32's losses, on less memory`, async () => {
    const [whole, short] = [await train(30, { batch: 4, semi }), await train(30, { batch: 4, semi, mixed: true })];
    const total = (losses: readonly number[]) => losses.reduce((sum, loss) => sum + loss, 0);
    whole.losses.forEach((row, step) => expect(Math.abs(total(short.losses[step] as number[]) / total(row) - 1), `step ${step}`).toBeLessThan(0.03));
    expect(total(short.losses[29] as number[])).toBeLessThan(0.7 * total(short.losses[0] as number[]));
    expect(short.state.scale).toEqual({ scale: 2 ** 17, goodSteps: 10, skippedSteps: 0 });
    expect(short.bytes).toBeLessThan(0.7 * whole.bytes);
  });
}

/*
 * loss_cons compares a network with itself, so it shows each error of the weights, and at 1e-3 Adam's first steps multiply any error: they are
 * as long as the weights, and go by the sign of gradients near 0. Ten steps of fp32 from weights that differ by 2^-11 come to differ by 5 %, from
 * 1e-6 on by 2 % (JC), and mixed precision by 10 % where no joint counts (CM). So whole runs are compared at 1e-4, where fp32 from 2^-11 on
 * differs by 0.5 %, and each step of a run at 1e-3 from the weights of fp32, which leaves its own error alone.
 */
for (const view of ["JC", "CM"] as const) {
  test.skipIf(!half)(`loss_cons in mixed precision with ${view}: 2 % in each of ten steps at 1e-4, and 0.5 %, gradients 10 %, in each of 30 at 1e-3 from fp32's weights`, async () => {
    const slowly = { batch: 4, views: [view], learningRate: 1e-4 };
    const [{ losses: expected }, { losses: actual }] = [await train(10, slowly), await train(10, { ...slowly, mixed: true })];
    const departure = (own: ArrayLike<number>, other: ArrayLike<number>) => Math.abs((own[1] as number) / (other[1] as number) - 1);
    expected.forEach((row, step) => expect(departure(actual[step] as number[], row), `step ${step}`).toBeLessThan(0.02));

    const [whole, short] = [tinyTrainer(gpu, { batch: 4, views: [view] }), tinyTrainer(gpu, { batch: 4, views: [view], mixed: true })];
    const recordings = [whole, short].map(({ work }) => gpu.record(work, { execute: false }));
    for (let step = 0; step < 30; step++) {
      for (const { prepare } of [whole, short]) prepare(step, { seed: step % 3 });
      const { scale = 1 } = (await short.scaler?.read()) ?? {};
      gpu.write(short.store.parameterArena, (await whole.state()).parameters);
      for (const recording of recordings) recording.replay();
      const [a, b] = [await short.state(), await whole.state()];
      expect(departure(a.losses, b.losses), `step ${step} from fp32's weights`).toBeLessThan(0.005);
      expect(distance(a.gradients.map((value) => value / scale), b.gradients), `gradients of step ${step} from fp32's weights`).toBeLessThan(0.1);
    }
    for (const recording of recordings) recording.dispose();
  });
}

test.skipIf(!half)("a gradient that overflows f16 halves the scale and leaves weights and moments as they are, bit for bit, under replay", async () => {
  const { scaler, prepare, work, state } = tinyTrainer(gpu, { batch: 3, mixed: true });
  const recording = gpu.record(work, { execute: false });
  const step = async (index: number) => {
    prepare(index);
    recording.replay();
    return state();
  };
  await step(0);
  const before = await step(1);
  expect(before.scale).toEqual({ scale: 2 ** 16, goodSteps: 2, skippedSteps: 0 });
  scaler?.restore({ scale: 2 ** 60, goodSteps: 2, skippedSteps: 0 });
  for (const skippedSteps of [1, 2, 3]) {
    const after = await step(1 + skippedSteps);
    expect(after.gradients.some((value) => !Number.isFinite(value))).toBe(true);
    expect(after.losses.every(Number.isFinite)).toBe(true);
    expect({ ...after.scale }).toEqual({ scale: 2 ** (60 - skippedSteps), goodSteps: 0, skippedSteps });
    expect(after.parameters).toEqual(before.parameters);
    expect(after.moments).toEqual(before.moments);
  }
  scaler?.restore({ scale: 2 ** 16, goodSteps: 0, skippedSteps: 3 });
  const after = await step(5);
  expect(after.scale).toEqual({ scale: 2 ** 16, goodSteps: 1, skippedSteps: 3 });
  expect(after.parameters).not.toEqual(before.parameters);
  recording.dispose();
});

test.skipIf(!half)("merged and separate passes agree, odd batches too, and a replayed step in mixed precision equals an eager one bit for bit", async () => {
  for (const batch of [1, 3]) {
    const [eager, replayed, separate] = [false, false, true].map((apart) => tinyTrainer(gpu, { batch, mixed: true, separate: apart }));
    if (!eager || !replayed || !separate) throw new Error("three trainers");
    const recording = gpu.record(replayed.work, { execute: false });
    for (let step = 0; step < 4; step++) {
      for (const { prepare } of [eager, replayed, separate]) prepare(step);
      gpu.scope(eager.work);
      recording.replay();
      if (step > 0) continue;
      gpu.scope(separate.work);
      const [a, b] = [await eager.state(), await separate.state()];
      expectClose(a.losses, b.losses, "passes", "losses");
      expect(distance(a.gradients, b.gradients)).toBeLessThan(1e-3);
    }
    expect(await replayed.state()).toEqual(await eager.state());
    recording.dispose();
  }
});
