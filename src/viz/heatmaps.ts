/** Heatmaps over images. */
import { type DecodedImage, sharpModule } from "../data/image.ts";

/** Heatmaps of one image, [height, width, joints]. */
export interface ImageHeatmaps {
  data: Float32Array;
  width: number;
  height: number;
  joints: number;
}

/** Inferno, a perceptually uniform map, as a polynomial in t of degree six per channel. */
const INFERNO: readonly (readonly number[])[] = [
  [0.00021894, 0.10651034, 11.60249308, -41.70399613, 77.162935699, -71.31942824, 25.13112622],
  [0.00165101, 0.56395643, -3.97285396, 17.43639888, -33.40235894, 32.62606426, -12.24266895],
  [-0.01948089, 3.93271239, -15.9423941, 44.35414519, -81.80730926, 73.20951986, -23.07032500],
];

/** RGB bytes of a value in [0, 1]. */
export function infernoColor(value: number): [number, number, number] {
  const t = Math.min(1, Math.max(0, value));
  const channel = (coefficients: readonly number[]) => {
    const sum = coefficients.reduceRight((rest, coefficient) => rest * t + coefficient, 0);
    return Math.round(255 * Math.min(1, Math.max(0, sum)));
  };
  return [channel(INFERNO[0] ?? []), channel(INFERNO[1] ?? []), channel(INFERNO[2] ?? [])];
}

/** The maximum over the given joints (all where absent), [height * width]. */
export function maximumMap(maps: ImageHeatmaps, joints?: readonly number[]): Float32Array {
  const { data, width, height, joints: count } = maps;
  const chosen = joints ?? Array.from({ length: count }, (_, joint) => joint);
  return Float32Array.from({ length: width * height }, (_, pixel) => Math.max(...chosen.map((joint) => data[pixel * count + joint] as number)));
}

/**
 * The image in grey under a coloured map, as PNG bytes of `side` px on the longer side. `peak` is the value of the
 * brightest colour (1 for heatmaps of peak one).
 */
export async function drawHeatmap(image: DecodedImage, map: { data: Float32Array; width: number; height: number }, { side = 220, peak = 1 }: { side?: number; peak?: number } = {}): Promise<Uint8Array> {
  const sharp = await sharpModule();
  const scale = side / Math.max(image.width, image.height);
  const [width, height] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
  const smooth = await sharp(Uint8Array.from(map.data, (value) => Math.round(255 * Math.min(1, Math.max(0, value / peak)))), {
    raw: { width: map.width, height: map.height, channels: 1 },
  })
    .resize(width, height, { kernel: "cubic", fit: "fill" })
    .toColourspace("b-w")
    .raw()
    .toBuffer();
  const grey = await sharp(image.pixels, { raw: { width: image.width, height: image.height, channels: 3 } })
    .resize(width, height, { fit: "fill" })
    .greyscale()
    .toColourspace("b-w")
    .raw()
    .toBuffer();
  const out = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const value = (smooth[i] as number) / 255;
    const color = infernoColor(value);
    const weight = 0.25 + 0.75 * value;
    for (let c = 0; c < 3; c++) out[3 * i + c] = Math.round(weight * (color[c] as number) + (1 - weight) * 0.6 * (grey[i] as number));
  }
  return new Uint8Array(await sharp(out, { raw: { width, height, channels: 3 } }).png().toBuffer());
}
