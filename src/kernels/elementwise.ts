/** Fill and add: what the walker and the optimiser need below the op table. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

const WORKGROUP = 64;

const fillKernel = defineKernel({
  name: "elementwise/fill",
  fragments: ["elementwise/fill.wgsl", "lib/grid.wgsl"],
  buffers: { y: "read_write" },
  uniforms: { count: "u32", value: "f32" },
});

const addKernel = defineKernel({
  name: "elementwise/add",
  fragments: ["elementwise/add.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { a: "read", b: "read", y: "read_write" },
  uniforms: { count: "u32" },
});

const copyKernel = defineKernel({
  name: "elementwise/copy",
  fragments: ["elementwise/copy.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { count: "u32" },
});

/** out[i] = value, for f32 (a u32 buffer may be filled with 0). */
export function fill(gpu: Gpu, { out, count, value }: { out: BufferRange; count: number; value: number }): void {
  gpu.run(fillKernel, { buffers: { y: out }, uniforms: { count, value }, workgroups: linearGrid(count, WORKGROUP) });
}

/** out[i] = a[i] + b[i]; without b a copy. `out` is neither a nor b. */
export function addInto(gpu: Gpu, { a, b, out, count }: { a: BufferRange; b: BufferRange | undefined; out: BufferRange; count: number }): void {
  const workgroups = linearGrid(count, WORKGROUP);
  if (b) gpu.run(addKernel, { buffers: { a, b, y: out }, uniforms: { count }, workgroups, flops: count });
  else gpu.run(copyKernel, { buffers: { x: a, y: out }, uniforms: { count }, workgroups });
}
