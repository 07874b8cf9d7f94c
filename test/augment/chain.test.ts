import { expect, test } from "bun:test";
import { Augmenter, type AugmentStep, chainName } from "../../src/augment/chain.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { keyWords, STREAM } from "../../src/random.ts";
import { elementCount, persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import type { Site } from "../reference/draws.ts";
import { type BoxFacts, cutmix, cutout, type Images, type JointFacts, jointCutout, jointOcclusion, mixup } from "../reference/augment.ts";
import { policyImage, yocoImage } from "../reference/colour_ops.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();

const BATCH = 5;
const [WIDTH, HEIGHT] = [24, 40];
const SHAPE = [BATCH, HEIGHT, WIDTH, 3] as const;
const JOINTS = 7;
const POOL = [0, 2, 3, 6];
const SCALE = 0.25;
const SITES_PER_LANE = 256;
const PEAKS = (() => {
  const random = testRandom(60);
  return Float32Array.from({ length: 3 * BATCH * JOINTS }, (_, i) => [4 * random.integer(0, WIDTH / 4), 4 * random.integer(0, HEIGHT / 4), 1][i % 3] as number);
})();

const JC: AugmentStep = { kind: "joint_cutout", holes: 5 };
const JO: AugmentStep = { kind: "joint_cut_occlusion", patches: 2 };
const CO: AugmentStep = { kind: "cutout", holes: 5 };
const CM: AugmentStep = { kind: "cutmix", holes: 2 };
const MU: AugmentStep = { kind: "mixup" };
const SETTINGS = [
  { swapLimits: true, swapJointAxes: true },
  { swapLimits: false, swapJointAxes: false },
] as const;

interface Run {
  chain: readonly AugmentStep[];
  seed: number;
  settings: (typeof SETTINGS)[number];
  lane?: number;
  epoch?: number;
  first?: number;
}

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];
const normalised = (byte: number, i: number) => (byte / 255 - (MEAN[i % 3] as number)) / (DEVIATION[i % 3] as number);
const byteOf = (value: number, i: number) => Math.round((value * (DEVIATION[i % 3] as number) + (MEAN[i % 3] as number)) * 255);

type ColourStep = Extract<AugmentStep, { kind: "rand_augment" | "trivial_augment" | "yoco" }>;

/** A colour step on the bytes of the images. */
function recoloured(images: Images, { step, site, margin }: { step: ColourStep; site: Site; margin: (px: number) => void }): Images {
  const { height, width } = images;
  const bytes = Uint8Array.from(images.values, byteOf);
  const inner = bytes.length / images.batch;
  const policy = step.kind === "yoco" ? step.policy : step.kind;
  const given = "magnitude" in step ? step.magnitude : 0;
  const magnitude: readonly [number, number] = typeof given === "number" ? [given, given] : given;
  const count = policy === "trivial_augment" ? 1 : ((step.kind === "rand_augment" ? step.count : undefined) ?? 2);
  const image = step.kind === "yoco" ? yocoImage : policyImage;
  const values = Array.from({ length: images.batch }, (_, n) => [...image({ values: bytes.subarray(n * inner, (n + 1) * inner), height, width }, { ...site, policy, magnitude, count, scale: SCALE, margin, n }).values]).flat();
  return { ...images, values: Float64Array.from(values, normalised) };
}

/** The chain step by step, each on what the one before left. `margin` as in the reference. */
function expectedImages(values: ArrayLike<number>, { chain, seed, settings, lane = 0, epoch = 0, first = 0 }: Run, margin: (px: number) => void): Float64Array {
  let images: Images = { values: Float64Array.from(values), batch: BATCH, height: HEIGHT, width: WIDTH, channels: 3 };
  chain.forEach((step, place) => {
    const site = { key: [seed, STREAM.augment, epoch, first] as const, site: SITES_PER_LANE * lane + place };
    const boxes = (count: number): BoxFacts => ({ ...site, images, count, scale: SCALE, swapLimits: settings.swapLimits });
    const joints = (count: number): JointFacts => ({ ...boxes(count), peaks: PEAKS, joints: JOINTS, pool: POOL, swapAxes: settings.swapJointAxes });
    if (step.kind === "cutout") images = cutout(boxes(step.holes));
    else if (step.kind === "cutmix") images = cutmix(boxes(step.holes));
    else if (step.kind === "mixup") images = mixup({ ...site, images });
    else if (step.kind === "joint_cutout") images = jointCutout(joints(step.holes), margin);
    else if (step.kind === "joint_cut_occlusion") images = jointOcclusion(joints(step.patches), margin);
    else images = recoloured(images, { step, site, margin });
  });
  return images.values;
}

