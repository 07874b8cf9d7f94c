/** When F(2x2, 3x3) pays, and in what pieces. Pure: numbers in, numbers out. */

import { type AdapterClass, planGemm } from "./gemm_plan.ts";

/** Products of a tile: 4x4 positions. */
export const POSITIONS = 16;

/** Bytes of transformed patches and products at once: small enough for caches, large enough for a full product. */
const CHUNK_BYTES = 32 * 2 ** 20;

/** A 3x3 convolution of stride 1 from x [batch, inH, inW, fromC] to y [batch, outH, outW, toC]. */
export interface WinogradShape {
  batch: number;
  inH: number;
  inW: number;
  fromC: number;
  outH: number;
  outW: number;
  toC: number;
  padH: number;
  padW: number;
}

/** Tiles of 2x2 outputs along each axis. */
export function tilesOf({ outH, outW }: Pick<WinogradShape, "outH" | "outW">): { tilesH: number; tilesW: number } {
  return { tilesH: Math.ceil(outH / 2), tilesW: Math.ceil(outW / 2) };
}

function imageBytes(shape: WinogradShape, channels: number): number {
  const { tilesH, tilesW } = tilesOf(shape);
  return 4 * POSITIONS * tilesH * tilesW * channels;
}

/** Images whose patches are transformed at once; the pieces of a batch differ by one image at most. */
export function imagesPerChunk(shape: WinogradShape): number {
  const most = Math.max(1, Math.floor(CHUNK_BYTES / imageBytes(shape, shape.fromC + shape.toC)));
  return Math.ceil(shape.batch / Math.ceil(shape.batch / most));
}

/** What every adapter can bind at once. */
const LEAST_BINDING_BYTES = 128 * 2 ** 20;

/** Whether the patches and products of one image, and the transformed weights, fit the bindings that every adapter has. */
export function winogradFits(shape: WinogradShape): boolean {
  const { fromC, toC } = shape;
  return Math.max(imageBytes(shape, Math.max(fromC, toC)), 4 * POSITIONS * fromC * toC) <= LEAST_BINDING_BYTES;
}

/**
 * Fewer channels are left to the direct product: they gain least, and their sums have the fewest terms for the transforms' rounding
 * errors to cancel in.
 */
const LEAST_CHANNELS = 48;

/** What of the direct product's time it may take: transforms cost memory, so a gain within the error of rates does not pay. */
const WORTHWHILE = 0.9;

/** Whether F(2x2, 3x3) is faster than the direct product, by the rates measured on such adapters; never where none were. */
export function winogradPays(shape: WinogradShape, adapter: AdapterClass): boolean {
  if (!adapter.tuning || Math.min(shape.fromC, shape.toC) < LEAST_CHANNELS) return false;
  const { batch, outH, outW, fromC, toC } = shape;
  const { inputNs, outputNs, weightNs } = adapter.tuning.winograd;
  const { tilesH, tilesW } = tilesOf(shape);
  const tiles = batch * tilesH * tilesW;
  const direct = planGemm({ rows: batch * outH * outW, columns: toC, depth: 9 * fromC, batch: 1 }, adapter);
  const product = planGemm({ rows: tiles, columns: toC, depth: fromC, batch: POSITIONS }, adapter);
  const transformsMs = (tiles * (fromC * inputNs + toC * outputNs) + fromC * toC * weightNs) / 1e6;
  return product.ms + transformsMs < WORTHWHILE * direct.ms;
}

/** Whether the weights' gradient is faster by F(2x2, 3x3); a transformed gradient costs about what a transformed input does. */
export function winogradWeightPays(shape: WinogradShape, adapter: AdapterClass): boolean {
  if (!adapter.tuning || Math.min(shape.fromC, shape.toC) < LEAST_CHANNELS) return false;
  const { batch, outH, outW, fromC, toC } = shape;
  const { inputNs, weightNs } = adapter.tuning.winograd;
  const { tilesH, tilesW } = tilesOf(shape);
  const tiles = batch * tilesH * tilesW;
  const direct = planGemm({ rows: 9 * fromC, columns: toC, depth: batch * outH * outW, batch: 1 }, adapter);
  const product = planGemm({ rows: fromC, columns: toC, depth: tiles, batch: POSITIONS }, adapter);
  const transformsMs = (tiles * (fromC + toC) * inputNs + fromC * toC * weightNs) / 1e6;
  return product.ms + transformsMs < WORTHWHILE * direct.ms;
}
