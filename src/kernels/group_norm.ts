/**
 * Normalisation of a sample by itself: mean and variance over the pixels and the channels of a group. Layer
 * normalisation is the case of one pixel and one group. Sums run in a fixed order: the same bits every time.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { planChunks, reduceAxis } from "./reduce.ts";
import { rowGrid, spanGrid } from "./span.ts";

/** A tensor as [batch, pixels, channels], its channels in equal contiguous groups. */
export interface GroupNormShape {
  batch: number;
  pixels: number;
  groups: number;
  channels: number;
}

const LIBRARY = ["lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"];
const CHUNKS = { batch: "u32", pixels: "u32", groups: "u32", width: "u32", chunks: "u32" } as const;
const WALK = { outer: "u32", rows: "u32", channels: "u32", chunks: "u32", width: "u32", outer_step: "u32", row_step: "u32" } as const;

const statsKernel = defineKernel({
  name: "group_norm/stats",
  fragments: ["group_norm/stats.wgsl", ...LIBRARY],
  buffers: { x: "read", partials: "read_write" },
  uniforms: CHUNKS,
});
const finishStatsKernel = defineKernel({
  name: "group_norm/finish_stats",
  fragments: ["group_norm/finish_stats.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { partials: "read", moments: "read_write" },
  uniforms: { ...CHUNKS, epsilon: "f32" },
});
const applyKernel = defineKernel({
  name: "group_norm/apply",
  fragments: ["group_norm/apply.wgsl", ...LIBRARY],
  buffers: { x: "read", moments: "read", gamma: "read", beta: "read", y: "read_write" },
  uniforms: WALK,
});
const backwardSumsKernel = defineKernel({
  name: "group_norm/backward_sums",
  fragments: ["group_norm/backward_sums.wgsl", ...LIBRARY],
  buffers: { x: "read", dy: "read", moments: "read", gamma: "read", partials: "read_write" },
  uniforms: { ...CHUNKS, channels: "u32", channel_step: "u32" },
});
const finishBackwardKernel = defineKernel({
  name: "group_norm/finish_backward",
  fragments: ["group_norm/finish_backward.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { partials: "read", means: "read_write" },
  uniforms: { batch: "u32", groups: "u32", chunks: "u32", elements: "u32" },
});
const backwardApplyKernel = defineKernel({
  name: "group_norm/backward_apply",
  fragments: ["group_norm/backward_apply.wgsl", ...LIBRARY],
  buffers: { x: "read", dy: "read", moments: "read", means: "read", gamma: "read", dx: "read_write" },
  uniforms: WALK,
});
const parameterSumsKernel = defineKernel({
  name: "group_norm/parameter_sums",
  fragments: ["group_norm/parameter_sums.wgsl", ...LIBRARY],
  buffers: { x: "read", dy: "read", moments: "read", dgamma: "read_write", dbeta: "read_write" },
  uniforms: WALK,
});

/** How sums over a group are cut up. */
function chunked(gpu: Gpu, { batch, pixels, groups, channels }: GroupNormShape) {
  // A single group is contiguous: every element counts as a pixel, so that a long one can be cut anywhere.
  const view = groups === 1 ? { pixels: pixels * channels, width: 1 } : { pixels, width: channels / groups };
  const chunks = planChunks({ outer: batch, length: view.pixels, inner: groups }, gpu.info.kind !== "hardware");
  const lines = batch * chunks * groups;
  return { uniforms: { batch, groups, chunks, ...view }, lines, workgroups: spanGrid(gpu, lines, (view.pixels * view.width) / chunks) };
}

/** How the other passes go: rows below one another, of one sample each or every row a sample. */
function walk({ batch, pixels, groups, channels }: GroupNormShape) {
  const facts = { channels, width: channels / groups };
  return pixels === 1 ? { ...facts, outer: 1, rows: batch, outer_step: 0, row_step: groups } : { ...facts, outer: batch, rows: pixels, outer_step: groups, row_step: 0 };
}

function rowLaunch(gpu: Gpu, shape: GroupNormShape) {
  const facts = walk(shape);
  const { chunks, workgroups } = rowGrid(gpu, { rows: facts.rows, columns: facts.outer * facts.channels });
  return { uniforms: { ...facts, chunks }, workgroups };
}

/** Mean and 1/sqrt(biased variance + epsilon) of every sample and group, [batch, groups] pairs. */
export function groupMoments(gpu: Gpu, { x, shape, epsilon }: { x: BufferRange; shape: GroupNormShape; epsilon: number }): BufferRange {
  const { batch, groups } = shape;
  const { uniforms, lines, workgroups } = chunked(gpu, shape);
  const partials = gpu.allocate(8 * lines, "group norm partials");
  const moments = gpu.allocate(8 * batch * groups, "group norm moments");
  gpu.run(statsKernel, { buffers: { x, partials }, uniforms, workgroups });
  gpu.run(finishStatsKernel, { buffers: { partials, moments }, uniforms: { ...uniforms, epsilon }, workgroups: spanGrid(gpu, batch * groups, uniforms.chunks) });
  return moments;
}

/** y = (x - mean) rstd gamma + beta; gamma, beta [channels]. */
export function groupNormApply(
  gpu: Gpu,
  { shape, ...buffers }: { x: BufferRange; moments: BufferRange; gamma: BufferRange; beta: BufferRange; y: BufferRange; shape: GroupNormShape },
): void {
  gpu.run(applyKernel, { buffers, ...rowLaunch(gpu, shape) });
}

/** Gradient of the result by x. */
export function groupNormGradInput(
  gpu: Gpu,
  { x, gradY: dy, moments, gamma, gradX: dx, shape }: { x: BufferRange; gradY: BufferRange; moments: BufferRange; gamma: BufferRange; gradX: BufferRange; shape: GroupNormShape },
): void {
  const { batch, pixels, groups, channels } = shape;
  const { uniforms, lines, workgroups } = chunked(gpu, shape);
  const { chunks, width } = uniforms;
  const partials = gpu.allocate(8 * lines, "group norm partials");
  const means = gpu.allocate(8 * batch * groups, "group norm means");
  gpu.run(backwardSumsKernel, {
    buffers: { x, dy, moments, gamma, partials },
    uniforms: { ...uniforms, channels, channel_step: (chunks * groups * width) % channels },
    workgroups,
  });
  gpu.run(finishBackwardKernel, {
    buffers: { partials, means },
    uniforms: { batch, groups, chunks, elements: (pixels * channels) / groups },
    workgroups: spanGrid(gpu, batch * groups, chunks),
  });
  gpu.run(backwardApplyKernel, { buffers: { x, dy, moments, means, gamma, dx }, ...rowLaunch(gpu, shape) });
}

/** Gradients of the result by gamma and beta, summed over samples and pixels; those that are asked for. */
export function groupNormGradParameters(
  gpu: Gpu,
  call: { x: BufferRange; gradY: BufferRange; moments: BufferRange; gradGamma: BufferRange | undefined; gradBeta: BufferRange | undefined; shape: GroupNormShape },
): void {
  const { x, gradY: dy, moments, gradGamma, gradBeta, shape } = call;
  const facts = walk(shape);
  const { outer, rows, channels } = facts;
  const chunks = planChunks({ outer, length: rows, inner: channels }, gpu.info.kind !== "hardware");
  const parts = outer * chunks;
  const target = (gradient: BufferRange | undefined) => (parts === 1 && gradient ? gradient : gpu.allocate(4 * parts * channels, "group norm partials"));
  const [dgamma, dbeta] = [target(gradGamma), target(gradBeta)];
  gpu.run(parameterSumsKernel, {
    buffers: { x, dy, moments, dgamma, dbeta },
    uniforms: { ...facts, chunks },
    workgroups: spanGrid(gpu, parts * channels, rows / chunks),
  });
  if (parts === 1) return;
  for (const [partial, gradient] of [[dgamma, gradGamma], [dbeta, gradBeta]] as const) {
    if (gradient) reduceAxis(gpu, "sum", { x: partial, y: gradient, outer: 1, length: parts, inner: channels });
  }
}
