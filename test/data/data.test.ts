import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { chmodSync, existsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { cocoPlace, personRecords, type PersonRecord, readCocoGroundTruth } from "../../src/data/coco.ts";
import { cropWarp } from "../support/crop_warp.ts";
import { decodeImage, ImageCache, sharpModule } from "../../src/data/image.ts";
import { BatchLoader } from "../../src/data/loader.ts";
import { LabelledOrder, MixedOrder } from "../../src/data/mixed.ts";
import { readNpy, writeNpy } from "../../src/data/npy.ts";
import { drawGeometry, IDENTITY_GEOMETRY, prepareSample } from "../../src/data/sample.ts";
import { ensureSynthetic } from "../../src/data/synthetic.ts";
import { DataError, LimberError } from "../../src/error.ts";
import { evaluateKeypoints } from "../../src/eval/coco_eval.ts";
import { boxToCenterScale } from "../../src/pose/box.ts";
import { COCO17, UNION24 } from "../../src/pose/skeleton.ts";
import { Random } from "../../src/random.ts";

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const record = (facts: Partial<PersonRecord> = {}): PersonRecord => {
  const box = facts.box ?? [30, 20, 40, 60];
  return {
    imageId: 1, annotationId: 1, imagePath: "a.jpg", imageSize: [100, 100], ...boxToCenterScale(box, [48, 64]),
    joints: Float64Array.from({ length: 34 }, (_, i) => 35 + i), visible: new Uint8Array(17).fill(1), box, score: 1, ...facts,
  };
};

test("the window of a crop holds every pixel that the warp touches, whatever scale, rotation, flip and place", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 8, max: 90 }), fc.integer({ min: 8, max: 90 }), (seed, width, height) => {
      const random = new Random({ seed: seed >>> 0, stream: 9 });
      const pixels = Uint8Array.from({ length: 3 * width * height }, () => random.integer(1, 256));
      const geometry = drawGeometry(random, { scaleFactor: 0.35, rotationFactor: 45, flip: true, probHalfBody: 0 });
      const box = [random.range(-30, width), random.range(-30, height), random.range(4, 80), random.range(4, 80)] as const;
      const sample = prepareSample(record({ box, ...boxToCenterScale(box, [24, 32]), imageSize: [width, height] }), { image: { pixels, width, height }, geometry, skeleton: COCO17, inputSize: [24, 32] });
      const whole = { ...sample, pixels, window: { x: 0, y: 0, width, height } };
      expect(cropWarp(sample, [24, 32])).toEqual(cropWarp(whole, [24, 32]));
    }),
    { numRuns: 60 },
  );
});

test("a flip mirrors joints, swaps pairs and keeps what is not labelled at weight zero", () => {
  const visible = new Uint8Array(17).fill(1);
  visible[5] = 0;
  const image = { pixels: new Uint8Array(30000), width: 100, height: 100 };
  const facts = { image, skeleton: COCO17, inputSize: [48, 64] as const };
  const straight = prepareSample(record({ visible }), { ...facts, geometry: IDENTITY_GEOMETRY });
  const flipped = prepareSample(record({ visible }), { ...facts, geometry: { ...IDENTITY_GEOMETRY, flip: true } });
  expect([flipped.visible[5], flipped.visible[6]]).toEqual([1, 0]);
  // Mirroring about the crop's centre: x' = 47.x - x up to the half pixel of the centre.
  const k = 48 / (200 * straight.scale[0]);
  expect(flipped.joints[2 * 1]).toBeCloseTo(48 - (straight.joints[2 * 2] as number), 3);
  expect(flipped.joints[2 * 1 + 1]).toBeCloseTo(straight.joints[2 * 2 + 1] as number, 3);
  expect(k).toBeGreaterThan(0);
});

