import { expect, test } from "bun:test";
import { mixupDraws } from "../../src/kernels/augment_mixup.ts";
import { applyPatches, cutoutPatches, type JointSource, jointCutoutPatches, jointOcclusionPatches, PATCH_BYTES, type PatchStep } from "../../src/kernels/augment_patches.ts";
import { keyWords, STREAM } from "../../src/random.ts";
import { mixupLambda } from "../reference/augment.ts";
import { below, partners } from "../reference/draws.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

const [WIDTH, HEIGHT] = [192, 256];
const SITE = 3;

/** A patch as the table holds it: [x0, y0, x1, y1), source image or -1, offset, step. */
type Row = readonly [x0: number, y0: number, x1: number, y1: number, source: number, dx: number, dy: number, step: number];

interface Draw {
  batch: number;
  count: number;
  seed?: number;
  epoch?: number;
  first?: number;
  scale?: number;
}

/** Rows [batch][count] of a table that `encode` fills. */
async function rowsOf({ batch, count, seed = 1, epoch = 0, first = 0, scale = 1 }: Draw, encode: (call: PatchStep) => void): Promise<Row[][]> {
  const table = gpu.persistent(PATCH_BYTES * batch * count, "patches");
  const keys = gpu.upload(keyWords({ seed, stream: STREAM.augment, epoch, index: first }), "keys");
  encode({ table, patches: count, first: 0, count, step: 0, keys, site: SITE, batch, size: [WIDTH, HEIGHT], scale });
  const words = new Int32Array(await gpu.read(table));
  for (const range of [table, keys]) gpu.free(range);
  const row = (at: number): Row => {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, source = 0, dx = 0, dy = 0, step = 0] = words.subarray(8 * at);
    return [x0, y0, x1, y1, source, dx, dy, step];
  };
  return Array.from({ length: batch }, (_, n) => Array.from({ length: count }, (_, k) => row(n * count + k)));
}

test("patches are drawn exactly, in their order, from the images as they were before the step, and elsewhere nothing changes", async () => {
  const [n, height, width, c] = [2, 9, 11, 2];
  const shape = { batch: n, height, width, channels: c };
  const x = randomValues(n * height * width * c, 66);
  // Step 0: zeros, and sample 0 shows sample 1 at an offset. Step 1: zeros, and sample 1 shows sample 0 as step 0 left it.
  const rows = [
    [0, 0, 4, 3, -1, 0, 0, 0], [2, 1, 6, 5, 1, 3, 2, 0], [10, 8, 40, 40, -1, 0, 0, 1],
    [0, 0, 0, 0, -1, 0, 0, 0], [5, 3, 9, 7, -1, 0, 0, 0], [1, 0, 8, 6, 0, 0, 0, 1],
  ];
  const pixel = (s: number, u: number, v: number, channel: number): number => {
    const base = (sample: number, column: number, row: number) => x[((sample * height + row) * width + column) * c + channel] as number;
    const first = (sample: number, column: number, row: number) => {
      const inside = (x0: number, y0: number, x1: number, y1: number) => column >= x0 && row >= y0 && column < x1 && row < y1;
      if (sample === 1) return inside(5, 3, 9, 7) ? 0 : base(1, column, row);
      return inside(2, 1, 6, 5) ? base(1, column + 3, row + 2) : inside(0, 0, 4, 3) ? 0 : base(0, column, row);
    };
    if (s === 1) return u >= 1 && u < 8 && v < 6 ? first(0, u, v) : first(1, u, v);
    return u >= 10 && v >= 8 ? 0 : first(0, u, v);
  };
  const expected = x.map((_, i) => pixel(Math.floor(i / c / width / height), Math.floor(i / c) % width, Math.floor(i / c / width) % height, i % c));
  const y = gpu.persistent(x.byteLength, "y");
  applyPatches(gpu, { x: gpu.upload(x, "x"), table: gpu.upload(Int32Array.from(rows.flat()), "patches"), y, shape, patches: 3 });
  expectClose(await gpu.readFloats(y), expected, "exact", "patches");
});

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}
/** Five standard errors. */
const bound = (values: readonly number[]) => (5 * deviation(values)) / Math.sqrt(values.length);

