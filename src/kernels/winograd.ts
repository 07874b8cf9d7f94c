/**
 * Winograd's F(2x2, 3x3) for convolutions of stride 1 and their gradients: tiles of 2x2 outputs take 16 multiplications a
 * channel pair where the direct product takes 36. Three steps around the batched product of the GEMM family: both operands
 * are transformed, 16 products are made, and their sums are transformed back.
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

const gradientKernel = defineKernel({
  name: "winograd/gradient",
  fragments: ["winograd/gradient.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { dy: "read", v: "read_write" },
  uniforms: OUTPUT_UNIFORMS,
});

const weightGradientKernel = defineKernel({
  name: "winograd/weight_gradient",
  fragments: ["winograd/weight_gradient.wgsl", "lib/grid.wgsl"],
  buffers: { u: "read", dw: "read_write" },
  uniforms: { pairs: "u32", slices: "u32", slice_stride: "u32" },
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

/** Images of a call that are transformed at once. */
interface Piece {
  shape: WinogradShape;
  first: number;
  images: number;
}

function placeOf({ shape, first, images }: Piece) {
  const { tilesH, tilesW } = tilesOf(shape);
  return { images, first_image: first, tiles_h: tilesH, tiles_w: tilesW };
}

/** v [16, tiles, fromC] = transformed patches of x. */
export function transformInput(gpu: Gpu, { x, v, ...piece }: Piece & { x: BufferRange; v: BufferRange }): void {
  const { inH, inW, fromC, padH, padW } = piece.shape;
  const place = placeOf(piece);
  gpu.run(inputKernel, {
    buffers: { x, v },
    uniforms: { ...place, height: inH, width: inW, channels: fromC, pad_h: padH, pad_w: padW },
    workgroups: linearGrid(place.images * place.tiles_h * fromC, 64),
  });
}

/** u [16, fromC, toC] = transformed weights; `reversed` as for winograd. */
export function transformWeights(gpu: Gpu, { w, u, fromC, toC, reversed }: { w: BufferRange; u: BufferRange; fromC: number; toC: number; reversed: boolean }): void {
  gpu.run(weightKernel, {
    buffers: { w, u },
    uniforms: { from_c: fromC, to_c: toC },
    spec: { REVERSED: reversed, RUN: WEIGHT_RUN },
    workgroups: linearGrid(Math.ceil(fromC / WEIGHT_RUN) * toC, 64),
  });
}

/** y = products m [16, tiles, toC] transformed back, plus a bias. */
export function transformOutput(gpu: Gpu, { m, y, bias, ...piece }: Piece & { m: BufferRange; y: BufferRange; bias?: BufferRange | undefined }): void {
  const { outH, outW, toC } = piece.shape;
  const place = placeOf(piece);
  const call = { uniforms: { ...place, height: outH, width: outW, channels: toC }, workgroups: linearGrid(place.images * place.tiles_h * toC, 64) };
  if (bias) gpu.run(outputBiasKernel, { ...call, buffers: { m, y, bias } });
  else gpu.run(outputKernel, { ...call, buffers: { m, y } });
}

/** y = conv(x, w) + bias by F(2x2, 3x3). Weights are transformed once for all passes of a step. */
export function winograd(gpu: Gpu, { x, w, bias, y, shape, reversed, flops, force }: WinogradCall): void {
  const { batch, fromC, toC } = shape;
  const u = gpu.derived(w, `winograd ${fromC} ${toC} ${reversed}`, () => {
    const made = gpu.allocate(4 * POSITIONS * fromC * toC, "transformed weights");
    transformWeights(gpu, { w, u: made, fromC, toC, reversed });
    return made;
  });
  const { tilesH, tilesW } = tilesOf(shape);
  const chunk = imagesPerChunk(shape);
  const v = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * fromC, "transformed patches");
  const m = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * toC, "transformed products");
  for (let first = 0; first < batch; first += chunk) {
    const images = Math.min(chunk, batch - first);
    const piece = { shape, first, images };
    const product = { rows: images * tilesH * tilesW, columns: toC, depth: fromC, batch: POSITIONS };
    transformInput(gpu, { ...piece, x, v });
    matmul(gpu, {
      a: v,
      b: u,
      c: m,
      product: { ...product, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false },
      flops: (flops * images) / batch,
      force,
    });
    transformOutput(gpu, { ...piece, m, y, bias });
  }
}

/** Elements that slices of the weights' gradient are a multiple of apart, so that each can be bound. */
const SLICE_ALIGNMENT = 64;

/** gradW [3, 3, fromC, toC] of a convolution by F(2x2, 3x3); parts of a large batch are added in their order. */
export function winogradGradWeight(
  gpu: Gpu,
  { x, gradY, gradW, shape, flops, force }: { x: BufferRange; gradY: BufferRange; gradW: BufferRange; shape: WinogradShape; flops: number; force?: GemmForce | undefined },
): void {
  const { batch, outH, outW, fromC, toC } = shape;
  const { tilesH, tilesW } = tilesOf(shape);
  const chunk = imagesPerChunk(shape);
  const pairs = fromC * toC;
  const sliceStride = Math.ceil((POSITIONS * pairs) / SLICE_ALIGNMENT) * SLICE_ALIGNMENT;
  const slices = Math.ceil(batch / chunk);
  const v = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * fromC, "transformed patches");
  const g = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * toC, "transformed gradient");
  const u = gpu.allocate(4 * slices * sliceStride, "gradient of transformed weights");
  for (let slice = 0; slice < slices; slice++) {
    const piece = { shape, first: slice * chunk, images: Math.min(chunk, batch - slice * chunk) };
    const place = placeOf(piece);
    transformInput(gpu, { ...piece, x, v });
    gpu.run(gradientKernel, {
      buffers: { dy: gradY, v: g },
      uniforms: { ...place, height: outH, width: outW, channels: toC },
      workgroups: linearGrid(place.images * tilesH * toC, 64),
    });
    matmul(gpu, {
      a: v,
      b: g,
      c: { ...u, offset: u.offset + 4 * slice * sliceStride, bytes: 4 * POSITIONS * pairs },
      product: { rows: fromC, columns: toC, depth: place.images * tilesH * tilesW, batch: POSITIONS, transposeA: true, transposeB: false, sharedA: false, sharedB: false, summed: false },
      flops: (flops * place.images) / batch,
      force,
    });
  }
  gpu.run(weightGradientKernel, { buffers: { u, dw: gradW }, uniforms: { pairs, slices, slice_stride: sliceStride }, workgroups: linearGrid(pairs, 64) });
}
