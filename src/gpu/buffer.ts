/**
 * The one owner of GPU memory. Transient allocations come from a pool of size classes and live until their scope ends;
 * persistent ones live until freed. An allocation is a logical thing: a recorded step may place many of them, at
 * different times, on one device buffer.
 */
import { GpuError } from "../error.ts";
import type { ElementType } from "./wgsl.ts";

/** A buffer of the device, never handed out below src/gpu. */
export interface DeviceBuffer {
  readonly id: number;
  readonly handle: GPUBuffer;
  readonly bytes: number;
}

/** What an allocation is for. */
export interface AllocationFacts {
  label: string;
  persistent: boolean;
  /** How its numbers are stored; f32, or any words of four bytes, where absent. */
  element?: ElementType;
}

let allocations = 0;

/** One owned piece of memory. `buffer` is undefined after release, so that a late use is found at once. */
export class Allocation {
  buffer: DeviceBuffer | undefined;
  /** Rises with every allocation: says which of two is older. */
  readonly serial = allocations++;
  readonly bytes: number;
  readonly label: string;
  readonly persistent: boolean;
  /** Every kernel that this is bound to is compiled for it. */
  readonly element: ElementType;

  constructor(buffer: DeviceBuffer, facts: AllocationFacts & { bytes: number }) {
    this.buffer = buffer;
    this.bytes = facts.bytes;
    this.label = facts.label;
    this.persistent = facts.persistent;
    this.element = facts.element ?? "f32";
  }
}

/** Stands for the buffer of an allocation whose place a plan will choose; nothing may be encoded with it. */
const PLANNED: DeviceBuffer = {
  id: 0,
  bytes: 0,
  get handle(): GPUBuffer {
    throw new Error("memory of a step that is only recorded has no buffer: nothing in it can be run, written or read");
  },
};

/** A range without memory, for shapes alone. */
export function plannedRange(bytes: number, label: string): BufferRange {
  return { allocation: new Allocation(PLANNED, { bytes, label, persistent: true }), offset: 0, bytes };
}

/** The number that the next allocation gets. */
export function nextSerial(): number {
  return allocations;
}

/** A part of an allocation, as a kernel binds it; offsets and sizes in bytes. */
export interface BufferRange {
  readonly allocation: Allocation;
  readonly offset: number;
  readonly bytes: number;
}

/** What the pool holds, for tests, the memory table and leak hunting. */
export interface MemoryStatistics {
  /** Device buffers that exist now. */
  buffers: number;
  /** Bytes of those buffers, now and at most so far. */
  bytes: number;
  peakBytes: number;
  /** Bytes inside live allocations now and at most so far. */
  liveBytes: number;
  peakLiveBytes: number;
  /** Live allocations now. */
  live: number;
  /** Device buffers ever made; flat in a steady state. */
  created: number;
}

const STORAGE_USAGE = 0x80 | 0x08 | 0x04; // STORAGE | COPY_DST | COPY_SRC

/** Rounds up to the pool's size classes: eight per power of two, at least 256 bytes. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** Math.max(5, Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Allocates, recycles and counts. */
export class Memory {
  readonly #device: GPUDevice;
  readonly #maxBytes: number;
  readonly #free = new Map<number, DeviceBuffer[]>();
  /** While true transient allocations get no buffer: a recording will place them. */
  planning = false;
  #nextId = 1;
  #statistics: MemoryStatistics = { buffers: 0, bytes: 0, peakBytes: 0, liveBytes: 0, peakLiveBytes: 0, live: 0, created: 0 };

  constructor(device: GPUDevice, maxBytes: number) {
    this.#device = device;
    this.#maxBytes = maxBytes;
  }

  get statistics(): MemoryStatistics {
    return { ...this.#statistics };
  }

  /** A device buffer of at least `bytes`, from the pool where one fits. */
  acquireBuffer(bytes: number, label: string): DeviceBuffer {
    const size = sizeClass(bytes);
    const recycled = this.#free.get(size)?.pop();
    if (recycled) return recycled;
    return this.createBuffer(size, label);
  }

  /** Largest device buffer. */
  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** A device buffer of exactly `bytes`, for who gives it back by destroyBuffer. */
  createBuffer(bytes: number, label: string): DeviceBuffer {
    if (bytes > this.#maxBytes) {
      throw new GpuError({
        code: "gpu/buffer-too-large",
        message: `buffer "${label}" needs ${bytes} bytes, the adapter allows ${this.#maxBytes}`,
        fix: "use a smaller batch or image size (TRAIN.BATCH_SIZE, TEST.BATCH_SIZE, MODEL.IMAGE_SIZE)",
      });
    }
    const handle = this.#device.createBuffer({ size: bytes, usage: STORAGE_USAGE, label });
    this.#statistics.buffers++;
    this.#statistics.created++;
    this.#statistics.bytes += bytes;
    this.#statistics.peakBytes = Math.max(this.#statistics.peakBytes, this.#statistics.bytes);
    return { id: this.#nextId++, handle, bytes };
  }

  /** Gives a buffer back to the driver, which keeps it until submitted work is done with it. */
  destroyBuffer(buffer: DeviceBuffer): void {
    buffer.handle.destroy();
    this.#statistics.buffers--;
    this.#statistics.bytes -= buffer.bytes;
  }

  /** Returns a device buffer to the pool. Safe at once: one queue runs everything in program order. */
  recycleBuffer(buffer: DeviceBuffer): void {
    const list = this.#free.get(buffer.bytes);
    if (list) list.push(buffer);
    else this.#free.set(buffer.bytes, [buffer]);
  }

  allocate(bytes: number, facts: AllocationFacts): Allocation {
    if (this.planning && !facts.persistent) return new Allocation(PLANNED, { bytes, ...facts });
    const buffer = this.acquireBuffer(Math.max(bytes, 4), facts.label);
    this.#statistics.live++;
    this.#statistics.liveBytes += bytes;
    this.#statistics.peakLiveBytes = Math.max(this.#statistics.peakLiveBytes, this.#statistics.liveBytes);
    return new Allocation(buffer, { bytes, ...facts });
  }

  /** Gives an allocation back; a second release is a bug and throws. */
  release(allocation: Allocation): void {
    if (!allocation.buffer) throw new Error(`allocation "${allocation.label}" released twice`);
    const { buffer } = allocation;
    allocation.buffer = undefined;
    if (buffer === PLANNED) return;
    this.recycleBuffer(buffer);
    this.#statistics.live--;
    this.#statistics.liveBytes -= allocation.bytes;
  }

  /** Destroys the buffers that nobody holds. Only when the queue is idle. */
  trim(): void {
    for (const buffers of this.#free.values()) {
      for (const buffer of buffers) this.destroyBuffer(buffer);
    }
    this.#free.clear();
  }
}