test("half-body crops need enough labelled joints and centre on the chosen half", () => {
  const image = { pixels: new Uint8Array(30000), width: 100, height: 100 };
  const geometry = { ...IDENTITY_GEOMETRY, halfBody: { preferUpper: true } };
  const upper = prepareSample(record(), { image, geometry, skeleton: COCO17, inputSize: [48, 64] });
  const mean = Array.from({ length: 11 }, (_, joint) => 35 + 2 * joint).reduce((sum, x) => sum + x, 0) / 11;
  expect(upper.center[0]).toBeCloseTo(mean, 9);
  const few = new Uint8Array(17).fill(1, 0, 8);
  expect(prepareSample(record({ visible: few }), { image, geometry, skeleton: COCO17, inputSize: [48, 64] }).center).toEqual(record().center);
});

test("batches are pure functions of seed, epoch and step; an epoch visits every unlabelled sample", () => {
  const facts = { seed: 5, labelled: 7, unlabelled: 50, batchSize: 8 };
  const order = new MixedOrder(facts);
  expect(order.stepsPerEpoch).toBe(7);
  const epoch = (n: number) => Array.from({ length: 7 }, (_, step) => new MixedOrder(facts).batch(n, step));
  expect(Array.from({ length: 7 }, (_, step) => order.batch(2, step))).toEqual(epoch(2));
  expect(epoch(1)).not.toEqual(epoch(2));
  expect(new Set(epoch(2).flat().map(({ unlabelled }) => unlabelled)).size).toBe(50);
  expect(Math.max(...epoch(2).flat().map(({ labelled }) => labelled))).toBeLessThan(7);
  for (const batch of epoch(3)) expect(batch).toHaveLength(8);
  const labelled = new LabelledOrder({ seed: 5, count: 20, batchSize: 8 });
  expect(new Set([0, 1, 2].flatMap((step) => labelled.batch(0, step).map(({ sample }) => sample))).size).toBe(20);
});

test("the loader prepares ahead within its bound, keeps the order, and hands on errors where they belong", async () => {
  let [open, most] = [0, 0];
  const loader = new BatchLoader(
    async (position) => {
      most = Math.max(most, ++open);
      await Bun.sleep(2);
      open--;
      if (position === 6) throw new DataError({ code: "x", message: "broken" });
      return position;
    },
    { depth: 3, begin: 2, end: 9 },
  );
  const seen: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) seen.push(await loader.next());
  expect(seen).toEqual([2, 3, 4, 5]);
  await expect(loader.next()).rejects.toThrow("broken");
  expect([await loader.next(), await loader.next(), await loader.next()]).toEqual([7, 8, undefined]);
  expect(most).toBeLessThanOrEqual(3);
});

test("synthetic people: a real COCO folder, the same for the same seed, reused, and refused where another set is in the way", () =>
  inFolder(async (root) => {
    const facts = { root, seed: 3, trainImages: 6, valImages: 4, imageSize: [96, 96] as const, persons: 2 };
    expect(await ensureSynthetic(facts)).toBe(true);
    expect(statSync(join(root, "coco")).mode & 0o777).toBe(0o777 & ~process.umask()); // others may train on it too
    expect(await ensureSynthetic(facts)).toBe(false);
    const place = cocoPlace(root, "train");
    const truth = await readCocoGroundTruth(place.annotations);
    const records = personRecords(truth, { place, skeleton: UNION24, inputSize: [64, 64] });
    expect(truth.images).toHaveLength(6);
    expect(records.length).toBeGreaterThanOrEqual(6);
    for (const { imagePath } of records) expect(await decodeImage(imagePath)).toMatchObject({ width: 96, height: 96 });
    for (const { keypoints, numKeypoints, bbox } of truth.annotations) {
      expect(numKeypoints).toBe(keypoints.filter((v, i) => i % 3 === 2 && v > 0).length);
      for (let i = 0; i < 51; i += 3) {
        const [x, y, v] = keypoints.slice(i, i + 3) as [number, number, number];
        if (v === 0) expect([x, y]).toEqual([0, 0]);
        else expect(x >= bbox[0] - 1 && y >= bbox[1] - 1 && x <= bbox[0] + bbox[2] + 1 && y <= bbox[1] + bbox[3] + 1).toBe(true);
      }
    }
    expect(truth.annotations.some(({ keypoints }) => keypoints.some((v, i) => i % 3 === 2 && v === 1))).toBe(true);
    const perfect = truth.annotations.map(({ imageId, keypoints }) => ({ imageId, keypoints, score: 1 }));
    expect(evaluateKeypoints(truth, perfect).ap).toBe(1);
    await inFolder(async (other) => {
      await ensureSynthetic({ ...facts, root: other });
      expect(await Bun.file(join(other, "coco/annotations/person_keypoints_train2017.json")).text()).toBe(await Bun.file(place.annotations).text());
    });
    await expect(ensureSynthetic({ ...facts, seed: 4 })).rejects.toThrow(/other parameters/);
  }));

