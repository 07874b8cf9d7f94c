/**
 * Winograd's F(2x2, 3x3) and F(3x3, 2x2) for convolutions, transposed ones and their gradients: tiles of 2x2 results of 3x3 taps
 * take 16 multiplications a channel pair where the direct product takes 36, tiles of 3x3 results of 2x2 taps 16 instead of 36 too.
 * Three steps around the batched product of the GEMM family: both operands are transformed, 16 products are made, and their sums
 * are transformed back. Of a stride s the taps fall into s² phases (winograd_plan.ts), each a convolution of stride 1.
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import type { GemmForce } from "./gemm_plan.ts";
import { matmul } from "./matmul.ts";
import { contractedChannels, gradientSlices, imagesPerChunk, phasesOf, POSITIONS, productsOf, tileSide, tilesOf, type WinogradPhase, type WinogradShape } from "./winograd_plan.ts";

const TILE_FRAGMENTS = ["winograd/maps.wgsl", "winograd/tiles.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"];
const TILE_UNIFORMS = {
  images: "u32",
  first_image: "u32",
  height: "u32",
  width: "u32",
  channels: "u32",
  step: "u32",
  origin_h: "u32",
  origin_w: "u32",
  tiles_h: "u32",
  tiles_w: "u32",
  row: "u32",
  first: "u32",
} as const;

function pixelsKernel(name: "input" | "gradient") {
  return defineKernel({
    name: `winograd/${name}`,
    fragments: [`winograd/${name}.wgsl`, ...TILE_FRAGMENTS, "winograd/pixels.wgsl", "winograd/positions.wgsl"],
    buffers: { x: "read", v: "read_write" },
    uniforms: TILE_UNIFORMS,
  });
}

const inputKernel = pixelsKernel("input");
const gradientKernel = pixelsKernel("gradient");

const outputKernel = defineKernel({
  name: "winograd/output",
  fragments: ["winograd/output.wgsl", ...TILE_FRAGMENTS, "gemm/epilogue_none.wgsl"],
  buffers: { m: "read", y: "read_write" },
  uniforms: TILE_UNIFORMS,
});

const outputBiasKernel = defineKernel({
  name: "winograd/output_bias",
  fragments: ["winograd/output.wgsl", ...TILE_FRAGMENTS, "gemm/epilogue_bias.wgsl"],
  buffers: { m: "read", y: "read_write", bias: "read" },
  uniforms: TILE_UNIFORMS,
});

const weightKernel = defineKernel({
  name: "winograd/weight",
  fragments: ["winograd/weight.wgsl", "winograd/maps.wgsl", "winograd/positions.wgsl", "lib/grid.wgsl"],
  buffers: { w: "read", v: "read_write" },
  uniforms: { from_c: "u32", to_c: "u32", rows: "u32", first: "u32", tap: "u32", step_h: "u32", step_w: "u32" },
});

const weightGradientKernel = defineKernel({
  name: "winograd/weight_gradient",
  fragments: ["winograd/weight_gradient.wgsl", "winograd/maps.wgsl", "lib/grid.wgsl"],
  buffers: { u: "read", dw: "read_write" },
  uniforms: { pairs: "u32", slices: "u32", slice_stride: "u32", tap: "u32", step_h: "u32", step_w: "u32" },
});

/** Channels that one invocation of winograd/weight walks: a line of a cache. */
const WEIGHT_RUN = 16;

