/**
 * The device: one adapter, one queue, one owner of memory. Everything above src/gpu talks to a `Gpu`.
 *
 *   const gpu = await openDevice();
 *   const range = gpu.upload(new Float32Array([1, 2, 3]), "x");
 *   gpu.run(kernel, { buffers: { x: range, y }, uniforms: { count: 3 }, workgroups: [1, 1, 1] });
 *   const bytes = await gpu.read(y);
 */
import { GpuError } from "../error.ts";
import { Allocation, type BufferRange, Memory, type MemoryStatistics, nextSerial, sizeClass } from "./buffer.ts";
import { Commands, type Dispatch, type EncodedDispatch } from "./commands.ts";
import type { AdapterChoice } from "./driver.ts";
import type { BufferRecord, Kernel, UniformRecord } from "./kernel.ts";
import { type AdapterInfo, type DeviceMode, openNativeDevice, type NativeDevice } from "./native.ts";
import { type NonfiniteFinding, NonfiniteWatch, WATCHED_BUFFERS } from "./nonfinite.ts";
import { type ProfileRow, Profiler } from "./profile.ts";
import { Recording } from "./record.ts";
import type { ElementType } from "./wgsl.ts";

export type { BufferRange, MemoryStatistics } from "./buffer.ts";
export type { NonfiniteFinding } from "./nonfinite.ts";
export type { ProfileRow } from "./profile.ts";
export type { Recording } from "./record.ts";
export type { ElementType } from "./wgsl.ts";

/** What openDevice takes; both default to the environment (`ADAPTER`, `LIMBER_MODE`). */
export interface OpenOptions {
  adapter?: AdapterChoice;
  /** fast: no validation, no bounds checks (training, bench). checked: Dawn validates everything (tests). */
  mode?: DeviceMode;
}

type HostArray = Float32Array | Uint32Array | Int32Array | Uint8Array | Uint16Array;

/** Waits in slices this long, so that decoding and uploads go on while the device works. */
const WAIT_SLICE_MS = 2;
/** A software driver computes its steps on the CPU, beside other programs: one of a large network can take minutes. */
const WAIT_LIMIT_MS = { hardware: 120_000, software: 1_800_000 };
/** A slice that took longer did so because the whole process was halted (Ctrl-Z, a sleeping computer), the device with it. */
const LONGEST_SLICE_MS = 1000;

/** A device with its memory, commands, recordings and profile. */
export class Gpu {
  readonly info: AdapterInfo;
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  readonly mode: DeviceMode;
  readonly #native: NativeDevice;
  readonly #memory: Memory;
  readonly #commands: Commands;
  /** Buffers for reads that are not in use, by size. */
  readonly #staging = new Map<number, GPUBuffer[]>();
  #scopes: Set<Allocation>[] = [];
  #closed = false;

