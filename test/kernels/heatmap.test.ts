import { expect, test } from "bun:test";
import { argmaxPeaks, renderHeatmaps } from "../../src/kernels/heatmap.ts";
import { encodeHeatmaps } from "../../src/pose/heatmap.ts";
import * as reference from "../reference/heatmaps.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

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

test("the published target examples, on the device and from the codec: centre, columns, weights, profile", async () => {
  const [width, height] = [48, 64];
  const xs = [103.4, -20, -30, -34, 213, 216];
  const joints = Float32Array.from(xs.flatMap((x) => [x, 57.9]));
  const visible = new Float32Array(xs.length).fill(1);
  const target = gpu.persistent(4 * width * height * xs.length, "target");
  const weight = gpu.persistent(4 * xs.length, "weight");
  renderHeatmaps(gpu, { joints: gpu.upload(joints, "joints"), visible: gpu.upload(visible, "visible"), target, weight, shape: { batch: 1, height, width, joints: xs.length }, stride: [4, 4], sigma: 2 });
  const codec = encodeHeatmaps({ joints, visible, jointCount: xs.length, inputSize: [192, 256], heatmapSize: [width, height], sigma: 2 });
  for (const [maps, weights] of [[await gpu.readFloats(target), await gpu.readFloats(weight)], [codec.heatmaps, codec.weights]] as const) {
    const map = (joint: number) => maps.filter((_, i) => i % xs.length === joint);
    const filled = (joint: number, place: (pixel: number) => number) => {
      const places = [...map(joint).entries()].filter(([, value]) => value > 0).map(([pixel]) => place(pixel));
      return places.length > 0 ? [Math.min(...places), Math.max(...places) + 1] : [];
    };
    expect(xs.map((_, joint) => filled(joint, (pixel) => pixel % width))).toEqual([[20, 33], [0, 3], [], [], [47, 48], []]);
    expect(filled(0, (pixel) => Math.floor(pixel / width))).toEqual([8, 21]);
    expect([...weights]).toEqual([1, 1, 1, 0, 1, 0]);
    [1, 0.882497, 0.606531, 0.324652, 0.135335, 0.043937, 0.011109].forEach((value, i) => expect(map(0)[14 * width + 26 + i]).toBeCloseTo(value, 5));
  }
});

test("a joint that is not visible gets weight 0 and an empty map; a weight up to one half an empty map", async () => {
  const joints = Float32Array.of(20, 20, 20, 20, 20, 20);
  const visible = Float32Array.of(0, 0.5, 0.75);
  const target = gpu.persistent(4 * 16 * 16 * 3, "target");
  const weight = gpu.persistent(12, "weight");
  renderHeatmaps(gpu, { joints: gpu.upload(joints, "joints"), visible: gpu.upload(visible, "visible"), target, weight, shape: { batch: 1, height: 16, width: 16, joints: 3 }, stride: [4, 4], sigma: 1 });
  const maps = await gpu.readFloats(target);
  expect([...(await gpu.readFloats(weight))]).toEqual([0, 0.5, 0.75]);
  expect([0, 1, 2].map((joint) => Math.max(...maps.filter((_, i) => i % 3 === joint)))).toEqual([0, 0, 1]);
});

test("peaks are the first maximum in row-major order, also of flat and negative maps; scaled, and with empty maps at zero", async () => {
  for (const [n, height, width, j] of [[2, 9, 7, 5], [1, 1, 1, 1], [3, 16, 12, 17], [5, 64, 48, 24]] as const) {
    // Few different values, so that most maxima are ties; the first sample is negative throughout.
    const maps = randomValues(n * height * width * j, 21).map((value, i) => Math.round(value * 4) / 4 - (i < height * width * j ? 2 : 0));
    maps.fill(-1, 0, height * width * Math.min(j, 2));
    const shape = { batch: n, height, width, joints: j };
    const peaks = gpu.persistent(12 * n * j, "peaks");
    const input = gpu.upload(maps, "maps");
    const expected = reference.peaks(maps, { n, height, width, j });
    argmaxPeaks(gpu, { maps: input, peaks, shape });
    expectClose(await gpu.readFloats(peaks), expected, "exact", "peaks");
    argmaxPeaks(gpu, { maps: input, peaks, shape, scale: 4 });
    expectClose(await gpu.readFloats(peaks), expected.map((value, i) => (i % 3 === 2 ? value : 4 * value)), "exact", "scaled peaks");
    argmaxPeaks(gpu, { maps: input, peaks, shape, scale: 4, zeroEmpty: true });
    const zeroed = expected.map((value, i) => (i % 3 === 2 ? value : (expected[i - (i % 3) + 2] as number) > 0 ? 4 * value : 0));
    expectClose(await gpu.readFloats(peaks), zeroed, "exact", "peaks with empty maps at zero");
  }
});
