/** Elements by index along an axis; the way back is scatterAdd. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { IndexSteps } from "./scatter.ts";
import { spanGrid } from "./span.ts";

const kernel = defineKernel({
  name: "shape/gather",
  fragments: ["shape/gather.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { x: "read", index: "read", y: "read_write" },
  uniforms: { outer: "u32", count: "u32", inner: "u32", size: "u32", index_outer: "u32", index_row: "u32", index_inner: "u32" },
});

/** Extents of a gather: x [outer, size, inner] into y [outer, count, inner]. */
export interface GatherCall {
  x: BufferRange;
  /** u32; one that is not below `size` gives 0. */
  index: BufferRange;
  indexSteps: IndexSteps;
  y: BufferRange;
  outer: number;
  count: number;
  size: number;
  inner: number;
}

/** y[o, i, k] = x[o, index, k]. */
export function gatherAxis(gpu: Gpu, { x, index, indexSteps, y, outer, count, size, inner }: GatherCall): void {
  gpu.run(kernel, {
    buffers: { x, index, y },
    uniforms: { outer, count, inner, size, index_outer: indexSteps.outer, index_row: indexSteps.row, index_inner: indexSteps.inner },
    workgroups: spanGrid(gpu, outer * count * inner),
  });
}
