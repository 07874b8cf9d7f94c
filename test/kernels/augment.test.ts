import { expect, test } from "bun:test";
import { CropBatch, packCrops, recycleCrops } from "../../src/augment/crop_batch.ts";
import { cropWarp } from "../support/crop_warp.ts";
import { type CropSample, drawGeometry, prepareSample } from "../../src/data/sample.ts";
import { warpAffine } from "../../src/kernels/augment.ts";
import { mirror } from "../../src/kernels/elementwise.ts";
import { composeAffine, drawViewTheta, invertAffine } from "../../src/pose/affine.ts";
import { boxToCenterScale } from "../../src/pose/box.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { Random, STREAM } from "../../src/random.ts";
import { batchView, emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { Golden } from "../golden/load.ts";
import { sourceOf, warp } from "../reference/heatmaps.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("the affine warp equals its definition and PyTorch's affine_grid with grid_sample", async () => {
  const random = testRandom(30);
  for (const [n, height, width, c] of [[3, 24, 18, 3], [2, 16, 16, 17], [1, 5, 7, 1]] as const) {
    const x = randomValues(n * height * width * c, 31);
    const theta = Float32Array.from(Array.from({ length: n }, () => [...drawViewTheta(random, { scaleFactor: 0.25, rotationFactor: 30, probability: 0.8 })]).flat());
    theta[2] = 0.3;
    const y = gpu.persistent(x.byteLength, "y");
    warpAffine(gpu, { x: gpu.upload(x, "x"), theta: gpu.upload(theta, "theta"), y, shape: { batch: n, height, width, channels: c } });
    expectClose(await gpu.readFloats(y), warp(x, theta, { n, height, width, c }), "warp", `warp ${[n, height, width, c]}`);
  }
  const golden = await Golden.open("affine_warp");
  const [batch = 0, height = 0, width = 0, channels = 0] = golden.imageShape("x");
  const y = gpu.persistent(4 * batch * height * width * channels, "y");
  warpAffine(gpu, { x: gpu.upload(golden.images("x"), "x"), theta: gpu.upload(golden.floats("theta"), "theta"), y, shape: { batch, height, width, channels } });
  expectClose(await gpu.readFloats(y), golden.images("y"), "warp", "PyTorch warp");
});

test("the published sampling positions of a view of 30 degrees and scale 1.2", () => {
  const theta = [1.0392305, 0.6, 0, -0.6, 1.0392305, 0];
  const [x, y] = sourceOf(theta, { row: 128, column: 96, height: 256, width: 192 });
  expect([x, y].map((v) => v.toFixed(4))).toEqual(["96.2446", "127.6196"]);
  const [u, v] = sourceOf(theta, { row: 32, column: 24, height: 64, width: 48 });
  expect([u, v].map((value) => value.toFixed(4))).toEqual(["24.2446", "31.6196"]);
});

test("with its centre at 1/stride the warp moves a heatmap's peak to where the image's point goes; with 1 it misses by up to half a cell", async () => {
  const [stride, width, height] = [4, 48, 64];
  const radians = (50 * Math.PI) / 180;
  const theta = [1.1 * Math.cos(radians), 1.1 * Math.sin(radians), 0, -1.1 * Math.sin(radians), 1.1 * Math.cos(radians), 0];
  const cell = [31, 26] as const; // a joint at input pixel 4 * cell
  const sigma = 2;
  const map = Float32Array.from({ length: width * height }, (_, i) => Math.exp(-(((i % width) - cell[0]) ** 2 + (Math.floor(i / width) - cell[1]) ** 2) / (2 * sigma ** 2)));
  // Where the point is seen: theta maps output to input, so the inverse maps the point.
  const [a = 0, b = 0, , c = 0, d = 0] = theta;
  const size = [width * stride, height * stride] as const;
  const [px, py] = cell.map((at, axis) => (2 * at * stride + 1) / (size[axis] as number) - 1) as [number, number];
  const determinant = a * d - b * c;
  const seen = [(d * px - b * py) / determinant, (a * py - c * px) / determinant].map((at, axis) => (((at + 1) * (size[axis] as number) - 1) / 2 / stride));
  const centroid = async (centre: number) => {
    const y = gpu.persistent(map.byteLength, "y");
    warpAffine(gpu, { x: gpu.upload(map, "map"), theta: gpu.upload(Float32Array.from(theta), "theta"), y, shape: { batch: 1, height, width, channels: 1 }, centre });
    const values = await gpu.readFloats(y);
    const total = values.reduce((sum, value) => sum + value, 0);
    return [0, 1].map((axis) => values.reduce((sum, value, i) => sum + value * (axis === 0 ? i % width : Math.floor(i / width)), 0) / total);
  };
  const missed = (found: number[]) => Math.hypot(...found.map((at, axis) => at - (seen[axis] as number)));
  expect(missed(await centroid(1 / stride))).toBeLessThan(0.02);
  expect(missed(await centroid(1))).toBeGreaterThan(0.25);
});

