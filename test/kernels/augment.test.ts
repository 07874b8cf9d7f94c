import { expect, test } from "bun:test";
import { CropBatch, packCrops } from "../../src/augment/crop_batch.ts";
import { cropWarp } from "../../src/data/crop_warp.ts";
import { type CropSample, drawGeometry, prepareSample } from "../../src/data/sample.ts";
import { cutBoxes, jointCutoutBoxes, warpAffine } from "../../src/kernels/augment.ts";
import { mirror } from "../../src/kernels/elementwise.ts";
import { drawViewTheta } from "../../src/pose/affine.ts";
import { boxToCenterScale } from "../../src/pose/box.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { Random, STREAM } from "../../src/random.ts";
import { batchView, emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { Golden } from "../golden/load.ts";
import { sourceOf, warp } from "../reference/heatmaps.ts";
import { jointCutoutReference } from "../reference/joint_cutout.ts";
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

test("boxes are cut exactly and elsewhere nothing changes", async () => {
  const [n, height, width, c] = [2, 9, 11, 3];
  const x = randomValues(n * height * width * c, 32);
  const boxes = Int32Array.of(0, 0, 3, 2, 10, 8, 11, 9, 4, 4, 4, 9, 2, 1, 9, 7);
  const y = gpu.persistent(x.byteLength, "y");
  cutBoxes(gpu, { x: gpu.upload(x, "x"), boxes: gpu.upload(boxes, "boxes"), y, shape: { batch: n, height, width, channels: c }, holes: 2 });
  const expected = x.map((value, i) => {
    const [u, v, s] = [Math.floor(i / c) % width, Math.floor(i / c / width) % height, Math.floor(i / c / width / height)];
    const inside = [0, 1].some((k) => {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.subarray(4 * (2 * s + k));
      return u >= x0 && v >= y0 && u < x1 && v < y1;
    });
    return inside ? 0 : value;
  });
  expectClose(await gpu.readFloats(y), expected, "exact", "cut boxes");
});

interface CutoutCase {
  batch: number;
  joints: number;
  pool: readonly number[];
  scale: number;
  swapLimits: boolean;
  seed: number;
  epoch: number;
  first: number;
}

const HOLES = 5;
const [CUT_WIDTH, CUT_HEIGHT] = [192, 256];

async function cutoutBoxes(peaks: Float32Array, { batch, joints, pool, scale, swapLimits, seed, epoch, first }: CutoutCase): Promise<Int32Array> {
  const boxes = gpu.persistent(16 * batch * HOLES, "boxes");
  jointCutoutBoxes(gpu, {
    peaks: gpu.upload(peaks, "peaks"),
    pool: gpu.upload(Uint32Array.from(pool), "pool"),
    keys: gpu.upload(Uint32Array.of(seed, STREAM.jointCutout, epoch, first), "keys"),
    boxes,
    batch,
    joints,
    holes: HOLES,
    size: [CUT_WIDTH, CUT_HEIGHT],
    poolSize: pool.length,
    scale,
    swapLimits,
  });
  return new Int32Array(await gpu.read(boxes));
}

test("joint cutout boxes equal a plain twin on the same random integers", async () => {
  const random = testRandom(33);
  const all = Array.from({ length: 17 }, (_, joint) => joint);
  const cases: CutoutCase[] = [
    { batch: 13, joints: 17, pool: all, scale: 1, swapLimits: true, seed: 1314, epoch: 3, first: 32 },
    { batch: 13, joints: 17, pool: all, scale: 1, swapLimits: false, seed: 1314, epoch: 3, first: 32 },
    { batch: 29, joints: 24, pool: [23, 0, 11], scale: 0.25, swapLimits: false, seed: 4_000_000_000, epoch: 0, first: 0 },
    { batch: 1, joints: 1, pool: [0], scale: 1, swapLimits: true, seed: 0, epoch: 7, first: 5 },
  ];
  for (const facts of cases) {
    const { batch, joints, pool, scale, swapLimits, seed, epoch, first } = facts;
    const peaks = Float32Array.from({ length: 3 * batch * joints }, (_, i) => (i % 3 === 2 ? -1 : random.integer(0, 48) * 4));
    const expected = jointCutoutReference({ peaks, batch, joints, holes: HOLES, pool, scale, limits: swapLimits ? [CUT_HEIGHT, CUT_WIDTH] : [CUT_WIDTH, CUT_HEIGHT], seed, stream: STREAM.jointCutout, epoch, first });
    const actual = await cutoutBoxes(peaks, facts);
    expect(actual.length).toBe(expected.length);
    // The normal draw is f32 on the device: only a coordinate next to an integer may truncate to the other side of it.
    expected.forEach(({ value, other }, i) => expect(actual[i] === value || actual[i] === other).toBe(true));
    expect(expected.filter(({ value, other }) => value !== other).length).toBeLessThanOrEqual(0.02 * expected.length + 2);
  }
});

test("cutouts: draws as specified, a joint drawn twice gives one box, the published last row, other boxes in other epochs", async () => {
  const [batch, joints] = [4000, 17];
  const facts: CutoutCase = { batch, joints, pool: Array.from({ length: joints }, (_, joint) => joint), scale: 1, swapLimits: false, seed: 1, epoch: 0, first: 0 };
  // In the middle of the frame, where no limit acts.
  const peaks = new Float32Array(3 * batch * joints).map((_, i) => [96, 128, 1][i % 3] as number);
  const boxes = await cutoutBoxes(peaks, facts);
  const columns = Array.from({ length: batch * HOLES }, (_, i) => [(boxes[4 * i] as number), (boxes[4 * i + 2] as number)] as const);
  const rows = Array.from({ length: batch * HOLES }, (_, i) => [(boxes[4 * i + 1] as number), (boxes[4 * i + 3] as number)] as const);
  for (const [spans, middle] of [[columns, 96], [rows, 128]] as const) {
    const halves = spans.map(([low, high]) => (high - low) / 2);
    for (let half = 10; half < 20; half++) {
      const share = halves.filter((value) => value === half).length / halves.length;
      expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
    }
    const offsets = spans.map(([low, high]) => (low + high) / 2 - middle);
    const mean = offsets.reduce((sum, value) => sum + value, 0) / offsets.length;
    const deviation = Math.sqrt(offsets.reduce((sum, value) => sum + (value - mean) ** 2, 0) / offsets.length);
    // Truncation takes half a pixel away.
    expect(Math.abs(mean + 0.5)).toBeLessThan(0.3);
    expect(Math.abs(deviation - 10)).toBeLessThan(0.5);
  }
  // 17 (1 - (16/17)^5) = 4.45 different joints on average, so as many different boxes.
  let different = 0;
  for (let n = 0; n < batch; n++) different += new Set(Array.from({ length: HOLES }, (_, k) => String(boxes.subarray(4 * (n * HOLES + k), 4 * (n * HOLES + k) + 4)))).size;
  expect(Math.abs(different / batch - 4.445)).toBeLessThan(0.05);

  const low = peaks.map((_, i) => (i % 3 === 1 ? 250 : i % 3 === 0 ? 100 : 1));
  const swapped = await cutoutBoxes(low, { ...facts, swapLimits: true });
  const lastRow = (values: Int32Array) => Math.max(...Array.from({ length: batch * HOLES }, (_, i) => values[4 * i + 3] as number)) - 1;
  expect(lastRow(swapped)).toBe(191);
  expect(lastRow(await cutoutBoxes(low, facts))).toBe(255);
  expect(await cutoutBoxes(peaks, { ...facts, epoch: 1 })).not.toEqual(boxes);
  // A sample's boxes do not depend on its place in the batch.
  expect((await cutoutBoxes(peaks, { ...facts, first: 1 })).subarray(0, 400)).toEqual(boxes.subarray(4 * HOLES, 4 * HOLES + 400));
});

test("a replayed cutout follows the key buffer", async () => {
  const [batch, joints, size] = [3, 17, [CUT_WIDTH, CUT_HEIGHT] as const];
  const peaks = gpu.upload(new Float32Array(3 * batch * joints).fill(100), "peaks");
  const pool = gpu.upload(Uint32Array.from({ length: joints }, (_, joint) => joint), "pool");
  const keys = gpu.upload(Uint32Array.of(9, STREAM.jointCutout, 0, 0), "keys");
  const boxes = gpu.persistent(16 * batch * HOLES, "boxes");
  const encode = () => jointCutoutBoxes(gpu, { peaks, pool, keys, boxes, batch, joints, holes: HOLES, size, poolSize: joints, scale: 1, swapLimits: true });
  const recording = gpu.record(encode);
  const first = await gpu.read(boxes);
  gpu.write(keys, Uint32Array.of(9, STREAM.jointCutout, 4, 30));
  recording.replay();
  const replayed = await gpu.read(boxes);
  encode();
  expect(replayed).not.toEqual(first);
  expect(await gpu.read(boxes)).toEqual(replayed);
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
