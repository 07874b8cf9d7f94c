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
  pixels: Uint8Array;
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
  for (let row = 0; row < window.height; row++) into.set(pixels.subarray(row * rowBytes, row * rowBytes + own), offset + row * own);
}

/** Packs samples into the buffers that the crop kernel reads. Fewer samples than the batch leave black crops behind. */
export function packCrops(samples: readonly CropSample[], { batch, size, joints, rgb }: CropBatchFacts): PackedCrops {
  const tableLength = 2 * (size[0] + size[1]);
  const packed: PackedCrops = {
    // Every byte is written below.
    pixels: new Uint8Array(Buffer.allocUnsafeSlow(samples.reduce((sum, { window }) => sum + windowBytes(window), 0)).buffer),
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
    this.#pixels = gpu.persistent(Math.max(4, 6 * size[0] * size[1] * batch), "crop pixels");
    this.joints = gpu.persistent(8 * joints * batch, "joints");
    this.visible = gpu.persistent(4 * joints * batch, "visible joints");
  }

  /** Queues a batch for upload; outside of recordings. */
  write(packed: PackedCrops): void {
    const gpu = this.#gpu;
    if (packed.pixels.length > this.#pixels.bytes) {
      gpu.free(this.#pixels);
      this.#pixels = gpu.persistent(Math.ceil(packed.pixels.length * 1.25), "crop pixels");
      this.generation++;
    }
    gpu.write(this.#pixels, packed.pixels);
    gpu.write(this.#windows, packed.windows);
    gpu.write(this.#tables, packed.tables);
    gpu.write(this.joints, packed.joints);
    gpu.write(this.visible, packed.visible);
  }

  /** Gives the buffers back. */
  free(): void {
    for (const range of [this.#windows, this.#tables, this.#pixels, this.joints, this.visible]) this.#gpu.free(range);
  }

  /** Encodes the normalised crops into [batch, h, w, 3]. */
  run(into: BufferRange): void {
    const { batch, size } = this.#facts;
    cropNormalize(this.#gpu, { pixels: this.#pixels, windows: this.#windows, tables: this.#tables, y: into, batch, size });
  }
}
