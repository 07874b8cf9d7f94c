import { afterAll, expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { argmaxPeaks, renderHeatmaps } from "../../src/kernels/heatmap.ts";
import { heatmapMse } from "../../src/ops/heatmap_mse.ts";
import { maxpool } from "../../src/ops/maxpool.ts";
import { encodeHeatmaps } from "../../src/pose/heatmap.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import * as reference from "../reference/heatmaps.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await openDevice({ mode: "checked" });
afterAll(() => gpu.close());

test("targets equal the definition, at and beyond every border, for both sigmas; and so does the CPU codec", async () => {
  const random = testRandom(20);
  for (const [width, height, sigma] of [[48, 64, 2], [16, 16, 1], [72, 96, 3]] as const) {
    const [n, j] = [3, 7];
    const joints = Float32Array.from({ length: 2 * n * j }, (_, i) => random.range(-60, 4 * (i % 2 ? height : width) + 60));
    joints.set([103.4, 57.9, -20, 50, -30, 50, -34, 50], 0);
    const visible = Float32Array.from({ length: n * j }, () => (random.chance(0.75) ? 1 : 0));
    visible.fill(1, 0, 4);
    const target = gpu.persistent(4 * n * height * width * j, "target");
    const weight = gpu.persistent(4 * n * j, "weight");
    renderHeatmaps(gpu, { joints: gpu.upload(joints, "joints"), visible: gpu.upload(visible, "visible"), target, weight, shape: { batch: n, height, width, joints: j }, stride: [4, 4], sigma });
    const expected = reference.render({ joints, visible, n, j, width, height, stride: [4, 4], sigma });
    expectClose(await gpu.readFloats(target), expected.maps, "kernel", `targets ${width}x${height}`);
    expectClose(await gpu.readFloats(weight), expected.weights, "exact", `weights ${width}x${height}`);
    const codec = encodeHeatmaps({ joints, visible, jointCount: j, inputSize: [4 * width, 4 * height], heatmapSize: [width, height], sigma });
    expectClose(codec.heatmaps, expected.maps, "kernel", "codec");
    expectClose(codec.weights, expected.weights, "exact", "codec weights");
  }
});

test("the published target examples: centre, columns, weights, profile", () => {
  const at = (x: number) => encodeHeatmaps({ joints: Float32Array.of(x, 57.9), visible: Float32Array.of(1), jointCount: 1, inputSize: [192, 256], heatmapSize: [48, 64], sigma: 2 });
  const columns = (x: number) => {
    const { heatmaps, weights } = at(x);
    const filled = new Set([...heatmaps.keys()].filter((i) => (heatmaps[i] as number) > 0).map((i) => i % 48));
    return [filled.size, weights[0]];
  };
  expect([103.4, -20, -30, -34, 213, 216].map(columns)).toEqual([[13, 1], [3, 1], [0, 1], [0, 0], [1, 1], [0, 0]]);
  const { heatmaps } = at(103.4);
  [1, 0.882497, 0.606531, 0.324652, 0.135335, 0.043937, 0.011109].forEach((value, i) => expect(heatmaps[14 * 48 + 26 + i]).toBeCloseTo(value, 5));
});

test("peaks are the first maximum in row-major order, also of flat and negative maps", async () => {
  const shape = { batch: 2, height: 9, width: 7, joints: 5 };
  const maps = randomValues(2 * 9 * 7 * 5, 21).map((v) => Math.round(v * 4) / 4);
  maps.fill(-1, 0, 9 * 7 * 5);
  const peaks = gpu.persistent(4 * 3 * 10, "peaks");
  argmaxPeaks(gpu, { maps: gpu.upload(maps, "maps"), peaks, shape });
  expectClose(await gpu.readFloats(peaks), reference.peaks(maps, { n: 2, height: 9, width: 7, j: 5 }), "exact", "peaks");
  argmaxPeaks(gpu, { maps: gpu.upload(maps, "maps"), peaks, shape, zeroEmpty: true, scale: 4 });
  const scaled = await gpu.readFloats(peaks);
  expect([...scaled.slice(0, 3)]).toEqual([0, 0, -1]);
});

test("the loss and its gradient per group, seeded and mid-graph", async () => {
  for (const [n, h, w, j, groups] of [[6, 5, 7, 3, 2], [1, 16, 12, 17, 1], [4, 2, 2, 1, 4]] as const) {
    const [p, t] = [randomValues(n * h * w * j, 22), randomValues(n * h * w * j, 23)];
    const weights = randomValues(n * j, 24).map((v) => (v > 0 ? 1.2 : 0));
    const prediction = persistentTensor(gpu, [n, h, w, j], { data: p, requiresGradient: true });
    const target = persistentTensor(gpu, [n, h, w, j], { data: t });
    const weight = persistentTensor(gpu, [n, j], { data: weights });
    const expected = reference.mse({ p, t, w: weights, n, pixels: h * w, j, groups });
    const loss = heatmapMse(prediction, { target, weight, groups });
    expectClose(await loss.toArray(), expected.losses, "longSum", "loss");
    const seeded = backward(loss, { leaves: [prediction] }).get(prediction) as Tensor;
    expectClose(await seeded.toArray(), expected.gradient, "kernel", "gradient");
    const factors = randomValues(groups, 25);
    const scaled = backward(heatmapMse(prediction, { target, weight, groups }), { gradient: persistentTensor(gpu, [groups], { data: factors }), leaves: [prediction] });
    const perGroup = (n / groups) * h * w * j;
    expectClose(await (scaled.get(prediction) as Tensor).toArray(), expected.gradient.map((v, i) => v * (factors[Math.floor(i / perGroup)] as number)), "kernel", "scaled gradient");
  }
  const wrong = () => heatmapMse(persistentTensor(gpu, [2, 3, 3, 4]), { target: persistentTensor(gpu, [2, 3, 3, 5]), weight: persistentTensor(gpu, [2, 4]) });
  expect(wrong).toThrow(/heatmap_mse: target must be \[2, 3, 3, 4\].*got \[2, 3, 3, 5\]/);
});

test("max pooling and its gradient, ties going to the first maximum", async () => {
  for (const [h, w, k, s, p] of [[9, 7, 3, 2, 1], [8, 8, 2, 2, 0], [5, 6, 3, 1, 1], [7, 7, 4, 3, 2]] as const) {
    const [n, c] = [2, 5];
    const x = randomValues(n * h * w * c, 26).map((v) => Math.round(v * 3));
    const expected = reference.maxpool(x, { n, h, w, c, k, s, p });
    const input = persistentTensor(gpu, [n, h, w, c], { data: x, requiresGradient: true });
    const y = maxpool(input, { kernel: k, stride: s, padding: p });
    expect(y.shape).toEqual([n, expected.oh, expected.ow, c]);
    expectClose(await y.toArray(), expected.y, "exact", "maxima");
    const upstream = randomValues(y.size, 27);
    const gradient = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: upstream }), leaves: [input] }).get(input) as Tensor;
    const gx = new Float64Array(x.length);
    expected.from.forEach((index, i) => (gx[index]! += upstream[i] as number));
    expectClose(await gradient.toArray(), gx, "kernel", "gradient");
  }
});
