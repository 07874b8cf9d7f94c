/** Moving average of a flat arena. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { bindingParts } from "./elementwise.ts";
import { spanGrid } from "./span.ts";

const averageKernel = defineKernel({
  name: "optim/average",
  fragments: ["optim/average.wgsl", "lib/span.wgsl"],
  buffers: { p: "read", share: "read", average: "read_write" },
  uniforms: { count: "u32" },
});

/** average = share[0] average + share[1] p; a share[0] of 0 copies. */
export function averageArena(gpu: Gpu, { p, share, average }: { p: BufferRange; share: BufferRange; average: BufferRange }): void {
  for (const { offset, bytes } of bindingParts(gpu, p.bytes)) {
    const part = (range: BufferRange): BufferRange => ({ allocation: range.allocation, offset: range.offset + offset, bytes });
    gpu.run(averageKernel, { buffers: { p: part(p), share, average: part(average) }, uniforms: { count: bytes / 4 }, workgroups: spanGrid(gpu, bytes / 4) });
  }
}
