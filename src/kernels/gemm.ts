/** What all products share, whatever their views: the adapter's class, grids, wider rows of B, sums of slices. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import { type AdapterClass, COLUMN_PADDING, CORE_FRAGMENTS, type GemmCore, type GemmPlan } from "./gemm_plan.ts";
import { TUNED } from "./tuned.ts";

const padColumnsKernel = defineKernel({
  name: "gemm/pad_columns",
  fragments: ["gemm/pad_columns.wgsl", "lib/grid.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { rows: "u32", columns: "u32", stride: "u32" },
});

const sumSlicesKernel = defineKernel({
  name: "reduce/sum_slices",
  fragments: ["reduce/sum_slices.wgsl", "lib/grid.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { count: "u32", slices: "u32" },
});

/** A kernel for each core, made at once: all are then known by name. */
export function perCore<K>(make: (core: readonly string[]) => K): (core: GemmCore) => K {
  const made: Record<GemmCore, K> = {
    lanes: make(CORE_FRAGMENTS.lanes),
    lanes4: make(CORE_FRAGMENTS.lanes4),
    tile: make(CORE_FRAGMENTS.tile),
    matrix: make(CORE_FRAGMENTS.matrix),
    emulated: make(CORE_FRAGMENTS.emulated),
  };
  return (core) => made[core];
}

/** Name of a device's table: the driver where it is software, else the vendor. */
export function tuningClass({ info: { kind, vendor } }: Gpu): string {
  return kind === "hardware" ? vendor : kind;
}

/** Whether any of these is stored as half floats, as features are in mixed precision: their products may round what they multiply. */
export function storeHalf(...ranges: readonly BufferRange[]): boolean {
  return ranges.some(({ allocation }) => allocation.element === "f16");
}

const withMatrixCore = new WeakSet<Gpu>();

/** Lets the planner choose the matrix core on this device; matrix_gate.ts does it where the core's results are right. */
export function allowMatrixCore(gpu: Gpu): void {
  withMatrixCore.add(gpu);
}

/** What the planner needs to know of this device; with `half` for products that may round their operands to half floats. */
export function adapterClass(gpu: Gpu, { half = false }: { half?: boolean } = {}): AdapterClass {
  return {
    software: gpu.info.kind !== "hardware",
    subgroupSize: gpu.features.has("subgroups") ? gpu.info.subgroupSize : undefined,
    maxInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroups: gpu.limits.maxComputeWorkgroupsPerDimension,
    matrix: half && withMatrixCore.has(gpu),
    tuning: TUNED[tuningClass(gpu)]?.tuning,
  };
}

/** `count` workgroups of one grid axis as one or more dispatches: an axis carries at most 65 535. */
export function gridSlices(count: number, { maxWorkgroups }: AdapterClass): { offset: number; count: number }[] {
  const slices: { offset: number; count: number }[] = [];
  for (let offset = 0; offset < count; offset += maxWorkgroups) slices.push({ offset, count: Math.min(maxWorkgroups, count - offset) });
  return slices;
}

/** Row tiles of a product as one or more dispatches. */
export function rowSlices(rows: number, plan: GemmPlan, adapter: AdapterClass): { offset: number; count: number }[] {
  return gridSlices(Math.ceil(rows / plan.tileRows), adapter);
}

/** A copy of B whose rows are COLUMN_PADDING elements longer. */
export function padColumns(gpu: Gpu, { b, rows, columns }: { b: BufferRange; rows: number; columns: number }): BufferRange {
  const padded = gpu.allocate(4 * rows * (columns + COLUMN_PADDING), "padded columns");
  gpu.run(padColumnsKernel, {
    buffers: { x: b, y: padded },
    uniforms: { rows, columns, stride: columns + COLUMN_PADDING },
    workgroups: linearGrid(rows * columns, 64),
  });
  return padded;
}

/** out[i] = sum over slices of x[slice, i], in their order. */
export function sumSlices(gpu: Gpu, { x, out, count, slices }: { x: BufferRange; out: BufferRange; count: number; slices: number }): void {
  gpu.run(sumSlicesKernel, { buffers: { x, y: out }, uniforms: { count, slices }, workgroups: linearGrid(count, 64) });
}
