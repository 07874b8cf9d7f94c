/**
 * Decoding of heatmaps below the pixel: DARK, expectations, offset maps. The maps are plain arrays [n, h, w, joints]. Sources:
 * Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020, as MultiAugs has it;
 * MMPose's combined target of UDP.
 */
import { decodeHeatmaps } from "./heatmap.ts";

/** Sizes of heatmaps. */
export interface MapSizes {
  count: number;
  height: number;
  width: number;
  joints: number;
}

/** Coordinates [n, j, 2] in heatmap px, scores [n, j]. */
export interface DecodedJoints {
  coordinates: Float32Array;
  scores: Float32Array;
}

const SMALLEST = 1e-10;

/** Taps of OpenCV's Gaussian of an odd size above 9, with the deviation that it derives from the size; they sum to 1. */
export function gaussianTaps(size: number): Float64Array {
  if (size % 2 === 0 || size < 11) throw new Error(`a Gaussian of ${size} taps: expected an odd number from 11 on (smaller ones are fixed tables in OpenCV)`);
  const sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
  const reach = (size - 1) / 2;
  const taps = Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)));
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

/** Convolution of one map [height, width] with the taps in both directions; outside is zero. */
function blur(map: Float64Array, { width, height, taps }: { width: number; height: number; taps: Float64Array }): Float64Array {
  const reach = (taps.length - 1) / 2;
  const rows = new Float64Array(map.length);
  const out = new Float64Array(map.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = Math.max(0, reach - x); k < taps.length && x + k - reach < width; k++) sum += (taps[k] as number) * (map[y * width + x + k - reach] as number);
      rows[y * width + x] = sum;
    }
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = Math.max(0, reach - y); k < taps.length && y + k - reach < height; k++) sum += (taps[k] as number) * (rows[(y + k - reach) * width + x] as number);
      out[y * width + x] = sum;
    }
  }
  return out;
}

function plane(heatmaps: Float32Array, { n, joint, height, width, joints }: { n: number; joint: number; height: number; width: number; joints: number }): Float64Array {
  const base = n * height * width * joints + joint;
  return Float64Array.from({ length: height * width }, (_, i) => heatmaps[base + i * joints] as number);
}

const largest = (map: Float64Array) => map.reduce((most, value) => Math.max(most, value), -Infinity);

/**
 * DARK: each map is blurred, brought back to its old maximum, and its logarithm expanded to second order about the maximum of
 * the unblurred map; where the maximum lies within 2 px of the border, or the expansion has no extremum, it stays where it is.
 * Scores are the unblurred maxima. PARITY: 11 taps whatever the sigma of the targets, and steps of any length.
 */
export function decodeDark(heatmaps: Float32Array, sizes: MapSizes & { taps?: number }): DecodedJoints {
  const { count, height, width, joints, taps: size = 11 } = sizes;
  const decoded = decodeHeatmaps(heatmaps, { count, height, width, joints, shift: false });
  const taps = gaussianTaps(size);
  for (let n = 0; n < count; n++) {
    for (let joint = 0; joint < joints; joint++) {
      const at = 2 * (n * joints + joint);
      const [px, py] = [decoded.coordinates[at] as number, decoded.coordinates[at + 1] as number];
      if (!(px > 1 && px < width - 2 && py > 1 && py < height - 2)) continue;
      const map = plane(heatmaps, { n, joint, height, width, joints });
      const smooth = blur(map, { width, height, taps });
      const gain = largest(map) / largest(smooth);
      const log = (dx: number, dy: number) => Math.log(Math.max((smooth[(py + dy) * width + px + dx] as number) * gain, SMALLEST));
      const gx = 0.5 * (log(1, 0) - log(-1, 0));
      const gy = 0.5 * (log(0, 1) - log(0, -1));
      const xx = 0.25 * (log(2, 0) - 2 * log(0, 0) + log(-2, 0));
      const yy = 0.25 * (log(0, 2) - 2 * log(0, 0) + log(0, -2));
      const xy = 0.25 * (log(1, 1) - log(1, -1) - log(-1, 1) + log(-1, -1));
      const determinant = xx * yy - xy * xy;
      if (determinant === 0) continue;
      decoded.coordinates[at] = px - (yy * gx - xy * gy) / determinant;
      decoded.coordinates[at + 1] = py - (xx * gy - xy * gx) / determinant;
    }
  }
  return decoded;
}

/** Expectation of the position under a softmax of each map (temperature 1); the score is the largest probability. Source: Sun et al., ECCV 2018. */
export function decodeIntegral(heatmaps: Float32Array, { count, height, width, joints }: MapSizes): DecodedJoints {
  const coordinates = new Float32Array(2 * count * joints);
  const scores = new Float32Array(count * joints);
  for (let n = 0; n < count; n++) {
    for (let joint = 0; joint < joints; joint++) {
      const map = plane(heatmaps, { n, joint, height, width, joints });
      const most = largest(map);
      let [sum, x, y] = [0, 0, 0];
      map.forEach((value, i) => {
        const weight = Math.exp(value - most);
        sum += weight;
        x += weight * (i % width);
        y += weight * Math.floor(i / width);
      });
      const k = n * joints + joint;
      coordinates[2 * k] = x / sum;
      coordinates[2 * k + 1] = y / sum;
      scores[k] = 1 / sum;
    }
  }
  return { coordinates, scores };
}

/** Share of a map's longer side that offsets reach. */
const OFFSET_REACH = 0.0546875;
const OFFSET_TAPS = 23;

/**
 * Joints of a network with offset maps: channels come in threes, (class, x, y). The maximum of the blurred class map, moved by
 * the offsets there times 0.0546875 of the longer side; the score is that maximum, 0 or less leaves (0, 0).
 */
export function decodeOffsets(maps: Float32Array, { count, height, width, joints }: MapSizes): DecodedJoints {
  const channels = 3 * joints;
  const reach = OFFSET_REACH * Math.max(width, height);
  const taps = gaussianTaps(OFFSET_TAPS);
  const coordinates = new Float32Array(2 * count * joints);
  const scores = new Float32Array(count * joints);
  for (let n = 0; n < count; n++) {
    for (let joint = 0; joint < joints; joint++) {
      const channel = (k: number) => plane(maps, { n, joint: 3 * joint + k, height, width, joints: channels });
      const smooth = blur(channel(0), { width, height, taps });
      const pixel = smooth.reduce((best, value, i) => (value > (smooth[best] as number) ? i : best), 0);
      const k = n * joints + joint;
      scores[k] = smooth[pixel] as number;
      if (!((smooth[pixel] as number) > 0)) continue;
      coordinates[2 * k] = (pixel % width) + reach * (channel(1)[pixel] as number);
      coordinates[2 * k + 1] = Math.floor(pixel / width) + reach * (channel(2)[pixel] as number);
    }
  }
  return { coordinates, scores };
}
