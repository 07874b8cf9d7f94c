/** Dropout by counter-based masks: nothing is stored, the backward pass draws the same words again. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { rowGrid, spanGrid } from "./span.ts";

const LIBRARY = ["dropout/mask.wgsl", "lib/rng.wgsl", "lib/scalar.wgsl", "lib/span.wgsl"];
const BUFFERS = { x: "read", key: "read", y: "read_write" } as const;

const elementsKernel = defineKernel({
  name: "dropout/elements",
  fragments: ["dropout/elements.wgsl", ...LIBRARY],
  buffers: BUFFERS,
  uniforms: { count: "u32", site: "u32", threshold: "u32", scale: "f32" },
});
const featuresKernel = defineKernel({
  name: "dropout/features",
  fragments: ["dropout/features.wgsl", "lib/divide.wgsl", ...LIBRARY],
  buffers: BUFFERS,
  uniforms: { batch: "u32", pixels: "u32", channels: "u32", chunks: "u32", site: "u32", threshold: "u32", scale: "f32" },
});

/** Which mask: 16 bytes of key (seed, stream, epoch, index) on the device, a site, a probability in [0, 1). */
export interface DropoutMask {
  key: BufferRange;
  site: number;
  probability: number;
}

function maskUniforms({ site, probability }: DropoutMask) {
  return { site, threshold: Math.ceil(probability * 2 ** 24), scale: 1 / (1 - probability) };
}

/** y = x masked element by element, kept ones times 1 / (1 - probability); its own transpose, so dx from dy too. */
export function dropoutElements(gpu: Gpu, { x, y, count, ...mask }: DropoutMask & { x: BufferRange; y: BufferRange; count: number }): void {
  gpu.run(elementsKernel, {
    buffers: { x, key: mask.key, y },
    uniforms: { count, ...maskUniforms(mask) },
    workgroups: spanGrid(gpu, Math.ceil(count / 4), 4),
  });
}

/** y = x masked by whole channels of a sample; x, y [batch, pixels, channels]. */
export function dropoutFeatures(
  gpu: Gpu,
  { x, y, batch, pixels, channels, ...mask }: DropoutMask & { x: BufferRange; y: BufferRange; batch: number; pixels: number; channels: number },
): void {
  const { chunks, workgroups } = rowGrid(gpu, { rows: pixels, columns: batch * channels });
  gpu.run(featuresKernel, { buffers: { x, key: mask.key, y }, uniforms: { batch, pixels, channels, chunks, ...maskUniforms(mask) }, workgroups });
}
