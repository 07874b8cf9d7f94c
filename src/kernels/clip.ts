/** The norm of a flat arena of gradients, and limits on it, on the device alone. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { bindingParts } from "./elementwise.ts";
import { spanGrid } from "./span.ts";

const squaresKernel = defineKernel({
  name: "optim/clip_squares",
  fragments: ["optim/clip_squares.wgsl", "lib/span.wgsl"],
  buffers: { x: "read", partials: "read_write" },
  uniforms: { count: "u32", first: "u32" },
});
const factorKernel = defineKernel({
  name: "optim/clip_factor",
  fragments: ["optim/clip_factor.wgsl"],
  buffers: { partials: "read", limit: "read", norm: "read_write", factor: "read_write", gradient_scale: "read" },
  uniforms: { count: "u32" },
});
const scaleKernel = defineKernel({
  name: "optim/clip_scale",
  fragments: ["optim/clip_scale.wgsl", "lib/span.wgsl"],
  buffers: { x: "read_write", factor: "read" },
  uniforms: { count: "u32" },
});
const valueKernel = defineKernel({
  name: "optim/clip_value",
  fragments: ["optim/clip_value.wgsl", "lib/span.wgsl"],
  buffers: { x: "read_write" },
  uniforms: { count: "u32", limit: "f32" },
});

const WORKGROUP = 64;
/** Workgroups that sum a part of the arena: enough to fill a device, few enough for the passes that join their sums. */
const MOST_GROUPS = 512;

function parts(gpu: Gpu, arena: BufferRange): { x: BufferRange; count: number }[] {
  return bindingParts(gpu, arena.bytes).map(({ offset, bytes }) => ({ x: { allocation: arena.allocation, offset: arena.offset + offset, bytes }, count: bytes / 4 }));
}

/**
 * norm = Euclidean norm of the gradients times gradientScale, factor = gradientScale * min(1, limit / (norm + 1e-6)), or
 * gradientScale itself where that is negative; all but the gradients are one f32 each.
 */
export function clipFactor(
  gpu: Gpu,
  { gradients, limit, gradientScale, norm, factor }: { gradients: BufferRange; limit: BufferRange; gradientScale: BufferRange; norm: BufferRange; factor: BufferRange },
): void {
  const pieces = parts(gpu, gradients);
  const groups = Math.min(MOST_GROUPS, spanGrid(gpu, gradients.bytes / 4)[0]);
  const each = groups * WORKGROUP;
  const partials = gpu.allocate(4 * each * pieces.length, "sums of squares");
  pieces.forEach(({ x, count }, i) => gpu.run(squaresKernel, { buffers: { x, partials }, uniforms: { count, first: i * each }, workgroups: [groups, 1, 1] }));
  const sums = gpu.allocate(4 * WORKGROUP, "sums of squares");
  gpu.run(squaresKernel, { buffers: { x: partials, partials: sums }, uniforms: { count: each * pieces.length, first: 0 }, spec: { SQUARE: false }, workgroups: [1, 1, 1] });
  gpu.run(factorKernel, { buffers: { partials: sums, limit, norm, factor, gradient_scale: gradientScale }, uniforms: { count: WORKGROUP }, workgroups: [1, 1, 1] });
}

/** Multiplies the arena by one f32 on the device. */
export function scaleArena(gpu: Gpu, { arena, factor }: { arena: BufferRange; factor: BufferRange }): void {
  for (const { x, count } of parts(gpu, arena)) gpu.run(scaleKernel, { buffers: { x, factor }, uniforms: { count }, workgroups: spanGrid(gpu, count) });
}

/** Limits every value of the arena to [-limit, limit]. */
export function clampArena(gpu: Gpu, { arena, limit }: { arena: BufferRange; limit: number }): void {
  for (const { x, count } of parts(gpu, arena)) gpu.run(valueKernel, { buffers: { x }, uniforms: { count, limit }, workgroups: spanGrid(gpu, count) });
}
