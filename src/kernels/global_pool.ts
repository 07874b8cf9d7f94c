/** The maximum of a whole image per channel, with remembered places. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { laneGrid, spanGrid } from "./span.ts";

/** Images [batch, pixels, channels]. */
export interface ImageShape {
  batch: number;
  pixels: number;
  channels: number;
}

const LIBRARY = ["lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"];

const forwardKernel = defineKernel({
  name: "pool/global_max_forward",
  fragments: ["pool/global_max_forward.wgsl", "lib/nan.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write", tap: "read_write" },
  uniforms: { batch: "u32", pixels: "u32", channels: "u32" },
});
const backwardKernel = defineKernel({
  name: "pool/global_max_backward",
  fragments: ["pool/global_max_backward.wgsl", ...LIBRARY],
  buffers: { dy: "read", tap: "read", dx: "read_write" },
  uniforms: { batch: "u32", pixels: "u32", channels: "u32", lanes: "u32" },
});

/** y [batch, channels] = max over pixels; tap (u32, same shape) = the first pixel that has it. */
export function globalMaxForward(gpu: Gpu, { x, y, tap, ...shape }: ImageShape & { x: BufferRange; y: BufferRange; tap: BufferRange }): void {
  const { batch, pixels, channels } = shape;
  gpu.run(forwardKernel, { buffers: { x, y, tap }, uniforms: shape, workgroups: spanGrid(gpu, batch * channels, pixels) });
}

/** gradX from gradY and the places of the forward pass. */
export function globalMaxBackward(gpu: Gpu, { gradY, tap, gradX, ...shape }: ImageShape & { gradY: BufferRange; tap: BufferRange; gradX: BufferRange }): void {
  const { batch, pixels, channels } = shape;
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * pixels, columns: channels });
  gpu.run(backwardKernel, { buffers: { dy: gradY, tap, dx: gradX }, uniforms: { ...shape, lanes }, workgroups });
}
