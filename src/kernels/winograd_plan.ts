/** When Winograd's F(2x2, 3x3) and F(3x3, 2x2) pay, and in what pieces. Pure: numbers in, numbers out. */

import { type AdapterClass, COLUMN_PADDING, type GemmProblem, planGemm } from "./gemm_plan.ts";

/** Products of a tile: 4x4 positions. */
export const POSITIONS = 16;

/**
 * Bytes of transformed patches and products at once. On a software driver what a step holds at most depends on it, and its time little;
 * a GPU is through with 8 MiB before the next launch, so it has pieces about as large as its cache.
 */
const PIECE_BYTES = { software: 8 * 2 ** 20, hardware: 64 * 2 ** 20 };

/** Bytes of a piece on such adapters. */
export function pieceBytesOn({ software }: Pick<AdapterClass, "software">): number {
  return PIECE_BYTES[software ? "software" : "hardware"];
}

/** A convolution, or with `transposed` a transposed one, from x [batch, inH, inW, fromC] to y [batch, outH, outW, toC]. */
export interface WinogradShape {
  batch: number;
  inH: number;
  inW: number;
  fromC: number;
  outH: number;
  outW: number;
  toC: number;
  /** Taps of a phase along each axis; the kernel is `stride * taps` a side. */
  taps: 2 | 3;
  stride: number;
  padH: number;
  padW: number;
  transposed: boolean;
  /** Results are stored as half floats, and products may round their operands to them. */
  half?: boolean;
  /** Patches and products that are transformed at once; a software driver's where absent. */
  pieceBytes?: number;
}

/**
 * One of the stride² convolutions of stride 1 that a shape consists of, by the remainder of its taps (of its results, where
 * transposed). Along an axis: its first tap, from which the others are `stride` apart (in reverse where transposed), the first
 * pixel that a patch of x begins at, and the first result.
 */
export interface WinogradPhase {
  tapH: number;
  tapW: number;
  fromH: number;
  fromW: number;
  toH: number;
  toW: number;
}

function phaseAlong(remainder: number, { pad, stride, taps, transposed }: { pad: number; stride: number; taps: number; transposed: boolean }): { tap: number; from: number; to: number } {
  if (!transposed) return { tap: remainder, from: remainder - pad, to: 0 };
  const tap = (remainder + pad) % stride;
  return { tap: tap + stride * (taps - 1), from: (remainder + pad - tap) / stride - (taps - 1), to: remainder };
}

/** The phases of a shape, by rows. */
export function phasesOf({ stride, taps, transposed, padH, padW }: WinogradShape): WinogradPhase[] {
  return Array.from({ length: stride * stride }, (_, i) => {
    const h = phaseAlong(Math.floor(i / stride), { pad: padH, stride, taps, transposed });
    const w = phaseAlong(i % stride, { pad: padW, stride, taps, transposed });
    return { tapH: h.tap, tapW: w.tap, fromH: h.from, fromW: w.from, toH: h.to, toW: w.to };
  });
}

/** Transformed weights of one product at most, where its results can be added to those of the one before. */
const WEIGHT_BYTES = 8 * 2 ** 20;

/**
 * Whether every phase has a product of its own: those of a transposed convolution have results of their own; those of a convolution are
 * summed, in one product where its weights are small, or half floats would be rounded at every sum.
 */
function phasesApart({ fromC, toC, stride, transposed, half = false }: WinogradShape): boolean {
  return transposed || (!half && 4 * POSITIONS * stride * stride * fromC * toC > WEIGHT_BYTES);
}

/** The phases by products; of a convolution the results of later ones are added to those of the first. */
export function productsOf(shape: WinogradShape): WinogradPhase[][] {
  const phases = phasesOf(shape);
  return phasesApart(shape) ? phases.map((phase) => [phase]) : [phases];
}

/** Results of a tile along an axis: with the taps they make a patch of 4. */
export function tileSide({ taps }: Pick<WinogradShape, "taps">): number {
  return 5 - taps;
}

/** Tiles of a phase's results along each axis. */
export function tilesOf(shape: Pick<WinogradShape, "outH" | "outW" | "taps" | "stride" | "transposed">): { tilesH: number; tilesW: number } {
  const resultsOfTile = tileSide(shape) * (shape.transposed ? shape.stride : 1);
  return { tilesH: Math.ceil(shape.outH / resultsOfTile), tilesW: Math.ceil(shape.outW / resultsOfTile) };
}

/** Channels that a product contracts: those of all phases that it sums. */
export function contractedChannels(shape: WinogradShape): number {
  return phasesApart(shape) ? shape.fromC : shape.stride ** 2 * shape.fromC;
}

function imageBytes(shape: WinogradShape, channels: number): number {
  const { tilesH, tilesW } = tilesOf(shape);
  return 4 * POSITIONS * tilesH * tilesW * channels;
}

