/** Heatmap encoding and decoding on plain arrays (MSRA: quantised centre, argmax with a quarter-pixel shift). */
import { applyAffine, cropAffine, invertAffine } from "./affine.ts";
import type { Point, Size } from "./types.ts";

/** A batch of joints to encode. */
export interface EncodeFacts {
  /** [n, j, 2] input px. */
  joints: Float32Array;
  /** [n, j]; above 0.5 counts as visible. */
  visible: Float32Array | Uint8Array;
  jointCount: number;
  inputSize: Size;
  heatmapSize: Size;
  sigma: number;
}

/**
 * Targets [n, h, w, j] and weights [n, j]: a window of 3 sigma around mu = trunc(joint / stride + 0.5), peak 1; weight 0
 * where the window misses the map. The plain twin of the kernel heatmap/render. Source: HRNet's generate_target.
 */
export function encodeHeatmaps(facts: EncodeFacts): { heatmaps: Float32Array; weights: Float32Array } {
  const { joints, visible, jointCount, inputSize, heatmapSize, sigma } = facts;
  const [width, height] = heatmapSize;
  const count = visible.length;
  const heatmaps = new Float32Array(count * width * height);
  const weights = new Float32Array(count);
  const reach = 3 * sigma;
  const middle = Math.floor(Math.floor(2 * reach + 1) / 2);
  for (let i = 0; i < count; i++) {
    const muX = Math.trunc((joints[2 * i] as number) / (inputSize[0] / width) + 0.5);
    const muY = Math.trunc((joints[2 * i + 1] as number) / (inputSize[1] / height) + 0.5);
    const [left, top] = [Math.trunc(muX - reach), Math.trunc(muY - reach)];
    const [right, bottom] = [Math.trunc(muX + reach + 1), Math.trunc(muY + reach + 1)];
    if (left >= width || top >= height || right < 0 || bottom < 0) continue;
    weights[i] = visible[i] as number;
    if ((visible[i] as number) <= 0.5) continue;
    const sample = Math.floor(i / jointCount);
    const joint = i % jointCount;
    for (let v = Math.max(0, top); v < Math.min(height, bottom); v++) {
      for (let u = Math.max(0, left); u < Math.min(width, right); u++) {
        const [dx, dy] = [u - left - middle, v - top - middle];
        heatmaps[((sample * height + v) * width + u) * jointCount + joint] = Math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma));
      }
    }
  }
  return { heatmaps, weights };
}

/** Sizes of a batch of heatmaps [count, height, width, joints]. */
export interface DecodeFacts {
  count: number;
  height: number;
  width: number;
  joints: number;
  /** Move a quarter pixel towards the higher neighbour. */
  shift: boolean;
}

/**
 * First maximum of every map in row-major order: coordinates [n, j, 2] in heatmap px and scores [n, j]. Where the maximum
 * is not positive both coordinates are 0. The shift applies only where both axes are inside (1, size - 1).
 */
export function decodeHeatmaps(heatmaps: Float32Array, { count, height, width, joints, shift }: DecodeFacts): { coordinates: Float32Array; scores: Float32Array } {
  const coordinates = new Float32Array(2 * count * joints);
  const scores = new Float32Array(count * joints);
  for (let n = 0; n < count; n++) {
    const base = n * height * width * joints;
    const at = (x: number, y: number, j: number) => heatmaps[base + (y * width + x) * joints + j] as number;
    for (let j = 0; j < joints; j++) {
      let best = heatmaps[base + j] as number;
      let pixel = 0;
      for (let i = 1; i < width * height; i++) {
        const value = heatmaps[base + i * joints + j] as number;
        if (value > best) {
          best = value;
          pixel = i;
        }
      }
      const k = n * joints + j;
      scores[k] = best;
      if (!(best > 0)) continue;
      let x = pixel % width;
      let y = Math.floor(pixel / width);
      if (shift && x > 1 && x < width - 1 && y > 1 && y < height - 1) {
        const dx = Math.sign(at(x + 1, y, j) - at(x - 1, y, j));
        const dy = Math.sign(at(x, y + 1, j) - at(x, y - 1, j));
        x += 0.25 * dx;
        y += 0.25 * dy;
      }
      coordinates[2 * k] = x;
      coordinates[2 * k + 1] = y;
    }
  }
  return { coordinates, scores };
}

/** Heatmap px to image px for the crop that the heatmap belongs to; `size` is the heatmap's [width, height]. */
export function heatmapToImage(point: Point, crop: { center: Point; scale: Point; rotationDegrees?: number; size: Size }): Point {
  return applyAffine(invertAffine(cropAffine(crop)), point);
}
