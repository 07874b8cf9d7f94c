/** Person boxes to the centre and scale of a crop. */
import type { Box, Point, Size } from "./types.ts";

/** Scale 1 is a box side of 200 px, in all systems of the HRNet family. */
export const PIXEL_STD = 200;

/** How much larger than its box a crop is. */
const CROP_MARGIN = 1.25;

/**
 * Centre and scale of the crop of a box: the box grown to the aspect ratio of `size` (network input, [width, height])
 * and enlarged by 1.25; scale in units of 200 px. Source: HRNet's COCO data set.
 */
export function boxToCenterScale([x, y, w, h]: Box, [width, height]: Size): { center: Point; scale: Point } {
  const aspect = width / height;
  const grownW = w < aspect * h ? aspect * h : w;
  const grownH = w > aspect * h ? w / aspect : h;
  return { center: [x + w / 2, y + h / 2], scale: [(grownW / PIXEL_STD) * CROP_MARGIN, (grownH / PIXEL_STD) * CROP_MARGIN] };
}

/** A ground-truth box clipped to its image as HRNet does it; undefined where nothing is left. */
export function cleanBox([x, y, w, h]: Box, [width, height]: Size): Box | undefined {
  const x1 = Math.max(0, x);
  const y1 = Math.max(0, y);
  const x2 = Math.min(width - 1, x1 + Math.max(0, w - 1));
  const y2 = Math.min(height - 1, y1 + Math.max(0, h - 1));
  return x2 >= x1 && y2 >= y1 ? [x1, y1, x2 - x1, y2 - y1] : undefined;
}
