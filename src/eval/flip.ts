/** Flip test: heatmaps of the mirrored image, brought back and averaged in. */
import type { Skeleton } from "../pose/skeleton.ts";

/** Sizes of heatmaps [count, height, width, joints]. */
export interface FlipFacts {
  count: number;
  height: number;
  width: number;
  joints: number;
  skeleton: Skeleton;
  /** Move the mirrored map right by one column (SHIFT_HEATMAP), which aligns it; column 0 stays. */
  shift: boolean;
}

/** Mean of `maps` and the mirrored, pair-swapped `mirrored`. Source: HRNet's flip test. */
export function mergeFlipped(maps: Float32Array, mirrored: Float32Array, { count, height, width, joints, skeleton, shift }: FlipFacts): Float32Array {
  const partner = Array.from({ length: joints }, (_, joint) => joint);
  for (const [a, b] of skeleton.flipPairs) {
    partner[a] = b;
    partner[b] = a;
  }
  const out = new Float32Array(maps.length);
  for (let line = 0; line < count * height; line++) {
    for (let x = 0; x < width; x++) {
      const source = shift ? Math.max(0, x - 1) : x;
      for (let joint = 0; joint < joints; joint++) {
        const at = (line * width + x) * joints + joint;
        const back = mirrored[(line * width + width - 1 - source) * joints + (partner[joint] as number)] as number;
        out[at] = 0.5 * ((maps[at] as number) + back);
      }
    }
  }
  return out;
}
