/** Average pooling over windows. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { PoolShape } from "./maxpool.ts";
import { laneGrid } from "./span.ts";

const UNIFORMS = { batch: "u32", in_h: "u32", in_w: "u32", channels: "u32", out_h: "u32", out_w: "u32", kernel: "u32", stride: "u32", pad: "u32", lanes: "u32" } as const;
const LIBRARY = ["lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"];

const forwardKernel = defineKernel({
  name: "pool/avg_forward",
  fragments: ["pool/avg_forward.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write" },
  uniforms: UNIFORMS,
});
const backwardKernel = defineKernel({
  name: "pool/avg_backward",
  fragments: ["pool/avg_backward.wgsl", ...LIBRARY],
  buffers: { dy: "read", dx: "read_write" },
  uniforms: UNIFORMS,
});

function uniformsOf({ batch, inH, inW, channels, outH, outW, kernel, stride, pad }: PoolShape) {
  return { batch, in_h: inH, in_w: inW, channels, out_h: outH, out_w: outW, kernel, stride, pad };
}

/** y = mean over windows of x, with zeros around it. */
export function avgpoolForward(gpu: Gpu, { x, y, shape }: { x: BufferRange; y: BufferRange; shape: PoolShape }): void {
  const { batch, outH, outW, channels, kernel } = shape;
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * outH * outW, columns: channels, each: kernel * kernel });
  gpu.run(forwardKernel, { buffers: { x, y }, uniforms: { ...uniformsOf(shape), lanes }, workgroups });
}

/** gradX from gradY. */
export function avgpoolBackward(gpu: Gpu, { gradY, gradX, shape }: { gradY: BufferRange; gradX: BufferRange; shape: PoolShape }): void {
  const { batch, inH, inW, channels } = shape;
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * inH * inW, columns: channels });
  gpu.run(backwardKernel, { buffers: { dy: gradY, dx: gradX }, uniforms: { ...uniformsOf(shape), lanes }, workgroups });
}
