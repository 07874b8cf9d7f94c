import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { bceWithLogits, l1, type LossOptions, lsgan, mse, type Reduction, smoothL1 } from "../../src/ops/pointwise_loss.ts";
import { persistentTensor, stopGradient, type Tensor } from "../../src/tensor/tensor.ts";
import { POINTWISE, type PointwiseReference } from "../reference/pointwise_loss.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const BETA = 0.7;
const LOSSES: Record<keyof typeof POINTWISE, (x: Tensor, options: LossOptions) => Tensor> = { mse, l1, smoothL1: (x, options) => smoothL1(x, { ...options, beta: BETA }), bceWithLogits };
const REDUCTIONS = ["mean", "sum", "none"] as const;
const SHAPES = [[1], [3, 5, 7], [2, 17, 13, 11], [65_537 * 2 + 3]];

/** Predictions and targets that stay off the kinks |x - t| = 0 and |x - t| = beta by 0.02, targets in [0, 1]. */
function values(shape: readonly number[], stream: number) {
  const target = randomValues(count(shape), stream).map((value) => 0.5 + value / 2);
  const difference = randomValues(count(shape), stream + 1).map((value) => 2 * value);
  const kept = difference.map((d) => (Math.abs(d) < 0.02 ? 0.1 : Math.abs(Math.abs(d) - BETA) < 0.02 ? 1 : d));
  return { target, prediction: target.map((t, i) => t + (kept[i] as number)), weight: randomValues(count(shape), stream + 2).map(Math.abs) };
}

/** Loss and both gradients by the definition; `upstream` one number per output element. */
function reference({ value, slopes }: PointwiseReference, arrays: ReturnType<typeof values>, { reduction, upstream, weighted }: { reduction: Reduction; upstream: ArrayLike<number>; weighted: boolean }) {
  const { prediction, target, weight } = arrays;
  const scale = reduction === "mean" ? 1 / prediction.length : 1;
  const each = Array.from(prediction, (x, i) => (weighted ? (weight[i] as number) : 1) * value(x, target[i] as number));
  const gradients = [0, 1].map((of) =>
    Array.from(prediction, (x, i) => (upstream[reduction === "none" ? i : 0] as number) * scale * (weighted ? (weight[i] as number) : 1) * (slopes(x, target[i] as number)[of] as number)),
  );
  return { output: reduction === "none" ? each : [each.reduce((sum, own) => sum + own, 0) * scale], gradients };
}

for (const [name, loss] of Object.entries(LOSSES)) {
  test(`${name}: values and both gradients in every reduction, weighted and not`, async () => {
    for (const shape of SHAPES) {
      const arrays = values(shape, 1);
      for (const reduction of REDUCTIONS) {
        for (const weighted of [false, true]) {
          const label = `${name} [${shape}] ${reduction}${weighted ? ", weighted" : ""}`;
          const x = persistentTensor(gpu, shape, { data: arrays.prediction, requiresGradient: true });
          const target = persistentTensor(gpu, shape, { data: arrays.target, requiresGradient: true });
          const y = loss(x, { target, reduction, ...(weighted ? { weight: persistentTensor(gpu, shape, { data: arrays.weight }) } : {}) });
          expect([...y.shape]).toEqual(reduction === "none" ? shape : []);
          const upstream = randomValues(y.size, 9).map((value) => value + 2);
          const { output, gradients } = reference(POINTWISE[name as keyof typeof POINTWISE], arrays, { reduction, upstream, weighted });
          expectClose(await y.toArray(), output, "transcendental", label);
          const got = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: upstream }), leaves: [x, target] });
          for (const [i, leaf] of [x, target].entries()) expectClose(await (got.get(leaf) as Tensor).toArray(), gradients[i] as number[], "transcendental", `${label}: gradient ${i}`);
          for (const leaf of [x, target]) gpu.free(leaf.range);
        }
      }
    }
  });

  test(`${name}: gradient check in the middle of a graph`, async () => {
    for (const shape of [[7], [3, 5, 7]]) {
      const { prediction, target } = values(shape, 20);
      const inputs = [{ shape, values: prediction }, { shape, values: target }];
      const weight = persistentTensor(gpu, shape, { data: randomValues(count(shape), 23) });
      for (const reduction of ["sum", "none"] as const) {
        await checkGradient(gpu, { label: `${name} [${shape}] ${reduction}`, inputs, op: (x, t) => loss(x as Tensor, { target: t as Tensor, reduction, weight }) });
      }
      await checkGradient(gpu, { label: `${name} [${shape}] mean`, inputs, op: (x, t) => mul(loss(x as Tensor, { target: t as Tensor }), count(shape)) });
      await checkGradient(gpu, { label: `${name} [${shape}] against a number`, inputs: [{ shape, values: prediction.map((x) => x + 3) }], op: (x) => loss(x as Tensor, { target: 0.25, reduction: "sum" }) });
    }
  });
}

