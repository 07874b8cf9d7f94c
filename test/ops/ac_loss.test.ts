import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { acLoss, type AcLossOptions, acLossTopDown } from "../../src/ops/ac_loss.ts";
import { mul } from "../../src/ops/elementwise.ts";
import { heatmapMse } from "../../src/ops/heatmap_mse.ts";
import { persistentTensor, stopGradient, type Tensor } from "../../src/tensor/tensor.ts";
import { acReference } from "../reference/ac_loss.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

const CASES = [
  { n: 1, h: 1, w: 1, joints: 1, groups: 1 },
  { n: 3, h: 7, w: 5, joints: 3, groups: 3 },
  { n: 4, h: 16, w: 12, joints: 17, groups: 2 },
  { n: 2, h: 67, w: 61, joints: 13, groups: 1 },
];
const MODES = [false, true].flatMap((raw) => [false, true].map((detachWeight) => ({ raw, detachWeight })));

/** A third of the pixels background, some centres, the others between; errors up to 1.6, so that the limits of the weights show. */
function values({ n, h, w, joints }: (typeof CASES)[number]) {
  const count = n * h * w * joints;
  const target = randomValues(count, 1).map((value, i) => (i % 3 === 0 ? 0 : i % 17 === 1 ? 1 : 0.05 + 0.9 * Math.abs(value)));
  const error = randomValues(count, 2).map((value) => 1.6 * value);
  const mask = randomValues(n * h * w, 3).map((value) => Number(value > -0.5));
  const weight = randomValues(n * joints, 4).map((value, i) => (i % 5 === 2 ? 0 : 1 + value));
  return { target, prediction: target.map((g, i) => g + (error[i] as number)), mask, weight };
}

/** A number per case that has one gradient: the centre, background or neither, as the specification lists them. */
const VECTORS: { p: number; g: number; exponent: number; weight: number; loss: number; raw?: boolean }[] = [
  { p: 0.6, g: 1, exponent: 0.3, weight: 0.64, loss: 0.1024 },
  { p: 0.3, g: 0, exponent: 0.3, weight: 0.51, loss: 0.0459 },
  { p: 0.2, g: 0.5, exponent: 1, weight: 0.405, loss: 0.03645 },
  { p: 0.2, g: 0.5, exponent: 0.01, weight: 0.85133, loss: 0.07662 },
  { p: 0.9, g: 0.5, exponent: 0.01, weight: 0.45547, loss: 0.072875 },
  { p: 0.9, g: 0.5, exponent: 1, weight: 0.52, loss: 0.0832 },
  { p: 1.4, g: 0, exponent: 1, weight: 0.84, loss: 1.6464, raw: true },
  { p: 1.4, g: 0, exponent: 1, weight: 1, loss: 1.96 },
  { p: -1.5, g: 1, exponent: 1, weight: -1.25, loss: -7.8125, raw: true },
  { p: -1.5, g: 1, exponent: 1, weight: 1, loss: 6.25 },
];

test("pixels of the specification, in both forms", async () => {
  for (const { p, g, exponent, weight, loss, raw = false } of VECTORS) {
    const x = persistentTensor(gpu, [1, 1, 1, 1], { data: Float32Array.of(p), requiresGradient: true });
    const target = persistentTensor(gpu, [1, 1, 1, 1], { data: Float32Array.of(g) });
    const label = `p ${p}, g ${g}, exponent ${exponent}${raw ? ", raw" : ""}`;
    const own = acLoss(x, { target, exponent, raw });
    expectClose(await own.toArray(), [loss], "transcendental", label);
    const detached = acLoss(x, { target, exponent, raw, detachWeight: true });
    expectClose(await (backward(detached, { leaves: [x] }).get(x) as Tensor).toArray(), [2 * (p - g) * weight], "transcendental", `${label}: detached gradient`);
    const half = acLossTopDown(x, { target, exponent, raw, weight: persistentTensor(gpu, [1, 1], { data: Float32Array.of(3) }) });
    expectClose(await half.toArray(), [(9 / 2) * loss], "transcendental", `${label}, top down`);
  }
});

