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

/** Dispatches of one query set: WebGPU allows 4096 queries. */
const SET_DISPATCHES = 2048;

/** Collects timestamps for the dispatches of one stretch; made by Gpu.profile. */
export class Profiler {
  readonly #device: GPUDevice;
  readonly #sets: { queries: GPUQuerySet; resolved: GPUBuffer }[] = [];
  readonly #dispatches: EncodedDispatch[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Timestamp slots for the next pass. */
  begin(dispatch: EncodedDispatch): GPUComputePassTimestampWrites {
    const i = this.#dispatches.length % SET_DISPATCHES;
    if (i === 0) {
      this.#sets.push({
        queries: this.#device.createQuerySet({ type: "timestamp", count: 2 * SET_DISPATCHES }),
        resolved: this.#device.createBuffer({ size: 16 * SET_DISPATCHES, usage: 0x200 | 0x04, label: "timestamps" }),
      });
    }
    this.#dispatches.push(dispatch);
    const querySet = this.#sets.at(-1)?.queries as GPUQuerySet;
    return { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
  }

  get count(): number {
    return this.#dispatches.length;
  }

  /** Encodes the copy of all timestamps into `target` (16 bytes a dispatch). */
  resolve(encoder: GPUCommandEncoder, target: GPUBuffer): void {
    this.#sets.forEach(({ queries, resolved }, k) => {
      const count = Math.min(SET_DISPATCHES, this.count - k * SET_DISPATCHES);
      encoder.resolveQuerySet(queries, 0, 2 * count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, target, 16 * k * SET_DISPATCHES, 16 * count);
    });
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
    for (const { queries, resolved } of this.#sets) {
      queries.destroy();
      resolved.destroy();
    }
  }
}
