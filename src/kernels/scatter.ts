/**
 * Scattered sums with the same bits every time. Floats added atomically depend on the order in which invocations happen to
 * arrive; integers do not. Every contribution is cut into words of fixed point under a power of two that the device finds
 * as the largest magnitude of all contributions, the words are added by integer atomics, and a last pass turns them back.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { fill } from "./elementwise.ts";
import { spanGrid } from "./span.ts";

/** Words per cell and bits per word. */
export interface FixedPointPlan {
  words: number;
  wordBits: number;
}

/** An f32 carries 24 bits; what is below them may not get lost to a much larger neighbour at once. */
const LEAST_BITS = 30;
/** More would not survive the way back through f32. */
const MOST_WORD_BITS = 24;
/** Invocations that look for the bound end with one atomic each on one address. */
const MOST_BOUND_GROUPS = 1024;

/**
 * Fixed point for cells that take up to `contributions` values: each word keeps ceil(log2(contributions)) bits free. 4096
 * contributions: 2 words of 19 bits; 16384: 2 of 17; 131072: 3 of 14.
 */
export function planFixedPoint(contributions: number): FixedPointPlan {
  if (!(Number.isInteger(contributions) && contributions >= 1 && contributions <= 2 ** 27)) throw new Error(`planFixedPoint: contributions must be an integer from 1 to 2^27, got ${contributions}`);
  const wordBits = Math.min(MOST_WORD_BITS, 31 - Math.ceil(Math.log2(contributions)));
  return { words: Math.max(2, Math.ceil(LEAST_BITS / wordBits)), wordBits };
}

const boundKernel = defineKernel({
  name: "scatter/bound",
  fragments: ["scatter/bound.wgsl", "lib/span.wgsl", "lib/scalar.wgsl"],
  buffers: { values: "read", bound: "read_write" },
  uniforms: { count: "u32" },
});

const finishKernel = defineKernel({
  name: "scatter/finish",
  fragments: ["scatter/finish.wgsl", "lib/fixed_point.wgsl", "lib/span.wgsl", "lib/scalar.wgsl"],
  buffers: { words: "read", bound: "read", out: "read_write" },
  uniforms: { cells: "u32", first_cell: "u32" },
});

const rowsKernel = defineKernel({
  name: "scatter/rows",
  fragments: ["scatter/rows.wgsl", "scatter/add.wgsl", "lib/fixed_point.wgsl", "lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"],
  buffers: { values: "read", index: "read", bound: "read", accumulators: "read_write" },
  uniforms: { outer: "u32", count: "u32", inner: "u32", size: "u32", index_outer: "u32", index_row: "u32", index_inner: "u32", first_cell: "u32", cells: "u32" },
});

/** What a scattering kernel gets: it adds to the cells of one window, under spec constants of lib/fixed_point. */
export interface ScatterPass {
  accumulators: BufferRange;
  bound: BufferRange;
  firstCell: number;
  cells: number;
  spec: { WORDS: number; WORD_BITS: number };
}

/** A scattered sum: `values` [count] bound every contribution in magnitude, `out` [cells] is written completely. */
export interface ScatteredSum {
  values: BufferRange;
  count: number;
  out: BufferRange;
  cells: number;
  /** No cell takes more contributions than this. */
  contributions: number;
  /** Size of the accumulators; what one binding holds where absent. */
  accumulatorBytes?: number | undefined;
  /** Runs the kernel that adds (with scatter/add.wgsl), once per window of cells. */
  add: (pass: ScatterPass) => void;
}

/**
 * out[cell] = sum of what `add` adds to it: the same bits in whatever order. Absolute error per contribution 2^-30 of the
 * largest magnitude in `values` or less (2^-38 for 4096 contributions per cell). A NaN or an infinity among the values
 * makes every element of `out` NaN.
 */
export function sumScattered(gpu: Gpu, { values, count, out, cells, contributions, accumulatorBytes = gpu.limits.maxStorageBufferBindingSize, add }: ScatteredSum): void {
  const { words, wordBits } = planFixedPoint(contributions);
  const spec = { WORDS: words, WORD_BITS: wordBits };
  const bound = gpu.allocate(4, "bound of contributions");
  fill(gpu, { out: bound, count: 1, value: 0 });
  const [groups] = spanGrid(gpu, count);
  gpu.run(boundKernel, { buffers: { values, bound }, uniforms: { count }, workgroups: [Math.min(groups, MOST_BOUND_GROUPS), 1, 1] });
  const window = Math.max(1, Math.min(cells, Math.floor(accumulatorBytes / (4 * words))));
  const accumulators = gpu.allocate(4 * words * window, "fixed-point sums");
  for (let firstCell = 0; firstCell < cells; firstCell += window) {
    const size = Math.min(window, cells - firstCell);
    fill(gpu, { out: accumulators, count: words * size, value: 0 });
    add({ accumulators, bound, firstCell, cells: size, spec });
    gpu.run(finishKernel, { buffers: { words: accumulators, bound, out }, uniforms: { cells: size, first_cell: firstCell }, spec, workgroups: spanGrid(gpu, size) });
  }
}

/** Step of an index along each axis of the values; 0 where it is shared along an axis. */
export interface IndexSteps {
  outer: number;
  row: number;
  inner: number;
}

/** Extents of a scatter: values [outer, count, inner] into out [outer, size, inner]. */
export interface ScatterCall {
  values: BufferRange;
  /** u32; one that is not below `size` adds nothing. */
  index: BufferRange;
  /** { outer: 0, row: 1, inner: 0 } where absent: one index [count] for all. As large as values: { count * inner, inner, 1 }. */
  indexSteps?: IndexSteps;
  out: BufferRange;
  outer: number;
  count: number;
  size: number;
  inner: number;
  /** No element of out takes more values than this; count where absent. */
  contributions?: number;
  accumulatorBytes?: number;
}

/** out[o, a, k] = sum of values[o, i, k] over all i whose index is a: the gradient of gather and index-select, and scatterAdd onto zeros. */
export function scatterAdd(gpu: Gpu, { values, index, indexSteps = { outer: 0, row: 1, inner: 0 }, out, outer, count, size, inner, contributions = count, accumulatorBytes }: ScatterCall): void {
  sumScattered(gpu, {
    values,
    count: outer * count * inner,
    out,
    cells: outer * size * inner,
    contributions,
    accumulatorBytes,
    add: ({ accumulators, bound, firstCell, cells, spec }) =>
      gpu.run(rowsKernel, {
        buffers: { values, index, bound, accumulators },
        uniforms: { outer, count, inner, size, index_outer: indexSteps.outer, index_row: indexSteps.row, index_inner: indexSteps.inner, first_cell: firstCell, cells },
        spec,
        workgroups: spanGrid(gpu, outer * count * inner),
      }),
  });
}