test("what a teacher saw through a view of its own comes into the students' frame by its inverse and their view", async () => {
  const [width, height] = [64, 64];
  const draw = (index: number) => drawViewTheta(new Random({ seed: 8, stream: STREAM.teacherGeometry, epoch: 0, index }), { scaleFactor: 0.25, rotationFactor: 30, probability: 1 });
  const warped = async (x: Float32Array<ArrayBuffer>, theta: readonly number[]) => {
    const y = gpu.persistent(x.byteLength, "y");
    warpAffine(gpu, { x: gpu.upload(x, "x"), theta: gpu.upload(Float32Array.from(theta), "theta"), y, shape: { batch: 1, height, width, channels: 1 } });
    return Float32Array.from(await gpu.readFloats(y));
  };
  // A network that gives back what it sees stands for the teacher; the picture is smooth, so that sampling twice costs little.
  const picture = Float32Array.from({ length: width * height }, (_, i) => Math.exp(-(((i % width) - 36) ** 2 + (Math.floor(i / width) - 27) ** 2) / 60));
  for (let pair = 0; pair < 5; pair++) {
    const [teacher, student] = [draw(2 * pair), draw(2 * pair + 1)];
    const label = await warped(await warped(picture, teacher), composeAffine(invertAffine(teacher), student));
    const direct = await warped(picture, student);
    expect(Math.max(...direct)).toBeGreaterThan(0.9);
    expect(Math.max(...label.map((value, i) => Math.abs(value - (direct[i] as number))))).toBeLessThan(0.03);
    const untouched = await warped(await warped(picture, teacher), student);
    expect(Math.max(...untouched.map((value, i) => Math.abs(value - (direct[i] as number))))).toBeGreaterThan(0.1); // the original's frame
  }
});

test("the device samples at the published positions, and writes nothing but its own rows of the batch", async () => {
  const theta = gpu.upload(Float32Array.of(1.0392305, 0.6, 0, -0.6, 1.0392305, 0), "theta");
  for (const { width, height, row, column, position } of [
    { width: 192, height: 256, row: 128, column: 96, position: [96.2446, 127.6196] },
    { width: 48, height: 64, row: 32, column: 24, position: [24.2446, 31.6196] },
  ]) {
    // Two channels that hold their own column and row: a bilinear sample of them is the position.
    const data = Float32Array.from({ length: 2 * width * height }, (_, i) => (i % 2 === 0 ? (i >> 1) % width : Math.floor((i >> 1) / width)));
    const out = persistentTensor(gpu, [3, height, width, 2], { data: new Float32Array(3 * data.length).fill(7) });
    warpAffine(gpu, { x: gpu.upload(data, "ramps"), theta, y: batchView(out, 1, 1).range, shape: { batch: 1, height, width, channels: 2 } });
    const values = await out.toArray();
    const at = data.length + 2 * (row * width + column);
    [0, 1].forEach((axis) => expect(values[at + axis]).toBeCloseTo(position[axis] as number, 3));
    expect(values.every((value, i) => value === 7 || Math.floor(i / data.length) === 1)).toBe(true);
    // The content turns about the middle, so a corner of the frame sees nothing of it.
    expect([...values.subarray(data.length, data.length + 2)]).toEqual([0, 0]);
  }
});

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** The 8-bit values that normalised crops were made from. */
function cropBytes(values: Float32Array): number[] {
  return [...values].map((value, i) => Math.round(255 * (value * (DEVIATION[i % 3] as number) + (MEAN[i % 3] as number))));
}

