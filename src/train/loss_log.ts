/** Losses of many steps kept on the device and read now and then: no step waits for a read-back. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { storeRow } from "../kernels/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Steps between two reads at most. */
const ROWS = 64;

/** A step's losses by name. */
export interface LossRow {
  readonly step: number;
  readonly losses: Readonly<Record<string, number>>;
}

/** A table [ROWS, losses] that each step writes one row of. */
export class LossLog {
  readonly #gpu: Gpu;
  readonly #names: readonly string[];
  readonly #table: BufferRange;
  readonly #row: BufferRange;
  readonly #pending: number[] = [];

  constructor(gpu: Gpu, names: readonly string[]) {
    this.#gpu = gpu;
    this.#names = names;
    this.#table = gpu.persistent(4 * ROWS * names.length, "losses");
    this.#row = gpu.persistent(4, "loss row");
  }

  /** Chooses the row of the coming step; outside of recordings. */
  prepare(step: number): void {
    if (this.full) throw new Error("the loss table is full: read it first");
    this.#gpu.write(this.#row, Uint32Array.of(this.#pending.length));
    this.#pending.push(step);
  }

  /** Encodes the copy of a step's losses into its row. */
  encode(losses: Tensor): void {
    storeRow(this.#gpu, { x: losses.range, row: this.#row, table: this.#table, count: this.#names.length });
  }

  get full(): boolean {
    return this.#pending.length === ROWS;
  }

  /** Losses of the steps since the last time. */
  read(): Promise<LossRow[]> {
    return this.fetch()();
  }

  /** Queues the reading of the steps since the last time; the returned function resolves with their losses, also behind later steps. */
  fetch(): () => Promise<LossRow[]> {
    const steps = this.#pending.splice(0);
    if (steps.length === 0) return () => Promise.resolve([]);
    const bytes = this.#gpu.fetch(this.#table);
    return async () => {
      const values = new Float32Array(await bytes());
      return steps.map((step, row) => ({
        step,
        losses: Object.fromEntries(this.#names.map((name, i) => [name, values[row * this.#names.length + i] as number])),
      }));
    };
  }
}
