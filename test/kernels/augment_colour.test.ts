import { expect, test } from "bun:test";
import { policyLevels, randAugment, trivialAugment } from "../../src/augment/colour_policy.ts";
import { COLOUR_OPERATION, type ColourChoice, colourOperation, type PixelFormat } from "../../src/kernels/augment_colour.ts";
import { Golden } from "../golden/load.ts";
import * as reference from "../reference/colour_ops.ts";
import { keyWords, STREAM } from "../../src/random.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";
import { testRandom } from "../support/random.ts";

const gpu = await testDevice();

type OperationName = keyof typeof COLOUR_OPERATION;
const TRIVIAL_LEVELS = trivialAugment().firstLevel;
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

const packed = (bytes: Uint8Array) => Uint32Array.from({ length: bytes.length / 3 }, (_, i) => (bytes[3 * i] as number) | ((bytes[3 * i + 1] as number) << 8) | ((bytes[3 * i + 2] as number) << 16));
const unpacked = (pixels: Uint32Array) => Uint8Array.from({ length: 3 * pixels.length }, (_, i) => (pixels[Math.floor(i / 3)] as number) >> (8 * (i % 3)));
const normalised = (bytes: Uint8Array) => Float32Array.from(bytes, (byte, i) => (byte / 255 - (MEAN[i % 3] as number)) / (DEVIATION[i % 3] as number));
const bytesOf = (values: Float32Array) => Uint8Array.from(values, (value, i) => Math.round((value * (DEVIATION[i % 3] as number) + (MEAN[i % 3] as number)) * 255));

interface Facts {
  shape: readonly [batch: number, height: number, width: number];
  choice: ColourChoice;
  /** Both factors of the levels become the first or the second. */
  sign?: "-" | "+" | undefined;
  formats?: readonly [from: PixelFormat, to: PixelFormat];
}

/** Images after one operation, in bytes. */
async function operated(bytes: Uint8Array, { shape: [batch, height, width], choice, sign, formats: [from, to] = ["packed", "packed"] }: Facts): Promise<Uint8Array> {
  const levels = policyLevels(1);
  for (let row = 0; sign && row < levels.length; row += 6) levels.set(levels.subarray(row + (sign === "+" ? 4 : 3), row + (sign === "+" ? 5 : 4)), row + (sign === "+" ? 3 : 4));
  const ranges = {
    x: gpu.upload(from === "packed" ? packed(bytes) : normalised(bytes), "x"),
    y: gpu.persistent((to === "packed" ? 4 : 12) * batch * height * width, "y"),
    levels: gpu.upload(levels, "levels"),
    keys: gpu.upload(keyWords({ seed: 3, stream: STREAM.augment }), "keys"),
  };
  gpu.scope(() => colourOperation(gpu, { ...ranges, from, to, batch, size: [width, height], choice, site: 0, place: 0 }));
  const result = await gpu.read(ranges.y);
  for (const range of Object.values(ranges)) gpu.free(range);
  return to === "packed" ? unpacked(new Uint32Array(result)) : bytesOf(new Float32Array(result));
}

/** One operation at one level of the table. */
const only = (name: OperationName, level = 0): ColourChoice => ({ firstOperation: COLOUR_OPERATION[name], operationCount: 1, firstLevel: level, levelCount: 1 });
const isOperation = (name: string): name is OperationName => name in COLOUR_OPERATION;

/** The operation that a tensor of the golden file names, "rand.color.20.+", and its plain twin. */
function goldenCase(key: string): { name: OperationName; level: number; sign: "-" | "+" | undefined; twin: (image: reference.Bytes) => reference.Bytes } {
  const [policy, name = policy, number = "0", sign] = key.split(".");
  if (!isOperation(name ?? "") || !name || !isOperation(name)) throw new Error(`golden file: unknown operation ${key}`);
  const level = Number(number);
  const share = level / 30;
  const factor = policy === "trivial" ? 0.1 + (level * 1.8) / 30 : 1 + (sign === "+" ? 1 : -1) * share * 0.9;
  const twins: Partial<Record<OperationName, (image: reference.Bytes) => reference.Bytes>> = {
    autoContrast: reference.autoContrast,
    equalize: reference.equalize,
    invert: reference.invert,
    posterize: (image) => reference.posterize(image, policy === "trivial" ? 8 - Math.trunc((level * 4) / 30) : Math.max(2, 6 - Math.trunc(share * 4))),
    solarize: (image) => reference.solarize(image, policy === "trivial" ? 256 - Math.trunc((level * 256) / 30) : 256 - share * 256),
    solarizeAdd: (image) => reference.solarizeAdd(image, share * 110),
    color: (image) => reference.color(image, factor),
    contrast: (image) => reference.contrast(image, factor),
    brightness: (image) => reference.brightness(image, factor),
    sharpness: (image) => reference.sharpness(image, factor),
  };
  const twin = twins[name];
  if (!twin) throw new Error(`golden file: ${key} has no twin`);
  return { name, level: policy === "trivial" ? TRIVIAL_LEVELS + level : level, sign: sign === "+" || sign === "-" ? sign : undefined, twin };
}

