/** Affine maps between image, network input and heatmap; and the fixed-point tables of OpenCV's 8-bit warp. */
import { mat2d } from "gl-matrix";
import type { Random } from "../random.ts";
import { PIXEL_STD } from "./box.ts";
import type { Affine, Point, Size } from "./types.ts";

/** What a crop is taken from. */
export interface Crop {
  center: Point;
  /** In units of 200 px; only the x component sets the size. */
  scale: Point;
  rotationDegrees?: number;
  /** Output [width, height]. */
  size: Size;
}

/**
 * Image px to output px: k [[cos r, sin r], [-sin r, cos r]] with k = width / (200 scale_x), the centre to the middle.
 * Source: HRNet's get_affine_transform in closed form.
 */
export function cropAffine({ center, scale, rotationDegrees = 0, size }: Crop): Affine {
  const k = size[0] / (PIXEL_STD * scale[0]);
  const r = (rotationDegrees * Math.PI) / 180;
  const [c, s] = [k * Math.cos(r), k * Math.sin(r)];
  return [c, s, size[0] / 2 - c * center[0] - s * center[1], -s, c, size[1] / 2 + s * center[0] - c * center[1]];
}

/** The inverse map. Throws where there is none (scale 0). */
export function invertAffine([a, b, tx, c, d, ty]: Affine): Affine {
  // gl-matrix wants column order; plain arrays keep f64.
  const inverse: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  if (!mat2d.invert(inverse, [a, c, b, d, tx, ty])) throw new Error("an affine map without an inverse");
  const [p, q, r, s, u, v] = inverse;
  return [p, r, u, q, s, v];
}

/** The map that applies `inner`, then `outer`. */
export function composeAffine(outer: Affine, inner: Affine): Affine {
  const [a, b, tx, c, d, ty] = outer;
  const [p, q, ux, r, s, uy] = inner;
  return [a * p + b * r, a * q + b * s, a * ux + b * uy + tx, c * p + d * r, c * q + d * s, c * ux + d * uy + ty];
}

/** A point under a map. */
export function applyAffine([a, b, tx, c, d, ty]: Affine, [x, y]: Point): Point {
  return [a * x + b * y + tx, c * x + d * y + ty];
}

/** Rounds to the nearest integer, halves to even, as C's rint. */
function rint(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

const FIXED_ONE = 1024;

/**
 * Source coordinates of an output of `size` under the map image to output, in 1/1024 px, split as OpenCV's warpAffine
 * splits them: x by row (h entries, rounding constant included), x by column (w), y by row (h), y by column (w).
 * Bit-exact parity needs f64 here and integers from here on.
 */
export function warpTables(toOutput: Affine, [width, height]: Size): Int32Array {
  const [i0, i1, i2, i3, i4, i5] = invertExact(toOutput);
  const tables = new Int32Array(2 * (width + height));
  for (let v = 0; v < height; v++) {
    tables[v] = rint((i1 * v + i2) * FIXED_ONE) + 16;
    tables[height + width + v] = rint((i4 * v + i5) * FIXED_ONE) + 16;
  }
  for (let u = 0; u < width; u++) {
    tables[height + u] = rint(i0 * u * FIXED_ONE);
    tables[2 * height + width + u] = rint(i3 * u * FIXED_ONE);
  }
  return tables;
}

/** OpenCV's own inversion inside warpAffine, operation by operation: other orders differ in the last bit. */
function invertExact([a, b, tx, c, d, ty]: Affine): Affine {
  const determinant = a * d - b * c;
  const D = determinant !== 0 ? 1 / determinant : 0;
  const [a11, a22] = [d * D, a * D];
  const [m1, m3] = [b * -D, c * -D];
  return [a11, m1, -a11 * tx - m1 * ty, m3, a22, -m3 * tx - a22 * ty];
}

/** The spread of a random view. */
export interface ViewSpread {
  scaleFactor: number;
  /** Standard deviation of the rotation, degrees; clipped at twice that. */
  rotationFactor: number;
  /** Chance that the view is rotated at all. */
  probability: number;
}

/** N(mean, deviation) clipped to [low, high]. */
export function clippedNormal(random: Random, { mean, deviation, low, high }: { mean: number; deviation: number; low: number; high: number }): number {
  return Math.min(Math.max(mean + deviation * random.normal(), low), high);
}

/**
 * The random hard view of MultiAugs: theta = [s cos r, s sin r, 0, -s sin r, s cos r, 0] in normalised coordinates, output
 * to input. PARITY: a rotation in normalised coordinates shears where width and height differ, as the originals do.
 */
export function drawViewTheta(random: Random, { scaleFactor, rotationFactor, probability }: ViewSpread): Affine {
  const s = clippedNormal(random, { mean: 1, deviation: scaleFactor, low: 1 - scaleFactor, high: 1 + scaleFactor });
  const rotated = random.chance(probability);
  const degrees = rotated ? clippedNormal(random, { mean: 0, deviation: rotationFactor, low: -2 * rotationFactor, high: 2 * rotationFactor }) : 0;
  const r = (degrees * Math.PI) / 180;
  return [s * Math.cos(r), s * Math.sin(r), 0, -s * Math.sin(r), s * Math.cos(r), 0];
}
