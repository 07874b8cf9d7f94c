/** Which cell of the deepest features is taken from each sample. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

const kernel = defineKernel({
  name: "augment/attack_mask",
  fragments: ["augment/attack_mask.wgsl", "lib/grid.wgsl", "lib/rng.wgsl"],
  buffers: { keys: "read", mask: "read_write" },
  uniforms: { rows: "u32", cells: "u32", batch: "u32", first: "u32", site: "u32" },
});

/**
 * mask [rows, cells] with one random 0 in every row from `first` on, 1 elsewhere. keys: u32 seed, stream, epoch, first sample; rows
 * are batches behind one another, each with a site of its own from `site` on. Source: SSPCM's feature attack, multiaugs §12.4.
 */
export function attackMask(gpu: Gpu, { keys, mask, ...uniforms }: { keys: BufferRange; mask: BufferRange; rows: number; cells: number; batch: number; first: number; site: number }): void {
  gpu.run(kernel, { buffers: { keys, mask }, uniforms, workgroups: linearGrid(uniforms.rows * uniforms.cells, 64) });
}
