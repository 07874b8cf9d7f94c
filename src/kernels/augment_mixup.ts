/** MixUp of a batch of images. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import { spanGrid } from "./span.ts";

const drawsKernel = defineKernel({
  name: "augment/mixup_draws",
  fragments: ["augment/mixup_draws.wgsl", "augment/draws.wgsl", "lib/grid.wgsl", "lib/rng.wgsl"],
  buffers: { keys: "read", draws: "read_write" },
  uniforms: { batch: "u32", site: "u32" },
});
const mixKernel = defineKernel({
  name: "augment/mixup",
  fragments: ["augment/mixup.wgsl", "lib/span.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", draws: "read", y: "read_write" },
  uniforms: { batch: "u32", inner: "u32" },
});

/** draws [1 + batch] u32: bits of lambda in [0.75, 1], then each sample's partner. keys and site as in PatchStep. */
export function mixupDraws(gpu: Gpu, { keys, draws, batch, site }: { keys: BufferRange; draws: BufferRange; batch: number; site: number }): void {
  gpu.run(drawsKernel, { buffers: { keys, draws }, uniforms: { batch, site }, workgroups: linearGrid(batch, 64) });
}

/** y[n] = lambda x[n] + (1 - lambda) x[partner of n], for samples of `inner` elements. Source: multiaugs 3.2. */
export function mixup(gpu: Gpu, { x, draws, y, batch, inner }: { x: BufferRange; draws: BufferRange; y: BufferRange; batch: number; inner: number }): void {
  gpu.run(mixKernel, { buffers: { x, draws, y }, uniforms: { batch, inner }, workgroups: spanGrid(gpu, inner, batch) });
}
