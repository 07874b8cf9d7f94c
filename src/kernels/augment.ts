/** Crops, affine warps and cut-outs of image batches [batch, height, width, channels]. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

/** Size of a batch of images or heatmaps. */
export interface ImageShape {
  batch: number;
  height: number;
  width: number;
  channels: number;
}

const warpKernel = defineKernel({
  name: "warp/affine",
  fragments: ["warp/affine.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", theta: "read", y: "read_write" },
  uniforms: { batch: "u32", height: "u32", width: "u32", channels: "u32", centre: "f32" },
});
const boxesKernel = defineKernel({
  name: "augment/joint_cutout_boxes",
  fragments: ["augment/joint_cutout_boxes.wgsl", "lib/grid.wgsl", "lib/rng.wgsl"],
  buffers: { peaks: "read", pool: "read", keys: "read", boxes: "read_write" },
  uniforms: { batch: "u32", joints: "u32", holes: "u32", width: "u32", height: "u32", pool_size: "u32", scale: "f32" },
});
const cutKernel = defineKernel({
  name: "augment/cut_boxes",
  fragments: ["augment/cut_boxes.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", boxes: "read", y: "read_write" },
  uniforms: { batch: "u32", height: "u32", width: "u32", channels: "u32", holes: "u32" },
});
const cropKernel = defineKernel({
  name: "augment/crop_normalize",
  fragments: ["augment/crop_normalize.wgsl", "augment/normalise.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { pixels: "read", windows: "read", tables: "read", y: "read_write" },
  uniforms: { batch: "u32", height: "u32", width: "u32" },
});

/**
 * y[n, p] = x[n, theta_n p], bilinear, zeros outside, normalised coordinates; theta [batch, 6] row-major. Element i of a side
 * of n is at (2i + centre)/n - 1: 1 for pixels; 1/stride for heatmaps whose cell i stands for input pixel stride * i.
 */
export function warpAffine(
  gpu: Gpu,
  { x, theta, y, shape, centre = 1 }: { x: BufferRange; theta: BufferRange; y: BufferRange; shape: ImageShape; centre?: number },
): void {
  const { batch, height, width, channels } = shape;
  gpu.run(warpKernel, {
    buffers: { x, theta, y },
    uniforms: { batch, height, width, channels, centre },
    workgroups: linearGrid(batch * height * width, 64),
  });
}

/**
 * Boxes [batch, holes, 4] (x0, y0, x1, y1; i32) around jittered joints. peaks [batch, joints, 3] in image px; pool: joint
 * indices to draw from; keys: seed, stream, epoch, first sample index, as data. `scale` multiplies the 10..19 px half
 * sides and the 10 px jitter. Source: MultiAugs joint cutout.
 */
export function jointCutoutBoxes(
  gpu: Gpu,
  call: { peaks: BufferRange; pool: BufferRange; keys: BufferRange; boxes: BufferRange; batch: number; joints: number; holes: number; size: readonly [width: number, height: number]; poolSize: number; scale: number; swapLimits: boolean },
): void {
  const { batch, joints, holes, size, poolSize, scale } = call;
  gpu.run(boxesKernel, {
    buffers: { peaks: call.peaks, pool: call.pool, keys: call.keys, boxes: call.boxes },
    uniforms: { batch, joints, holes, width: size[0], height: size[1], pool_size: poolSize, scale },
    spec: { SWAP_LIMITS: call.swapLimits },
    workgroups: linearGrid(batch * holes, 64),
  });
}

/** y = x with zeros inside the boxes of each sample. */
export function cutBoxes(gpu: Gpu, { x, boxes, y, shape, holes }: { x: BufferRange; boxes: BufferRange; y: BufferRange; shape: ImageShape; holes: number }): void {
  const { batch, height, width, channels } = shape;
  gpu.run(cutKernel, {
    buffers: { x, boxes, y },
    uniforms: { batch, height, width, channels, holes },
    workgroups: linearGrid(batch * height * width, 64),
  });
}

/** Normalised crops y [batch, h, w, 3] from packed image windows; see the shader for `windows` and `tables`. */
export function cropNormalize(
  gpu: Gpu,
  call: { pixels: BufferRange; windows: BufferRange; tables: BufferRange; y: BufferRange; batch: number; size: readonly [width: number, height: number] },
): void {
  const [width, height] = call.size;
  gpu.run(cropKernel, {
    buffers: { pixels: call.pixels, windows: call.windows, tables: call.tables, y: call.y },
    uniforms: { batch: call.batch, height, width },
    workgroups: linearGrid(call.batch * height * width, 64),
  });
}
