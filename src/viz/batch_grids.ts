/** Whole batches as pictures, for debugging: joints over images, heatmaps joint by joint. Source: lib/utils/vis.py of HRNet and MultiAugs. */
import { type DecodedImage, sharpModule } from "../data/image.ts";
import type { Size } from "../pose/types.ts";

/** Images of one size with joints. */
export interface JointBatch {
  images: readonly DecodedImage[];
  /** [n, joints, 2], px of the images. */
  joints: ArrayLike<number>;
  /** [n, joints]; joints of 0 are not drawn. */
  visible: ArrayLike<number>;
}

const COLUMNS = 8;
const PADDING = 2;
const RED = [255, 0, 0] as const;
/** Small images and heatmaps are enlarged by whole numbers until their shorter sides have so many px, those of MultiAugs. */
const SHORTER_SIDE = { image: 128, map: 48 } as const;
/** Radius of a joint's dot, px: over images, and over heatmaps. */
const DOT = { image: 2, map: 1 } as const;
/** Share of the heatmap's colour over the image. */
const MAP_SHARE = 0.7;

function blankPage(width: number, height: number): DecodedImage {
  return { pixels: new Uint8Array(3 * width * height), width, height };
}

function paste(page: DecodedImage, { image: { pixels, width, height }, left, top }: { image: DecodedImage; left: number; top: number }): void {
  for (let row = 0; row < height; row++) page.pixels.set(pixels.subarray(3 * width * row, 3 * width * (row + 1)), 3 * ((top + row) * page.width + left));
}

/** A red disc about a place, within the image. */
function dot({ pixels, width, height }: DecodedImage, { x, y, radius }: { x: number; y: number; radius: number }): void {
  const [column, row] = [Math.round(x), Math.round(y)];
  for (let dy = -radius; dy <= radius; dy++) {
    for (let dx = -radius; dx <= radius; dx++) {
      const [px, py] = [column + dx, row + dy];
      if (dx * dx + dy * dy <= radius * radius && px >= 0 && py >= 0 && px < width && py < height) pixels.set(RED, 3 * (py * width + px));
    }
  }
}

function zoomOf([width, height]: Size, shorterSide: number): number {
  return Math.max(1, Math.ceil(shorterSide / Math.min(width, height)));
}

/** Every pixel as a square of `zoom` px. */
function enlarge({ pixels, width, height }: DecodedImage, zoom: number): DecodedImage {
  const large = blankPage(zoom * width, zoom * height);
  for (let y = 0; y < large.height; y++) {
    for (let x = 0; x < large.width; x++) {
      const from = 3 * (Math.floor(y / zoom) * width + Math.floor(x / zoom));
      large.pixels.set(pixels.subarray(from, from + 3), 3 * (y * large.width + x));
    }
  }
  return large;
}

/** A coordinate behind the enlargement. */
function place(px: number | undefined, zoom: number): number {
  return zoom * (px ?? 0) + (zoom - 1) / 2;
}

/** Images, 8 in a row and 2 px apart, with red dots at their visible joints. */
export function jointGrid({ images, joints, visible }: JointBatch): DecodedImage {
  const [{ width: ownWidth, height: ownHeight } = { width: 1, height: 1 }] = images;
  const zoom = zoomOf([ownWidth, ownHeight], SHORTER_SIDE.image);
  const [width, height] = [zoom * ownWidth, zoom * ownHeight];
  const columns = Math.min(COLUMNS, images.length);
  const page = blankPage(columns * (width + PADDING) + PADDING, Math.ceil(images.length / columns) * (height + PADDING) + PADDING);
  const count = visible.length / images.length;
  images.forEach((image, n) => {
    const own = enlarge(image, zoom);
    for (let k = n * count; k < (n + 1) * count; k++) if (visible[k]) dot(own, { x: place(joints[2 * k], zoom), y: place(joints[2 * k + 1], zoom), radius: DOT.image });
    paste(page, { image: own, left: PADDING + (n % columns) * (width + PADDING), top: PADDING + Math.floor(n / columns) * (height + PADDING) });
  });
  return page;
}

/** RGB of a value in [0, 1] in MATLAB's jet. */
function jetColor(value: number): [number, number, number] {
  const ramp = (centre: number) => Math.round(255 * Math.min(1, Math.max(0, 1.5 - Math.abs(4 * value - centre))));
  return [ramp(3), ramp(2), ramp(1)];
}

/** Heatmaps [n, h, w, joints] and where each is highest, [n, joints, 2] px of the heatmaps. */
export interface MapBatch {
  images: readonly DecodedImage[];
  maps: Float32Array;
  size: Size;
  joints: number;
  peaks: ArrayLike<number>;
}

/** One row per sample: the image at the heatmaps' size with a dot at every peak, then joint by joint its heatmap over the image with its peak. */
export async function heatmapGrid({ images, maps, size: [width, height], joints, peaks }: MapBatch): Promise<DecodedImage> {
  const sharp = await sharpModule();
  const zoom = zoomOf([width, height], SHORTER_SIDE.map);
  const page = blankPage((joints + 1) * zoom * width, images.length * zoom * height);
  for (const [n, image] of images.entries()) {
    const small = await sharp(image.pixels, { raw: { width: image.width, height: image.height, channels: 3 } }).resize(width, height, { fit: "fill" }).raw().toBuffer();
    const overview = enlarge({ pixels: new Uint8Array(small), width, height }, zoom);
    for (let joint = 0; joint < joints; joint++) {
      const peak = { x: place(peaks[2 * (n * joints + joint)], zoom), y: place(peaks[2 * (n * joints + joint) + 1], zoom), radius: DOT.map };
      const tile = blankPage(width, height);
      for (let pixel = 0; pixel < width * height; pixel++) {
        const value = maps[(n * width * height + pixel) * joints + joint] as number;
        const color = jetColor(Math.min(1, Math.max(0, value)));
        for (let c = 0; c < 3; c++) tile.pixels[3 * pixel + c] = Math.round(MAP_SHARE * (color[c] as number) + (1 - MAP_SHARE) * (small[3 * pixel + c] as number));
      }
      const large = enlarge(tile, zoom);
      dot(large, peak);
      dot(overview, peak);
      paste(page, { image: large, left: (joint + 1) * zoom * width, top: n * zoom * height });
    }
    paste(page, { image: overview, left: 0, top: n * zoom * height });
  }
  return page;
}