/** What a crop does not depend on. */
const blankSample = {
  flip: false,
  joints: new Float32Array(34),
  visible: new Uint8Array(17),
  center: [0, 0] as const,
  scale: [1, 1] as const,
  rotationDegrees: 0,
  record: {
    imageId: 1, annotationId: 1, imagePath: "", imageSize: [1, 1] as const, center: [0, 0] as const, scale: [1, 1] as const,
    joints: new Float64Array(34), visible: new Uint8Array(17), box: [0, 0, 1, 1] as const, score: 1,
  },
};

test("crops on the device equal the CPU twin in every byte: rotations, flips, borders, both colour orders", async () => {
  const size = [48, 64] as const;
  const whole: CropSample[] = [];
  const samples = Array.from({ length: 6 }, (_, i) => {
    const random = new Random({ seed: 5, stream: STREAM.sampleGeometry, index: i });
    const [width, height] = [60 + 7 * i, 50 + 5 * i];
    const pixels = Uint8Array.from({ length: 3 * width * height }, () => random.integer(0, 256));
    const geometry = drawGeometry(random, { scaleFactor: 0.35, rotationFactor: 45, flip: true, probHalfBody: 0 });
    const box = [random.integer(-20, 30), random.integer(-20, 30), random.integer(10, 60), random.integer(10, 60)] as const;
    const record = {
      imageId: i, annotationId: i, imagePath: "", imageSize: [width, height] as const, ...boxToCenterScale(box, size),
      joints: new Float64Array(34), visible: new Uint8Array(17), box, score: 1,
    };
    const sample = prepareSample(record, { image: { pixels, width, height }, geometry, skeleton: COCO17, inputSize: size });
    whole.push({ ...sample, pixels, window: { x: 0, y: 0, width, height } });
    return sample;
  });
  // The window that is uploaded holds every pixel that the crop touches.
  samples.forEach((sample, i) => expect(cropWarp(sample, size)).toEqual(cropWarp(whole[i] as CropSample, size)));
  expect(samples.some(({ flip }) => flip)).toBe(true);
  for (const rgb of [true, false]) {
    const facts = { batch: samples.length, size, joints: 17, rgb };
    const batch = new CropBatch(gpu, facts);
    batch.write(packCrops(samples, facts));
    const out = emptyTensor(gpu, [samples.length, size[1], size[0], 3]);
    batch.run(out.range);
    const values = await out.toArray();
    const bytes = cropBytes(values);
    const expected = samples.flatMap((sample) => [...cropWarp(sample, size)]);
    expectClose(bytes, rgb ? expected : expected.map((_, i) => expected[i - (i % 3) + 2 - (i % 3)] as number), "exact", `crops ${rgb ? "RGB" : "BGR"}`);
    const normalised = expected.map((byte, i) => (byte / 255 - (MEAN[i % 3] as number)) / (DEVIATION[i % 3] as number));
    if (rgb) expectClose(values, normalised, "kernel", "normalised crops");
  }
});

