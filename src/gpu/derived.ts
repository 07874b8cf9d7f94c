/**
 * What was computed from a piece of memory and holds until that memory changes: weights in the order or transform that a
 * kernel wants, made once per step and shared by all of its passes.
 */
import type { Allocation, BufferRange } from "./buffer.ts";
import type { BufferAccess } from "./kernel.ts";

let sharing = true;

/** Runs `work` so that what is derived is made anew for every use and not held in between: time for memory. The numbers are the same. */
export function withoutSharing<T>(work: () => T): T {
  const before = sharing;
  sharing = false;
  try {
    return work();
  } finally {
    sharing = before;
  }
}

/** Derived ranges by source. Every write to a source's allocation forgets what was derived from it. */
export class DerivedRanges {
  readonly #known = new Map<Allocation, Map<string, BufferRange>>();

  /** The range derived from `source` under `key`, made by `make` where none is known or its memory was released. */
  get(source: BufferRange, key: string, make: () => BufferRange): BufferRange {
    if (!sharing) return make();
    const place = `${key}|${source.offset}|${source.bytes}`;
    const known = this.#known.get(source.allocation)?.get(place);
    if (known?.allocation.buffer) return known;
    const made = make();
    let ranges = this.#known.get(source.allocation);
    if (!ranges) this.#known.set(source.allocation, (ranges = new Map()));
    ranges.set(place, made);
    return made;
  }

  /** An allocation was written by the host. */
  written(allocation: Allocation): void {
    this.#known.delete(allocation);
  }

  /** A dispatch was encoded: what it may write has changed. */
  writtenBy({ ranges, compiled }: { ranges: readonly BufferRange[]; compiled: { kernel: { buffers: Readonly<Record<string, BufferAccess>> } } }): void {
    if (this.#known.size === 0) return;
    Object.values(compiled.kernel.buffers).forEach((access, i) => {
      if (access === "read_write") this.#known.delete((ranges[i] as BufferRange).allocation);
    });
  }

  /** A recording begins, ends or is replayed: what is in it and what is outside of it cannot share. */
  forget(): void {
    this.#known.clear();
  }
}
