import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { mul } from "../../src/ops/elementwise.ts";
import { heatmapMse } from "../../src/ops/heatmap_mse.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { heatmapMseReference } from "../reference/heatmap_mse.ts";
import { expectClose } from "../support/compare.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const CASES = [
  { n: 4, h: 16, w: 12, joints: 17, groups: 2 },
  { n: 1, h: 1, w: 1, joints: 1, groups: 1 },
  { n: 3, h: 7, w: 5, joints: 3, groups: 3 },
  { n: 6, h: 13, w: 11, joints: 24, groups: 1 },
  { n: 5, h: 64, w: 48, joints: 17, groups: 5 },
];

function values({ n, h, w, joints }: (typeof CASES)[number]) {
  const count = n * h * w * joints;
  // Weights 0 and 1 as data sets give them, and others, as the loss takes them squared.
  const weight = randomValues(n * joints, 3).map((value, i) => (i % 3 === 0 ? 0 : i % 3 === 1 ? 1 : 1 + value));
  return { prediction: randomValues(count, 1), target: randomValues(count, 2), weight };
}

for (const sizes of CASES) {
  const { n, h, w, joints, groups } = sizes;
  test(`heatmap_mse of [${n}, ${h}, ${w}, ${joints}] in ${groups} groups: losses, gradient alone and times an incoming one`, async () => {
    const arrays = values(sizes);
    const expected = heatmapMseReference(arrays, { n, pixels: h * w, joints, groups });
    const x = persistentTensor(gpu, [n, h, w, joints], { data: arrays.prediction, requiresGradient: true });
    const target = persistentTensor(gpu, x.shape, { data: arrays.target });
    const weight = persistentTensor(gpu, [n, joints], { data: arrays.weight });
    const loss = heatmapMse(x, { target, weight, groups });
    expect(loss.shape).toEqual([groups]);
    expectClose(await loss.toArray(), expected.loss, "longSum", "loss");
    const alone = backward(loss, { leaves: [x] }).get(x) as Tensor;
    expectClose(await alone.toArray(), expected.gradient, "kernel", "gradient");

    const incoming = randomValues(groups, 4);
    const again = heatmapMse(x, { target, weight, groups });
    const scaled = backward(again, { gradient: persistentTensor(gpu, [groups], { data: incoming }), leaves: [x] }).get(x) as Tensor;
    const perGroup = x.size / groups;
    expectClose(await scaled.toArray(), expected.gradient.map((value, i) => value * (incoming[Math.floor(i / perGroup)] as number)), "kernel", "scaled gradient");
  });
}

test("heatmap_mse passes the gradient check", async () => {
  for (const sizes of CASES.slice(0, 4)) {
    const { n, h, w, joints, groups } = sizes;
    const arrays = values(sizes);
    const target = persistentTensor(gpu, [n, h, w, joints], { data: arrays.target });
    const weight = persistentTensor(gpu, [n, joints], { data: arrays.weight.map((value) => value + 0.5) });
    await checkGradient(gpu, {
      label: `heatmap_mse [${n}, ${h}, ${w}, ${joints}]`,
      inputs: [{ shape: [n, h, w, joints], values: arrays.prediction }],
      // Central differences of a quadratic are exact at any step.
      step: 0.25,
      // Not the mean but the sum: the mean's small gradient would drown in the absolute tolerance.
      op: (x) => mul(heatmapMse(x as Tensor, { target, weight, groups }), n * h * w * joints),
    });
  }
});

test("joints of weight zero give no gradient but count in the mean: 17 of 24 joints give 17/24 of the loss", async () => {
  const [n, h, w, joints] = [2, 4, 3, 24];
  const ones = (count: number) => new Float32Array(count).fill(1);
  const prediction = persistentTensor(gpu, [n, h, w, joints], { data: ones(n * h * w * joints), requiresGradient: true });
  const target = persistentTensor(gpu, prediction.shape, { data: new Float32Array(prediction.size) });
  const weight = persistentTensor(gpu, [n, joints], { data: ones(n * joints).map((_, i) => (i % joints < 17 ? 1 : 0)) });
  const loss = heatmapMse(prediction, { target, weight });
  expectClose(await loss.toArray(), [(0.5 * 17) / 24], "kernel", "loss");
  const gradient = await (backward(loss, { leaves: [prediction] }).get(prediction) as Tensor).toArray();
  expect(gradient.every((value, i) => (value !== 0) === (i % joints < 17))).toBe(true);
});

test("two runs give the same bits", async () => {
  const sizes = { n: 5, h: 64, w: 48, joints: 17, groups: 1 };
  const { prediction, target, weight } = values(sizes);
  const shape = [sizes.n, sizes.h, sizes.w, sizes.joints];
  const tensors = { target: persistentTensor(gpu, shape, { data: target }), weight: persistentTensor(gpu, [sizes.n, sizes.joints], { data: weight }) };
  const x = persistentTensor(gpu, shape, { data: prediction });
  const [first, second] = [await heatmapMse(x, tensors).toArray(), await heatmapMse(x, tensors).toArray()];
  expect(first).toEqual(second);
});

test("heatmap_mse names the argument that is wrong", () => {
  const x = persistentTensor(gpu, [4, 2, 2, 3]);
  const weight = persistentTensor(gpu, [4, 3]);
  expect(() => heatmapMse(x, { target: persistentTensor(gpu, [4, 2, 2, 2]), weight })).toThrow("heatmap_mse: target must be [4, 2, 2, 3] like prediction, got [4, 2, 2, 2]");
  expect(() => heatmapMse(x, { target: x, weight: persistentTensor(gpu, [3, 4]) })).toThrow("heatmap_mse: weight must be [4, 3], got [3, 4]");
  expect(() => heatmapMse(x, { target: x, weight, groups: 3 })).toThrow("heatmap_mse: groups must be a divisor of the batch 4, got 3");
  const learned = persistentTensor(gpu, [4, 2, 2, 3], { requiresGradient: true });
  expect(() => heatmapMse(x, { target: learned, weight })).toThrow("heatmap_mse: target must be a constant");
});
