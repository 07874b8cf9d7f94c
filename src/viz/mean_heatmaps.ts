/** Heatmaps of all joints as one picture, and how two such pictures differ. Source: MultiAugs' plot_MultiHeats.py. */
import type { DecodedImage } from "../data/image.ts";
import type { Size } from "../pose/types.ts";
import { infernoColor } from "./heatmaps.ts";

/** The mean over the joints of maps [height * width, joints]. */
export function meanMap(maps: Float32Array, joints: number): Float32Array {
  const mean = new Float32Array(maps.length / joints);
  for (let i = 0; i < maps.length; i++) mean[Math.floor(i / joints)] = (mean[Math.floor(i / joints)] as number) + (maps[i] as number) / joints;
  return mean;
}

/** Bytes from 0 for the lowest value to 255 for the highest; all 0 where there is only one value. */
export function stretchToBytes(map: Float32Array): Uint8Array {
  const low = map.reduce((least, value) => Math.min(least, value), Infinity);
  const range = map.reduce((most, value) => Math.max(most, value), -Infinity) - low;
  return Uint8Array.from(map, (value) => (range > 0 ? Math.round((255 * (value - low)) / range) : 0));
}

/** |a - b| of each byte. The original subtracts unsigned bytes, so that -1 shows as 255 (multiaugs D-29). */
export function absoluteDifference(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((value, i) => Math.abs(value - (b[i] as number)));
}

/** Bytes [height * width] in the colours of heatmaps. */
export function colorMap(bytes: Uint8Array, [width, height]: Size): DecodedImage {
  const pixels = new Uint8Array(3 * bytes.length);
  bytes.forEach((value, i) => pixels.set(infernoColor(value / 255), 3 * i));
  return { pixels, width, height };
}
