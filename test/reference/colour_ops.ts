/**
 * Pillow 9's colour operations by their source, on bytes [height][width][3]; numbers are f64 as Python's, but for blends, which
 * Pillow computes in f32.
 */
import { BATCH_COUNTERS, below, type Site, words } from "./draws.ts";

export interface Bytes {
  values: Uint8Array;
  height: number;
  width: number;
}

const clip = (value: number) => Math.min(255, Math.max(0, Math.trunc(value)));
const point = (image: Bytes, table: (byte: number, channel: number) => number): Bytes => ({ ...image, values: image.values.map((byte, i) => clip(table(byte, i % 3))) });
const histogram = (image: Bytes, channel: number) => {
  const own = image.values.filter((_, i) => i % 3 === channel);
  return Array.from({ length: 256 }, (_, value) => own.filter((byte) => byte === value).length);
};

/** Pillow's convert("L") of one pixel. */
const grey = (r: number, g: number, b: number) => (r * 19595 + g * 38470 + b * 7471 + 32768) >> 16;
const greyAt = ({ values }: Bytes, pixel: number) => grey(values[3 * pixel] as number, values[3 * pixel + 1] as number, values[3 * pixel + 2] as number);

export function autoContrast(image: Bytes): Bytes {
  const tables = [0, 1, 2].map((channel) => {
    const counts = histogram(image, channel);
    const low = counts.findIndex((count) => count > 0);
    const high = counts.findLastIndex((count) => count > 0);
    const scale = 255 / (high - low);
    const offset = -low * scale;
    return (byte: number) => (high <= low ? byte : byte * scale + offset);
  });
  return point(image, (byte, channel) => tables[channel]?.(byte) as number);
}

export function equalize(image: Bytes): Bytes {
  const tables = [0, 1, 2].map((channel) => {
    const counts = histogram(image, channel);
    const filled = counts.filter((count) => count > 0);
    const step = Math.floor((filled.reduce((sum, count) => sum + count, 0) - (filled.at(-1) as number)) / 255);
    if (filled.length <= 1 || step === 0) return (byte: number) => byte;
    let n = Math.floor(step / 2);
    const table = counts.map((count) => {
      const entry = Math.floor(n / step);
      n += count;
      return entry;
    });
    return (byte: number) => table[byte] as number;
  });
  return point(image, (byte, channel) => tables[channel]?.(byte) as number);
}

export const invert = (image: Bytes) => point(image, (byte) => 255 - byte);
export const posterize = (image: Bytes, bits: number) => point(image, (byte) => byte & ~(2 ** (8 - bits) - 1));
export const solarize = (image: Bytes, threshold: number) => point(image, (byte) => (byte < threshold ? byte : 255 - byte));
export const solarizeAdd = (image: Bytes, addition: number) => solarize(point(image, (byte) => byte + addition), 128);

/** Image.blend(base, image, factor). */
function blend(base: (i: number) => number, image: Bytes, factor: number): Bytes {
  const share = Math.fround(factor);
  return { ...image, values: image.values.map((own, i) => clip(Math.fround(base(i) + Math.fround(share * (own - base(i)))))) };
}

export const color = (image: Bytes, factor: number) => blend((i) => greyAt(image, Math.floor(i / 3)), image, factor);
export const brightness = (image: Bytes, factor: number) => blend(() => 0, image, factor);

export function contrast(image: Bytes, factor: number): Bytes {
  const pixels = image.height * image.width;
  let sum = 0;
  for (let pixel = 0; pixel < pixels; pixel++) sum += greyAt(image, pixel);
  const mean = Math.trunc(sum / pixels + 0.5);
  return blend(() => mean, image, factor);
}

export function sharpness(image: Bytes, factor: number): Bytes {
  const { values, height, width } = image;
  const smooth = values.map((own, i) => {
    const [u, v] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    if (u === 0 || v === 0 || u === width - 1 || v === height - 1) return own;
    let sum = 4 * own;
    for (const dv of [-1, 0, 1]) for (const du of [-1, 0, 1]) sum += values[i + 3 * (dv * width + du)] as number;
    return Math.trunc(sum / 13 + 0.5);
  });
  return blend((i) => smooth[i] as number, image, factor);
}

