import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { updateRunning } from "../../src/kernels/batchnorm.ts";
import { Batchnorm } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { batchnorm, type BatchnormMode } from "../../src/ops/batchnorm.ts";
import { concat } from "../../src/ops/shape.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { persistentTensor, stopGradient, type Tensor } from "../../src/tensor/tensor.ts";
import { normalise, statistics as momentsReference } from "../reference/batchnorm.ts";
import { expectClose } from "../support/compare.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

/** Where statistics of one layer are kept. */
function place(channels: number) {
  const store = new ParameterStore();
  new Batchnorm(store, "bn", channels);
  const declared = store.declareStatistics({ name: "place", channels });
  store.materialise(gpu, 0);
  return declared();
}

for (const { shape, groups } of [
  { shape: [4, 3, 5, 7], groups: 2 },
  { shape: [2, 6, 4, 33], groups: 1 },
  { shape: [6, 2, 2, 1], groups: 3 },
  { shape: [9, 5], groups: 3 },
  { shape: [67, 3], groups: 1 },
  { shape: [4, 7, 5], groups: 2 },
]) {
  const channels = shape.at(-1) as number;
  const size = shape.reduce((a, b) => a * b, 1);
  const inputs = [{ shape }, { shape: [channels] }, { shape: [channels] }];
  for (const training of [true, false]) {
    const mode = { training, groups: training ? groups : 1, slot: 0 };
    test(`batchnorm [${shape}] in ${mode.groups} groups, ${training ? "training" : "evaluation"}: gradient check, plain and with a residual`, async () => {
      const statistics = place(channels);
      await checkGradient(gpu, {
        label: `batchnorm [${shape}]`,
        inputs,
        op: (x, gamma, beta) => batchnorm(x as Tensor, { gamma: gamma as Tensor, beta: beta as Tensor, place: statistics, ...mode }),
      });
      await checkGradient(gpu, {
        label: `batchnorm [${shape}] with residual`,
        inputs: [...inputs, { shape }],
        op: (x, gamma, beta, residual) => batchnorm(x as Tensor, { gamma: gamma as Tensor, beta: beta as Tensor, place: statistics, residual, ...mode }),
      });
    });
  }

  test(`batchnorm [${shape}] with residual and relu: gradient check off the kink`, async () => {
    const statistics = place(channels);
    // A residual of at least 8 in size decides the sign of every sum: normalised values stay below that.
    const residual = randomValues(size, 90).map((value) => 4 * value + 8 * Math.sign(value));
    await checkGradient(gpu, {
      label: `batchnorm [${shape}] with residual and relu`,
      inputs: [{ shape }, { shape: [channels], values: randomValues(channels, 91).map((value) => 0.5 + 0.25 * value) }, { shape: [channels] }, { shape, values: residual }],
      op: (x, gamma, beta, added) => batchnorm(x as Tensor, { gamma: gamma as Tensor, beta: beta as Tensor, place: statistics, residual: added, relu: true, training: true, groups, slot: 0 }),
    });
  });
}

test("batchnorm names the argument that is wrong", () => {
  const statistics = place(3);
  const x = persistentTensor(gpu, [2, 1, 1, 3]);
  const [gamma, beta] = [persistentTensor(gpu, [3]), persistentTensor(gpu, [4])];
  const mode = { training: true, groups: 1, slot: 0, place: statistics };
  expect(() => batchnorm(gamma, { gamma, beta: gamma, ...mode })).toThrow("batchnorm: x must be [n, ..., c], got [3]");
  expect(() => batchnorm(x, { gamma, beta, ...mode })).toThrow("batchnorm: beta must be [3] for x [2, 1, 1, 3], got [4]");
  expect(() => batchnorm(x, { gamma, beta: gamma, ...mode, groups: 3 })).toThrow("batchnorm: groups must divide the batch of x [2, 1, 1, 3], got 3");
  expect(() => batchnorm(x, { gamma, beta: gamma, ...mode, groups: 2 })).toThrow("training statistics need two");
  expect(() => batchnorm(x, { gamma, beta: gamma, ...mode, residual: gamma })).toThrow("batchnorm: residual must be [2, 1, 1, 3] like x, got [3]");
});

