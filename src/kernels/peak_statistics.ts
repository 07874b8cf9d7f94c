/** Figures of the peaks of heatmaps: how high they are, how many maps have next to none (the sign of a collapse), how many lie right. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";

const kernel = defineKernel({
  name: "heatmap/peak_statistics",
  fragments: ["heatmap/peak_statistics.wgsl"],
  buffers: { peaks: "read", shares: "read", out: "read_write" },
  uniforms: { batch: "u32", joints: "u32", flat_below: "f32" },
});

/**
 * out [2] = mean peak value, share of peaks below `flatBelow`. peaks [batch, joints, 3]; shares [joints]: what each joint's
 * peak counts, 0 for joints that do not.
 */
export function peakStatistics(
  gpu: Gpu,
  { peaks, shares, out, batch, joints, flatBelow }: { peaks: BufferRange; shares: BufferRange; out: BufferRange; batch: number; joints: number; flatBelow: number },
): void {
  gpu.run(kernel, { buffers: { peaks, shares, out }, uniforms: { batch, joints, flat_below: flatBelow }, workgroups: [1, 1, 1] });
}

const accuracyKernel = defineKernel({
  name: "heatmap/accuracy",
  fragments: ["heatmap/accuracy.wgsl"],
  buffers: { prediction: "read", expected: "read", out: "read_write" },
  uniforms: { batch: "u32", joints: "u32", width: "f32", height: "f32" },
});

/** out [1] = the training accuracy of the source systems, -1 where no joint counts; peaks [batch, joints, 3] in cells of maps of width x height. */
export function peakAccuracy(
  gpu: Gpu,
  { prediction, expected, out, batch, joints, size: [width, height] }: { prediction: BufferRange; expected: BufferRange; out: BufferRange; batch: number; joints: number; size: readonly [width: number, height: number] },
): void {
  gpu.run(accuracyKernel, { buffers: { prediction, expected, out }, uniforms: { batch, joints, width, height }, workgroups: [1, 1, 1] });
}