/** Share of the image under a sample's boxes. */
function coverage(rows: readonly Row[]): number {
  const hit = new Set<number>();
  for (const [x0, y0, x1, y1] of rows) for (let v = y0; v < Math.min(HEIGHT, y1); v++) for (let u = x0; u < Math.min(WIDTH, x1); u++) hit.add(v * WIDTH + u);
  return hit.size / (WIDTH * HEIGHT);
}

/** Expected share of the image under `count` boxes whose centres and half sides are uniform: by enumeration of one axis at a time. */
function expectedCoverage(count: number, limits: readonly [number, number]): number {
  const axis = (size: number, limit: number) =>
    Array.from({ length: size }, (_, x) => {
      let hits = 0;
      for (let half = 10; half < 20; half++) for (let centre = 0; centre < limit; centre++) if (x < limit && x >= centre - half && x < centre + half) hits++;
      return hits / 10 / limit;
    });
  const [columns, rows] = [axis(WIDTH, limits[0]), axis(HEIGHT, limits[1])];
  return mean(columns.flatMap((p) => rows.map((q) => 1 - (1 - p * q) ** count)));
}

test("cutout hides the published share of the image: 5.8 % of 192x256, nothing below row 191; all rows when corrected", async () => {
  for (const { swapLimits, limits, published } of [
    { swapLimits: true, limits: [HEIGHT, WIDTH] as const, published: 0.058 },
    { swapLimits: false, limits: [WIDTH, HEIGHT] as const, published: undefined },
  ]) {
    const boxes = await rowsOf({ batch: 1500, count: 5 }, (call) => cutoutPatches(gpu, { ...call, mix: false, swapLimits }));
    const shares = boxes.map(coverage);
    const expected = expectedCoverage(5, limits);
    // The published share is the mean of a sample, with two digits.
    if (published) expect(Math.abs(expected - published)).toBeLessThan(0.001);
    expect(Math.abs(mean(shares) - expected)).toBeLessThan(bound(shares));
    expect(Math.max(...boxes.flat().map(([, , , y1]) => y1)) - 1).toBe(limits[1] - 1);
    expect(Math.max(...boxes.flat().map(([, , x1]) => x1))).toBe(limits[0]);
    expect(boxes.flat().every(([, , , , source, dx, dy]) => source === -1 && dx === 0 && dy === 0)).toBe(true);
  }
});

test("cutmix replaces the published share, 2.2 % at 16 images a batch, by one permutation of the batch", async () => {
  const [batch, batches] = [16, 60];
  const shares: number[] = [];
  let fixed = 0;
  for (let first = 0; first < batches; first++) {
    const rows = await rowsOf({ batch, count: 2, first: first * batch }, (call) => cutoutPatches(gpu, { ...call, mix: true, swapLimits: true }));
    const sources = rows.map(([row]) => row?.[4] as number);
    expect(sources.toSorted((a, b) => a - b)).toEqual(Array.from({ length: batch }, (_, n) => n));
    expect(sources).toEqual(partners({ key: [1, STREAM.augment, 0, first * batch], site: SITE }, batch));
    expect(rows.every((own) => own.every((row) => row[4] === own[0]?.[4]))).toBe(true);
    fixed += sources.filter((source, n) => source === n).length;
    shares.push(...rows.map((own, n) => (sources[n] === n ? 0 : coverage(own))));
  }
  const expected = (expectedCoverage(2, [HEIGHT, WIDTH]) * (batch - 1)) / batch;
  expect(Math.abs(expected - 0.022)).toBeLessThan(0.001);
  expect(Math.abs(mean(shares) - expected)).toBeLessThan(bound(shares));
  // One image of a permutation is its own partner on average; the variance is 1 too.
  expect(Math.abs(fixed / batches - 1)).toBeLessThan(5 / Math.sqrt(batches));
});

/** All joints of all samples at the same places. */
function joints(places: readonly (readonly [x: number, y: number])[], batch: number): JointSource {
  return {
    peaks: gpu.upload(Float32Array.from(Array.from({ length: batch }, () => places.flatMap(([x, y]) => [x, y, 1])).flat()), "peaks"),
    joints: places.length,
    pool: gpu.upload(Uint32Array.from(places.keys()), "pool"),
    poolSize: places.length,
  };
}