test("a NaN passes through the fused relu and into the statistics, in its channel alone", async () => {
  const statistics = place(2);
  const data = Float32Array.of(1, 2, Number.NaN, 3, -5, 4, 0.5, -6);
  const [x, gamma, beta] = [persistentTensor(gpu, [4, 2], { data }), persistentTensor(gpu, [2], { data: Float32Array.of(1, 1) }), persistentTensor(gpu, [2])];
  for (const residual of [undefined, persistentTensor(gpu, [4, 2])]) {
    const y = await batchnorm(x, { gamma, beta, place: statistics, ...(residual ? { residual } : {}), relu: true, training: true, groups: 1, slot: 0 }).toArray();
    expect([0, 2, 4, 6].map((i) => y[i])).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    for (const i of [1, 3, 5, 7]) expect(y[i]).toBeGreaterThanOrEqual(0);
    // [mean, variance] of all layers' channels; these two are the last.
    const kept = (await gpu.readFloats(statistics.batch)).slice(0, 2 * statistics.arenaChannels);
    expect([kept[statistics.arenaOffset], kept[statistics.arenaChannels + statistics.arenaOffset]]).toEqual([Number.NaN, Number.NaN]);
    expect(kept[statistics.arenaChannels + statistics.arenaOffset + 1]).toBeCloseTo(62.75 / 3, 5);
  }
});

test("1d inputs: values by the definition, in groups and by running statistics", async () => {
  for (const { shape, groups } of [{ shape: [12, 5], groups: 3 }, { shape: [6, 11, 7], groups: 2 }, { shape: [2, 1], groups: 1 }, { shape: [3001, 2], groups: 1 }]) {
    const channels = shape.at(-1) as number;
    const size = shape.reduce((a, b) => a * b, 1);
    const s = { groups, rows: size / channels / groups, channels, epsilon: 1e-5 };
    const x = randomValues(size, 92).map((value) => value + 10);
    const [gamma, beta] = [randomValues(channels, 93), randomValues(channels, 94)];
    const tensor = (data: Float32Array, own = [channels]) => persistentTensor(gpu, own, { data });
    const options = { gamma: tensor(gamma), beta: tensor(beta), place: place(channels), slot: 0 };
    const y = batchnorm(tensor(x, shape), { ...options, training: true, groups });
    expectClose(await y.toArray(), normalise(s, { x, ...momentsReference(s, x), gamma, beta, relu: false }), "longSum", `training [${shape}]`);
    const frozen = batchnorm(tensor(x, shape), { ...options, training: false, groups });
    expectClose(await frozen.toArray(), normalise(s, { x, mean: new Float64Array(channels), variance: new Float64Array(channels).fill(1), gamma, beta, relu: false }), "longSum", `frozen [${shape}]`);
  }
});

test("a frozen layer in a training pass is the evaluated one, keeps its running statistics, and passes gradients on", async () => {
  const channels = 5;
  const shape = [6, 3, channels];
  const store = new ParameterStore();
  const layers = ["first", "middle", "last"].map((name) => new Batchnorm(store, name, channels)) as [Batchnorm, Batchnorm, Batchnorm];
  const [, middle] = layers;
  store.materialise(gpu, 0);
  const start = Float32Array.from(randomValues(6 * channels, 95), (value) => 1.5 + value);
  gpu.write(store.runningArena, start);
  gpu.write(store.parameter("middle.weight").range, randomValues(channels, 96));
  const x = persistentTensor(gpu, shape, { data: randomValues(18 * channels, 97), requiresGradient: true });
  const upstream = persistentTensor(gpu, shape, { data: randomValues(18 * channels, 98) });
  const training = { training: true, groups: 2, slot: 0 };
  const results = async (pass: BatchnormMode) => {
    store.zeroGradients();
    const y = middle.forward(x, pass);
    const gradX = backward(y, { gradient: upstream, leaves: [x] }).get(x) as Tensor;
    const parameters = ["middle.weight", "middle.bias"].map((name) => store.parameter(name).gradient.toArray());
    return Promise.all([y.toArray(), gradX.toArray(), ...parameters]);
  };
  const evaluated = await results({ ...training, training: false });
  expect(middle.frozen).toBe(false);
  middle.frozen = true;
  expect(await results(training)).toEqual(evaluated);
  for (const gradient of evaluated) expect(gradient.every((value) => value !== 0)).toBe(true);

  for (const layer of layers) layer.forward(x, training);
  store.updateRunning([0, 1]);
  const changed = (await gpu.readFloats(store.runningArena)).map((value, i) => Number(value !== start[i]));
  const own = (bit: number) => Array.from({ length: channels }, () => bit);
  expect([...changed]).toEqual([...own(1), ...own(0), ...own(1), ...own(1), ...own(0), ...own(1)]);

  middle.frozen = false;
  expect(await results(training)).not.toEqual(evaluated);
  store.updateRunning([0]);
  const after = await gpu.readFloats(store.runningArena);
  expect([...after.subarray(channels, 2 * channels)].every((value, i) => value !== start[channels + i])).toBe(true);
});

