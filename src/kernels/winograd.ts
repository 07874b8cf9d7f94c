/**
 * Winograd's F(2x2, 3x3) for convolutions of stride 1 and the gradients of their inputs: tiles of 2x2 outputs take 16
 * multiplications a channel pair where the direct product takes 36. Three steps around the batched product of the GEMM
 * family: patches and weights are transformed, 16 products are made, and their sums are transformed back.
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import type { GemmForce } from "./gemm_plan.ts";
import { matmul } from "./matmul.ts";
import { imagesPerChunk, POSITIONS, tilesOf, type WinogradShape } from "./winograd_plan.ts";

const inputKernel = defineKernel({
  name: "winograd/input",
  fragments: ["winograd/input.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", v: "read_write" },
  uniforms: { images: "u32", first_image: "u32", height: "u32", width: "u32", channels: "u32", tiles_h: "u32", tiles_w: "u32", pad_h: "u32", pad_w: "u32" },
});

const weightKernel = defineKernel({
  name: "winograd/weight",
  fragments: ["winograd/weight.wgsl", "lib/grid.wgsl"],
  buffers: { w: "read", u: "read_write" },
  uniforms: { from_c: "u32", to_c: "u32" },
});

const OUTPUT_FRAGMENTS = ["winograd/output.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"];
const OUTPUT_UNIFORMS = { images: "u32", first_image: "u32", height: "u32", width: "u32", channels: "u32", tiles_h: "u32", tiles_w: "u32" } as const;

const outputKernel = defineKernel({
  name: "winograd/output",
  fragments: [...OUTPUT_FRAGMENTS, "gemm/epilogue_none.wgsl"],
  buffers: { m: "read", y: "read_write" },
  uniforms: OUTPUT_UNIFORMS,
});

const outputBiasKernel = defineKernel({
  name: "winograd/output_bias",
  fragments: [...OUTPUT_FRAGMENTS, "gemm/epilogue_bias.wgsl"],
  buffers: { m: "read", y: "read_write", bias: "read" },
  uniforms: OUTPUT_UNIFORMS,
});

/** Channels that one invocation of winograd/weight walks: a line of a cache. */
const WEIGHT_RUN = 16;

interface WinogradCall {
  x: BufferRange;
  /** [3, 3, fromC, toC]; with `reversed` [3, 3, toC, fromC] and taps in reverse, which makes y a gradient of an input. */
  w: BufferRange;
  bias?: BufferRange | undefined;
  y: BufferRange;
  shape: WinogradShape;
  reversed: boolean;
  /** Direct-count operations, for the profile. */
  flops: number;
  force?: GemmForce | undefined;
}

function transformedWeights(gpu: Gpu, { w, shape: { fromC, toC }, reversed }: WinogradCall): BufferRange {
  return gpu.derived(w, `winograd ${fromC} ${toC} ${reversed}`, () => {
    const u = gpu.allocate(4 * POSITIONS * fromC * toC, "transformed weights");
    gpu.run(weightKernel, {
      buffers: { w, u },
      uniforms: { from_c: fromC, to_c: toC },
      spec: { REVERSED: reversed, RUN: WEIGHT_RUN },
      workgroups: linearGrid(Math.ceil(fromC / WEIGHT_RUN) * toC, 64),
    });
    return u;
  });
}

/** y = conv(x, w) + bias by F(2x2, 3x3). Weights are transformed once for all passes of a step. */
export function winograd(gpu: Gpu, call: WinogradCall): void {
  const { x, bias, y, shape, flops, force } = call;
  const { batch, inH, inW, fromC, outH, outW, toC, padH, padW } = shape;
  const u = transformedWeights(gpu, call);
  const { tilesH, tilesW } = tilesOf(shape);
  const chunk = imagesPerChunk(shape);
  const tilesAtOnce = chunk * tilesH * tilesW;
  const v = gpu.allocate(4 * POSITIONS * tilesAtOnce * fromC, "transformed patches");
  const m = gpu.allocate(4 * POSITIONS * tilesAtOnce * toC, "transformed products");
  for (let first = 0; first < batch; first += chunk) {
    const images = Math.min(chunk, batch - first);
    const lines = images * tilesH;
    const place = { images, first_image: first, tiles_h: tilesH, tiles_w: tilesW };
    gpu.run(inputKernel, {
      buffers: { x, v },
      uniforms: { ...place, height: inH, width: inW, channels: fromC, pad_h: padH, pad_w: padW },
      workgroups: linearGrid(lines * fromC, 64),
    });
    const product = { rows: lines * tilesW, columns: toC, depth: fromC, batch: POSITIONS };
    matmul(gpu, {
      a: v,
      b: u,
      c: m,
      product: { ...product, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false },
      flops: (flops * images) / batch,
      force,
    });
    const output = { uniforms: { ...place, height: outH, width: outW, channels: toC }, workgroups: linearGrid(lines * toC, 64) };
    if (bias) gpu.run(outputBiasKernel, { ...output, buffers: { m, y, bias } });
    else gpu.run(outputKernel, { ...output, buffers: { m, y } });
  }
}
