/** The crop on the CPU, bit for bit as cv2.warpAffine computes it: the plain twin of the kernel augment/crop_normalize. */
import { warpTables } from "../../src/pose/affine.ts";
import type { Size } from "../../src/pose/types.ts";
import type { CropSample } from "../../src/data/sample.ts";

/** Crop [height, width, 3] in uint8, RGB, bilinear on a 1/32 px grid with a black border. */
export function cropWarp(sample: CropSample, [width, height]: Size): Uint8Array {
  const tables = warpTables(sample.toInput, [width, height]);
  const { window, pixels, flip, imageSize, rowBytes = 3 * window.width } = sample;
  const out = new Uint8Array(3 * width * height);
  const entry = (i: number) => tables[i] as number;
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      const x = (entry(v) + entry(height + u)) >> 5;
      const y = (entry(height + width + v) + entry(2 * height + width + u)) >> 5;
      const [fx, fy] = [x & 31, y & 31];
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let tap = 0; tap < 4; tap++) {
          const [dx, dy] = [tap & 1, tap >> 1];
          const tapX = (x >> 5) + dx;
          const column = (flip ? imageSize[0] - 1 - tapX : tapX) - window.x;
          const row = (y >> 5) + dy - window.y;
          if (column < 0 || row < 0 || column >= window.width || row >= window.height) continue;
          const weight = (dx ? fx : 32 - fx) * (dy ? fy : 32 - fy) * 32;
          sum += weight * (pixels[row * rowBytes + 3 * column + channel] as number);
        }
        out[3 * (v * width + u) + channel] = (sum + 16384) >> 15;
      }
    }
  }
  return out;
}
