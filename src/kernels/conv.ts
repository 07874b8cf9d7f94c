/**
 * Convolution, its gradients and deconvolution as views of one GEMM: forward reads patches of x (a_patch), the input
 * gradient and the deconvolution read patches by output parity from repacked weights, the weight gradient multiplies
 * transposed patches with the output gradient. Activations [n, h, w, c], weights [kh, kw, ci, co].
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import { fill } from "./elementwise.ts";
import { adapterClass, padColumns, perCore, rowSlices, storeHalf, sumSlices } from "./gemm.ts";
import { COLUMN_PADDING, type GemmForce, planGemm, planSplits, wantsPaddedColumns } from "./gemm_plan.ts";
import { matmul } from "./matmul.ts";
import { winograd, winogradGradWeight } from "./winograd.ts";
import { pieceBytesOn, type WinogradShape, winogradFits, winogradPays, winogradWeightFits, winogradWeightPays } from "./winograd_plan.ts";

/** Which rows a product has: output pixels of a convolution, or of a transposed one (by parity). */
type ConvPhase = "conv" | "transposed";

/** Geometry of a convolution y = conv(x): x is [batch, inH, inW, inC], y [batch, outH, outW, outC]. */
export interface ConvShape {
  batch: number;
  inH: number;
  inW: number;
  inC: number;
  outH: number;
  outW: number;
  outC: number;
  kernelH: number;
  kernelW: number;
  strideH: number;
  strideW: number;
  padH: number;
  padW: number;
  /** Input positions from one tap to the next; 1 is a plain convolution. */
  dilationH: number;
  dilationW: number;
}