test("a loss at the root of a graph gives the gradient that it made while it was computed, and no further pass", async () => {
  const { prediction, target } = values([64, 33], 30);
  const x = persistentTensor(gpu, [64, 33], { data: prediction, requiresGradient: true });
  const loss = mse(x, { target: persistentTensor(gpu, [64, 33], { data: target }) });
  const before = gpu.counters.dispatches;
  const gradient = backward(loss, { leaves: [x] }).get(x) as Tensor;
  // The 1 that stands for the root's gradient.
  expect(gpu.counters.dispatches - before).toBe(1);
  expectClose(await gradient.toArray(), prediction.map((value, i) => (2 * (value - (target[i] as number))) / prediction.length), "kernel", "gradient");
});

test("weights broadcast as elsewhere, and the mean counts elements", async () => {
  const { prediction, target } = values([4, 3, 5], 40);
  const weight = Float32Array.of(0, 2, 0.5);
  const y = mse(persistentTensor(gpu, [4, 3, 5], { data: prediction }), { target: persistentTensor(gpu, [4, 3, 5], { data: target }), weight: persistentTensor(gpu, [3, 1], { data: weight }) });
  const sum = prediction.reduce((total, x, i) => total + (weight[Math.floor(i / 5) % 3] as number) * (x - (target[i] as number)) ** 2, 0);
  expectClose(await y.toArray(), [sum / 60], "kernel", "loss");
});

test("a target given as a number is that number everywhere; both losses of a GAN from it", async () => {
  const scores = randomValues(37, 50);
  const x = persistentTensor(gpu, [37, 1], { data: scores, requiresGradient: true });
  for (const real of [true, false]) {
    const goal = real ? 1 : 0;
    const loss = lsgan(x, { real });
    expectClose(await loss.toArray(), [scores.reduce((sum, s) => sum + (s - goal) ** 2, 0) / 37], "kernel", `real ${real}`);
    expectClose(await (backward(loss, { leaves: [x] }).get(x) as Tensor).toArray(), scores.map((s) => (2 * (s - goal)) / 37), "kernel", `gradient, real ${real}`);
  }
  // As a discriminator's step has it: one graph with both, used twice.
  await checkGradient(gpu, { label: "lsgan", inputs: [{ shape: [37, 1] }, { shape: [37, 1] }], op: (a, b) => mul(add(lsgan(a as Tensor, { real: true }), lsgan(b as Tensor, { real: false })), 37) });
});

test("logits of any size give a finite cross entropy; kinks have the gradient 0", async () => {
  const logits = Float32Array.of(-3e38, -1e4, -88, 88, 1e4, 3e38);
  const x = persistentTensor(gpu, [6], { data: logits, requiresGradient: true });
  const loss = bceWithLogits(x, { target: persistentTensor(gpu, [6], { data: Float32Array.of(0, 0, 0, 1, 1, 1) }), reduction: "none" });
  expectClose(await loss.toArray(), new Float32Array(6), "kernel", "right and sure");
  const wrong = bceWithLogits(persistentTensor(gpu, [2], { data: Float32Array.of(-100, 1e4) }), { target: persistentTensor(gpu, [2], { data: Float32Array.of(1, 0) }), reduction: "none" });
  expectClose(await wrong.toArray(), [100, 1e4], "kernel", "wrong and sure");
  const same = persistentTensor(gpu, [3], { data: Float32Array.of(-1, 0, 2), requiresGradient: true });
  for (const loss of [l1(same, { target: stopGradient(same) }), smoothL1(same, { target: stopGradient(same), beta: 0 })]) {
    expect([...(await loss.toArray())]).toEqual([0]);
    expect([...(await (backward(loss, { leaves: [same] }).get(same) as Tensor).toArray())]).toEqual([0, 0, 0]);
  }
});