/** The chain at the first seed from `seed` on where no jittered joint is so near to an integer that f32 might truncate it otherwise. */
function clearRun(values: ArrayLike<number>, run: Run): { run: Run; expected: Float64Array } {
  for (let seed = run.seed; ; seed++) {
    let nearest = 1;
    const expected = expectedImages(values, { ...run, seed }, (px) => (nearest = Math.min(nearest, px)));
    if (nearest > 1e-3) return { run: { ...run, seed }, expected };
  }
}

function augmented(easy: Tensor, { chain, seed, settings, lane = 0, epoch = 0, first = 0 }: Run): Promise<Float32Array> {
  const augmenter = new Augmenter(gpu, { pool: POOL, joints: JOINTS, scale: SCALE, ...settings });
  const keys = gpu.upload(keyWords({ seed, stream: STREAM.augment, epoch, index: first }), "keys");
  const result = augmenter.encode(chain, { easy, peaks: gpu.upload(PEAKS, "peaks"), keys, lane }).toArray();
  augmenter.free();
  return result;
}

const CHAINS: readonly (readonly AugmentStep[])[] = [[CO], [CM], [JC], [JO], [MU], [JO, CO], [JC, CM], [CM, JO, CM, JC], [JC, JO, CO, MU, CM], [MU, CM, MU, JO]];

test.each(CHAINS.map((chain) => [chainName(chain), chain] as const))("%s equals its steps one by one, as published and corrected", async (name, chain) => {
  const values = randomValues(elementCount(SHAPE), 61);
  const easy = persistentTensor(gpu, SHAPE, { data: values });
  for (const settings of SETTINGS)
    for (const facts of [{ seed: 1314, first: 32, lane: 3, epoch: 2 }, { seed: 4_000_000_000 }]) {
      const { run, expected } = clearRun(values, { chain, settings, ...facts });
      expectClose(await augmented(easy, run), expected, chain.includes(MU) ? "kernel" : "exact", `${name} ${JSON.stringify(settings)}`);
      expect(expected.some((value, i) => value !== values[i])).toBe(true);
    }
  expect(await easy.toArray()).toEqual(values);
});

const RA: AugmentStep = { kind: "rand_augment", magnitude: 20 };
const TA: AugmentStep = { kind: "trivial_augment" };
const YOCO: AugmentStep = { kind: "yoco", policy: "rand_augment", magnitude: 20 };
const COLOUR_CHAINS: readonly (readonly AugmentStep[])[] = [
  [RA],
  [{ kind: "rand_augment", magnitude: [3, 30], count: 3 }],
  [TA],
  [YOCO],
  [{ kind: "yoco", policy: "trivial_augment" }],
  [RA, JC, CM],
  [JO, CO, TA],
];

test.each(COLOUR_CHAINS.map((chain) => [chainName(chain), chain] as const))("%s gives the bytes of its operations one by one", async (name, chain) => {
  const random = testRandom(64);
  const bytes = Uint8Array.from({ length: elementCount(SHAPE) }, (_, i) => random.integer(20 * (i % 3), 256 - 13 * (i % 3)));
  const values = Float32Array.from(bytes, normalised);
  for (const dtype of ["f32", ...(gpu.features.has("shader-f16") ? (["f16"] as const) : [])] as const) {
    const easy = persistentTensor(gpu, SHAPE, { data: values, dtype });
    // A dozen batches of five draw each operation in all likelihood.
    for (let i = 0; i < (dtype === "f32" ? 12 : 1); i++) {
      const { run, expected } = clearRun(values, { chain, settings: SETTINGS[i % 2] as (typeof SETTINGS)[number], seed: 100 * i, first: 7 * i });
      const actual = await augmented(easy, run);
      expect(Uint8Array.from(actual, byteOf), `${name} ${dtype} ${i}`).toEqual(Uint8Array.from(expected, byteOf));
      if (dtype === "f32") expectClose(actual, expected, "kernel", name);
    }
  }
});

test.if(gpu.features.has("shader-f16"))("images stored as f16 give the same boxes, and mixtures rounded once", async () => {
  const values = Float32Array.from(Float16Array.from(randomValues(elementCount(SHAPE), 62)));
  for (const chain of [[JC, CM, JO, CO], [MU]]) {
    const run: Run = { chain, seed: 5, settings: SETTINGS[0] };
    const [half, full] = await Promise.all((["f16", "f32"] as const).map((dtype) => augmented(persistentTensor(gpu, SHAPE, { data: values, dtype }), run)));
    expect(half).toEqual(Float32Array.from(Float16Array.from(full ?? [])));
  }
});