interface WinogradCall {
  x: BufferRange;
  /** [kernel, kernel, fromC, toC], or with `swapped` [kernel, kernel, toC, fromC]. */
  w: BufferRange;
  bias?: BufferRange | undefined;
  y: BufferRange;
  shape: WinogradShape;
  swapped: boolean;
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

/** Pixels of a phase beside what they are transformed to: one of `groups` runs of channels in each tile. */
interface TileCall {
  height: number;
  width: number;
  channels: number;
  step: number;
  originH: number;
  originW: number;
  group?: number;
  groups?: number;
}

function tileCall({ shape, first, images }: Piece, { height, width, channels, step, originH, originW, group = 0, groups = 1 }: TileCall) {
  const { tilesH, tilesW } = tilesOf(shape);
  return {
    uniforms: {
      images,
      first_image: first,
      height,
      width,
      channels,
      step,
      origin_h: originH,
      origin_w: originW,
      tiles_h: tilesH,
      tiles_w: tilesW,
      row: groups * channels,
      first: group * channels,
    },
    spec: { SIDE: tileSide(shape) },
    workgroups: linearGrid(images * tilesH * channels, 64),
  };
}

/** v [16, tiles, phases, fromC] = transformed patches of x, of those phases whose products are summed. */
export function transformInput(gpu: Gpu, { x, v, phases, ...piece }: Piece & { x: BufferRange; v: BufferRange; phases: readonly WinogradPhase[] }): void {
  const { inH, inW, fromC, stride, transposed } = piece.shape;
  phases.forEach(({ fromH, fromW }, group) => {
    const place = { height: inH, width: inW, channels: fromC, step: transposed ? 1 : stride, originH: fromH, originW: fromW, group, groups: phases.length };
    gpu.run(inputKernel, { buffers: { x, v }, ...tileCall(piece, place) });
  });
}

/** v [16, tiles, toC] = transformed tiles of the result's gradient. */
function transformGradient(gpu: Gpu, { gradY, v, ...piece }: Piece & { gradY: BufferRange; v: BufferRange }): void {
  const { outH, outW, toC } = piece.shape;
  const { spec, ...call } = tileCall(piece, { height: outH, width: outW, channels: toC, step: 1, originH: 0, originW: 0 });
  gpu.run(gradientKernel, { ...call, buffers: { x: gradY, v }, spec: { ...spec, ROWS: spec.SIDE } });
}

/** y = products m [16, tiles, toC] transformed back, plus a bias: the results of a phase; or with `add` y plus these, without the bias. */
export function transformOutput(gpu: Gpu, { m, y, bias, phase, add = false, ...piece }: Piece & { m: BufferRange; y: BufferRange; bias?: BufferRange | undefined; phase: WinogradPhase; add?: boolean }): void {
  const { outH, outW, toC, stride, transposed } = piece.shape;
  const call = tileCall(piece, { height: outH, width: outW, channels: toC, step: transposed ? stride : 1, originH: phase.toH, originW: phase.toW });
  const spec = { ...call.spec, ADD: add };
  if (bias && !add) gpu.run(outputBiasKernel, { ...call, spec, buffers: { m, y, bias } });
  else gpu.run(outputKernel, { ...call, spec, buffers: { m, y } });
}

/** Where a phase's taps lie in a kernel of `stride * taps` a side, for winograd/weight and winograd/weight_gradient. */
function tapUniforms({ stride, taps, transposed }: WinogradShape, { tapH, tapW }: WinogradPhase) {
  const kernel = stride * taps;
  const step = transposed ? -stride : stride;
  return { tap: tapH * kernel + tapW, step_h: step * kernel, step_w: step };
}

/** u [16, phases, fromC, toC] = transformed weights of those phases whose products are summed; `swapped` as for winograd. */
export function transformWeights(gpu: Gpu, { w, u, shape, phases, swapped }: { w: BufferRange; u: BufferRange; shape: WinogradShape; phases: readonly WinogradPhase[]; swapped: boolean }): void {
  const { fromC, toC, taps } = shape;
  phases.forEach((phase, group) => {
    gpu.run(weightKernel, {
      buffers: { w, v: u },
      uniforms: { from_c: fromC, to_c: toC, rows: phases.length * fromC, first: group * fromC, ...tapUniforms(shape, phase) },
      spec: { SIDE: taps, SWAPPED: swapped, RUN: WEIGHT_RUN },
      workgroups: linearGrid(Math.ceil(fromC / WEIGHT_RUN) * toC, 64),
    });
  });
}

/** y = conv(x, w) + bias, or a transposed convolution (`shape`). Weights are transformed once for all passes of a step. */
export function winograd(gpu: Gpu, { x, w, bias, y, shape, swapped, flops, force }: WinogradCall): void {
  const { batch, fromC, toC, half = false, transposed } = shape;
  const products = productsOf(shape);
  const { tilesH, tilesW } = tilesOf(shape);
  const chunk = imagesPerChunk(shape);
  const depth = contractedChannels(shape);
  const v = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * depth, "transformed patches");
  const m = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * toC, "transformed products");
  // Product by product: the transformed weights of one are done with before the next.
  for (const [i, phases] of products.entries()) {
    const u = gpu.derived(w, `winograd ${swapped} ${JSON.stringify([fromC, toC, shape.taps, shape.transposed, phases])}`, () => {
      const made = gpu.allocate(4 * POSITIONS * depth * toC, "transformed weights");
      transformWeights(gpu, { w, u: made, shape, phases, swapped });
      return made;
    });
    for (let first = 0; first < batch; first += chunk) {
      const piece = { shape, first, images: Math.min(chunk, batch - first) };
      transformInput(gpu, { ...piece, x, v, phases });
      matmul(gpu, {
        a: v,
        b: u,
        c: m,
        product: { rows: piece.images * tilesH * tilesW, columns: toC, depth, batch: POSITIONS, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false },
        flops: (flops * piece.images) / batch / products.length,
        half,
        force,
      });
      transformOutput(gpu, { ...piece, m, y, bias, phase: phases[0] as WinogradPhase, add: i > 0 && !transposed });
    }
  }
}