test("a NaN in the prediction comes out as one", async () => {
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(1, Number.NaN, 2) });
  for (const [name, loss] of Object.entries(LOSSES)) expect(Number.isNaN((await loss(x, { target: 0.5 }).toArray())[0]), name).toBe(true);
});

test("two runs give the same bits, and a replayed step those of an eager one", async () => {
  const { prediction, target } = values([131_077], 60);
  const x = persistentTensor(gpu, [131_077], { data: prediction, requiresGradient: true });
  const t = persistentTensor(gpu, [131_077], { data: target });
  const [loss, gradient] = [gpu.persistent(4, "loss"), gpu.persistent(4 * x.size, "gradient")];
  for (const own of Object.values(LOSSES)) {
    const first = own(x, { target: t });
    const expected = [await first.toArray(), await (backward(first, { leaves: [x] }).get(x) as Tensor).toArray()] as const;
    expect(await own(x, { target: t }).toArray()).toEqual(expected[0]);
    const recording = gpu.record(() => {
      const y = own(x, { target: t });
      const dx = backward(y, { leaves: [x] }).get(x) as Tensor;
      addInto(gpu, { a: y.range, b: undefined, out: loss, count: 1 });
      addInto(gpu, { a: dx.range, b: undefined, out: gradient, count: x.size });
    });
    gpu.write(loss, new Float32Array(1));
    recording.replay();
    expect(await gpu.readFloats(loss)).toEqual(expected[0]);
    expect(await gpu.readFloats(gradient)).toEqual(expected[1]);
    recording.dispose();
  }
});

test("wrong arguments are refused by name", () => {
  const x = persistentTensor(gpu, [2, 3]);
  const learned = persistentTensor(gpu, [2, 3], { requiresGradient: true });
  expect(() => mse(x, { target: persistentTensor(gpu, [3]) })).toThrow("mse: target must be [2, 3] like prediction, got [3]");
  expect(() => l1(x, { target: 0, weight: persistentTensor(gpu, [1, 2, 3]) })).toThrow("l1: weight must be a shape that broadcasts to [2, 3], got [1, 2, 3]");
  expect(() => l1(x, { target: 0, weight: persistentTensor(gpu, [2]) })).toThrow("l1: shapes [2] and [2, 3] do not broadcast");
  expect(() => bceWithLogits(x, { target: 0, weight: learned })).toThrow("bceWithLogits: weight must be a constant, got a tensor that wants a gradient");
  expect(() => smoothL1(x, { target: 0, beta: -1 })).toThrow("smoothL1: beta must be 0 or more, got -1");
});

test("equals PyTorch, with all gradients", async () => {
  const calls: Record<string, (...inputs: Tensor[]) => Tensor> = {};
  for (const reduction of REDUCTIONS) {
    for (const [name, loss] of Object.entries(LOSSES)) calls[`${name} ${reduction}`] = (x, target) => loss(x as Tensor, { target: target as Tensor, reduction });
  }
  calls["smoothL1 of beta 0"] = (x, target) => smoothL1(x as Tensor, { target: target as Tensor, beta: 0 });
  calls["bceWithLogits weighted"] = (x, target, weight) => bceWithLogits(x as Tensor, { target: target as Tensor, weight: stopGradient(weight as Tensor) });
  calls["bceWithLogits of 1"] = (x) => bceWithLogits(x as Tensor, { target: 1 });
  calls["lsgan real"] = (x) => lsgan(x as Tensor, { real: true });
  calls["lsgan fake"] = (x) => lsgan(x as Tensor, { real: false });
  await checkGolden(gpu, "pointwise_loss", calls);
});
