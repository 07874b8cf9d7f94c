/** Flip test: heatmaps of the mirrored image, brought back and averaged in. */
import type { Skeleton } from "../pose/skeleton.ts";

/** Sizes of heatmaps [count, height, width, joints]. */
export interface FlipFacts {
  count: number;
  height: number;
  width: number;
  joints: number;
  skeleton: Skeleton;
  /**
   * How the mirrored map is moved right, which aligns it (SHIFT_HEATMAP): true by one column, where column 0 stays; false by three
   * quarters of one, interpolated, where zeros come in from the left.
   */
  shift: boolean;
}

/** What is left of a column's own value where the map is moved by three quarters. PARITY: a translation of -1.5 / width of MultiAugs' grid. */
const STAYING = 0.25;

/** Mean of `maps` and the mirrored, pair-swapped `mirrored`. Source: HRNet's flip test; MultiAugs' where it does not shift. */
export function mergeFlipped(maps: Float32Array, mirrored: Float32Array, { count, height, width, joints, skeleton, shift }: FlipFacts): Float32Array {
  const partner = Array.from({ length: joints }, (_, joint) => joint);
  for (const [a, b] of skeleton.flipPairs) {
    partner[a] = b;
    partner[b] = a;
  }
  const out = new Float32Array(maps.length);
  for (let line = 0; line < count * height; line++) {
    for (let x = 0; x < width; x++) {
      for (let joint = 0; joint < joints; joint++) {
        const at = (line * width + x) * joints + joint;
        const column = (from: number) => mirrored[(line * width + width - 1 - from) * joints + (partner[joint] as number)] as number;
        const back = shift ? column(Math.max(0, x - 1)) : STAYING * column(x) + (x > 0 ? (1 - STAYING) * column(x - 1) : 0);
        out[at] = 0.5 * ((maps[at] as number) + back);
      }
    }
  }
  return out;
}
