/** One RMSprop step over a stretch of flat arenas. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { COMMON, commonBuffers, type StepCall, stretchOf } from "./optimiser.ts";
import { spanGrid } from "./span.ts";

const UNIFORMS = { count: "u32", row: "u32", alpha: "f32", rest: "f32", epsilon: "f32", momentum: "f32" } as const;
const BUFFERS = { ...COMMON, v: "read_write" } as const;

function fragments(centered: boolean, momentum: boolean): string[] {
  return ["optim/rmsprop.wgsl", `optim/rmsprop_${centered ? "centered" : "raw"}.wgsl`, `optim/rmsprop_${momentum ? "momentum" : "plain"}.wgsl`, "lib/span.wgsl"];
}

const plainKernel = defineKernel({ name: "optim/rmsprop", fragments: fragments(false, false), buffers: BUFFERS, uniforms: UNIFORMS });
const centeredKernel = defineKernel({ name: "optim/rmsprop_centered", fragments: fragments(true, false), buffers: { ...BUFFERS, average: "read_write" }, uniforms: UNIFORMS });
const momentumKernel = defineKernel({ name: "optim/rmsprop_momentum", fragments: fragments(false, true), buffers: { ...BUFFERS, velocity: "read_write" }, uniforms: UNIFORMS });
const bothKernel = defineKernel({
  name: "optim/rmsprop_centered_momentum",
  fragments: fragments(true, true),
  buffers: { ...BUFFERS, average: "read_write", velocity: "read_write" },
  uniforms: UNIFORMS,
});

/** Constants of a run. */
export interface RmspropConstants {
  alpha: number;
  epsilon: number;
  momentum: number;
}

/** Averages, of the parameters' layout; `average` makes it centred, `velocity` carries momentum. */
export interface RmspropMoments {
  v: BufferRange;
  average?: BufferRange;
  velocity?: BufferRange;
}

/** Updates the parameters and averages in place; rows of (lr, L2 decay, 0, 0). */
export function rmspropStep(gpu: Gpu, call: StepCall & { moments: RmspropMoments; constants: RmspropConstants }): void {
  const { alpha, epsilon, momentum } = call.constants;
  const { v, average, velocity } = call.moments;
  const count = call.stretch.bytes / 4;
  const buffers = { ...commonBuffers(call), v: stretchOf(call, v) };
  const dispatch = { uniforms: { count, row: call.row, alpha, rest: 1 - alpha, epsilon, momentum }, workgroups: spanGrid(gpu, count) };
  const centered = average && { average: stretchOf(call, average) };
  const moving = velocity && { velocity: stretchOf(call, velocity) };
  if (centered && moving) gpu.run(bothKernel, { buffers: { ...buffers, ...centered, ...moving }, ...dispatch });
  else if (centered) gpu.run(centeredKernel, { buffers: { ...buffers, ...centered }, ...dispatch });
  else if (moving) gpu.run(momentumKernel, { buffers: { ...buffers, ...moving }, ...dispatch });
  else gpu.run(plainKernel, { buffers, ...dispatch });
}
