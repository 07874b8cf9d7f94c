/** The weighted heatmap loss and its gradient in one pass. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

/** Sizes of a batch of heatmaps, cut into equal contiguous groups. */
export interface HeatmapShape {
  batch: number;
  /** Height times width. */
  pixels: number;
  joints: number;
  groups: number;
}

const mseKernel = defineKernel({
  name: "heatmap/mse",
  fragments: ["heatmap/mse.wgsl", "lib/grid.wgsl"],
  buffers: { prediction: "read", target_map: "read", weight: "read", gradient: "read_write", partials: "read_write" },
  uniforms: { batch: "u32", pixels: "u32", joints: "u32", chunks: "u32", inverse_count: "f32" },
});
const finishKernel = defineKernel({
  name: "heatmap/mse_finish",
  fragments: ["heatmap/mse_finish.wgsl", "lib/grid.wgsl"],
  buffers: { partials: "read", loss: "read_write" },
  uniforms: { groups: "u32", per_group: "u32", inverse_count: "f32" },
});
/** loss [groups] = 1/2 mean of w²(p-t)² over all elements of a group; gradient [batch, pixels, joints] of their sum. */
export function heatmapMseForward(
  gpu: Gpu,
  call: { prediction: BufferRange; target: BufferRange; weight: BufferRange; gradient: BufferRange; loss: BufferRange; shape: HeatmapShape },
): void {
  const { batch, pixels, joints, groups } = call.shape;
  const chunks = Math.max(1, Math.min(16, Math.floor(pixels / 16)));
  const partials = gpu.allocate(4 * batch * chunks * joints, "loss partials");
  const inverse_count = groups / (batch * pixels * joints);
  gpu.run(mseKernel, {
    buffers: { prediction: call.prediction, target_map: call.target, weight: call.weight, gradient: call.gradient, partials },
    uniforms: { batch, pixels, joints, chunks, inverse_count },
    workgroups: linearGrid(batch * chunks * joints, 64),
  });
  gpu.run(finishKernel, {
    buffers: { partials, loss: call.loss },
    uniforms: { groups, per_group: (batch / groups) * chunks * joints, inverse_count },
    workgroups: linearGrid(groups, 8),
  });
}