/** The segments of a JPEG but for APP2, where colour profiles are. */
function withoutIccProfile(jpeg: Uint8Array): Uint8Array {
  const view = new DataView(jpeg.buffer, jpeg.byteOffset);
  const kept = [jpeg.subarray(0, 2)];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + view.getUint16(at + 2);
    if (jpeg[at + 1] !== 0xe2) kept.push(jpeg.subarray(at, end));
    at = end;
  }
  return Buffer.concat([...kept, jpeg.subarray(at)]);
}

test("decoding: size, channels, colour profiles, a cache within its budget, and clean errors for missing and corrupt files", () =>
  inFolder(async (folder) => {
    const sharp = await sharpModule();
    const paths = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const path = join(folder, `${i}.jpg`);
        await sharp({ create: { width: 40, height: 30, channels: 3, background: { r: 200, g: 40 * i, b: 10 } } }).jpeg().toFile(path);
        return path;
      }),
    );
    const cache = new ImageCache(2 * 40 * 30 * 3);
    for (const path of paths) expect((await cache.get(path)).pixels).toHaveLength(3600);
    expect(cache.bytes).toBeLessThanOrEqual(7200);
    expect(await cache.get(paths[2] as string)).toBe(await cache.get(paths[2] as string));
    const grey = join(folder, "grey.png");
    await sharp({ create: { width: 5, height: 4, channels: 4, background: "#80808080" } }).greyscale().png().toFile(grey);
    expect((await decodeImage(grey)).pixels).toHaveLength(60);
    const profiled = join(folder, "profile.jpg");
    const stripped = join(folder, "stripped.jpg");
    await sharp({ create: { width: 16, height: 16, channels: 3, background: { r: 200, g: 90, b: 30 } } }).withIccProfile("p3").jpeg().toFile(profiled);
    const withProfile = new Uint8Array(await Bun.file(profiled).arrayBuffer());
    const bare = withoutIccProfile(withProfile);
    expect(bare.length).toBeLessThan(withProfile.length);
    await writeFile(stripped, bare);
    // As OpenCV does it: the stored values, whatever the colour profile says.
    expect((await decodeImage(profiled)).pixels).toEqual((await decodeImage(stripped)).pixels);
    // Two pixels of CMYK, written by Pillow; OpenCV's values.
    const inks = join(folder, "inks.jpg");
    await writeFile(inks, Buffer.from("/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoKCgYICwwLCgwJCgoK/8AAFAgAAQACBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAkI/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBNAFkASwAAPwBhBtqUIY//2Q==", "base64"));
    expect(await decodeImage(inks)).toEqual({ width: 2, height: 1, pixels: Uint8Array.of(173, 43, 127, 173, 43, 127) });
    const cut = join(folder, "cut.jpg");
    const random = new Random({ seed: 1, stream: 8 });
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.integer(0, 256));
    const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } }).jpeg().toBuffer();
    await writeFile(cut, whole.subarray(0, whole.length / 2));
    for (const [path, text] of [[cut, "cannot be decoded"], [join(folder, "none.jpg"), "not found"], [folder, "is a folder"], [join(cut, "a.jpg"), "not found"]] as const) {
      const error: unknown = await decodeImage(path).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DataError);
      expect((error as LimberError).toText()).toContain(text);
      expect((error as LimberError).where).toBe(path);
    }
  }));

