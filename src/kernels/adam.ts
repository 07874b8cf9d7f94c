/** One Adam step over a stretch of flat arenas. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { COMMON, commonBuffers, type StepCall, stretchOf } from "./optimiser.ts";
import { spanGrid } from "./span.ts";

const UNIFORMS = { count: "u32", row: "u32", beta1: "f32", beta2: "f32", epsilon: "f32", rest1: "f32", rest2: "f32" } as const;
const BUFFERS = { ...COMMON, m: "read_write", v: "read_write" } as const;

const adamKernel = defineKernel({ name: "optim/adam", fragments: ["optim/adam.wgsl", "optim/adam_last.wgsl", "lib/span.wgsl"], buffers: BUFFERS, uniforms: UNIFORMS });
const amsgradKernel = defineKernel({
  name: "optim/amsgrad",
  fragments: ["optim/adam.wgsl", "optim/adam_largest.wgsl", "lib/span.wgsl"],
  buffers: { ...BUFFERS, largest: "read_write" },
  uniforms: UNIFORMS,
});

/** Constants of a run. */
export interface AdamConstants {
  beta1: number;
  beta2: number;
  epsilon: number;
}

/** Moments, of the parameters' layout; `largestV` makes it AMSGrad. */
export interface AdamMoments {
  m: BufferRange;
  v: BufferRange;
  largestV?: BufferRange;
}

/** Updates the parameters and moments in place; rows of (lr/(1 - b1^t), 1/sqrt(1 - b2^t), L2 decay, 1 - lr * decoupled decay). */
export function adamStep(gpu: Gpu, call: StepCall & { moments: AdamMoments; constants: AdamConstants }): void {
  const { beta1, beta2, epsilon } = call.constants;
  const { m, v, largestV } = call.moments;
  const count = call.stretch.bytes / 4;
  const buffers = { ...commonBuffers(call), m: stretchOf(call, m), v: stretchOf(call, v) };
  const dispatch = {
    uniforms: { count, row: call.row, beta1, beta2, epsilon, rest1: 1 - beta1, rest2: 1 - beta2 },
    workgroups: spanGrid(gpu, count),
  };
  if (largestV) gpu.run(amsgradKernel, { buffers: { ...buffers, largest: stretchOf(call, largestV) }, ...dispatch });
  else gpu.run(adamKernel, { buffers, ...dispatch });
}
