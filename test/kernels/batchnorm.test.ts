import { test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { Batchnorm } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type Norm, normalise, statistics } from "../reference/batchnorm.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const SHAPES = [[4, 5, 3, 7, 2], [6, 4, 4, 16, 3], [2, 9, 11, 33, 1], [3, 1, 1, 5, 1], [2, 40, 50, 3, 2]] as const;

function layer(channels: number) {
  const store = new ParameterStore();
  const norm = new Batchnorm(store, "bn", channels);
  store.materialise(gpu, 0);
  const gamma = randomValues(channels, 60).map((v) => v + 1.5);
  const beta = randomValues(channels, 61);
  gpu.write(store.parameter("bn.weight").range, gamma);
  gpu.write(store.parameter("bn.bias").range, beta);
  return { store, norm, gamma, beta };
}

for (const tail of ["plain", "relu", "add"] as const) {
  test(`training: output, running averages in the order of the passes, ${tail}`, async () => {
    for (const [n, h, w, channels, groups] of SHAPES) {
      const { store, norm, gamma, beta } = layer(channels);
      const s: Norm = { groups, rows: (n / groups) * h * w, channels, epsilon: 1e-5 };
      // A mean far from zero: sums of squares would lose the variance.
      const x = randomValues(n * h * w * channels, 62).map((v) => v + 30);
      const residual = tail === "add" ? randomValues(x.length, 63) : undefined;
      const input = persistentTensor(gpu, [n, h, w, channels], { data: x });
      const y = norm.forward(input, { training: true, groups, slot: 1 }, {
        relu: tail !== "plain",
        ...(residual ? { residual: persistentTensor(gpu, [n, h, w, channels], { data: residual }) } : {}),
      });
      const { mean, variance } = statistics(s, x);
      expectClose(await y.toArray(), normalise(s, { x, mean, variance, gamma, beta, residual, relu: tail !== "plain" }), "longSum", `y ${[n, h, w, channels, groups]}`);
      const order = Array.from({ length: groups }, (_, g) => g + 1).reverse();
      store.updateRunning(order);
      const running = await gpu.readFloats(store.runningArena);
      const expected = Float64Array.from({ length: 2 * channels }, (_, i) => {
        let value = i < channels ? 0 : 1;
        for (const slot of order) {
          const k = (slot - 1) * channels + (i % channels);
          const batch = i < channels ? (mean[k] as number) : ((variance[k] as number) * s.rows) / Math.max(1, s.rows - 1);
          value = 0.9 * value + 0.1 * batch;
        }
        return value;
      });
      expectClose(running, expected, "longSum", `running ${[n, h, w, channels, groups]}`);
      const evaluated = await norm.forward(input, { training: false, groups: 1, slot: 0 }).toArray();
      const frozen = normalise({ ...s, groups: 1, rows: n * h * w }, { x, mean: running.slice(0, channels), variance: running.slice(channels), gamma, beta, relu: false });
      expectClose(evaluated, frozen, "longSum", `evaluation ${[n, h, w, channels, groups]}`);
    }
  });
}

test("gradients by central differences of an f64 function, mid-graph, for every tail and for evaluation", async () => {
  const [n, h, w, channels, groups] = [4, 3, 2, 5, 2];
  const { store, norm, gamma, beta } = layer(channels);
  const count = n * h * w * channels;
  const s: Norm = { groups, rows: (n / groups) * h * w, channels, epsilon: 1e-5 };
  const [x, residual, upstream] = [randomValues(count, 64), randomValues(count, 65), randomValues(count, 66)];
  for (const mode of ["plain", "relu", "add", "evaluation"] as const) {
    const training = mode !== "evaluation";
    const running = { mean: new Float64Array(channels), variance: new Float64Array(channels).fill(1) };
    const value = (f: { x: ArrayLike<number>; gamma: ArrayLike<number>; beta: ArrayLike<number>; residual: ArrayLike<number> }) => {
      const moments = training ? statistics(s, f.x) : running;
      const y = normalise(s, { ...f, ...moments, residual: mode === "add" ? f.residual : undefined, relu: mode === "relu" || mode === "add" });
      return y.reduce((sum, v, i) => sum + v * (upstream[i] as number), 0);
    };
    const tensors = {
      x: persistentTensor(gpu, [n, h, w, channels], { data: x, requiresGradient: true }),
      residual: persistentTensor(gpu, [n, h, w, channels], { data: residual, requiresGradient: true }),
    };
    const y = norm.forward(tensors.x, { training, groups: training ? groups : 1, slot: 0 }, {
      relu: mode === "relu" || mode === "add",
      ...(mode === "add" ? { residual: tensors.residual } : {}),
    });
    store.zeroGradients();
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: upstream }), leaves: [tensors.x, tensors.residual] });
    const actual: Record<string, Float32Array> = {
      x: await (gradients.get(tensors.x) as Tensor).toArray(),
      gamma: await store.parameter("bn.weight").gradient.toArray(),
      beta: await store.parameter("bn.bias").gradient.toArray(),
      ...(mode === "add" ? { residual: await (gradients.get(tensors.residual) as Tensor).toArray() } : {}),
    };
    const base = { x: Float64Array.from(x), gamma: Float64Array.from(gamma), beta: Float64Array.from(beta), residual: Float64Array.from(residual) };
    for (const [name, gradient] of Object.entries(actual)) {
      const array = base[name as keyof typeof base];
      const numeric = Float64Array.from(array, (held, i) => {
        const step = 1e-5;
        array[i] = held + step;
        const above = value(base);
        array[i] = held - step;
        const below = value(base);
        array[i] = held;
        return (above - below) / (2 * step);
      });
      expectClose(gradient, numeric, "torchLayer", `${mode} gradient of ${name}`);
    }
  }
});
