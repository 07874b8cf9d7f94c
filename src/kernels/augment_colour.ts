/**
 * Pillow's colour operations, one drawn for each sample: a kernel that draws it and makes its table, and one that makes the
 * pixels. They work on bytes: normalised images are turned into bytes and back, and between two operations pixels are
 * packed, three bytes in a word.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { laneGrid } from "./span.ts";

/** Operations by the numbers that shaders/augment/colour_codes.wgsl gives them. */
export const COLOUR_OPERATION = {
  identity: 0,
  autoContrast: 1,
  equalize: 2,
  solarize: 3,
  posterize: 4,
  color: 5,
  contrast: 6,
  brightness: 7,
  sharpness: 8,
  invert: 9,
  solarizeAdd: 10,
  cutoutAbs: 11,
} as const;

/** What the operations do at one level. */
export interface ColourLevel {
  /** Upper bits that Posterize keeps, 0..8. */
  posterizeBits: number;
  /** Solarize inverts bytes from here on. */
  solarizeThreshold: number;
  /** Added by SolarizeAdd before it inverts bytes from 128 on; the sum is truncated. */
  addition: number;
  /** Factors of Color, Contrast, Brightness and Sharpness, drawn with equal chance. */
  factors: readonly [number, number];
  /** Side of CutoutAbs' square, px. */
  cutoutSide: number;
}

/** Levels as the kernel reads them, six words each. */
export function packLevels(levels: readonly ColourLevel[]): Uint32Array<ArrayBuffer> {
  const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  return Uint32Array.from(
    levels.flatMap(({ posterizeBits, solarizeThreshold, addition, factors: [low, high], cutoutSide }) => [
      256 - 2 ** (8 - posterizeBits),
      Math.ceil(solarizeThreshold),
      Math.trunc(addition),
      bits(low),
      bits(high),
      bits(cutoutSide),
    ]),
  );
}

const SOURCES = { normalised: ["augment/pixels_normalised.wgsl"], packed: ["augment/pixels_packed.wgsl"] } as const;
const TARGETS = { normalised: ["augment/store_normalised.wgsl"], packed: ["augment/store_packed.wgsl"] } as const;
const LIBRARY = ["augment/colour_codes.wgsl", "augment/luma.wgsl", "augment/normalise.wgsl", "lib/scalar.wgsl"];

/** How an image is stored: [n, h, w, 3] as networks see it, or [n, h, w] words of three bytes. */
export type PixelFormat = keyof typeof SOURCES;

function operationKernel(from: PixelFormat) {
  return defineKernel({
    name: "augment/colour_operation",
    fragments: ["augment/colour_operation.wgsl", "augment/stretch.wgsl", ...SOURCES[from], "augment/draws.wgsl", ...LIBRARY, "lib/rng.wgsl"],
    buffers: { x: "read", keys: "read", levels: "read", operations: "read_write", tables: "read_write" },
    uniforms: { batch: "u32", width: "u32", height: "u32", site: "u32", place: "u32", first_operation: "u32", operation_count: "u32", first_level: "u32", level_count: "u32" },
  });
}
const operationKernels = { normalised: operationKernel("normalised"), packed: operationKernel("packed") };

function applyKernel(from: PixelFormat, to: PixelFormat) {
  return defineKernel({
    name: "augment/colour_apply",
    fragments: ["augment/colour_apply.wgsl", ...SOURCES[from], ...TARGETS[to], ...LIBRARY, "lib/span.wgsl", "lib/divide.wgsl"],
    buffers: { x: "read", operations: "read", tables: "read", y: "read_write" },
    uniforms: { batch: "u32", width: "u32", height: "u32", lanes: "u32" },
  });
}
const applyKernels = {
  normalised: { normalised: applyKernel("normalised", "normalised"), packed: applyKernel("normalised", "packed") },
  packed: { normalised: applyKernel("packed", "normalised"), packed: applyKernel("packed", "packed") },
};

/** Operations and levels to draw from: numbers in a row. */
export interface ColourChoice {
  firstOperation: number;
  operationCount: number;
  /** Into the packed levels. */
  firstLevel: number;
  levelCount: number;
}

/** One drawn operation for each sample. */
export interface ColourCall {
  x: BufferRange;
  from: PixelFormat;
  y: BufferRange;
  to: PixelFormat;
  batch: number;
  size: readonly [width: number, height: number];
  /** packLevels of all levels. */
  levels: BufferRange;
  choice: ColourChoice;
  keys: BufferRange;
  site: number;
  /** Number of the operation among those of the site. */
  place: number;
  /** Writes the lower half of the rows or the right half of the columns only, drawn for each sample (YOCO). */
  half?: boolean;
}

/** y = x under an operation drawn for each sample, with Pillow 9's results to the byte. Source: multiaugs 3.8 to 3.10. */
export function colourOperation(gpu: Gpu, { x, from, y, to, batch, size: [width, height], levels, choice, keys, site, place, half = false }: ColourCall): void {
  const operations = gpu.allocate(48 * batch, "colour operations");
  const tables = gpu.allocate(1024 * batch, "colour tables");
  const { firstOperation, operationCount, firstLevel, levelCount } = choice;
  gpu.run(operationKernels[from], {
    buffers: { x, keys, levels, operations, tables },
    uniforms: { batch, width, height, site, place, first_operation: firstOperation, operation_count: operationCount, first_level: firstLevel, level_count: levelCount },
    spec: { HALF: half },
    workgroups: [batch, 1, 1],
  });
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * height, columns: width, each: 3 });
  gpu.run(applyKernels[from][to], { buffers: { x, operations, tables, y }, uniforms: { batch, width, height, lanes }, workgroups });
}