  constructor(native: NativeDevice) {
    this.#native = native;
    this.info = native.info;
    this.features = native.features;
    this.limits = native.device.limits;
    this.mode = native.mode;
    this.#memory = new Memory(native.device, this.limits.maxBufferSize);
    this.#commands = new Commands(native.device, this.#memory);
    // Assigned, not added: with a mere listener the binding also prints the text.
    native.device.onuncapturederror = (event: GPUUncapturedErrorEvent) => {
      this.#commands.failure ??= this.#commands.describeError(event.error.message);
    };
    void native.device.lost.then(({ reason, message }) => {
      if (this.#closed) return;
      this.#commands.failure ??= new GpuError({
        code: "gpu/device-lost",
        message: `the GPU device was lost (${reason}): ${message}`,
        where: `after kernels ${this.#commands.lastLabels.slice(-6).join(" → ")}`,
        fix: "the last checkpoint is intact: run the same command with --resume; if it happens again, use a smaller TRAIN.BATCH_SIZE or another driver (ADAPTER=lavapipe)",
      });
    });
  }

  /** Live and peak memory, and how many device buffers exist. */
  get memory(): MemoryStatistics {
    return this.#memory.statistics;
  }

  /** How many bind groups, pipelines, submits, dispatches and reads there were so far. */
  get counters(): Readonly<Commands["counters"]> {
    return { ...this.#commands.counters };
  }

  /** Serial of the next allocation: what has a smaller one is older. */
  get allocationSerial(): number {
    return nextSerial();
  }

  /** Memory that lives until the enclosing scope ends (or until `free`, outside of scopes). */
  allocate(bytes: number, label: string, { element = "f32" }: { element?: ElementType } = {}): BufferRange {
    if (element === "f16") this.requireHalf();
    const allocation = this.#memory.allocate(bytes, { label, persistent: false, element });
    this.#scopes.at(-1)?.add(allocation);
    return { allocation, offset: 0, bytes };
  }

  /** Memory that lives until `free`: parameters, optimiser state, step inputs. */
  persistent(bytes: number, label: string, { element = "f32" }: { element?: ElementType } = {}): BufferRange {
    if (element === "f16") this.requireHalf();
    return { allocation: this.#memory.allocate(bytes, { label, persistent: true, element }), offset: 0, bytes };
  }

  /** Fails where the adapter cannot store half floats. Errors: GpuError naming the adapter. */
  requireHalf(): void {
    if (this.features.has("shader-f16")) return;
    throw new GpuError({
      code: "gpu/no-f16",
      message: `adapter ${this.info.description || this.info.device} has no shader-f16: it cannot store half floats`,
      fix: "set PRECISION=fp32, or choose another driver (ADAPTER)",
    });
  }

  /** Persistent memory filled from the host. */
  upload(data: HostArray, label: string): BufferRange {
    const range = this.persistent(data.byteLength, label);
    this.write(range, data);
    return range;
  }

  /** Gives memory back before its scope ends. Later dispatches may reuse it: the queue keeps program order. */
  free(range: BufferRange): void {
    for (const scope of this.#scopes) scope.delete(range.allocation);
    this.#memory.release(range.allocation);
  }

  /** True until the allocation behind a range was released. */
  isLive(range: BufferRange): boolean {
    return range.allocation.buffer !== undefined;
  }

  /** Runs `work` and releases every transient allocation it made, unless it is kept. */
  scope<T>(work: (keep: (range: BufferRange) => void) => T): T {
    const own = new Set<Allocation>();
    this.#scopes.push(own);
    const keep = (range: BufferRange) => {
      if (own.delete(range.allocation)) this.#scopes.at(-2)?.add(range.allocation);
    };
    try {
      return work(keep);
    } finally {
      this.#scopes.pop();
      for (const allocation of own) if (allocation.buffer) this.#memory.release(allocation);
    }
  }

  /** Queues a host-to-device copy; ordered with the dispatches around it. */
  write(range: BufferRange, data: HostArray, byteOffset = 0): void {
    if (!range.allocation.buffer) throw new Error(`write to "${range.allocation.label}" after its release`);
    if (byteOffset + data.byteLength > range.bytes) {
      throw new Error(`write of ${data.byteLength} bytes at ${byteOffset} into "${range.allocation.label}" of ${range.bytes}`);
    }
    if (this.#commands.recorder) throw new Error(`write to "${range.allocation.label}" inside a recorded step: write before it`);
    this.#commands.flush();
    this.#commands.derived.written(range.allocation);
    const whole = data.byteLength - (data.byteLength % 4);
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    const { queue } = this.#native.device;
    const { handle } = range.allocation.buffer;
    if (whole > 0) queue.writeBuffer(handle, range.offset + byteOffset, bytes, 0, whole);
    if (whole < data.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      queue.writeBuffer(handle, range.offset + byteOffset + whole, tail);
    }
  }

  /** Queues a copy on the device; ordered with the dispatches around it. Outside of recordings. */
  copy(source: BufferRange, target: BufferRange): void {
    const { label, buffer } = target.allocation;
    if (!buffer) throw new Error(`copy to "${label}" after its release`);
    if (source.bytes > target.bytes) throw new Error(`copy of ${source.bytes} bytes into "${label}" of ${target.bytes}`);
    if (this.#commands.recorder) throw new Error(`copy to "${label}" inside a recorded step: copy before it`);
    this.#commands.derived.written(target.allocation);
    this.#commands.copy(source, { buffer: buffer.handle, offset: target.offset });
  }

  /**
   * What `make` derives from `source` (repacked weights, say), made once and handed out again until something writes to the
   * allocation of `source`, the derived memory is released with its scope, or a recording begins or ends. `key` tells
   * different derivations of one source apart.
   */
  derived(source: BufferRange, key: string, make: () => BufferRange): BufferRange {
    return this.#commands.derived.get(source, key, make);
  }

  /** Encodes one dispatch of a kernel. */
  run<B extends BufferRecord, U extends UniformRecord>(kernel: Kernel<B, U>, dispatch: Dispatch<B, U>): void {
    this.#commands.run(kernel, dispatch);
  }

  /** Submits what is encoded. */
  flush(): void {
    this.#commands.flush();
    this.#commands.check();
  }

  /** Resolves when the device has finished everything submitted so far. Throws what the driver reported. */
  async fence(): Promise<void> {
    await this.mark()();
  }

  /** Marks the work submitted so far; the returned function resolves when it is done. Lets a step run ahead of the host. */
  mark(): () => Promise<void> {
    this.flush();
    const wait = this.#native.queueWait();
    return () => this.#waitFor(wait);
  }

  async #waitFor(wait: ReturnType<NativeDevice["queueWait"]>): Promise<void> {
    const limitMs = WAIT_LIMIT_MS[this.info.kind === "hardware" ? "hardware" : "software"];
    let waitedMs = 0;
    for (let before = performance.now(), now = before; !wait.poll(WAIT_SLICE_MS); before = now) {
      now = performance.now();
      waitedMs += Math.min(now - before, LONGEST_SLICE_MS);
      if (waitedMs > limitMs) {
        throw new GpuError({
          code: "gpu/hang",
          message: `the device did not finish within ${limitMs / 1000} s`,
          where: `after kernels ${this.#commands.lastLabels.slice(-6).join(" → ")}`,
          fix: "use a smaller batch, or another driver (ADAPTER=lavapipe)",
        });
      }
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#commands.check();
  }

  /** A promise-free wait for callers that own the thread (bench, tests). */
  fenceBlocking(): void {
    this.flush();
    const wait = this.#native.queueWait();
    while (!wait.poll(1000)) this.#commands.check();
    this.#commands.check();
  }

  /** Bytes of a range, after everything submitted so far. */
  async read(range: BufferRange): Promise<ArrayBuffer> {
    return this.fetch(range)();
  }

  /**
   * Queues the copy of a range to the host; the returned function resolves with its bytes as they are now. Call it once,
   * any time later: work that is submitted in between does not delay it.
   */
  fetch(range: BufferRange): () => Promise<ArrayBuffer> {
    if (this.#commands.recorder) throw new Error(`read of "${range.allocation.label}" inside a recorded step`);
    const bytes = Math.ceil(range.bytes / 4) * 4;
    const size = Math.min(sizeClass(bytes), this.limits.maxBufferSize);
    const free = this.#staging.get(size) ?? [];
    this.#staging.set(size, free);
    const staging = free.pop() ?? this.#native.device.createBuffer({ size, usage: 0x01 | 0x08, label: "read" });
    this.#commands.copy({ ...range, bytes }, { buffer: staging, offset: 0 });
    this.#commands.counters.reads++;
    const finished = this.mark();
    return async () => {
      await finished();
      const data = await this.#native.mapRead(staging, bytes);
      free.push(staging);
      return data.slice(0, range.bytes);
    };
  }

  /** A range as numbers. */
  async readFloats(range: BufferRange): Promise<Float32Array> {
    return new Float32Array(await this.read(range));
  }

  /**
   * Runs `work` eagerly once and returns the recording of its dispatches. Its transient memory is planned anew. With
   * `execute: false` nothing runs and no transient memory is made but what the plan needs: the first replay is the first
   * run.
   */
  record(work: () => void, { execute = true }: { execute?: boolean } = {}): Recording {
    if (this.#commands.recorder) throw new Error("a recording is already open");
    const encoded: EncodedDispatch[] = [];
    const begin = nextSerial();
    return this.scope(() => {
      this.#commands.recorder = encoded;
      this.#memory.planning = !execute;
      this.#commands.derived.forget();
      try {
        work();
      } finally {
        this.#commands.derived.forget();
        this.#commands.recorder = undefined;
        this.#memory.planning = false;
      }
      this.flush();
      return new Recording(this.#commands, encoded, begin);
    });
  }

  /** Times every kernel of `work` on the device. Needs timestamp-query; without it the reason is thrown. */
  async profile(work: () => void): Promise<ProfileRow[]> {
    if (!this.features.has("timestamp-query")) {
      throw new GpuError({
        code: "gpu/no-timestamps",
        message: `adapter ${this.info.description} has no timestamp-query`,
        fix: "profile on another driver (ADAPTER=lavapipe)",
      });
    }
    await this.fence();
    const { device } = this.#native;
    const profiler = new Profiler(device);
    try {
      this.#commands.profiler = profiler;
      try {
        work();
      } finally {
        this.flush();
        this.#commands.profiler = undefined;
      }
      if (profiler.count === 0) return [];
      const staging = device.createBuffer({ size: 16 * profiler.count, usage: 0x01 | 0x08, label: "timestamps" });
      const encoder = device.createCommandEncoder();
      profiler.resolve(encoder, staging);
      this.#commands.submit(encoder);
      await this.fence();
      const stamps = new BigUint64Array(await this.#native.mapRead(staging, 16 * profiler.count));
      staging.destroy();
      return profiler.table(stamps);
    } finally {
      profiler.destroy();
    }
  }

  /**
   * Runs `work` eagerly and counts NaN and infinite numbers in every float buffer behind each dispatch that writes it.
   * Returns the first with any. For debugging: several times as slow.
   */
  async findNonfinite(work: () => void): Promise<NonfiniteFinding | undefined> {
    if (this.#commands.recorder || this.#commands.watch) throw new Error("findNonfinite inside a recorded or a watched step");
    const counts = this.upload(new Uint32Array(2 * WATCHED_BUFFERS), "counts of non-finite numbers");
    const watch = new NonfiniteWatch(this.#commands, counts);
    try {
      this.#commands.watch = watch;
      try {
        this.scope(work);
      } finally {
        this.#commands.watch = undefined;
      }
      return watch.first(new Uint32Array(await this.read(counts)));
    } finally {
      this.free(counts);
    }
  }

  /** Gives unused memory back to the driver. */
  async trim(): Promise<void> {
    await this.fence();
    this.#commands.forgetBindGroups();
    this.#memory.trim();
  }

  /** Ends the device; a process may exit without it. */
  async close(): Promise<void> {
    await this.fence();
    this.#closed = true;
    this.#native.device.destroy();
  }
}

/** Opens the best adapter there is (hardware, then an installed software driver, then the embedded one). */
export async function openDevice(options: OpenOptions = {}): Promise<Gpu> {
  return new Gpu(await openNativeDevice(options));
}