test("gradients nobody wants are not computed, the others are the same", async () => {
  const shape = [4, 6, 3];
  const statistics = place(3);
  const values = [randomValues(72, 70), randomValues(3, 71), randomValues(3, 72), randomValues(72, 73)];
  const upstream = persistentTensor(gpu, shape, { data: randomValues(72, 74) });
  for (const training of [true, false]) {
    const gradientsOf = async (wanted: readonly number[]) => {
      const tensors = values.map((data, i) => persistentTensor(gpu, i % 3 === 0 ? shape : [3], { data, requiresGradient: wanted.includes(i) }));
      const [x, gamma, beta, residual] = tensors as [Tensor, Tensor, Tensor, Tensor];
      const y = batchnorm(x, { gamma, beta, residual, place: statistics, relu: true, training, groups: 2, slot: 0 });
      const before = gpu.counters.dispatches;
      const found = backward(y, { gradient: upstream, leaves: tensors });
      const dispatches = gpu.counters.dispatches - before;
      return { arrays: await Promise.all(tensors.map((tensor) => found.get(tensor)?.toArray())), dispatches };
    };
    const all = await gradientsOf([0, 1, 2, 3]);
    for (const wanted of [[0], [1], [2], [3], [1, 2], [0, 2]]) {
      const some = await gradientsOf(wanted);
      expect(some.arrays).toEqual(all.arrays.map((array, i) => (wanted.includes(i) ? array : undefined)));
      if (!wanted.includes(0) && !wanted.includes(3)) expect(some.dispatches).toBeLessThan(all.dispatches);
      if (!training && !wanted.includes(1) && !wanted.includes(2)) expect(some.dispatches).toBeLessThan(all.dispatches);
    }
  }
});

/** The op on statistics that are inputs; its result, and behind it the running averages after the pass. */
function withStatistics(mode: Omit<BatchnormMode, "slot">) {
  return (...inputs: Tensor[]): Tensor => {
    const [x, gamma, beta, mean, variance] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const channels = mean.size;
    const running = concat([mean, variance], 0);
    const batch = gpu.persistent(2 * 4 * channels * mode.groups, "batch statistics");
    const y = batchnorm(x, { gamma, beta, ...mode, slot: 0, place: { running: running.range, batch, arenaChannels: channels, arenaOffset: 0 } });
    const count = 2 * channels;
    if (mode.training) for (let slot = 0; slot < mode.groups; slot++) updateRunning(gpu, { running: running.range, batch, count, slot, first: 0, length: count, momentum: 0.1 });
    return concat([reshape(y, [-1]), stopGradient(running)], 0);
  };
}

test("equals PyTorch, with all gradients and the running averages after the pass", async () => {
  const training = withStatistics({ training: true, groups: 1 });
  const frozen = withStatistics({ training: false, groups: 1 });
  await checkGolden(gpu, "batchnorm", {
    "1d": training,
    "1d of lines": training,
    "2d": training,
    "1d frozen": frozen,
    "1d of lines frozen": frozen,
    "2d frozen": frozen,
    "1d in groups": withStatistics({ training: true, groups: 3 }),
    "2d in groups": withStatistics({ training: true, groups: 2 }),
  });
});
