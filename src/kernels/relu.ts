/** Rectification and its gradient. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

const LIBRARY = ["lib/grid.wgsl", "lib/scalar.wgsl"];

const forwardKernel = defineKernel({
  name: "elementwise/relu",
  fragments: ["elementwise/relu.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write" },
  uniforms: { count: "u32" },
});
const backwardKernel = defineKernel({
  name: "elementwise/relu_backward",
  fragments: ["elementwise/relu_backward.wgsl", ...LIBRARY],
  buffers: { y: "read", dy: "read", dx: "read_write" },
  uniforms: { count: "u32" },
});

/** y[i] = max(x[i], 0). */
export function reluForward(gpu: Gpu, { x, y, count }: { x: BufferRange; y: BufferRange; count: number }): void {
  gpu.run(forwardKernel, { buffers: { x, y }, uniforms: { count }, workgroups: linearGrid(count, 64) });
}

/** gradX[i] = gradY[i] where y[i] > 0. */
export function reluBackward(gpu: Gpu, { y, gradY, gradX, count }: { y: BufferRange; gradY: BufferRange; gradX: BufferRange; count: number }): void {
  gpu.run(backwardKernel, { buffers: { y, dy: gradY, dx: gradX }, uniforms: { count }, workgroups: linearGrid(count, 64) });
}
