/** Fill and add: what the walker and the optimiser need below the op table. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import { spanGrid } from "./span.ts";

const WORKGROUP = 64;

const fillKernel = defineKernel({
  name: "elementwise/fill",
  fragments: ["elementwise/fill.wgsl", "lib/span.wgsl"],
  buffers: { y: "read_write" },
  uniforms: { count: "u32", value: "f32" },
});

const addKernel = defineKernel({
  name: "elementwise/add",
  fragments: ["elementwise/add.wgsl", "lib/span.wgsl", "lib/scalar.wgsl"],
  buffers: { a: "read", b: "read", y: "read_write" },
  uniforms: { count: "u32" },
});

const copyKernel = defineKernel({
  name: "elementwise/copy",
  fragments: ["elementwise/copy.wgsl", "lib/span.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { count: "u32" },
});

/** An arena in parts that the adapter can bind: lavapipe binds 128 MiB at most, a PoseResNet-50 has 136 MB of parameters. */
export function bindingParts(gpu: Gpu, bytes: number): { offset: number; bytes: number }[] {
  const largest = Math.floor(gpu.limits.maxStorageBufferBindingSize / 1024) * 1024;
  const parts: { offset: number; bytes: number }[] = [];
  for (let offset = 0; offset < bytes; offset += largest) parts.push({ offset, bytes: Math.min(largest, bytes - offset) });
  return parts;
}

/** out[i] = value, for f32 and f16 (a u32 buffer may be filled with 0). */
export function fill(gpu: Gpu, { out, count, value }: { out: BufferRange; count: number; value: number }): void {
  const each = out.allocation.element === "f16" ? 2 : 4;
  for (const part of bindingParts(gpu, each * count)) {
    const y = { allocation: out.allocation, offset: out.offset + part.offset, bytes: part.bytes };
    gpu.run(fillKernel, { buffers: { y }, uniforms: { count: part.bytes / each, value }, workgroups: spanGrid(gpu, part.bytes / each) });
  }
}

/** out[i] = a[i] + b[i]; without b a copy. `out` is neither a nor b. */
export function addInto(gpu: Gpu, { a, b, out, count }: { a: BufferRange; b: BufferRange | undefined; out: BufferRange; count: number }): void {
  const workgroups = spanGrid(gpu, count);
  if (b) gpu.run(addKernel, { buffers: { a, b, y: out }, uniforms: { count }, workgroups, flops: count });
  else gpu.run(copyKernel, { buffers: { x: a, y: out }, uniforms: { count }, workgroups });
}

const castKernel = defineKernel({
  name: "elementwise/cast",
  fragments: ["elementwise/cast.wgsl", "lib/span.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { count: "u32" },
});

/** out[i] = x[i] between storage types, rounded to the nearest. */
export function castInto(gpu: Gpu, { x, out, count }: { x: BufferRange; out: BufferRange; count: number }): void {
  gpu.run(castKernel, { buffers: { x, y: out }, uniforms: { count }, workgroups: spanGrid(gpu, count) });
}

const storeRowKernel = defineKernel({
  name: "elementwise/store_row",
  fragments: ["elementwise/store_row.wgsl", "lib/grid.wgsl"],
  buffers: { x: "read", row: "read", y: "read_write" },
  uniforms: { count: "u32" },
});

/** table[row[0]] = x; the row number is data, so that a replayed step fills row after row. */
export function storeRow(gpu: Gpu, { x, row, table, count }: { x: BufferRange; row: BufferRange; table: BufferRange; count: number }): void {
  gpu.run(storeRowKernel, { buffers: { x, row, y: table }, uniforms: { count }, workgroups: linearGrid(count, 8) });
}

const mirrorKernel = defineKernel({
  name: "elementwise/mirror",
  fragments: ["elementwise/mirror.wgsl", "lib/grid.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { lines: "u32", width: "u32", channels: "u32" },
});

/** y = x mirrored left to right; both [lines, width, channels] with lines = batch times height. */
export function mirror(gpu: Gpu, { x, y, lines, width, channels }: { x: BufferRange; y: BufferRange; lines: number; width: number; channels: number }): void {
  gpu.run(mirrorKernel, { buffers: { x, y }, uniforms: { lines, width, channels }, workgroups: linearGrid(lines * width * channels, WORKGROUP) });
}
