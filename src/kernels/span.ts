/** Grids for kernels whose invocations share out a linear range (shaders/lib/span.wgsl). */
import type { Gpu } from "../gpu/device.ts";

/** Elements per invocation: a copy on lavapipe moves 1.8 GB/s with 1 of them, 4.9 with 4, 8.2 with 16 to 64. */
const SOFTWARE_SPAN = 32;
const HARDWARE_SPAN = 4;
/** The kernels' own default. */
const WORKGROUP = 64;
/** Workgroups that a small range is still spread over. */
const LEAST_GROUPS = 8;

/** Workgroups for `count` results of `each` elements' work; the kernel loops, so any grid is right and this one is fast. */
export function spanGrid(gpu: Gpu, count: number, each = 1): [number, number, number] {
  const span = gpu.info.kind === "hardware" ? HARDWARE_SPAN : SOFTWARE_SPAN;
  const wanted = Math.max(LEAST_GROUPS, Math.ceil((count * each) / WORKGROUP / span));
  return [Math.max(1, Math.min(65535, Math.ceil(count / WORKGROUP), wanted)), 1, 1];
}

/** A box walked by rows of its innermost axis: how many rows are in flight, and the grid of `chunks * columns` invocations. */
export function rowGrid(gpu: Gpu, { rows, columns }: { rows: number; columns: number }): { chunks: number; workgroups: [number, number, number] } {
  const invocations = spanGrid(gpu, rows * columns)[0] * WORKGROUP;
  const chunks = Math.max(1, Math.min(rows, Math.floor(invocations / columns)));
  return { chunks, workgroups: spanGrid(gpu, chunks * columns, rows / chunks) };
}

/** Neighbouring invocations that share one row on hardware: a full line of memory. */
const HARDWARE_LANES = 32;

/**
 * Rows whose set-up costs more than their elements: how many invocations (`lanes`) share out the columns of one row, and the
 * grid of `rows * lanes` invocations. `each` is the work of an element.
 */
export function laneGrid(gpu: Gpu, { rows, columns, each = 1 }: { rows: number; columns: number; each?: number }): { lanes: number; workgroups: [number, number, number] } {
  const wanted = gpu.info.kind === "hardware" ? HARDWARE_LANES : Math.ceil((LEAST_GROUPS * WORKGROUP) / rows);
  const lanes = Math.min(columns, wanted);
  return { lanes, workgroups: spanGrid(gpu, rows * lanes, (each * columns) / lanes) };
}
