/** Batches prepared ahead: a bounded queue over a pure function of (epoch, step). */

/** What a loader has seen so far. */
export interface LoaderStatistics {
  prepared: number;
  /** Time that next() had to wait, ms. */
  waitedMs: number;
}

/** Prepares batches in the background, at most `depth` ahead. Errors of a batch surface at the next() that wants it. */
export class BatchLoader<T> {
  readonly #make: (position: number) => Promise<T>;
  readonly #depth: number;
  readonly #queue: Promise<T>[] = [];
  readonly #end: number;
  #next: number;
  #statistics: LoaderStatistics = { prepared: 0, waitedMs: 0 };
  #closed = false;

  /** @param make pure function of the position; positions run from `begin` to `end` (exclusive). */
  constructor(make: (position: number) => Promise<T>, { depth, begin, end }: { depth: number; begin: number; end: number }) {
    this.#make = make;
    this.#depth = Math.max(1, depth);
    this.#next = begin;
    this.#end = end;
  }

  get statistics(): LoaderStatistics {
    return { ...this.#statistics };
  }

  #fill(): void {
    while (!this.#closed && this.#queue.length < this.#depth && this.#next < this.#end) {
      const batch = this.#make(this.#next++);
      batch.catch(() => undefined); // handled by next(); this keeps an early failure from ending the process
      this.#queue.push(batch);
    }
  }

  /** The next batch, or undefined after the last. */
  async next(): Promise<T | undefined> {
    this.#fill();
    const batch = this.#queue.shift();
    if (!batch) return undefined;
    const started = performance.now();
    const value = await batch;
    this.#statistics.waitedMs += performance.now() - started;
    this.#statistics.prepared++;
    this.#fill();
    return value;
  }

  /** Stops preparing. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
  }
}
