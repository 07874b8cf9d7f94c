/** AC-Loss of heatmaps and its gradient in one pass. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { HeatmapShape } from "./heatmap_mse.ts";
import { reduceAxis } from "./reduce.ts";
import { spanGrid } from "./span.ts";

const acKernel = defineKernel({
  name: "loss/ac",
  fragments: ["loss/ac.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { prediction: "read", target_map: "read", exponent: "read", mask: "read", weight: "read", gradient: "read_write", partials: "read_write" },
  uniforms: { batch: "u32", pixels: "u32", joints: "u32", chunks: "u32", scale: "f32" },
});

/** Pixels of a chunk at least. */
const LEAST_CHUNK = 16;
const MOST_CHUNKS = 16;

export interface AcLossCall {
  prediction: BufferRange;
  target: BufferRange;
  /** One f32. */
  exponent: BufferRange;
  /** [batch, pixels], a factor of the loss. */
  mask?: BufferRange | undefined;
  /** [batch, joints], squared a factor of the loss. */
  weight?: BufferRange | undefined;
  /** [groups]. */
  loss: BufferRange;
  /** [batch, pixels, joints], of the sum of all groups' losses. */
  gradient?: BufferRange | undefined;
  shape: HeatmapShape;
  /** Factor of every group's mean. */
  factor: number;
  detachWeight: boolean;
  raw: boolean;
}

/** loss [groups] = factor times the mean over all elements of a group. */
export function acLossForward(gpu: Gpu, { shape: { batch, pixels, joints, groups }, ...call }: AcLossCall): void {
  const chunks = Math.max(1, Math.min(MOST_CHUNKS, Math.floor(pixels / LEAST_CHUNK)));
  const sums = batch * chunks * joints;
  const partials = gpu.allocate(4 * sums, "loss partials");
  const scale = (call.factor * groups) / (batch * pixels * joints);
  gpu.run(acKernel, {
    buffers: {
      prediction: call.prediction,
      target_map: call.target,
      exponent: call.exponent,
      mask: call.mask ?? call.exponent,
      weight: call.weight ?? call.exponent,
      gradient: call.gradient ?? gpu.allocate(4, "no gradient"),
      partials,
    },
    uniforms: { batch, pixels, joints, chunks, scale },
    spec: { STORE: call.gradient !== undefined, MASKED: call.mask !== undefined, WEIGHTED: call.weight !== undefined, DETACHED: call.detachWeight, RAW: call.raw },
    workgroups: spanGrid(gpu, sums, pixels / chunks),
    flops: batch * pixels * joints,
  });
  reduceAxis(gpu, "sum", { x: partials, y: call.loss, outer: groups, length: sums / groups, inner: 1, scale });
}