test("draws depend on seed, epoch, sample, lane and place in the chain, and on nothing else", async () => {
  const easy = persistentTensor(gpu, SHAPE, { data: new Float32Array(elementCount(SHAPE)).fill(1) });
  const base: Run = { chain: [CO], seed: 7, settings: SETTINGS[0] };
  const image = async (facts: Partial<Run>) => augmented(easy, { ...base, ...facts });
  const first = await image({});
  for (const other of [{ seed: 8 }, { epoch: 1 }, { first: BATCH }, { lane: 1 }]) expect(await image(other)).not.toEqual(first);
  expect(await image({})).toEqual(first);
  // Sample 2 of a batch that begins at 10 is sample 0 of one that begins at 12.
  const inner = elementCount(SHAPE.slice(1));
  expect((await image({ first: 10 })).subarray(2 * inner, 3 * inner)).toEqual((await image({ first: 12 })).subarray(0, inner));
  // Two steps of one kind draw apart: ten holes, not five twice.
  const holes = (values: Float32Array) => values.filter((value) => value === 0).length;
  expect(holes(await image({ chain: [CO, CO] }))).toBeGreaterThan(1.2 * holes(first));
});

test("a replayed chain follows its keys and makes nothing; an empty chain is the image itself", async () => {
  const easy = persistentTensor(gpu, SHAPE, { data: randomValues(elementCount(SHAPE), 63) });
  const peaks = gpu.upload(PEAKS, "peaks");
  const keys = gpu.upload(keyWords({ seed: 1, stream: STREAM.augment }), "keys");
  const augmenter = new Augmenter(gpu, { pool: POOL, joints: JOINTS, scale: SCALE, ...SETTINGS[1] });
  expect(augmenter.encode([], { easy, keys, lane: 0 })).toBe(easy);
  expect(chainName([])).toBe("A60");
  const out = gpu.persistent(4 * elementCount(SHAPE), "out");
  const work = () => addInto(gpu, { a: augmenter.encode([RA, JC, MU, JO, CM, YOCO], { easy, peaks, keys, lane: 2 }).range, b: undefined, out, count: elementCount(SHAPE) });
  const write = (epoch: number) => gpu.write(keys, keyWords({ seed: 1, stream: STREAM.augment, epoch }));
  const eager: Float32Array[] = [];
  for (const epoch of [0, 1]) {
    write(epoch);
    gpu.scope(work);
    eager.push(await gpu.readFloats(out));
  }
  expect(eager[0]).not.toEqual(eager[1]);
  const recording = gpu.record(work, { execute: false });
  const before = gpu.counters;
  for (const epoch of [1, 0]) {
    write(epoch);
    recording.replay();
    expect(await gpu.readFloats(out)).toEqual(eager[epoch] as Float32Array);
  }
  expect([gpu.counters.bindGroups, gpu.counters.pipelines]).toEqual([before.bindGroups, before.pipelines]);
  recording.dispose();
});

test("wrong chains are refused by name", () => {
  const keys = gpu.upload(keyWords({ seed: 1, stream: STREAM.augment }), "keys");
  const easy = persistentTensor(gpu, SHAPE);
  const options = { pool: POOL, joints: JOINTS, scale: 1, ...SETTINGS[0] };
  const augmenter = new Augmenter(gpu, options);
  expect(() => augmenter.encode([JC], { easy, keys, lane: 0 })).toThrow("joint_cutout needs the peaks");
  expect(() => augmenter.encode([{ kind: "cutout", holes: 0 }], { easy, keys, lane: 0 })).toThrow("positive number of boxes, got 0");
  expect(() => augmenter.encode([{ kind: "rand_augment", magnitude: 40 }], { easy, keys, lane: 0 })).toThrow("integer from 0 to 30");
  expect(() => augmenter.encode([{ kind: "rand_augment", magnitude: 20, count: 0 }], { easy, keys, lane: 0 })).toThrow("positive number of operations, got 0");
  expect(() => augmenter.encode([CO], { easy: persistentTensor(gpu, [2, 3]), keys, lane: 0 })).toThrow("[n, h, w, 3], got [2, 3]");
  expect(() => new Augmenter(gpu, { ...options, pool: [] })).toThrow("pool");
  expect(() => new Augmenter(gpu, { ...options, pool: [7] })).toThrow("from 0 to 6, got 7");
  expect(() => new Augmenter(gpu, { ...options, scale: 0 })).toThrow("scale must be positive");
});
