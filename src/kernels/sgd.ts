/** One step of gradient descent over a stretch of flat arenas. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { COMMON, commonBuffers, type StepCall, stretchOf } from "./optimiser.ts";
import { spanGrid } from "./span.ts";

const UNIFORMS = { count: "u32", row: "u32", momentum: "f32" } as const;

const plainKernel = defineKernel({ name: "optim/sgd", fragments: ["optim/sgd.wgsl", "optim/sgd_plain.wgsl", "lib/span.wgsl"], buffers: COMMON, uniforms: UNIFORMS });
const momentumKernel = defineKernel({
  name: "optim/sgd_momentum",
  fragments: ["optim/sgd.wgsl", "optim/sgd_momentum.wgsl", "lib/span.wgsl"],
  buffers: { ...COMMON, velocity: "read_write" },
  uniforms: UNIFORMS,
});

/** Updates the parameters, and with momentum the velocity, in place; rows of (lr, L2 decay, 1 - dampening, 0). */
export function sgdStep(gpu: Gpu, call: StepCall & { velocity: BufferRange | undefined; momentum: number; nesterov: boolean }): void {
  const { velocity, momentum, nesterov, row } = call;
  const count = call.stretch.bytes / 4;
  const buffers = commonBuffers(call);
  const dispatch = { uniforms: { count, row, momentum }, workgroups: spanGrid(gpu, count) };
  if (velocity) gpu.run(momentumKernel, { buffers: { ...buffers, velocity: stretchOf(call, velocity) }, spec: { NESTEROV: nesterov }, ...dispatch });
  else gpu.run(plainKernel, { buffers, ...dispatch });
}
