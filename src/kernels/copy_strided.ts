/** The one copy behind permute, slice, flip, expand, concat, pad and stack. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { rowGrid } from "./span.ts";
import { axisSlot, collapseAxes } from "./strides.ts";

const UNIFORMS = {
  rows: "u32", chunks: "u32", depth: "u32",
  size1: "u32", size2: "u32", size3: "u32", size4: "u32", size5: "u32",
  from_start: "i32", from0: "i32", from1: "i32", from2: "i32", from3: "i32", from4: "i32", from5: "i32",
  to_start: "i32", to0: "i32", to1: "i32", to2: "i32", to3: "i32", to4: "i32", to5: "i32",
} as const;

const kernel = defineKernel({
  name: "shape/copy_strided",
  fragments: ["shape/copy_strided.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: UNIFORMS,
});

/** A walk through elements: a first one and a signed step per axis. */
export interface Walk {
  start: number;
  steps: readonly number[];
}

/** y[to(i)] = x[from(i)] for every index i of a box of `shape`. At most six axes after collapsing. */
export function copyStrided(gpu: Gpu, { x, y, shape, from, to }: { x: BufferRange; y: BufferRange; shape: readonly number[]; from: Walk; to: Walk }): void {
  const { sizes, steps } = collapseAxes(shape, [from.steps, to.steps]);
  if (sizes.length > 6) throw new Error(`copyStrided: ${sizes.length} axes that do not collapse, 6 at most`);
  const uniforms = Object.fromEntries(Object.keys(UNIFORMS).map((key) => [key, 0])) as Record<keyof typeof UNIFORMS, number>;
  const columns = sizes.at(-1) ?? 1;
  const rows = sizes.slice(0, -1).reduce((product, size) => product * size, 1);
  const { chunks, workgroups } = rowGrid(gpu, { rows, columns });
  Object.assign(uniforms, { rows, chunks, depth: Math.ceil(rows / chunks), size5: columns });
  uniforms.from_start = from.start;
  uniforms.to_start = to.start;
  sizes.forEach((size, axis) => {
    const slot = axisSlot(axis, sizes.length) as 1;
    if (axis > 0) uniforms[`size${slot}`] = size;
    uniforms[`from${slot}`] = steps[0]?.[axis] ?? 0;
    uniforms[`to${slot}`] = steps[1]?.[axis] ?? 0;
  });
  gpu.run(kernel, { buffers: { x, y }, uniforms, spec: { AXES: Math.max(1, sizes.length) }, workgroups });
}