interface GradWeightCall {
  x: BufferRange;
  gradY: BufferRange;
  gradW: BufferRange;
  shape: WinogradShape;
  swapped: boolean;
  flops: number;
  force?: GemmForce | undefined;
}

/** gradW of a convolution, in the order of winograd's w; parts of a large batch are added in their order. */
export function winogradGradWeight(gpu: Gpu, { x, gradY, gradW, shape, swapped, flops, force }: GradWeightCall): void {
  const { batch, fromC, toC, taps, half = false } = shape;
  const { tilesH, tilesW } = tilesOf(shape);
  const phases = phasesOf(shape);
  const { slices, images: chunk, stride: sliceStride } = gradientSlices(shape);
  const pair = swapped ? { rows: toC, columns: fromC } : { rows: fromC, columns: toC };
  const pairs = fromC * toC;
  const v = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * fromC, "transformed patches");
  const g = gpu.allocate(4 * POSITIONS * chunk * tilesH * tilesW * toC, "transformed gradient");
  let held = -1; // the slice whose gradient is in g
  for (const phase of phases) {
    const u = gpu.allocate(4 * slices * sliceStride, "gradient of transformed weights");
    for (let slice = 0; slice < slices; slice++) {
      const piece = { shape, first: slice * chunk, images: Math.min(chunk, batch - slice * chunk) };
      if (held !== slice) transformGradient(gpu, { ...piece, gradY, v: g });
      held = slice;
      transformInput(gpu, { ...piece, x, v, phases: [phase] });
      matmul(gpu, {
        ...(swapped ? { a: g, b: v } : { a: v, b: g }),
        c: { ...u, offset: u.offset + 4 * slice * sliceStride, bytes: 4 * POSITIONS * pairs },
        product: { ...pair, depth: piece.images * tilesH * tilesW, batch: POSITIONS, transposeA: true, transposeB: false, sharedA: false, sharedB: false, summed: false },
        flops: (flops * piece.images) / batch / phases.length,
        half,
        force,
      });
    }
    gpu.run(weightGradientKernel, {
      buffers: { u, dw: gradW },
      uniforms: { pairs, slices, slice_stride: sliceStride, ...tapUniforms(shape, phase) },
      spec: { SIDE: taps },
      workgroups: linearGrid(pairs, 64),
    });
  }
}