/** Images whose patches are transformed at once; the pieces of a batch differ by one image at most. */
export function imagesPerChunk(shape: WinogradShape): number {
  const most = Math.max(1, Math.floor((shape.pieceBytes ?? PIECE_BYTES.software) / imageBytes(shape, contractedChannels(shape) + shape.toC)));
  return Math.ceil(shape.batch / Math.ceil(shape.batch / most));
}

/** What every adapter can bind at once. */
const LEAST_BINDING_BYTES = 128 * 2 ** 20;

/** Whether the patches and products of one image, and the transformed weights, fit the bindings that every adapter has. */
export function winogradFits(shape: WinogradShape): boolean {
  const depth = contractedChannels(shape);
  return Math.max(imageBytes(shape, Math.max(depth, shape.toC)), 4 * POSITIONS * depth * (shape.toC + COLUMN_PADDING)) <= LEAST_BINDING_BYTES;
}

/** Elements that slices of the weights' gradient are a multiple of apart, so that each can be bound. */
const SLICE_ALIGNMENT = 64;

/**
 * The weights' gradient of a phase is made in slices of the batch, each of `images` images (the last may have fewer) and `stride` elements
 * of gradients of transformed weights; one binding holds those of all slices.
 */
export function gradientSlices(shape: WinogradShape): { slices: number; images: number; stride: number } {
  const { batch, fromC, toC } = shape;
  const stride = Math.ceil((POSITIONS * fromC * toC) / SLICE_ALIGNMENT) * SLICE_ALIGNMENT;
  const most = Math.max(1, Math.floor(LEAST_BINDING_BYTES / (4 * stride)));
  const images = Math.max(imagesPerChunk({ ...shape, stride: 1 }), Math.ceil(batch / most)); // a phase at a time
  return { slices: Math.ceil(batch / images), images, stride };
}

/** Whether the weights' gradient fits these bindings. */
export function winogradWeightFits(shape: WinogradShape): boolean {
  const { images } = gradientSlices(shape);
  return winogradFits({ ...shape, stride: 1 }) && images * imageBytes(shape, Math.max(shape.fromC, shape.toC) + COLUMN_PADDING) <= LEAST_BINDING_BYTES;
}

/**
 * Fewer channels are left to the direct product: they gain least, and their sums have the fewest terms for the transforms' rounding
 * errors to cancel in.
 */
const LEAST_CHANNELS = 48;

/** What of the direct product's time it may take: transforms cost memory, so a gain within the error of rates does not pay. */
const WORTHWHILE = 0.9;

/** Whether transforms and products take less than the direct product, by the rates measured on such adapters; never where none were. */
function pays(shape: WinogradShape, adapter: AdapterClass, problems: { direct: GemmProblem; product: GemmProblem; products: number; inputs: number; outputs: number }): boolean {
  if (!adapter.tuning || Math.min(shape.fromC, shape.toC) < LEAST_CHANNELS) return false;
  const { inputNs, outputNs, weightNs } = adapter.tuning.winograd[shape.taps];
  const { direct, product, products, inputs, outputs } = problems;
  const weights = shape.stride ** 2 * shape.fromC * shape.toC;
  const transformsMs = (inputs * inputNs + outputs * outputNs + weights * weightNs) / 1e6;
  return products * planGemm(product, adapter).ms + transformsMs < WORTHWHILE * planGemm(direct, adapter).ms;
}

/** Tiles of a whole batch. */
function tileCount(shape: WinogradShape): number {
  const { tilesH, tilesW } = tilesOf(shape);
  return shape.batch * tilesH * tilesW;
}

/** Whether Winograd's way is faster than the direct product. */
export function winogradPays(shape: WinogradShape, adapter: AdapterClass): boolean {
  const { batch, outH, outW, fromC, toC, taps, stride, transposed } = shape;
  const tiles = tileCount(shape);
  const phases = stride ** 2;
  const direct = transposed
    ? { rows: batch * Math.ceil(outH / stride) * Math.ceil(outW / stride), columns: toC, depth: taps ** 2 * fromC, batch: phases }
    : { rows: batch * outH * outW, columns: toC, depth: phases * taps ** 2 * fromC, batch: 1 };
  const depth = contractedChannels(shape);
  const product = { rows: tiles, columns: toC, depth, batch: POSITIONS };
  const products = (phases * fromC) / depth;
  return pays(shape, adapter, { direct, product, products, inputs: phases * tiles * fromC, outputs: products * tiles * toC });
}

/** Whether the weights' gradient is faster Winograd's way; a transformed gradient costs about what a transformed input does. */
export function winogradWeightPays(shape: WinogradShape, adapter: AdapterClass): boolean {
  const { batch, outH, outW, fromC, toC, taps, stride } = shape;
  const tiles = tileCount(shape);
  const phases = stride ** 2;
  const direct = { rows: phases * taps ** 2 * fromC, columns: toC, depth: batch * outH * outW, batch: 1 };
  const product = { rows: fromC, columns: toC, depth: tiles, batch: POSITIONS };
  return pays(shape, adapter, { direct, product, products: phases, inputs: tiles * (phases * fromC + toC), outputs: 0 });
}