test("values and gradients in all modes, images with a mask and groups with weights", async () => {
  for (const sizes of CASES) {
    const { n, h, w, joints, groups } = sizes;
    const arrays = values(sizes);
    const shape = [n, h, w, joints];
    const x = persistentTensor(gpu, shape, { data: arrays.prediction, requiresGradient: true });
    const target = persistentTensor(gpu, shape, { data: arrays.target });
    const mask = persistentTensor(gpu, [n, h, w], { data: arrays.mask });
    const weight = persistentTensor(gpu, [n, joints], { data: arrays.weight });
    const facts = { n, pixels: h * w, joints };
    for (const mode of MODES) {
      for (const exponent of [0.01, 0.4, 1]) {
        const options: AcLossOptions = { target, exponent, ...mode };
        const runs = [
          { label: "images", loss: acLoss(x, options), facts: { groups: n, factor: 1 }, factorOf: () => 1 },
          { label: "masked", loss: acLoss(x, { ...options, mask }), facts: { groups: n, factor: 1 }, factorOf: (s: number, at: number) => arrays.mask[s * h * w + at] as number },
          { label: "top down", loss: acLossTopDown(x, { ...options, weight, groups }), facts: { groups, factor: 0.5 }, factorOf: (s: number, _: number, j: number) => (arrays.weight[s * joints + j] as number) ** 2 },
        ];
        for (const run of runs) {
          const label = `${run.label} [${shape}] ${JSON.stringify(mode)}, exponent ${exponent}`;
          const expected = acReference(arrays, { ...facts, ...run.facts, ...mode, exponent, factorOf: run.factorOf });
          expectClose(await run.loss.toArray(), expected.loss, "transcendental", label);
          expectClose(await (backward(run.loss, { leaves: [x] }).get(x) as Tensor).toArray(), expected.gradient, "transcendental", `${label}: gradient`);
        }
      }
    }
    const incoming = randomValues(n, 9);
    const scaled = backward(acLoss(x, { target, exponent: 0.4 }), { gradient: persistentTensor(gpu, [n], { data: incoming }), leaves: [x] }).get(x) as Tensor;
    const { gradient } = acReference(arrays, { ...facts, groups: n, factor: 1, exponent: 0.4, raw: false, detachWeight: false, factorOf: () => 1 });
    expectClose(await scaled.toArray(), gradient.map((value, i) => value * (incoming[Math.floor(i / (gradient.length / n))] as number)), "transcendental", "scaled gradient");
  }
});

test("gradient check in the middle of a graph, through the weights and in both forms", async () => {
  const sizes = { n: 2, h: 5, w: 3, joints: 4, groups: 2 };
  const { n, h, w, joints } = sizes;
  const arrays = values(sizes);
  const shape = [n, h, w, joints];
  const target = persistentTensor(gpu, shape, { data: arrays.target });
  const weight = persistentTensor(gpu, [n, joints], { data: arrays.weight });
  for (const { raw, exponent } of [{ raw: true, exponent: 0.4 }, { raw: false, exponent: 1 }]) {
    // Off the kinks at p = g, p = q, f = 1 and d = 1 by more than the step.
    const prediction = arrays.prediction.map((p, i) => {
      const g = arrays.target[i] as number;
      const kinks = [g, g ** exponent, g + 1, g - 1, g ** exponent + g ** -exponent, g ** exponent - g ** -exponent];
      return kinks.some((kink) => Math.abs(p - kink) < 0.03) ? p + 0.07 : p;
    });
    const inputs = [{ shape, values: prediction }];
    const options = { target, exponent, raw };
    await checkGradient(gpu, { label: `acLoss, raw ${raw}`, inputs, op: (x) => mul(acLoss(x as Tensor, options), h * w * joints) });
    await checkGradient(gpu, { label: `acLossTopDown, raw ${raw}`, inputs, op: (x) => mul(acLossTopDown(x as Tensor, { ...options, weight, groups: 2 }), h * w * joints) });
  }
});

test("an exponent in a tensor is data: a replayed step follows it", async () => {
  const sizes = { n: 2, h: 7, w: 5, joints: 3, groups: 2 };
  const arrays = values(sizes);
  const shape = [2, 7, 5, 3];
  const x = persistentTensor(gpu, shape, { data: arrays.prediction });
  const target = persistentTensor(gpu, shape, { data: arrays.target });
  const exponent = persistentTensor(gpu, [1], { data: Float32Array.of(1) });
  const kept = gpu.persistent(8, "loss");
  const recording = gpu.record(() => addInto(gpu, { a: acLoss(x, { target, exponent }).range, b: undefined, out: kept, count: 2 }));
  for (const value of [0.01, 0.5, 1]) {
    gpu.write(exponent.range, Float32Array.of(value));
    recording.replay();
    expect(await gpu.readFloats(kept)).toEqual(await acLoss(x, { target, exponent: value }).toArray());
  }
});