/** Output side of a convolution. */
export function convOutputSize(size: number, { kernel, stride, pad, dilation = 1 }: { kernel: number; stride: number; pad: number; dilation?: number }): number {
  return Math.floor((size + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** What a dilated convolution's kernels are compiled with; nothing else pays for it. */
function dilationSpec({ kernelH, kernelW, dilationH, dilationW }: ConvShape): Record<string, boolean> {
  return (kernelH > 1 && dilationH > 1) || (kernelW > 1 && dilationW > 1) ? { DILATED: true } : {};
}

/** Direct-count operations (two per multiply-add) of one pass. */
export function convFlops(shape: ConvShape): number {
  return 2 * shape.batch * shape.outH * shape.outW * shape.outC * shape.kernelH * shape.kernelW * shape.inC;
}

const UNIFORMS = {
  batch: "u32",
  in_h: "u32",
  in_w: "u32",
  in_c: "u32",
  out_h: "u32",
  out_w: "u32",
  columns: "u32",
  b_stride: "u32",
  kernel_h: "u32",
  kernel_w: "u32",
  stride_h: "u32",
  stride_w: "u32",
  pad_h: "u32",
  pad_w: "u32",
  dilation_h: "u32",
  dilation_w: "u32",
  row_offset: "u32",
  splits: "u32",
} as const;

const SHARED = ["gemm/params.wgsl", "lib/scalar.wgsl", "gemm/b_rows.wgsl"];

function pixelFragments(core: readonly string[], phase: ConvPhase): string[] {
  const phases = phase === "conv" ? ["gemm/phase_conv.wgsl"] : ["gemm/phase_transposed.wgsl", "gemm/taps.wgsl"];
  return [...core, ...SHARED, ...phases, "gemm/a_patch.wgsl", "gemm/c_pixels.wgsl"];
}

function plainKernel(phase: ConvPhase) {
  return perCore((core) =>
    defineKernel({
      name: `gemm/${phase}`,
      fragments: [...pixelFragments(core, phase), "gemm/epilogue_none.wgsl"],
      buffers: { a: "read", b: "read", c: "read_write" },
      uniforms: UNIFORMS,
    }),
  );
}

const plainKernels = { conv: plainKernel("conv"), transposed: plainKernel("transposed") };

function biasKernel(phase: ConvPhase) {
  return perCore((core) =>
    defineKernel({
      name: `gemm/${phase}_bias`,
      fragments: [...pixelFragments(core, phase), "gemm/epilogue_bias.wgsl"],
      buffers: { a: "read", b: "read", c: "read_write", bias: "read" },
      uniforms: UNIFORMS,
    }),
  );
}

const biasKernels = { conv: biasKernel("conv"), transposed: biasKernel("transposed") };

const weightKernel = perCore((core) =>
  defineKernel({
    name: "gemm/weight",
    fragments: [...core, ...SHARED, "gemm/phase_weight.wgsl", "gemm/a_patch_transposed.wgsl", "gemm/c_weight.wgsl"],
    buffers: { a: "read", b: "read", c: "read_write" },
    uniforms: UNIFORMS,
  }),
);

const packKernel = defineKernel({
  name: "conv/pack_weights",
  fragments: ["conv/pack_weights.wgsl", "gemm/taps.wgsl", "lib/grid.wgsl"],
  buffers: { w: "read", packed: "read_write" },
  uniforms: {
    kernel_h: "u32",
    kernel_w: "u32",
    in_c: "u32",
    out_c: "u32",
    stride_h: "u32",
    stride_w: "u32",
    pad_h: "u32",
    pad_w: "u32",
    dilation_h: "u32",
    dilation_w: "u32",
    stride: "u32",
  },
});

const columnSumKernel = defineKernel({
  name: "reduce/column_partials",
  fragments: ["reduce/column_partials.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", partials: "read_write" },
  uniforms: { rows: "u32", columns: "u32", chunks: "u32" },
});

/** The kernel's uniforms: what A gathers from and what C scatters to, which a transposed product swaps. */
function uniformsOf(shape: ConvShape, phase: ConvPhase) {
  const forward = phase === "conv";
  return {
    batch: shape.batch,
    in_h: forward ? shape.inH : shape.outH,
    in_w: forward ? shape.inW : shape.outW,
    in_c: forward ? shape.inC : shape.outC,
    out_h: forward ? shape.outH : shape.inH,
    out_w: forward ? shape.outW : shape.inW,
    columns: forward ? shape.outC : shape.inC,
    b_stride: forward ? shape.outC : shape.inC,
    kernel_h: shape.kernelH,
    kernel_w: shape.kernelW,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    pad_h: shape.padH,
    pad_w: shape.padW,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    row_offset: 0,
    splits: 1,
  };
}

interface PixelsCall {
  a: BufferRange;
  /** Right operand as it lies, or what makes it with rows `stride` elements apart. */
  b: BufferRange | ((stride: number) => BufferRange);
  c: BufferRange;
  bias?: BufferRange | undefined;
  shape: ConvShape;
  phase: ConvPhase;
  force?: GemmForce | undefined;
}

function runPixels(gpu: Gpu, { a, b, c, bias, shape, phase, force }: PixelsCall): void {
  const adapter = adapterClass(gpu, { half: storeHalf(a, c) });
  const uniforms = uniformsOf(shape, phase);
  const parities = phase === "transposed" ? (bias ? shape.strideH * shape.strideW : paritiesToRun(shape)) : 1;
  const rows =
    phase === "transposed"
      ? shape.batch * Math.ceil(shape.inH / shape.strideH) * Math.ceil(shape.inW / shape.strideW)
      : shape.batch * shape.outH * shape.outW;
  const packedRows = uniforms.in_c * shape.kernelH * shape.kernelW;
  const problem = { rows, columns: uniforms.columns, depth: Math.ceil(packedRows / parities), batch: parities };
  const plan = planGemm(problem, adapter, force);
  const padded = wantsPaddedColumns(problem, plan);
  if (padded) uniforms.b_stride += COLUMN_PADDING;
  const right = typeof b === "function" ? b(uniforms.b_stride) : padded ? padColumns(gpu, { b, rows: packedRows, columns: uniforms.columns }) : b;
  const columnTiles = Math.ceil(uniforms.columns / plan.tileColumns);
  const slices = rowSlices(rows, plan, adapter);
  // Pixels that no tap reaches are zero: a fill is cheaper than a product of nothing.
  if (phase === "transposed" && parities < shape.strideH * shape.strideW) {
    fill(gpu, { out: c, count: shape.batch * uniforms.out_h * uniforms.out_w * uniforms.columns, value: 0 });
  }
  for (const { offset, count } of slices) {
    const call = {
      uniforms: { ...uniforms, row_offset: offset },
      spec: { ...plan.spec, ...dilationSpec(shape) },
      workgroups: [columnTiles, count, parities] as const,
      flops: convFlops(shape) / slices.length,
    };
    if (bias) gpu.run(biasKernels[phase](plan.core), { ...call, buffers: { a, b: right, c, bias } });
    else gpu.run(plainKernels[phase](plan.core), { ...call, buffers: { a, b: right, c } });
  }
}

/** Output parities up to the last that a tap reaches, in the order of gemm/phase_transposed.wgsl; 1 of 4 for a 1x1 of stride 2. */
function paritiesToRun({ kernelH, kernelW, strideH, strideW, padH, padW, dilationH, dilationW }: ConvShape): number {
  const reached = (position: number, { kernel, stride, dilation }: { kernel: number; stride: number; dilation: number }) =>
    Array.from({ length: kernel }, (_, k) => (k * dilation) % stride).includes(position % stride);
  let count = 0;
  for (let z = 0; z < strideH * strideW; z++) {
    const inH = reached(Math.floor(z / strideW) + padH, { kernel: kernelH, stride: strideH, dilation: dilationH });
    if (inH && reached((z % strideW) + padW, { kernel: kernelW, stride: strideW, dilation: dilationW })) count = z + 1;
  }
  return count;
}

interface PackCall {
  w: BufferRange;
  shape: ConvShape;
  swapChannels: boolean;
  /** Phases, reversed taps, [from, to] channels: the order in which a transposed product reads weights. */
  byParity: boolean;
}

/** Channels that one invocation of conv/pack_weights walks: a line of a cache. */
const PACK_RUN = 16;

/** Reordered weights, with rows as far apart as who reads them asks; made once for all passes of a step. */
function packWeights(gpu: Gpu, call: PackCall): (stride: number) => BufferRange {
  return (stride) => gpu.derived(call.w, `packed ${stride} ${JSON.stringify({ ...call, w: undefined })}`, () => runPack(gpu, { ...call, stride }));
}

function runPack(gpu: Gpu, { w, shape, swapChannels, byParity, stride }: PackCall & { stride: number }): BufferRange {
  const rows = shape.kernelH * shape.kernelW * shape.outC;
  const packed = gpu.allocate(4 * rows * stride, "packed weights");
  gpu.run(packKernel, {
    buffers: { w, packed },
    uniforms: {
      kernel_h: shape.kernelH,
      kernel_w: shape.kernelW,
      in_c: shape.outC, // a transposed product contracts the channels of y and produces those of x
      out_c: shape.inC,
      stride_h: shape.strideH,
      stride_w: shape.strideW,
      pad_h: shape.padH,
      pad_w: shape.padW,
      dilation_h: shape.dilationH,
      dilation_w: shape.dilationW,
      stride,
    },
    spec: { SWAP_CHANNELS: swapChannels, BY_PARITY: byParity, RUN: PACK_RUN, ...dilationSpec(shape) },
    workgroups: linearGrid(shape.kernelH * shape.kernelW * Math.ceil(shape.outC / PACK_RUN) * shape.inC, 64),
  });
  return packed;
}

/** Winograd's way to a result of a convolution; undefined where it goes by the direct product. */
function winogradPlan(
  gpu: Gpu,
  { shape, result, half, force }: { shape: ConvShape; result: "forward" | "gradInput" | "gradWeight"; half: boolean; force?: GemmForce | undefined },
): WinogradShape | undefined {
  const { batch, inH, inW, inC, outH, outW, outC, kernelH, kernelW, strideH: stride, strideW, padH, padW, dilationH, dilationW } = shape;
  const plain = kernelH === kernelW && stride === strideW && dilationH === 1 && dilationW === 1;
  const taps = kernelH === 3 * stride ? 3 : 2;
  const adapter = adapterClass(gpu, { half });
  const common = { batch, taps, stride, padH, padW, half, pieceBytes: pieceBytesOn(adapter) } as const;
  const planned: WinogradShape =
    result === "gradInput"
      ? { ...common, inH: outH, inW: outW, fromC: outC, outH: inH, outW: inW, toC: inC, transposed: true }
      : { ...common, inH, inW, fromC: inC, outH, outW, toC: outC, transposed: false };
  const fits = result === "gradWeight" ? winogradWeightFits : winogradFits;
  const possible = plain && kernelH === taps * stride && fits(planned);
  if (force?.winograd && !possible) throw new Error("Winograd's transforms need a square kernel of 2 or 3 times the stride, no dilation, and images that fit a binding");
  const pays = result === "gradWeight" ? winogradWeightPays : winogradPays;
  return possible && (force?.winograd ?? (!force?.core && pays(planned, adapter))) ? planned : undefined;
}

/** Whether a convolution is a plain product of pixels and channels, and its operands are stored alike, as matmul wants them. */
function isProduct({ kernelH, kernelW, strideH, strideW, padH, padW }: ConvShape, x: BufferRange, y: BufferRange): boolean {
  return kernelH * kernelW * strideH * strideW === 1 && padH + padW === 0 && x.allocation.element === y.allocation.element;
}

/** Pixels by channels, the product of a 1x1 convolution: of its views the cheapest. */
const PIXEL_PRODUCT = { batch: 1, transposeA: false, sharedA: false, sharedB: false, summed: false };

/** y = conv(x, w) + bias. Ranges: x [batch, inH, inW, inC], w [kh, kw, inC, outC], bias [outC], y [batch, outH, outW, outC]. */
export function convForward(
  gpu: Gpu,
  { x, w, bias, y, shape, force }: { x: BufferRange; w: BufferRange; bias?: BufferRange | undefined; y: BufferRange; shape: ConvShape; force?: GemmForce },
): void {
  const half = storeHalf(x, y);
  const planned = winogradPlan(gpu, { shape, half, result: "forward", force });
  if (planned) winograd(gpu, { x, w, bias, y, shape: planned, swapped: false, flops: convFlops(shape), force });
  else if (isProduct(shape, x, y)) {
    const product = { ...PIXEL_PRODUCT, rows: shape.batch * shape.inH * shape.inW, columns: shape.outC, depth: shape.inC, transposeB: false };
    matmul(gpu, { a: x, b: w, c: y, bias, product, force });
  }
  else runPixels(gpu, { a: x, b: w, c: y, bias, shape, phase: "conv", force });
}

/** gradX = transposed conv of gradY with w [kh, kw, inC, outC]. */
export function convGradInput(
  gpu: Gpu,
  { gradY, w, gradX, shape, force }: { gradY: BufferRange; w: BufferRange; gradX: BufferRange; shape: ConvShape; force?: GemmForce },
): void {
  const half = storeHalf(gradY, gradX);
  const planned = winogradPlan(gpu, { shape, half, result: "gradInput", force });
  if (planned) {
    winograd(gpu, { x: gradY, w, y: gradX, shape: planned, swapped: true, flops: convFlops(shape), force });
    return;
  }
  if (isProduct(shape, gradY, gradX)) {
    const product = { ...PIXEL_PRODUCT, rows: shape.batch * shape.inH * shape.inW, columns: shape.inC, depth: shape.outC, transposeB: true };
    matmul(gpu, { a: gradY, b: w, c: gradX, product, force });
    return;
  }
  const b = packWeights(gpu, { w, shape, swapChannels: true, byParity: true });
  runPixels(gpu, { a: gradY, b, c: gradX, shape, phase: "transposed", force });
}

/** gradW = patches(x) transposed times gradY, [kh, kw, inC, outC]; with `swapped` [kh, kw, outC, inC], a deconvolution's order. */
export function convGradWeight(
  gpu: Gpu,
  { x, gradY, gradW, shape, swapped, force }: { x: BufferRange; gradY: BufferRange; gradW: BufferRange; shape: ConvShape; swapped?: boolean; force?: GemmForce },
): void {
  const half = storeHalf(x, gradY);
  const planned = winogradPlan(gpu, { shape, half, result: "gradWeight", force });
  if (planned) {
    winogradGradWeight(gpu, { x, gradY, gradW, shape: planned, swapped: swapped ?? false, flops: convFlops(shape), force });
    return;
  }
  const adapter = adapterClass(gpu, { half });
  const rows = shape.kernelH * shape.kernelW * shape.inC;
  const problem = { rows, columns: shape.outC, depth: shape.batch * shape.outH * shape.outW, batch: 1, alongRows: true };
  const plan = planGemm(problem, adapter, force);
  const splits = planSplits(problem, plan, adapter, force);
  const partial = splits > 1 ? gpu.allocate(splits * gradW.bytes, "weight gradient slices") : gradW;
  const columnTiles = Math.ceil(shape.outC / plan.tileColumns);
  const slices = rowSlices(rows, plan, adapter);
  for (const { offset, count } of slices) {
    gpu.run(weightKernel(plan.core), {
      buffers: { a: x, b: gradY, c: partial },
      uniforms: { ...uniformsOf(shape, "conv"), row_offset: offset, splits },
      spec: { ...plan.spec, ...dilationSpec(shape), TRANSPOSED: swapped ?? false },
      workgroups: [columnTiles, count, splits],
      flops: convFlops(shape) / slices.length,
    });
  }
  if (splits > 1) sumSlices(gpu, { x: partial, out: gradW, count: rows * shape.outC, slices: splits });
}

/**
 * y = deconv(x, w) + bias: the transposed product of the convolution that maps y to x. `shape` is that convolution's
 * (its input is y, its output is x); w is [kh, kw, channels of x, channels of y].
 */
export function deconvForward(
  gpu: Gpu,
  { x, w, bias, y, shape, force }: { x: BufferRange; w: BufferRange; bias?: BufferRange | undefined; y: BufferRange; shape: ConvShape; force?: GemmForce },
): void {
  const half = storeHalf(x, y);
  const planned = winogradPlan(gpu, { shape, half, result: "gradInput", force });
  if (planned) {
    winograd(gpu, { x, w, bias, y, shape: planned, swapped: false, flops: convFlops(shape), force });
    return;
  }
  const b = packWeights(gpu, { w, shape, swapChannels: false, byParity: true });
  runPixels(gpu, { a: x, b, c: y, bias, shape, phase: "transposed", force });
}

/** gradX = conv of gradY with w's channels swapped; `shape` as for deconvForward. */
export function deconvGradInput(
  gpu: Gpu,
  { gradY, w, gradX, shape, force }: { gradY: BufferRange; w: BufferRange; gradX: BufferRange; shape: ConvShape; force?: GemmForce },
): void {
  const half = storeHalf(gradY, gradX);
  const planned = winogradPlan(gpu, { shape, half, result: "forward", force });
  if (planned) {
    winograd(gpu, { x: gradY, w, y: gradX, shape: planned, swapped: true, flops: convFlops(shape), force });
    return;
  }
  const b = packWeights(gpu, { w, shape: { ...shape, inC: shape.outC, outC: shape.inC }, swapChannels: true, byParity: false });
  runPixels(gpu, { a: gradY, b, c: gradX, shape, phase: "conv", force });
}

/** gradW of a deconvolution, [kh, kw, channels of x, channels of y]. */
export function deconvGradWeight(
  gpu: Gpu,
  { x, gradY, gradW, shape, force }: { x: BufferRange; gradY: BufferRange; gradW: BufferRange; shape: ConvShape; force?: GemmForce },
): void {
  convGradWeight(gpu, { x: gradY, gradY: x, gradW, shape, swapped: true, ...(force ? { force } : {}) });
}

/** out[column] = sum over rows of x[rows, columns]: the gradient of a bias. Two passes in a fixed order. */
export function columnSum(gpu: Gpu, { x, out, rows, columns }: { x: BufferRange; out: BufferRange; rows: number; columns: number }): void {
  const chunks = Math.max(1, Math.min(256, Math.ceil(rows / 64)));
  const partials = gpu.allocate(4 * chunks * columns, "column partials");
  gpu.run(columnSumKernel, { buffers: { x, partials }, uniforms: { rows, columns, chunks }, workgroups: linearGrid(chunks * columns, 64) });
  sumSlices(gpu, { x: partials, out, count: columns, slices: chunks });
}
