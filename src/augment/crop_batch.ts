/** A batch of person crops on its way to the device: image windows, maps and joints in persistent buffers. */
import type { CropSample } from "../data/sample.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { cropNormalize } from "../kernels/augment.ts";
import { warpTables } from "../pose/affine.ts";
import type { Size } from "../pose/types.ts";

export interface CropBatchFacts {
  batch: number;
  /** Network input [width, height]. */
  size: Size;
  joints: number;
  /** False: the network sees BGR. */
  rgb: boolean;
}

/** A batch as the host prepares it ahead of time: one buffer each, ready to be written. */
export interface PackedCrops {
  pixels: Uint8Array<ArrayBuffer>;
  windows: Int32Array;
  tables: Int32Array;
  joints: Float32Array;
  visible: Float32Array;
}

function windowBytes({ width, height }: CropSample["window"]): number {
  return 3 * width * height;
}

function copyWindow({ pixels, window, rowBytes = 3 * window.width }: CropSample, into: Uint8Array, offset: number): void {
  const own = 3 * window.width;
  if (rowBytes === own) {
    into.set(pixels.subarray(0, windowBytes(window)), offset);
    return;
  }
  const rows = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength); // its copy() needs no view per row
  for (let row = 0; row < window.height; row++) rows.copy(into, offset + row * own, row * rowBytes, row * rowBytes + own);
}

/** Pixel memory of uploaded batches. Fresh memory costs more than what is copied into it: the system maps and clears it page by page. */
const spare: Uint8Array<ArrayBuffer>[] = [];
/** Room for batches whose windows are larger than those of the first. */
const GROWTH = 1.25;

function pixelMemory(bytes: number): Uint8Array<ArrayBuffer> {
  const held = spare.pop();
  const memory = held && held.length >= bytes ? held : new Uint8Array(Buffer.allocUnsafeSlow(Math.ceil(bytes * GROWTH)).buffer as ArrayBuffer);
  return memory.subarray(0, bytes);
}

/** Leaves the pixel memory of a batch that was written to the device to later ones; the batch is empty from then on. */
export function recycleCrops(packed: PackedCrops): void {
  spare.push(new Uint8Array(packed.pixels.buffer));
  packed.pixels = new Uint8Array();
}

/** Packs samples into the buffers that the crop kernel reads. Fewer samples than the batch leave black crops behind. */
export function packCrops(samples: readonly CropSample[], { batch, size, joints, rgb }: CropBatchFacts): PackedCrops {
  const tableLength = 2 * (size[0] + size[1]);
  const packed: PackedCrops = {
    pixels: pixelMemory(samples.reduce((sum, { window }) => sum + windowBytes(window), 0)), // every byte is written below
    windows: new Int32Array(8 * batch),
    tables: new Int32Array(tableLength * batch),
    joints: new Float32Array(2 * joints * batch),
    visible: new Float32Array(joints * batch),
  };
  let offset = 0;
  samples.forEach((sample, n) => {
    const { window, imageSize, flip } = sample;
    copyWindow(sample, packed.pixels, offset);
    packed.windows.set([offset, window.x, window.y, window.width, window.height, imageSize[0], flip ? 1 : 0, rgb ? 0 : 1], 8 * n);
    packed.tables.set(warpTables(sample.toInput, size), tableLength * n);
    packed.joints.set(sample.joints, 2 * joints * n);
    packed.visible.set(sample.visible, joints * n);
    offset += windowBytes(window);
  });
  return packed;
}

/** Device buffers of one batch of crops. */
export class CropBatch {
  readonly #gpu: Gpu;
  readonly #facts: CropBatchFacts;
  readonly #windows: BufferRange;
  readonly #tables: BufferRange;
  #pixels: BufferRange;
  /**
   * On software drivers, what pixels are written to in turn, and copied from: Dawn writes straight into a buffer that the device is
   * done with, but for a large write into one in use it makes and clears a buffer of its own.
   */
  #uploads: BufferRange[] = [];
  /** [batch, joints, 2] input px and [batch, joints]. */
  readonly joints: BufferRange;
  readonly visible: BufferRange;
  /** Changes when a larger pixel buffer was needed: recordings that bind the old one no longer hold. */
  generation = 0;

  constructor(gpu: Gpu, facts: CropBatchFacts) {
    this.#gpu = gpu;
    this.#facts = facts;
    const { batch, size, joints } = facts;
    this.#windows = gpu.persistent(32 * batch, "crop windows");
    this.#tables = gpu.persistent(8 * (size[0] + size[1]) * batch, "crop tables");
    this.#pixels = this.#pixelBuffers(Math.max(4, 6 * size[0] * size[1] * batch));
    this.joints = gpu.persistent(8 * joints * batch, "joints");
    this.visible = gpu.persistent(4 * joints * batch, "visible joints");
  }

  #pixelBuffers(bytes: number): BufferRange {
    const gpu = this.#gpu;
    this.#uploads = gpu.info.kind === "hardware" ? [] : [0, 1].map(() => gpu.persistent(bytes, "crop upload"));
    return gpu.persistent(bytes, "crop pixels");
  }

  #writePixels(pixels: Uint8Array): void {
    const gpu = this.#gpu;
    const next = this.#uploads.shift();
    if (!next) {
      gpu.write(this.#pixels, pixels);
      return;
    }
    const upload = { ...next, bytes: pixels.length };
    gpu.write(upload, pixels);
    gpu.copy(upload, this.#pixels);
    this.#uploads.push(next);
  }

  /** Queues a batch for upload; outside of recordings. */
  write(packed: PackedCrops): void {
    const gpu = this.#gpu;
    if (packed.pixels.length > this.#pixels.bytes) {
      for (const range of [this.#pixels, ...this.#uploads]) gpu.free(range);
      this.#pixels = this.#pixelBuffers(Math.ceil(packed.pixels.length * GROWTH));
      this.generation++;
    }
    this.#writePixels(packed.pixels);
    gpu.write(this.#windows, packed.windows);
    gpu.write(this.#tables, packed.tables);
    gpu.write(this.joints, packed.joints);
    gpu.write(this.visible, packed.visible);
  }

  /** Gives the buffers back. */
  free(): void {
    for (const range of [this.#windows, this.#tables, this.#pixels, ...this.#uploads, this.joints, this.visible]) this.#gpu.free(range);
  }

  /** Encodes the normalised crops into [batch, h, w, 3]. */
  run(into: BufferRange): void {
    const { batch, size } = this.#facts;
    cropNormalize(this.#gpu, { pixels: this.#pixels, windows: this.#windows, tables: this.#tables, y: into, batch, size });
  }
}