test("background that is met has no loss; the limits take away negative losses; a weight of 1 makes it heatmapMse", async () => {
  const empty = persistentTensor(gpu, [1, 4, 4, 2], { data: new Float32Array(32), requiresGradient: true });
  const zero = acLoss(empty, { target: stopGradient(empty), exponent: 0.01 });
  expect([...(await zero.toArray())]).toEqual([0]);
  expect([...(await (backward(zero, { leaves: [empty] }).get(empty) as Tensor).toArray())]).toEqual(Array.from(new Float32Array(32)));
  const wild = persistentTensor(gpu, [1, 8, 8, 5], { data: randomValues(320, 20).map((value) => 5 * value) });
  const target = persistentTensor(gpu, [1, 8, 8, 5], { data: randomValues(320, 21).map((value) => Math.max(0, value)) });
  expect((await acLoss(wild, { target, exponent: 1, raw: true }).toArray())[0]).toBeLessThan(0);
  expect((await acLoss(wild, { target, exponent: 1 }).toArray())[0]).toBeGreaterThan(0);
  // Errors of 1 and more on background weigh 1.
  const sure = persistentTensor(gpu, [1, 8, 8, 5], { data: randomValues(320, 22).map((value) => 1 + Math.abs(value)) });
  const nothing = persistentTensor(gpu, [1, 8, 8, 5], { data: new Float32Array(320) });
  const weight = persistentTensor(gpu, [1, 5], { data: Float32Array.of(1, 0, 2, 0.5, 1) });
  expectClose(await acLossTopDown(sure, { target: nothing, exponent: 0.01, weight }).toArray(), await heatmapMse(sure, { target: nothing, weight }).toArray(), "longSum", "heatmapMse");
});

test("two runs give the same bits", async () => {
  const sizes = { n: 5, h: 64, w: 48, joints: 17, groups: 1 };
  const arrays = values(sizes);
  const x = persistentTensor(gpu, [5, 64, 48, 17], { data: arrays.prediction });
  const target = persistentTensor(gpu, [5, 64, 48, 17], { data: arrays.target });
  expect(await acLoss(x, { target, exponent: 0.2 }).toArray()).toEqual(await acLoss(x, { target, exponent: 0.2 }).toArray());
});

test("wrong arguments are refused by name", () => {
  const x = persistentTensor(gpu, [2, 3, 4, 5]);
  const learned = persistentTensor(gpu, [2, 3, 4, 5], { requiresGradient: true });
  const weight = persistentTensor(gpu, [2, 5]);
  expect(() => acLoss(weight, { target: weight, exponent: 1 })).toThrow("acLoss: prediction must be [n, h, w, joints], got [2, 5]");
  expect(() => acLoss(x, { target: persistentTensor(gpu, [2, 3, 4, 4]), exponent: 1 })).toThrow("acLoss: target must be [2, 3, 4, 5] like prediction, got [2, 3, 4, 4]");
  expect(() => acLoss(x, { target: learned, exponent: 1 })).toThrow("acLoss: target must be a constant");
  expect(() => acLoss(x, { target: x, exponent: 0 })).toThrow("acLoss: exponent must be above 0, got 0");
  expect(() => acLoss(x, { target: x, exponent: weight })).toThrow("acLoss: exponent must be one element, got [2, 5]");
  expect(() => acLoss(x, { target: x, exponent: 1, mask: weight })).toThrow("acLoss: mask must be [2, 3, 4], got [2, 5]");
  expect(() => acLossTopDown(x, { target: x, exponent: 1, weight: persistentTensor(gpu, [5, 2]) })).toThrow("acLossTopDown: weight must be [2, 5], got [5, 2]");
  expect(() => acLossTopDown(x, { target: x, exponent: 1, weight, groups: 4 })).toThrow("acLossTopDown: groups must be a divisor of the batch 2, got 4");
});

test("equals PyTorch, with the gradient of the prediction", async () => {
  const images = (options: Omit<AcLossOptions, "target">) => (x?: Tensor, target?: Tensor, mask?: Tensor) =>
    acLoss(x as Tensor, { ...options, target: stopGradient(target as Tensor), ...(mask ? { mask: stopGradient(mask) } : {}) });
  const topDown = (options: Omit<AcLossOptions, "target"> & { groups: number }) => (x?: Tensor, target?: Tensor, weight?: Tensor) =>
    acLossTopDown(x as Tensor, { ...options, target: stopGradient(target as Tensor), weight: stopGradient(weight as Tensor) });
  await checkGolden(
    gpu,
    "ac_loss",
    {
      "images exponent 0_01": images({ exponent: 0.01 }),
      "images exponent 1": images({ exponent: 1 }),
      "raw exponent 0_01": images({ exponent: 0.01, raw: true }),
      "raw exponent 1": images({ exponent: 1, raw: true }),
      masked: images({ exponent: 0.3 }),
      detached: images({ exponent: 0.3, detachWeight: true }),
      "top down": topDown({ exponent: 0.3, groups: 1 }),
      "top down raw detached": topDown({ exponent: 0.3, raw: true, detachWeight: true, groups: 3 }),
    },
    "transcendental",
  );
});