test.skipIf(process.getuid?.() === 0)("an image that may not be read is no corrupt one, which SKIP_CORRUPT would pass over", () =>
  inFolder(async (folder) => {
    const path = join(folder, "private.jpg");
    await writeFile(path, "");
    chmodSync(path, 0);
    await expect(decodeImage(path)).rejects.toMatchObject({ code: "data/image-unreadable", where: path, fix: "change its permissions" });
  }));

const annotation = { id: 5, image_id: 1, category_id: 1, keypoints: Array.from({ length: 51 }, () => 2), num_keypoints: 17, bbox: [1, 2, 30, 40], area: 600, iscrowd: 0 };
const image = { id: 1, width: 64, height: 64, file_name: "1.jpg" };
const { keypoints: _, ...without } = annotation;

test.each([
  ["no file", undefined, /not found/],
  ["cut JSON", '{"images": [', /not complete JSON/],
  ["no list", '{"images": []}', /list "annotations"/],
  ["no keypoints", { images: [image], annotations: [without] }, /annotation 5: .*keypoints/],
  ["a short list", { images: [image], annotations: [{ ...annotation, keypoints: [1, 2, 2] }] }, /annotation 5: keypoints/],
  ["an unknown image", { images: [image], annotations: [{ ...annotation, image_id: 9 }] }, /annotation 5: image_id 9/],
  ["a box of text", { images: [image], annotations: [{ ...annotation, bbox: ["1", 2, 3, 4] }] }, /annotation 5: bbox.0/],
  ["an image twice", { images: [image, image], annotations: [] }, /images\[1\]: id 1 .*earlier/],
  ["an image without size", { images: [{ ...image, width: 0 }], annotations: [] }, /images\[0\]: width/],
])("a wrong annotation file gives one message that names it: %s", (_name, content, pattern) =>
  inFolder(async (folder) => {
    const path = join(folder, "a.json");
    if (content !== undefined) await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    const error: unknown = await readCocoGroundTruth(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as LimberError).where).toBe(path);
    expect((error as LimberError).message).toMatch(pattern);
  }),
);

test(".npy files round trip, and anything else is refused", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.npy");
    for (const data of [Float32Array.of(1.5, -2, 3, 4, 5, 6), Int32Array.of(1, 2, 3, -4, 5, 6), Uint8Array.of(0, 1, 2, 3, 4, 255)]) {
      await writeNpy(path, { shape: [2, 3], data });
      expect(await readNpy(path)).toEqual({ shape: [2, 3], data });
    }
    const bytes = new Uint8Array(await Bun.file(path).arrayBuffer());
    expect(bytes.length).toBe(128 + 6);
    await writeFile(path, bytes.subarray(0, 130));
    await expect(readNpy(path)).rejects.toThrow(/truncated/);
    await expect(readNpy(join(folder, "none.npy"))).rejects.toThrow(DataError);
  }));

const SAMPLE = new URL("../../../shared/data/coco_sample/", import.meta.url).pathname;

test.skipIf(!existsSync(SAMPLE))("real images of coco_sample: read, and evaluated with the ground truth as prediction", async () => {
  const place = { annotations: join(SAMPLE, "test_coco.json"), images: SAMPLE };
  const truth = await readCocoGroundTruth(place.annotations);
  const records = personRecords(truth, { place, skeleton: COCO17, inputSize: [192, 256] });
  expect([truth.images.length, truth.annotations.length]).toEqual([4, 14]);
  expect(records.length).toBeGreaterThan(0);
  for (const { imagePath, imageSize } of records) expect(imageSize?.[0]).toBe((await decodeImage(imagePath)).width);
  const perfect = truth.annotations.filter(({ iscrowd, numKeypoints }) => !iscrowd && numKeypoints > 0).map(({ imageId, keypoints }) => ({ imageId, keypoints, score: 1 }));
  expect(evaluateKeypoints(truth, perfect).ap).toBe(1);
});
