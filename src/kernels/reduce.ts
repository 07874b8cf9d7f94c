/** Reductions over one axis of [outer, length, inner], in a fixed order: the same bits every time. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { spanGrid } from "./span.ts";

/** What is computed over the axis. */
const REDUCTIONS = { sum: 0, min: 1, max: 2, sumOfSquares: 3, sumOfMagnitudes: 4 } as const;
export type Reduction = keyof typeof REDUCTIONS;

const LIBRARY = ["lib/span.wgsl", "lib/divide.wgsl", "lib/nan.wgsl", "lib/scalar.wgsl"];

const axisKernel = defineKernel({
  name: "reduce/axis",
  fragments: ["reduce/axis.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write" },
  uniforms: { outer: "u32", length: "u32", inner: "u32", chunks: "u32", scale: "f32" },
});

const argmaxKernel = defineKernel({
  name: "reduce/argmax",
  fragments: ["reduce/argmax.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write" },
  uniforms: { outer: "u32", length: "u32", inner: "u32" },
});

/** Extents of a reduction. */
export interface AxisShape {
  outer: number;
  length: number;
  inner: number;
}

/** Results in flight that fill a device. */
const WANTED_SOFTWARE = 2048;
const WANTED_HARDWARE = 65536;
/** Elements that a chunk has at least. */
const LEAST_CHUNK = 16;

/** Into how many interleaved chunks an axis is cut before a second pass joins them; 1 where one pass fills the device. */
export function planChunks({ outer, length, inner }: AxisShape, software: boolean): number {
  const wanted = software ? WANTED_SOFTWARE : WANTED_HARDWARE;
  const chunks = Math.min(Math.ceil(wanted / (outer * inner)), Math.floor(length / LEAST_CHUNK), 1024);
  // Rows read one after the other want whole vectors of neighbours.
  return Math.max(1, chunks >= 8 ? Math.floor(chunks / 8) * 8 : chunks);
}

/** y[outer, inner] = scale times the reduction of x[outer, length, inner] over its middle axis. */
export function reduceAxis(gpu: Gpu, kind: Reduction, { x, y, scale = 1, ...shape }: AxisShape & { x: BufferRange; y: BufferRange; scale?: number }): void {
  const { outer, length, inner } = shape;
  const chunks = planChunks(shape, gpu.info.kind !== "hardware");
  const pass = (step: { from: BufferRange; to: BufferRange; length: number; chunks: number; kind: Reduction; scale: number }) =>
    gpu.run(axisKernel, {
      buffers: { x: step.from, y: step.to },
      uniforms: { outer, length: step.length, inner, chunks: step.chunks, scale: step.scale },
      spec: { KIND: REDUCTIONS[step.kind] },
      workgroups: spanGrid(gpu, outer * step.chunks * inner, step.length / step.chunks),
      flops: outer * step.length * inner,
    });
  if (chunks === 1) {
    pass({ from: x, to: y, length, chunks, kind, scale });
    return;
  }
  const partial = gpu.allocate(4 * outer * chunks * inner, "partial results");
  pass({ from: x, to: partial, length, chunks, kind, scale: 1 });
  pass({ from: partial, to: y, length: chunks, chunks: 1, kind: kind === "min" || kind === "max" ? kind : "sum", scale });
}

/** y = scale times the reduction of x, of `shape`, over `axes` (ascending); blocks of neighbouring axes one after the other. */
export function reduceAxes(
  gpu: Gpu,
  kind: Reduction,
  { x, y, shape, axes, scale = 1 }: { x: BufferRange; y: BufferRange; shape: readonly number[]; axes: readonly number[]; scale?: number },
): void {
  // Alternating extents kept, reduced, kept, ...; axes of size 1 join whatever is next to them.
  const extents = [1];
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const reduced = axes.includes(axis);
    if ((extents.length % 2 === 0) !== reduced) extents.push(1);
    extents[extents.length - 1] = (extents.at(-1) as number) * size;
  });
  if (extents.length % 2 === 0) extents.push(1);
  if (extents.length === 1) {
    // Nothing to reduce but axes of size 1: still a copy (or a magnitude, or a square) of every element.
    reduceAxis(gpu, kind, { x, y, outer: 1, length: 1, inner: extents[0] as number, scale });
    return;
  }
  const product = (from: number, to: number) => extents.slice(from, to).reduce((a, b) => a * b, 1);
  let source = x;
  let step: Reduction = kind;
  while (extents.length > 1) {
    const last = extents.length === 3;
    const outer = product(0, extents.length - 2);
    const [length = 1, inner = 1] = extents.slice(-2);
    const target = last ? y : gpu.allocate(4 * outer * inner, "partly reduced");
    reduceAxis(gpu, step, { x: source, y: target, outer, length, inner, scale: last ? scale : 1 });
    if (step !== "min" && step !== "max") step = "sum";
    source = target;
    // What was reduced is gone: the kept extents on its sides become one.
    extents.splice(-3, 3, (extents.at(-3) as number) * inner);
  }
}

/** y[outer, inner] (u32) = first position of the maximum over the middle axis. */
export function argmaxAxis(gpu: Gpu, { x, y, outer, length, inner }: AxisShape & { x: BufferRange; y: BufferRange }): void {
  gpu.run(argmaxKernel, {
    buffers: { x, y },
    uniforms: { outer, length, inner },
    workgroups: spanGrid(gpu, outer * inner, length),
  });
}