test("joint cutout: half sides, jitter and limits as published, 4.6 of 24 channels hit on average", async () => {
  const [batch, count] = [4000, 5];
  const middle = joints(Array.from({ length: 24 }, () => [96, 128]), batch);
  const boxes = await rowsOf({ batch, count }, (call) => jointCutoutPatches(gpu, { ...call, ...middle, swapLimits: false }));
  for (const axis of [0, 1] as const) {
    const spans = boxes.flat().map((row) => [row[axis], row[axis + 2]] as [number, number]);
    const halves = spans.map(([low, high]) => (high - low) / 2);
    for (let half = 10; half < 20; half++) expect(Math.abs(mean(halves.map((value) => (value === half ? 1 : 0))) - 0.1)).toBeLessThan(0.02);
    const offsets = spans.map(([low, high]) => (low + high) / 2 - (axis === 0 ? 96 : 128));
    // Truncation takes half a pixel away.
    expect(Math.abs(mean(offsets) + 0.5)).toBeLessThan(bound(offsets) + 0.05);
    expect(Math.abs(deviation(offsets) - 10)).toBeLessThan(0.5);
  }
  // 24 (1 - (23/24)^5) = 4.6 different joints on average, so as many different boxes: one drawn twice has one box.
  const different = boxes.map((own) => new Set(own.map((row) => String(row.slice(0, 4)))).size);
  expect(Math.abs(mean(different) - 24 * (1 - (23 / 24) ** 5))).toBeLessThan(bound(different));

  const low = joints(Array.from({ length: 24 }, () => [100, 250]), batch);
  const lastRow = async (swapLimits: boolean) => Math.max(...(await rowsOf({ batch, count }, (call) => jointCutoutPatches(gpu, { ...call, ...low, swapLimits }))).flat().map(([, , , y1]) => y1)) - 1;
  expect(await lastRow(true)).toBe(191);
  expect(await lastRow(false)).toBe(255);
  // A sample's boxes depend on its index, not on its place in the batch.
  const later = await rowsOf({ batch: 200, count, first: 5 }, (call) => jointCutoutPatches(gpu, { ...call, ...middle, swapLimits: false }));
  expect(later).toEqual(boxes.slice(5, 205));
  // Scaled to images of a quarter of the size: half sides of trunc(10/4) to trunc(19/4).
  const small = await rowsOf({ batch, count, scale: 0.25 }, (call) => jointCutoutPatches(gpu, { ...call, ...middle, swapLimits: false }));
  expect(new Set(small.flat().map(([x0, , x1]) => (x1 - x0) / 2))).toEqual(new Set([2, 3, 4]));
});

test("joint cut-occlusion: a joint at (150, 60) gives patches centred at (59, 149), at (149, 59) with the axes right", async () => {
  const batch = 3000;
  const source = joints([[150, 60]], batch);
  for (const { swapAxes, centre } of [{ swapAxes: true, centre: [59, 149] }, { swapAxes: false, centre: [149, 59] }]) {
    const rows = (await rowsOf({ batch, count: 2 }, (call) => jointOcclusionPatches(gpu, { ...call, ...source, swapAxes }))).flat();
    [0, 1].forEach((axis) => {
      // Mean of first and last pixel: truncation and the exclusive end take half a pixel each.
      const middles = rows.map((row) => ((row[axis] as number) + (row[axis + 2] as number) - 1) / 2);
      expect(Math.abs(mean(middles) - (centre[axis] as number))).toBeLessThan(bound(middles) + 0.3);
    });
    // Nearly all of them show another image; one source image per sample; the last row and column are never touched.
    expect(rows.filter((row) => row[4] >= 0).length).toBeGreaterThan(0.9 * rows.length);
    expect(rows.every((row, i) => row[4] < 0 || rows[i ^ 1]?.[4] === -1 || row[4] === rows[i ^ 1]?.[4])).toBe(true);
    expect(rows.every(([x0, y0, x1, y1]) => x0 >= 0 && y0 >= 0 && x1 <= WIDTH - 1 && y1 <= HEIGHT - 1)).toBe(true);
  }
});

