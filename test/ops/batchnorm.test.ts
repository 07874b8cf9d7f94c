import { expect, test } from "bun:test";
import { Batchnorm } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { batchnorm } from "../../src/ops/batchnorm.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
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

for (const [n, h, w, channels, groups] of [[4, 3, 5, 7, 2], [2, 6, 4, 33, 1], [6, 2, 2, 1, 3]] as const) {
  const shape = [n, h, w, channels];
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
    const residual = randomValues(n * h * w * channels, 90).map((value) => 4 * value + 8 * Math.sign(value));
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
  expect(() => batchnorm(x, { gamma, beta, ...mode })).toThrow("batchnorm: beta must be [3] for x [2, 1, 1, 3], got [4]");
  expect(() => batchnorm(x, { gamma, beta: gamma, ...mode, groups: 3 })).toThrow("batchnorm: groups must divide the batch of x [2, 1, 1, 3], got 3");
  expect(() => batchnorm(x, { gamma, beta: gamma, ...mode, groups: 2 })).toThrow("training statistics need two");
  expect(() => batchnorm(x, { gamma, beta: gamma, ...mode, residual: gamma })).toThrow("batchnorm: residual must be [2, 1, 1, 3] like x, got [3]");
});
