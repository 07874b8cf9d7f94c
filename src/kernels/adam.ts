/** One Adam step over a flat arena. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import { bindingParts } from "./elementwise.ts";

const adamKernel = defineKernel({
  name: "optim/adam",
  fragments: ["optim/adam.wgsl", "lib/grid.wgsl"],
  buffers: { p: "read_write", g: "read", m: "read_write", v: "read_write", state: "read" },
  uniforms: { count: "u32", beta1: "f32", beta2: "f32", epsilon: "f32", weight_decay: "f32", rest1: "f32", rest2: "f32" },
});

/** Constants of a run; what changes per step is in `state`. */
export interface AdamConstants {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

/** Updates parameters [count] in place; state = [lr/(1 - b1^t), 1/sqrt(1 - b2^t)]. Arenas beyond one binding go in parts. */
export function adamStep(
  gpu: Gpu,
  call: { parameters: BufferRange; gradients: BufferRange; m: BufferRange; v: BufferRange; state: BufferRange; constants: AdamConstants },
): void {
  const { beta1, beta2, epsilon, weightDecay } = call.constants;
  for (const { offset, bytes } of bindingParts(gpu, call.parameters.bytes)) {
    const part = (range: BufferRange): BufferRange => ({ allocation: range.allocation, offset: range.offset + offset, bytes });
    gpu.run(adamKernel, {
      buffers: { p: part(call.parameters), g: part(call.gradients), m: part(call.m), v: part(call.v), state: call.state },
      uniforms: { count: bytes / 4, beta1, beta2, epsilon, weight_decay: weightDecay, rest1: 1 - beta1, rest2: 1 - beta2 },
      workgroups: linearGrid(bytes / 4, 64),
    });
  }
}