test("joint cut-occlusion: nothing of a joint outside of its image is shown, as published; its patch is zeros", async () => {
  const batch = 2;
  // Rows alike; the first sample's joint at the left border, the second's 69 px beyond the right one.
  const source: JointSource = { ...joints([[0, 100]], batch), peaks: gpu.upload(Float32Array.of(0, 100, 1, WIDTH + 68, 100, 1), "peaks") };
  const rows: Row[] = [];
  for (let first = 0; first < 40; first++) rows.push(...((await rowsOf({ batch, count: 2, first: batch * first }, (call) => jointOcclusionPatches(gpu, { ...call, ...source, swapAxes: false })))[0] ?? []));
  const wide = rows.filter(([x0, , x1]) => x1 - x0 > 40); // the distance of the border to the joint, on both sides
  expect(wide.length).toBeGreaterThan(20);
  expect(wide.every(([, , , , shown]) => shown === -1)).toBe(true);
});

/** A person standing upright, 24 joints of the union skeleton, 192x256 px. */
const STANDING = [
  [96, 140], [84, 140], [82, 184], [80, 228], [108, 140], [110, 184], [112, 228], [96, 112], [96, 72], [96, 62], [96, 56], [96, 42],
  [96, 40], [96, 24], [118, 74], [126, 104], [130, 134], [74, 74], [66, 104], [62, 134], [91, 38], [101, 38], [86, 40], [106, 40],
] as const;

test("joint cut-occlusion of a standing person: the swap hides and pastes elsewhere, as published in order of magnitude", async () => {
  // Published for another person: 1.9 % pasted, 0.9 % zeros, 0.95 of 24 joints covered; with the axes right 3.1 %, 0 % and 3.
  const batch = 2000;
  const person = joints(STANDING, batch);
  const [swapped, right] = await Promise.all(
    [true, false].map(async (swapAxes) => {
      const samples = await rowsOf({ batch, count: 2 }, (call) => jointOcclusionPatches(gpu, { ...call, ...person, swapAxes }));
      return {
        pasted: mean(samples.map((own) => coverage(own.filter((row) => row[4] >= 0)))),
        hidden: mean(samples.map((own) => coverage(own.filter((row) => row[4] < 0)))),
        covered: mean(samples.map((own) => STANDING.filter(([x, y]) => own.some(([x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1)).length)),
      };
    }),
  );
  expect(Math.abs((right?.pasted ?? 0) - 0.031)).toBeLessThan(0.003);
  expect(right?.hidden).toBeLessThan(0.0005);
  expect(swapped?.pasted).toBeLessThan(0.9 * (right?.pasted ?? 0));
  expect(swapped?.hidden).toBeGreaterThan(0.004);
  expect(right?.covered).toBeGreaterThan(3 * (swapped?.covered ?? 0));
  expect(Math.abs((swapped?.covered ?? 0) - 0.95)).toBeLessThan(0.3);
});

test("MixUp: lambda follows 1 - Beta(0.2, 0.2) / 4 and is one per batch, partners are a permutation", async () => {
  const [batch, batches] = [9, 1200];
  const keys = gpu.persistent(16, "keys");
  const draws = gpu.persistent(4 * (1 + batch), "draws");
  const found: ArrayBuffer[] = [];
  for (let i = 0; i < batches; i++) {
    gpu.write(keys, keyWords({ seed: 2, stream: STREAM.augment, index: i * batch }));
    mixupDraws(gpu, { keys, draws, batch, site: SITE });
    found.push(await gpu.read(draws));
  }
  const lambdas = found.map((words) => new Float32Array(words)[0] as number);
  lambdas.forEach((lambda, i) => expect(Math.abs(lambda - mixupLambda({ key: [2, STREAM.augment, 0, i * batch], site: SITE }))).toBeLessThan(1e-6));
  const zeros = lambdas.map((lambda) => 4 * (1 - lambda));
  expect(zeros.every((value) => value >= 0 && value <= 1)).toBe(true);
  expect(Math.abs(mean(zeros) - 0.5)).toBeLessThan(bound(zeros));
  // Variance 1/4 / (2 * 0.2 + 1): most of the mass is at both ends.
  const squares = zeros.map((value) => (value - 0.5) ** 2);
  expect(Math.abs(mean(squares) - 0.25 / 1.4)).toBeLessThan(bound(squares));
  found.forEach((words, i) => expect([...new Uint32Array(words).subarray(1)]).toEqual(partners({ key: [2, STREAM.augment, 0, i * batch], site: SITE }, batch)));
});

test("integers below a count are floor(word * count / 2^32)", () => {
  expect([below(0, 192), below(2 ** 32 - 1, 192), below(2 ** 31, 7), below(2 ** 32 - 1, 65535)]).toEqual([0, 191, 3, 65534]);
});
