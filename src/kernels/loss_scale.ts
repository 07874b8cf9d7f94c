/** The dynamic loss scale of mixed precision, kept on the device: no step waits to hear whether its gradients overflowed. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { bindingParts } from "./elementwise.ts";
import { spanGrid } from "./span.ts";

const findKernel = defineKernel({
  name: "optim/loss_scale_find",
  fragments: ["optim/loss_scale_find.wgsl", "lib/span.wgsl"],
  buffers: { x: "read", found: "read_write" },
  uniforms: { count: "u32" },
});
const updateKernel = defineKernel({
  name: "optim/loss_scale_update",
  fragments: ["optim/loss_scale_update.wgsl"],
  buffers: { state: "read_write", found: "read_write", gradient_scale: "read_write" },
  uniforms: { growth: "f32", backoff: "f32", interval: "f32" },
});

/** Constants of a run. */
export interface LossScaleConstants {
  growth: number;
  backoff: number;
  /** Steps in a row without overflow before the scale grows. */
  interval: number;
}

/** Memory of a loss scale. */
export interface LossScaleBuffers {
  /** Scale, steps since it changed, steps left out; f32. */
  state: BufferRange;
  /** One u32, 0 between steps. */
  found: BufferRange;
  /** One f32: what optimisers multiply gradients by, -1 for a step to be left out. */
  gradientScale: BufferRange;
}

/** Looks for what is not finite in an arena of f32, and sets gradientScale and the next step's scale accordingly. */
export function updateLossScale(gpu: Gpu, { gradients, buffers, constants }: { gradients: BufferRange; buffers: LossScaleBuffers; constants: LossScaleConstants }): void {
  const { state, found, gradientScale } = buffers;
  for (const { offset, bytes } of bindingParts(gpu, gradients.bytes)) {
    const x = { allocation: gradients.allocation, offset: gradients.offset + offset, bytes };
    gpu.run(findKernel, { buffers: { x, found }, uniforms: { count: bytes / 4 }, workgroups: spanGrid(gpu, bytes / 4) });
  }
  gpu.run(updateKernel, { buffers: { state, found, gradient_scale: gradientScale }, uniforms: { ...constants }, workgroups: [1, 1, 1] });
}
