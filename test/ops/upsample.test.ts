import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { upsampleBilinear, upsampleNearest } from "../../src/ops/upsample.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type AxisTaps, linearTaps, nearestTaps, type ResampleCase, resampleReference } from "../reference/upsample.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { checkHalf } from "../support/half.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();

async function compare(label: string, sizes: ResampleCase, { op, taps }: { op: (x: Tensor) => Tensor; taps: AxisTaps }): Promise<void> {
  const { n, h, w, c, outH, outW } = sizes;
  const shape = [n, h, w, c];
  const data = randomValues(n * h * w * c, 1);
  const gradY = randomValues(n * outH * outW * c, 2);
  const x = persistentTensor(gpu, shape, { data, requiresGradient: true });
  const y = op(x);
  expect([...y.shape]).toEqual([n, outH, outW, c]);
  const expected = resampleReference(data, gradY, sizes, taps);
  expectClose(await y.toArray(), expected.y, "kernel", `${label}: output`);
  const upstream = persistentTensor(gpu, y.shape, { data: gradY });
  const gradient = async () => (backward(op(x), { gradient: upstream, leaves: [x] }).get(x) as Tensor).toArray();
  const gradX = await gradient();
  expectClose(gradX, expected.gradX, "kernel", `${label}: gradient`);
  expect(await gradient()).toEqual(gradX);
  await checkGradient(gpu, { label, inputs: [{ shape }], op: (input) => op(input as Tensor) });
  await checkAdjoint(gpu, { label, inputs: [{ shape }], op: (input) => op(input as Tensor) });
}

const NEAREST = [[2, 4, 3, 8, 2], [1, 7, 5, 3, 4], [3, 1, 1, 1, 8], [2, 3, 5, 2, 1], [1, 2, 3, 37, 3], [1, 61, 59, 1, 2]] as const;
for (const [n, h, w, c, scale] of NEAREST) {
  const label = `upsampleNearest of [${[n, h, w, c].join(", ")}] by ${scale}`;
  test(`${label}: output and gradient as in f64`, () =>
    compare(label, { n, h, w, c, outH: scale * h, outW: scale * w }, { op: (x) => upsampleNearest(x, scale), taps: nearestTaps }));
}

const BILINEAR: [number, number, number, number, number, number][] = [
  [2, 4, 3, 8, 8, 6],
  [1, 7, 5, 3, 13, 17],
  [1, 13, 17, 2, 7, 5],
  [2, 9, 4, 5, 2, 31],
  [1, 64, 48, 2, 3, 2],
  [1, 5, 6, 3, 1, 1],
  [2, 1, 1, 3, 5, 4],
  [1, 3, 1, 1, 3, 7],
  [1, 6, 5, 2, 6, 5],
  [1, 2, 2, 1, 127, 131],
];
for (const [n, h, w, c, outH, outW] of BILINEAR)
  for (const alignCorners of [false, true]) {
    const label = `upsampleBilinear of [${[n, h, w, c].join(", ")}] to ${outH}x${outW}${alignCorners ? ", corners aligned" : ""}`;
    test(`${label}: output and gradient as in f64`, () =>
      compare(label, { n, h, w, c, outH, outW }, { op: (x) => upsampleBilinear(x, { height: outH, width: outW, alignCorners }), taps: linearTaps(alignCorners) }));
  }

test("every output's weights sum to one and every gradient is handed on whole, for random sizes", async () => {
  const random = testRandom(80);
  for (let round = 0; round < 40; round++) {
    const [h, w, height, width] = Array.from({ length: 4 }, () => random.integer(1, 40)) as [number, number, number, number];
    const label = `${h}x${w} to ${height}x${width}`;
    const x = persistentTensor(gpu, [1, h, w, 1], { data: new Float32Array(h * w).fill(1), requiresGradient: true });
    const y = upsampleBilinear(x, { height, width, alignCorners: random.chance(0.5) });
    expectClose(await y.toArray(), new Float32Array(height * width).fill(1), "kernel", label);
    const gradient = await (backward(y, { leaves: [x] }).get(x) as Tensor).toArray();
    expectClose([gradient.reduce((a, b) => a + b, 0)], [height * width], "kernel", `${label}: sum of gradients`);
  }
});

test("places are exact far from the first pixel", async () => {
  const [length, scale] = [4099, 7];
  const ramp = Float32Array.from({ length }, (_, i) => i);
  const y = upsampleBilinear(persistentTensor(gpu, [1, 1, length, 1], { data: ramp }), { height: 1, width: length * scale });
  const expected = Float32Array.from({ length: length * scale }, (_, i) => Math.min(Math.max((i + 0.5) / scale - 0.5, 0), length - 1));
  const values = await y.toArray();
  expect(values.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (expected[i] as number))), 0)).toBeLessThanOrEqual(2 ** -11);
});

test("upsampling names the argument that is wrong", () => {
  const x = persistentTensor(gpu, [1, 4, 4, 2]);
  const flat = persistentTensor(gpu, [4, 4]);
  expect(() => upsampleNearest(flat, 2)).toThrow("upsampleNearest: x must be [n, h, w, c], got [4, 4]");
  expect(() => upsampleNearest(x, 1.5)).toThrow("upsampleNearest: scale must be an integer of at least 1, got 1.5");
  expect(() => upsampleBilinear(flat, { height: 2, width: 2 })).toThrow("upsampleBilinear: x must be [n, h, w, c], got [4, 4]");
  expect(() => upsampleBilinear(x, { height: 0, width: 2 })).toThrow("upsampleBilinear: height must be an integer of at least 1, got 0");
  expect(() => upsampleBilinear(x, { height: 2, width: 2 ** 28 })).toThrow("upsampleBilinear: width must be at most 134217728 for x [1, 4, 4, 2], got 268435456");
});

test.skipIf(!gpu.features.has("shader-f16"))("in f16 the results are those of f32, rounded", async () => {
  await checkHalf(gpu, { label: "nearest", shape: [2, 3, 5, 3], op: (x) => upsampleNearest(x, 2) });
  await checkHalf(gpu, { label: "along one axis", shape: [1, 3, 5, 3], op: (x) => upsampleBilinear(x, { height: 7, width: 5 }) });
  await checkHalf(gpu, { label: "along both axes", shape: [1, 3, 5, 3], op: (x) => upsampleBilinear(x, { height: 7, width: 11 }), roundings: 2 });
});

test("equals PyTorch, with all gradients", async () => {
  const bilinear = (height: number, width: number, alignCorners: boolean) => (x?: Tensor) => upsampleBilinear(x as Tensor, { height, width, alignCorners });
  await checkGolden(gpu, "upsample", {
    "nearest by 2": (x) => upsampleNearest(x as Tensor, 2),
    "nearest by 8": (x) => upsampleNearest(x as Tensor, 8),
    "bilinear by 2": bilinear(10, 14, false),
    "bilinear by 2, corners aligned": bilinear(10, 14, true),
    "bilinear to primes": bilinear(13, 11, false),
    "bilinear to primes, corners aligned": bilinear(13, 11, true),
    "bilinear smaller": bilinear(4, 3, false),
    "bilinear smaller, corners aligned": bilinear(4, 3, true),
    "bilinear to one pixel": bilinear(1, 1, false),
    "bilinear to one pixel, corners aligned": bilinear(1, 1, true),
    "bilinear from one pixel": bilinear(3, 4, false),
  });
});
