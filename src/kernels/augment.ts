/** Crops and affine warps of image batches [batch, height, width, channels]. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

/** Lanes that share out a row of a crop; on a software driver no more than a vector has: it keeps the state of every further one in memory of its own. */
const [HARDWARE_LANES, SOFTWARE_LANES] = [64, 8];

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
const cropKernel = defineKernel({
  name: "augment/crop_normalize",
  fragments: ["augment/crop_normalize.wgsl", "augment/normalise.wgsl", "lib/scalar.wgsl"],
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

/** Normalised crops y [batch, h, w, 3] from packed image windows; see the shader for `windows` and `tables`. */
export function cropNormalize(
  gpu: Gpu,
  call: { pixels: BufferRange; windows: BufferRange; tables: BufferRange; y: BufferRange; batch: number; size: readonly [width: number, height: number] },
): void {
  const [width, height] = call.size;
  gpu.run(cropKernel, {
    buffers: { pixels: call.pixels, windows: call.windows, tables: call.tables, y: call.y },
    uniforms: { batch: call.batch, height, width },
    spec: { WORKGROUP: gpu.info.kind === "hardware" ? HARDWARE_LANES : SOFTWARE_LANES },
    workgroups: [height, call.batch, 1],
  });
}