test("every operation gives Pillow's bytes, on the device and in the plain twin", async () => {
  const golden = await Golden.open("colour_ops");
  const [batch = 0, height = 0, width = 0] = golden.shape("images");
  const images = golden.raw("images").data.slice();
  const inner = 3 * height * width;
  const seen = new Set<string>();
  for (const key of golden.names()) {
    if (key === "images") continue;
    const expected = golden.raw(key).data.slice();
    const each = (twin: (image: reference.Bytes) => reference.Bytes) => Uint8Array.from(Array.from({ length: batch }, (_, n) => [...twin({ values: images.subarray(n * inner, (n + 1) * inner), height, width }).values]).flat());
    if (key.startsWith("cutoutAbs")) {
      // Where the device's square lies is drawn; the twin takes the place.
      const [m = 0, x = 0, y = 0] = /^cutoutAbs\.(\d+)\.(\d+\.\d)\.(\d+\.\d)$/.exec(key)?.slice(1).map(Number) ?? [];
      expect(each((image) => reference.cutoutAbs(image, (m / 30) * 80, [x, y])), key).toEqual(expected);
      continue;
    }
    const { name, level, sign, twin } = goldenCase(key);
    seen.add(name);
    expect(each(twin), `${key} (twin)`).toEqual(expected);
    for (const formats of [["packed", "packed"], ["normalised", "packed"], ["packed", "normalised"], ["normalised", "normalised"]] as const) {
      expect(await operated(images, { shape: [batch, height, width], choice: only(name, level), sign, formats }), `${key} ${formats.join(" to ")}`).toEqual(expected);
    }
  }
  expect([...seen].sort()).toEqual(Object.keys(COLOUR_OPERATION).filter((name) => name !== "identity" && name !== "cutoutAbs").sort());
});

test("the published values of Posterize, Solarize and SolarizeAdd at magnitude 20", async () => {
  const inputs = [0, 1, 50, 84, 85, 86, 100, 127, 128, 129, 200, 250, 255];
  const image = Uint8Array.from(inputs.flatMap((value) => [value, value, value]));
  const { firstLevel } = randAugment(20);
  for (const [name, published] of [
    ["posterize", "0 0 48 80 80 80 96 112 128 128 192 240 240"],
    ["solarize", "0 1 50 84 85 169 155 128 127 126 55 5 0"],
    ["solarizeAdd", "73 74 123 98 97 96 82 55 54 53 0 0 0"],
  ] as const) {
    const result = await operated(image, { shape: [1, 1, inputs.length], choice: only(name, firstLevel) });
    expect([...result].filter((_, i) => i % 3 === 0).join(" "), name).toBe(published);
  }
});

test("AutoContrast truncates as f64 does, for every lowest and highest byte", async () => {
  const pairs = Array.from({ length: 256 }, (_, low) => Array.from({ length: 256 - low }, (_, more) => [low, low + more] as const)).flat();
  const batch = Math.ceil(pairs.length / 3);
  const images = new Uint8Array(768 * batch);
  const expected = new Uint8Array(768 * batch);
  for (let i = 0; i < 3 * batch; i++) {
    const [low, high] = pairs[i % pairs.length] as readonly [number, number];
    const scale = 255 / (high - low);
    for (let value = 0; value < 256; value++) {
      const byte = Math.min(high, Math.max(low, value));
      const at = 768 * Math.floor(i / 3) + 3 * value + (i % 3);
      images[at] = byte;
      expected[at] = high > low ? Math.trunc(byte * scale + -low * scale) : byte;
    }
  }
  expect(await operated(images, { shape: [batch, 16, 16], choice: only("autoContrast") })).toEqual(expected);
});

test("bytes survive the way through normalised images, as f32 and as f16", async () => {
  const bytes = Uint8Array.from({ length: 3 * 256 }, (_, i) => Math.floor(i / 3));
  for (const dtype of ["f32", ...(gpu.features.has("shader-f16") ? (["f16"] as const) : [])] as const) {
    const x = persistentTensor(gpu, [1, 16, 16, 3], { data: normalised(bytes), dtype });
    const y = gpu.persistent(4 * 256, "y");
    const [levels, keys] = [gpu.upload(policyLevels(1), "levels"), gpu.upload(keyWords({ seed: 3, stream: STREAM.augment }), "keys")];
    colourOperation(gpu, { x: x.range, from: "normalised", y, to: "packed", batch: 1, size: [16, 16], levels, choice: only("identity"), keys, site: 0, place: 0 });
    expect(unpacked(new Uint32Array(await gpu.read(y))), dtype).toEqual(bytes);
  }
});

test("histograms of an image larger than a workgroup, with all pixels alike but one", async () => {
  const [height, width] = [37, 53];
  const random = testRandom(65);
  const images = Uint8Array.from({ length: 2 * 3 * height * width }, (_, i) => (i < 3 * height * width ? (i === 1000 ? 9 : 200) : random.integer(0, 256)));
  const inner = images.length / 2;
  const contrast = (image: reference.Bytes) => reference.contrast(image, 1 + (20 / 30) * 0.9);
  for (const [name, twin] of [["equalize", reference.equalize], ["autoContrast", reference.autoContrast], ["contrast", contrast]] as const) {
    const expected = [0, 1].flatMap((n) => [...twin({ values: images.subarray(n * inner, (n + 1) * inner), height, width }).values]);
    expect(await operated(images, { shape: [2, height, width], choice: only(name, 20), sign: "+" }), name).toEqual(Uint8Array.from(expected));
  }
});

test("RandAugment chooses from 11 operations, TrivialAugment from 9 and 31 levels; wrong magnitudes are refused", () => {
  const { firstOperation, operationCount, firstLevel, levelCount } = randAugment([4, 7]);
  const drawn = Object.values(COLOUR_OPERATION).filter((code) => code >= firstOperation && code < firstOperation + operationCount);
  expect([drawn.length, drawn.includes(COLOUR_OPERATION.identity), firstLevel, levelCount]).toEqual([11, false, 4, 4]);
  expect(trivialAugment()).toMatchObject({ firstOperation: COLOUR_OPERATION.identity, operationCount: 9, levelCount: 31 });
  const wrongs: readonly (number | readonly [number, number])[] = [31, -1, 2.5, [5, 4]];
  for (const wrong of wrongs) expect(() => randAugment(wrong)).toThrow("magnitude must be an integer from 0 to 30");
});
