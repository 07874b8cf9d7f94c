/** Softmax and its logarithm over the middle axis of [outer, length, inner], in a fixed order: the same bits every time. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { type AxisShape, planChunks, reduceAxis } from "./reduce.ts";
import { rowGrid, spanGrid } from "./span.ts";

const LIBRARY = ["lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"];
const LINES = { outer: "u32", length: "u32", inner: "u32", chunks: "u32" } as const;
const WALK = { rows: "u32", columns: "u32", chunks: "u32", inner: "u32", line_step: "u32" } as const;

const statsKernel = defineKernel({
  name: "softmax/stats",
  fragments: ["softmax/stats.wgsl", ...LIBRARY],
  buffers: { x: "read", partials: "read_write" },
  uniforms: LINES,
});
const joinKernel = defineKernel({
  name: "softmax/join",
  fragments: ["softmax/join.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { partials: "read", stats: "read_write" },
  uniforms: { outer: "u32", inner: "u32", chunks: "u32" },
});
const applyKernel = defineKernel({
  name: "softmax/apply",
  fragments: ["softmax/apply.wgsl", ...LIBRARY],
  buffers: { x: "read", stats: "read", y: "read_write" },
  uniforms: WALK,
});
const logSumKernel = defineKernel({
  name: "softmax/log_sum",
  fragments: ["softmax/log_sum.wgsl", "lib/span.wgsl"],
  buffers: { stats: "read", y: "read_write" },
  uniforms: { count: "u32" },
});
const backwardDotKernel = defineKernel({
  name: "softmax/backward_dot",
  fragments: ["softmax/backward_dot.wgsl", ...LIBRARY],
  buffers: { y: "read", dy: "read", partials: "read_write" },
  uniforms: LINES,
});
const backwardApplyKernel = defineKernel({
  name: "softmax/backward_apply",
  fragments: ["softmax/backward_apply.wgsl", ...LIBRARY],
  buffers: { y: "read", dy: "read", dots: "read", dx: "read_write" },
  uniforms: WALK,
});

/** How the second pass goes through memory: columns side by side, rows one after the other. */
function walk(gpu: Gpu, { outer, length, inner }: AxisShape) {
  // With one outer line, rows of the whole tensor would leave one element to an invocation.
  const [rows, columns, step] = outer === 1 ? [length, inner, 0] : [outer, length * inner, inner];
  const { chunks, workgroups } = rowGrid(gpu, { rows, columns });
  return { uniforms: { rows, columns, chunks, inner, line_step: step }, workgroups };
}

function firstPass(gpu: Gpu, shape: AxisShape) {
  const { outer, length, inner } = shape;
  const chunks = planChunks(shape, gpu.info.kind !== "hardware");
  return { uniforms: { outer, length, inner, chunks }, chunks, workgroups: spanGrid(gpu, outer * chunks * inner, length / chunks) };
}

/** Largest element and sum of the exponentials below it, a pair per line [outer, inner]. */
function lineStatistics(gpu: Gpu, x: BufferRange, shape: AxisShape): BufferRange {
  const { outer, inner } = shape;
  const { uniforms, chunks, workgroups } = firstPass(gpu, shape);
  const partials = gpu.allocate(8 * outer * chunks * inner, "softmax partials");
  gpu.run(statsKernel, { buffers: { x, partials }, uniforms, workgroups });
  if (chunks === 1) return partials;
  const stats = gpu.allocate(8 * outer * inner, "softmax statistics");
  gpu.run(joinKernel, { buffers: { partials, stats }, uniforms: { outer, inner, chunks }, workgroups: spanGrid(gpu, outer * inner, chunks) });
  return stats;
}

/** y [outer, inner] = log of the sum of e^x over the middle axis of x [outer, length, inner]. */
export function logSumExpForward(gpu: Gpu, { x, y, ...shape }: AxisShape & { x: BufferRange; y: BufferRange }): void {
  const count = shape.outer * shape.inner;
  gpu.run(logSumKernel, { buffers: { stats: lineStatistics(gpu, x, shape), y }, uniforms: { count }, workgroups: spanGrid(gpu, count) });
}

/** y = softmax of x over the middle axis, or its logarithm. x, y [outer, length, inner]. */
export function softmaxForward(gpu: Gpu, { x, y, logarithm, ...shape }: AxisShape & { x: BufferRange; y: BufferRange; logarithm: boolean }): void {
  const stats = lineStatistics(gpu, x, shape);
  gpu.run(applyKernel, { buffers: { x, stats, y }, spec: { LOGARITHM: logarithm }, ...walk(gpu, shape) });
}

/** Gradient of softmaxForward from its result alone: dx = y (dy - sum dy y), or dy - e^y sum dy. */
export function softmaxBackward(
  gpu: Gpu,
  { y, gradY: dy, gradX: dx, logarithm, ...shape }: AxisShape & { y: BufferRange; gradY: BufferRange; gradX: BufferRange; logarithm: boolean },
): void {
  const { outer, inner } = shape;
  const spec = { LOGARITHM: logarithm };
  const { uniforms, chunks, workgroups } = firstPass(gpu, shape);
  const partials = gpu.allocate(4 * outer * chunks * inner, "softmax partials");
  gpu.run(backwardDotKernel, { buffers: { y, dy, partials }, uniforms, spec, workgroups });
  let dots = partials;
  if (chunks > 1) {
    dots = gpu.allocate(4 * outer * inner, "softmax dots");
    reduceAxis(gpu, "sum", { x: partials, y: dots, outer, length: chunks, inner });
  }
  gpu.run(backwardApplyKernel, { buffers: { y, dy, dots, dx }, spec, ...walk(gpu, shape) });
}
