import { afterAll, expect, test } from "bun:test";
import { CropBatch, packCrops } from "../../src/augment/crop_batch.ts";
import { cropWarp } from "../../src/data/crop_warp.ts";
import { drawGeometry, prepareSample } from "../../src/data/sample.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { cutBoxes, jointCutoutBoxes, warpAffine } from "../../src/kernels/augment.ts";
import { mirror } from "../../src/kernels/elementwise.ts";
import { drawViewTheta } from "../../src/pose/affine.ts";
import { boxToCenterScale } from "../../src/pose/box.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { pcg4d, Random, STREAM } from "../../src/random.ts";
import { emptyTensor } from "../../src/tensor/tensor.ts";
import { Golden } from "../golden/load.ts";
import { sourceOf, warp } from "../reference/heatmaps.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await openDevice({ mode: "checked" });
afterAll(() => gpu.close());

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

test("boxes are cut exactly and elsewhere nothing changes", async () => {
  const [n, height, width, c] = [2, 9, 11, 3];
  const x = randomValues(n * height * width * c, 32);
  const boxes = Int32Array.of(0, 0, 3, 2, 10, 8, 11, 9, 4, 4, 4, 9, 2, 1, 9, 7);
  const y = gpu.persistent(x.byteLength, "y");
  cutBoxes(gpu, { x: gpu.upload(x, "x"), boxes: gpu.upload(boxes, "boxes"), y, shape: { batch: n, height, width, channels: c }, holes: 2 });
  const expected = x.map((value, i) => {
    const [u, v, s] = [Math.floor(i / c) % width, Math.floor(i / c / width) % height, Math.floor(i / c / width / height)];
    const inside = [0, 1].some((k) => {
      const [x0, y0, x1, y1] = boxes.subarray(4 * (2 * s + k), 4 * (2 * s + k) + 4) as unknown as [number, number, number, number];
      return u >= x0 && v >= y0 && u < x1 && v < y1;
    });
    return inside ? 0 : value;
  });
  expectClose(await gpu.readFloats(y), expected, "exact", "cut boxes");
});

test("joint cutout boxes equal a plain twin on the same random integers, and change with the epoch in the key buffer", async () => {
  const [batch, joints, holes, width, height] = [7, 17, 5, 192, 256];
  const random = testRandom(33);
  const peaks = Float32Array.from({ length: 3 * batch * joints }, (_, i) => (i % 3 === 2 ? 1 : random.integer(0, 48) * 4));
  const pool = Uint32Array.from({ length: joints }, (_, i) => i);
  const boxes = gpu.persistent(16 * batch * holes, "boxes");
  const run = async (epoch: number, swapLimits: boolean) => {
    const keys = gpu.upload(Uint32Array.of(1314, STREAM.jointCutout, epoch, 32), "keys");
    jointCutoutBoxes(gpu, { peaks: gpu.upload(peaks, "peaks"), pool: gpu.upload(pool, "pool"), keys, boxes, batch, joints, holes, size: [width, height], poolSize: joints, scale: 1, swapLimits });
    return new Int32Array(await gpu.read(boxes));
  };
  const unit = (word: number) => (word >>> 8) / 16777216;
  const twin = (epoch: number, swapLimits: boolean) => {
    const lane = pcg4d(STREAM.jointCutout, epoch, 0, 0)[3];
    const [limitX, limitY] = swapLimits ? [height, width] : [width, height];
    const clamp = (value: number, limit: number) => Math.min(limit, Math.max(0, value));
    const out: number[] = [];
    for (let n = 0; n < batch; n++)
      for (let k = 0; k < holes; k++) {
        const choice = pcg4d(1314, lane, 32 + n, 2 * k);
        const jitter = pcg4d(1314, lane, 32 + n, 2 * k + 1);
        const joint = Math.floor(unit(choice[0]) * joints);
        const [halfX, halfY] = [10 + Math.floor(unit(choice[1]) * 10), 10 + Math.floor(unit(choice[2]) * 10)];
        const radius = Math.sqrt(-2 * Math.log(1 - unit(jitter[0])));
        const [x, y] = [Math.cos, Math.sin].map((f, axis) => Math.trunc((peaks[3 * (n * joints + joint) + axis] as number) + 10 * radius * f(2 * Math.PI * unit(jitter[1])))) as [number, number];
        out.push(clamp(x - halfX, limitX), clamp(y - halfY, limitY), clamp(x + halfX, limitX), clamp(y + halfY, limitY));
      }
    return out;
  };
  for (const swap of [true, false]) {
    const actual = await run(3, swap);
    const expected = twin(3, swap);
    // The normal draw is f32 on the device: a coordinate next to an integer may truncate to its neighbour.
    const different = expected.filter((value, i) => value !== actual[i]).length;
    expect(different).toBeLessThanOrEqual(2);
    expected.forEach((value, i) => expect(Math.abs(value - (actual[i] as number))).toBeLessThanOrEqual(1));
    if (swap) expect(Math.max(...[...actual].filter((_, i) => i % 4 === 3))).toBeLessThanOrEqual(width);
  }
  expect(await run(4, true)).not.toEqual(await run(3, true));
});

test("crops on the device equal the CPU twin in every byte: rotations, flips, borders, both colour orders", async () => {
  const size = [48, 64] as const;
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
    return prepareSample(record, { image: { pixels, width, height }, geometry, skeleton: COCO17, inputSize: size });
  });
  expect(samples.some(({ flip }) => flip)).toBe(true);
  for (const rgb of [true, false]) {
    const facts = { batch: samples.length, size, joints: 17, rgb };
    const batch = new CropBatch(gpu, facts);
    batch.write(packCrops(samples, facts));
    const out = emptyTensor(gpu, [samples.length, size[1], size[0], 3]);
    batch.run(out);
    const values = await out.toArray();
    const [mean, deviation] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
    const bytes = values.map((value, i) => Math.round(255 * (value * (deviation[i % 3] as number) + (mean[i % 3] as number))));
    const expected = samples.flatMap((sample) => [...cropWarp(sample, size)]);
    expectClose(bytes, rgb ? expected : expected.map((_, i) => expected[i - (i % 3) + 2 - (i % 3)] as number), "exact", `crops ${rgb ? "RGB" : "BGR"}`);
    const normalised = expected.map((byte, i) => (byte / 255 - (mean[i % 3] as number)) / (deviation[i % 3] as number));
    if (rgb) expectClose(values, normalised, "kernel", "normalised crops");
  }
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
