/** Max pooling with remembered taps. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

/** Geometry; one kernel, stride and padding for both axes. */
export interface PoolShape {
  batch: number;
  inH: number;
  inW: number;
  channels: number;
  outH: number;
  outW: number;
  kernel: number;
  stride: number;
  pad: number;
}

const UNIFORMS = { batch: "u32", in_h: "u32", in_w: "u32", channels: "u32", out_h: "u32", out_w: "u32", kernel: "u32", stride: "u32", pad: "u32" } as const;
const LIBRARY = ["lib/grid.wgsl", "lib/scalar.wgsl"];

const forwardKernel = defineKernel({
  name: "pool/max_forward",
  fragments: ["pool/max_forward.wgsl", "lib/nan.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write", tap: "read_write" },
  uniforms: UNIFORMS,
});
const backwardKernel = defineKernel({
  name: "pool/max_backward",
  fragments: ["pool/max_backward.wgsl", ...LIBRARY],
  buffers: { dy: "read", tap: "read", dx: "read_write" },
  uniforms: { batch: "u32", in_h: "u32", in_w: "u32", channels: "u32", out_h: "u32", out_w: "u32", pad: "u32" },
});

function uniformsOf({ batch, inH, inW, channels, outH, outW, kernel, stride, pad }: PoolShape) {
  return { batch, in_h: inH, in_w: inW, channels, out_h: outH, out_w: outW, kernel, stride, pad };
}

/** y = max over windows of x; tap [batch, outH, outW, channels] u32 remembers where. */
export function maxpoolForward(gpu: Gpu, { x, y, tap, shape }: { x: BufferRange; y: BufferRange; tap: BufferRange; shape: PoolShape }): void {
  const workgroups = linearGrid(shape.batch * shape.outH * shape.outW * shape.channels, 64);
  gpu.run(forwardKernel, { buffers: { x, y, tap }, uniforms: uniformsOf(shape), workgroups });
}

/** gradX from gradY and the taps of the forward pass. */
export function maxpoolBackward(gpu: Gpu, { gradY, tap, gradX, shape }: { gradY: BufferRange; tap: BufferRange; gradX: BufferRange; shape: PoolShape }): void {
  const workgroups = linearGrid(shape.batch * shape.inH * shape.channels, 64);
  const { kernel, stride, ...uniforms } = uniformsOf(shape);
  gpu.run(backwardKernel, { buffers: { dy: gradY, tap, dx: gradX }, uniforms, spec: { KERNEL: kernel, STRIDE: stride }, workgroups });
}