/** A square around `centre`; ImageDraw's rectangle includes its last column and row. */
export function cutoutAbs(image: Bytes, side: number, centre: readonly [number, number]): Bytes {
  const size = [image.width, image.height] as const;
  const low = [0, 1].map((axis) => Math.trunc(Math.max(0, (centre[axis] as number) - side / 2)));
  const high = [0, 1].map((axis) => Math.trunc(Math.min(size[axis] as number, (low[axis] as number) + side)));
  const inside = (place: number, axis: number) => place >= (low[axis] as number) && place <= (high[axis] as number);
  const values = image.values.map((own, i) => (inside(Math.floor(i / 3) % image.width, 0) && inside(Math.floor(i / 3 / image.width), 1) ? ([125, 123, 114][i % 3] as number) : own));
  return { ...image, values };
}

/** An operation at a level, `high`: with the upper of two signs; `margin` as in the reference of the boxes. */
type Operation = (image: Bytes, draw: { level: number; high: boolean; place: readonly [number, number]; scale: number; margin: (px: number) => void }) => Bytes;

const uniform = (word: number) => Math.floor(word / 256) / 2 ** 24;
const enhance = (operation: (image: Bytes, factor: number) => Bytes): Operation => (image, { level, high }) => operation(image, 1 + (high ? 1 : -1) * (level / 30) * 0.9);

/** RandAugment's operations in the order of the device's numbers. */
const RAND: readonly Operation[] = [
  autoContrast,
  equalize,
  (image, { level }) => solarize(image, 256 - (level / 30) * 256),
  (image, { level }) => posterize(image, Math.max(2, 6 - Math.trunc((level / 30) * 4))),
  enhance(color),
  enhance(contrast),
  enhance(brightness),
  enhance(sharpness),
  invert,
  (image, { level }) => solarizeAdd(image, (level / 30) * 110),
  (image, { level, place, scale, margin }) => {
    const side = (level / 30) * 80 * scale;
    const centre = [image.width, image.height].map((size, axis) => size + (1 - size) * uniform(place[axis] as number)) as [number, number];
    for (const at of centre) margin(Math.abs(at - side / 2 - Math.round(at - side / 2)));
    return cutoutAbs(image, side, centre);
  },
];

const strength = (operation: (image: Bytes, factor: number) => Bytes): Operation => (image, { level }) => operation(image, 0.1 + (level * 1.8) / 30);
const TRIVIAL: readonly Operation[] = [
  (image) => image,
  autoContrast,
  equalize,
  (image, { level }) => solarize(image, 256 - Math.trunc((256 * level) / 30)),
  (image, { level }) => posterize(image, 8 - Math.trunc((4 * level) / 30)),
  strength(color),
  strength(contrast),
  strength(brightness),
  strength(sharpness),
];

/** Which policy, and how sample n draws from it. */
export interface PolicyFacts extends Site {
  policy: "rand_augment" | "trivial_augment";
  /** Levels [low, high] of RandAugment. */
  magnitude: readonly [number, number];
  /** Operations behind one another. */
  count: number;
  /** Of CutoutAbs' square. */
  scale: number;
  margin: (px: number) => void;
}

/** One image under a policy; `firstPlace` is the number of its first operation at the site. */
export function policyImage(image: Bytes, facts: PolicyFacts & { n: number; firstPlace?: number }): Bytes {
  const { policy, magnitude, count, scale, margin, n, firstPlace = 0 } = facts;
  const operations = policy === "rand_augment" ? RAND : TRIVIAL;
  const [low, high] = policy === "rand_augment" ? magnitude : [0, 30];
  let result = image;
  for (let k = 0; k < count; k++) {
    const [a, b, c] = words(facts, n, 2 * (firstPlace + k));
    const [d, e] = words(facts, n, 2 * (firstPlace + k) + 1);
    const operation = operations[below(a, operations.length)] as Operation;
    result = operation(result, { level: low + below(b, high - low + 1), high: c >= 2 ** 31, place: [d, e], scale, margin });
  }
  return result;
}

/** YOCO: two draws of a policy; the second gives the lower half of the rows or the right half of the columns. */
export function yocoImage(image: Bytes, facts: PolicyFacts & { n: number }): Bytes {
  const first = policyImage(image, facts);
  const second = policyImage(image, { ...facts, firstPlace: facts.count });
  const lower = words(facts, facts.n, BATCH_COUNTERS)[0] < 2 ** 31;
  const values = first.values.map((own, i) => {
    const [u, v] = [Math.floor(i / 3) % image.width, Math.floor(i / 3 / image.width)];
    return (lower ? v >= Math.floor(image.height / 2) : u >= Math.floor(image.width / 2)) ? (second.values[i] as number) : own;
  });
  return { ...image, values };
}
