/** One person cut out of its image, with a skeleton on it. */
import type { DecodedImage } from "../data/image.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box } from "../pose/types.ts";
import { drawOverlay } from "./overlay.ts";

/** Room about a person, as a share of the longer side of its box. */
const MARGIN = 0.2;

/** The square of whole pixels about a box, with a margin; it may reach beyond the image. */
function squareAbout([x, y, w, h]: Box): { left: number; top: number; side: number } {
  const side = Math.max(8, Math.ceil(Math.max(w, h) * (1 + 2 * MARGIN)));
  return { left: Math.round(x + w / 2 - side / 2), top: Math.round(y + h / 2 - side / 2), side };
}

/** The part of an image; grey where there is none. */
function cutOut(image: DecodedImage, { left, top, side }: { left: number; top: number; side: number }): DecodedImage {
  const pixels = new Uint8Array(3 * side * side).fill(225);
  const from = Math.max(0, left);
  const width = Math.min(image.width, left + side) - from;
  for (let row = 0; row < side; row++) {
    const y = top + row;
    if (y < 0 || y >= image.height || width <= 0) continue;
    const start = 3 * (y * image.width + from);
    pixels.set(image.pixels.subarray(start, start + 3 * width), 3 * (row * side + from - left));
  }
  return { pixels, width: side, height: side };
}

/** The person in a box with the keypoints [3 * joints] drawn on it, none where they are undefined; PNG bytes of a square of at least `side` px. */
export async function drawPersonTile(image: DecodedImage, { box, keypoints, skeleton, minScore = 0, side = 240 }: { box: Box; keypoints: readonly number[] | undefined; skeleton: Skeleton; minScore?: number; side?: number }): Promise<Uint8Array> {
  const square = squareAbout(box);
  const moved = keypoints?.map((value, i) => (i % 3 === 0 ? value - square.left : i % 3 === 1 ? value - square.top : value));
  return drawOverlay(cutOut(image, square), moved ? [{ keypoints: moved }] : [], { skeleton, minScore, minSide: side });
}
