/** Rendering of heatmap targets and their peaks. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

const renderKernel = defineKernel({
  name: "heatmap/render",
  fragments: ["heatmap/render.wgsl", "lib/grid.wgsl"],
  buffers: { joints: "read", visible: "read", target_map: "read_write", weight: "read_write" },
  uniforms: { batch: "u32", width: "u32", height: "u32", count: "u32", stride_x: "f32", stride_y: "f32", sigma: "f32" },
});
const argmaxKernel = defineKernel({
  name: "heatmap/argmax",
  fragments: ["heatmap/argmax.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { maps: "read", peaks: "read_write" },
  uniforms: { batch: "u32", width: "u32", height: "u32", joints: "u32", scale: "f32" },
});

/** A batch of heatmaps. */
export interface MapShape {
  batch: number;
  height: number;
  width: number;
  joints: number;
}

/**
 * Gaussian targets and their weights (MSRA encoding, quantised centre). joints [batch, joints, 2] in input px, visible
 * [batch, joints], target [batch, h, w, joints], weight [batch, joints]. Source: specs of SimpleBaseline and MultiAugs.
 */
export function renderHeatmaps(
  gpu: Gpu,
  call: { joints: BufferRange; visible: BufferRange; target: BufferRange; weight: BufferRange; shape: MapShape; stride: readonly [x: number, y: number]; sigma: number },
): void {
  const { batch, height, width, joints } = call.shape;
  gpu.run(renderKernel, {
    buffers: { joints: call.joints, visible: call.visible, target_map: call.target, weight: call.weight },
    uniforms: { batch, width, height, count: joints, stride_x: call.stride[0], stride_y: call.stride[1], sigma: call.sigma },
    workgroups: linearGrid(batch * height * joints, 64),
  });
}

/** peaks [batch, joints, 3] = x, y (times scale) and value of each map's first maximum. */
export function argmaxPeaks(gpu: Gpu, call: { maps: BufferRange; peaks: BufferRange; shape: MapShape; scale?: number; zeroEmpty?: boolean }): void {
  const { batch, height, width, joints } = call.shape;
  gpu.run(argmaxKernel, {
    buffers: { maps: call.maps, peaks: call.peaks },
    uniforms: { batch, width, height, joints, scale: call.scale ?? 1 },
    spec: { ZERO_EMPTY: call.zeroEmpty ?? false },
    workgroups: linearGrid(batch * joints, 32),
  });
}
