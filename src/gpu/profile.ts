/**
 * Per-kernel times by timestamp queries. Timestamps exist per pass only, so a profiled stretch runs one pass per
 * dispatch: slower in all, but true for each kernel.
 */
import type { EncodedDispatch } from "./commands.ts";

/** One line of the profile table. */
export interface ProfileRow {
  kernel: string;
  calls: number;
  ms: number;
  /** Direct-count arithmetic and bytes of all bound ranges, per second. */
  gflops: number;
  gbytes: number;
}

const MAX_DISPATCHES = 2048;

/** Collects timestamps for the dispatches of one stretch; made by Gpu.profile. */
export class Profiler {
  readonly #querySet: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #dispatches: EncodedDispatch[] = [];

  constructor(device: GPUDevice) {
    this.#querySet = device.createQuerySet({ type: "timestamp", count: 2 * MAX_DISPATCHES });
    this.#resolved = device.createBuffer({ size: 16 * MAX_DISPATCHES, usage: 0x200 | 0x04, label: "timestamps" });
  }

  /** Timestamp slots for the next pass. Throws when a stretch is longer than the query set. */
  begin(dispatch: EncodedDispatch): GPUComputePassTimestampWrites {
    const i = this.#dispatches.length;
    if (i >= MAX_DISPATCHES) throw new Error(`a profiled stretch may hold ${MAX_DISPATCHES} dispatches`);
    this.#dispatches.push(dispatch);
    return { querySet: this.#querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
  }

  get count(): number {
    return this.#dispatches.length;
  }

  /** Encodes the copy of all timestamps into `target` (16 bytes a dispatch). */
  resolve(encoder: GPUCommandEncoder, target: GPUBuffer): void {
    encoder.resolveQuerySet(this.#querySet, 0, 2 * this.count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, target, 0, 16 * this.count);
  }

  /** Table rows, slowest kernel first, from the resolved timestamps in nanoseconds. */
  table(stamps: BigUint64Array): ProfileRow[] {
    const rows = new Map<string, { calls: number; ns: number; flops: number; bytes: number }>();
    this.#dispatches.forEach((dispatch, i) => {
      const name = dispatch.compiled.kernel.name;
      const row = rows.get(name) ?? { calls: 0, ns: 0, flops: 0, bytes: 0 };
      row.calls++;
      row.ns += Number((stamps[2 * i + 1] ?? 0n) - (stamps[2 * i] ?? 0n));
      row.flops += dispatch.flops;
      for (const range of dispatch.ranges) row.bytes += range.bytes;
      rows.set(name, row);
    });
    return [...rows]
      .map(([kernel, { calls, ns, flops, bytes }]) => ({
        kernel,
        calls,
        ms: ns / 1e6,
        gflops: ns > 0 ? flops / ns : 0,
        gbytes: ns > 0 ? bytes / ns : 0,
      }))
      .sort((a, b) => b.ms - a.ms);
  }

  destroy(): void {
    this.#querySet.destroy();
    this.#resolved.destroy();
  }
}
