/** What an adapter reaches at best: by our own kernels, a plain product and a copy; by arithmetic alone. For shares of them. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { type ReplayRounds, timeReplay } from "../gpu/time_replay.ts";
import { convForward, convFlops, type ConvShape } from "./conv.ts";
import { addInto } from "./elementwise.ts";

/** Side of the product, bytes of the copy, beyond the caches, and invocations of the arithmetic. */
const SIZES = { hardware: { side: 4096, bytes: 2 ** 28, invocations: 2 ** 20 }, software: { side: 1024, bytes: 2 ** 26, invocations: 2 ** 13 } } as const;

const fmaKernel = defineKernel({
  name: "ceilings/fma",
  fragments: ["ceilings/fma.wgsl"],
  buffers: { x: "read", y: "read_write" },
  uniforms: { rounds: "u32" },
});
/** Of one round of the kernel, and its rounds. */
const [FMAS, FMA_ROUNDS, FMA_WORKGROUP] = [8 * 16, 256, 64];

const sizesOf = (gpu: Gpu) => SIZES[gpu.info.kind === "hardware" ? "hardware" : "software"];

/** A product of two square matrices, as a convolution. */
export function squareProduct(side: number): ConvShape {
  return { batch: 1, inH: side, inW: 1, inC: side, outH: side, outW: 1, outC: side, kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, padH: 0, padW: 0, dilationH: 1, dilationW: 1 };
}

/** 10^9 operations a second of a product of squares in f32. */
export function gemmCeiling(gpu: Gpu, rounds?: ReplayRounds): number {
  const { side } = sizesOf(gpu);
  const shape = squareProduct(side);
  const [x, w, y] = ["left", "right", "product"].map((label) => gpu.persistent(4 * side * side, label)) as [BufferRange, BufferRange, BufferRange];
  for (const range of [x, w]) gpu.write(range, Float32Array.from({ length: side * side }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.5));
  const ms = timeReplay(gpu, () => convForward(gpu, { x, w, y, shape }), rounds);
  for (const range of [x, w, y]) gpu.free(range);
  return convFlops(shape) / ms / 1e6;
}

/** 10^9 bytes a second that a copy reads and writes together. */
export function copyCeiling(gpu: Gpu, rounds?: ReplayRounds): number {
  const { bytes } = sizesOf(gpu);
  const [from, to] = ["from", "to"].map((label) => gpu.persistent(bytes, label)) as [BufferRange, BufferRange];
  const ms = timeReplay(gpu, () => addInto(gpu, { a: from, b: undefined, out: to, count: bytes / 4 }), rounds);
  for (const range of [from, to]) gpu.free(range);
  return (2 * bytes) / ms / 1e6;
}

/** Encodes the arithmetic of `fmaCeiling`: y[i] for every invocation. */
export function chainsOfFma(gpu: Gpu, { x, y, invocations }: { x: BufferRange; y: BufferRange; invocations: number }): void {
  gpu.run(fmaKernel, { buffers: { x, y }, uniforms: { rounds: FMA_ROUNDS }, workgroups: [invocations / FMA_WORKGROUP, 1, 1] });
}

/** 10^9 operations a second of fused multiply-adds in f32 on registers: the adapter's f32 peak, as far as a shader can reach it. */
export function fmaCeiling(gpu: Gpu, rounds?: ReplayRounds): number {
  const { invocations } = sizesOf(gpu);
  const [x, y] = [gpu.upload(Float32Array.of(0.5, 1, 1), "chain"), gpu.persistent(4 * invocations, "sums")];
  const ms = timeReplay(gpu, () => chainsOfFma(gpu, { x, y, invocations }), rounds);
  for (const range of [x, y]) gpu.free(range);
  return (2 * FMAS * FMA_ROUNDS * invocations) / ms / 1e6;
}