test("crops equal OpenCV's warpAffine in every byte: rotations, flips, sizes, borders, outside", async () => {
  const golden = await Golden.open("crop_warp");
  const [imageH = 0, imageW = 0] = golden.shape("image");
  const [count = 0, height = 0, width = 0] = golden.shape("crops");
  const maps = new Float64Array(golden.raw("maps").data.slice().buffer);
  const size = [width, height] as const;
  const samples = Array.from({ length: count }, (_, i): CropSample => {
    const [a = 0, b = 0, tx = 0, c = 0, d = 0, ty = 0] = maps.subarray(6 * i, 6 * i + 6);
    return {
      ...blankSample,
      pixels: golden.raw("image").data,
      window: { x: 0, y: 0, width: imageW, height: imageH },
      imageSize: [imageW, imageH],
      flip: golden.raw("flips").data[i] === 1,
      toInput: [a, b, tx, c, d, ty],
    };
  });
  const expected = golden.raw("crops").data;
  expectClose(samples.flatMap((sample) => [...cropWarp(sample, size)]), expected, "exact", "crops on the CPU");
  const facts = { batch: count, size, joints: 17, rgb: true };
  const batch = new CropBatch(gpu, facts);
  batch.write(packCrops(samples, facts));
  const out = emptyTensor(gpu, [count, height, width, 3]);
  batch.run(out.range);
  expectClose(cropBytes(await out.toArray()), expected, "exact", "crops on the device");
});

test("a batch that is not full leaves black crops, and a larger batch of pixels starts a new generation", async () => {
  const size = [8, 8] as const;
  const facts = { batch: 2, size, joints: 17, rgb: true };
  const batch = new CropBatch(gpu, facts);
  const white = (side: number): CropSample => ({
    ...blankSample,
    pixels: new Uint8Array(3 * side * side).fill(255),
    window: { x: 0, y: 0, width: side, height: side },
    imageSize: [side, side],
    toInput: [1, 0, 0, 0, 1, 0],
  });
  const out = emptyTensor(gpu, [2, 8, 8, 3]);
  batch.write(packCrops([white(9)], facts));
  batch.run(out.range);
  expect(batch.generation).toBe(0);
  const bytes = cropBytes(await out.toArray());
  expect(bytes.slice(0, 192).every((byte) => byte === 255)).toBe(true);
  expect(bytes.slice(192).every((byte) => byte === 0)).toBe(true);
  batch.write(packCrops([white(9), white(40)], facts));
  batch.run(out.range);
  expect(batch.generation).toBe(1);
  expect(cropBytes(await out.toArray()).every((byte) => byte === 255)).toBe(true);
  batch.free();
});

test("batches written one behind the other, without waiting and into memory of those before, stay what they are", async () => {
  const size = [8, 8] as const;
  const facts = { batch: 1, size, joints: 17, rgb: true };
  const batch = new CropBatch(gpu, facts);
  const grey = (level: number, side: number): CropSample => ({
    ...blankSample, pixels: new Uint8Array(3 * side * side).fill(level), window: { x: 0, y: 0, width: side, height: side }, imageSize: [side, side], toInput: [1, 0, 0, 0, 1, 0],
  });
  const levels = [10, 20, 30, 40, 50];
  const memory = new Set<ArrayBuffer>();
  const crops = levels.map((level, i) => {
    const packed = packCrops([grey(level, 10 - (i % 2))], facts);
    memory.add(packed.pixels.buffer);
    batch.write(packed);
    recycleCrops(packed);
    expect(packed.pixels).toHaveLength(0);
    const out = emptyTensor(gpu, [1, 8, 8, 3]);
    batch.run(out.range);
    return out;
  });
  expect(memory.size).toBe(1);
  for (const [i, crop] of crops.entries()) expect(new Set(cropBytes(await crop.toArray()))).toEqual(new Set([levels[i] as number]));
  const [held, next] = [packCrops([grey(60, 8)], facts), packCrops([grey(70, 8)], facts)];
  expect(next.pixels.buffer).not.toBe(held.pixels.buffer);
  batch.free();
});

test("a mirror reverses the columns and nothing else", async () => {
  const [lines, width, channels] = [6, 5, 3];
  const x = randomValues(lines * width * channels, 34);
  const y = gpu.persistent(x.byteLength, "y");
  mirror(gpu, { x: gpu.upload(x, "x"), y, lines, width, channels });
  const expected = x.map((_, i) => {
    const [c, column, line] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return x[(line * width + width - 1 - column) * channels + c] as number;
  });
  expectClose(await gpu.readFloats(y), expected, "exact", "mirror");
});
