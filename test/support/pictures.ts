/** Pixels of PNG bytes, for tests that look at them. */
import { sharpModule } from "../../src/data/image.ts";

export type Color = readonly [red: number, green: number, blue: number];

/** A decoded picture. */
export interface Picture {
  width: number;
  height: number;
  /** Colour at a place, px. */
  at(x: number, y: number): Color;
  /** How many pixels of a region satisfy something. */
  count(matches: (color: Color) => boolean, region?: { x: number; y: number; width: number; height: number }): number;
}

export async function pictureOf(png: Uint8Array): Promise<Picture> {
  const sharp = await sharpModule();
  const { format } = await sharp(png).metadata();
  if (format !== "png") throw new Error(`expected a PNG, got ${format}`);
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const at = (x: number, y: number): Color => {
    const i = 3 * (Math.round(y) * width + Math.round(x));
    return [data[i] ?? -1, data[i + 1] ?? -1, data[i + 2] ?? -1];
  };
  return {
    width,
    height,
    at,
    count(matches, region = { x: 0, y: 0, width, height }) {
      let found = 0;
      for (let y = region.y; y < region.y + region.height; y++) for (let x = region.x; x < region.x + region.width; x++) if (matches(at(x, y))) found++;
      return found;
    },
  };
}

/** Largest difference of a channel. */
export function colorDistance(a: Color, b: Color): number {
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? 0))));
}

/** A picture of one colour. */
export function plainImage(width: number, height: number, color: Color): { pixels: Uint8Array; width: number; height: number } {
  return { pixels: Uint8Array.from({ length: 3 * width * height }, (_, i) => color[i % 3] ?? 0), width, height };
}
