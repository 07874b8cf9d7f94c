/** Moving averages of weights, for evaluation and for teachers. */
import { OpError } from "../error.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { averageArena } from "../kernels/average.ts";
import { checkNumber, zeroArena } from "./optimiser.ts";
import type { Schedule } from "./schedule.ts";

/** Decay that starts low and rises to `decay`: min(decay, (1 + n) / (10 + n)) after n updates (TensorFlow's rule). */
export function risingDecay(decay: number): Schedule {
  return (updates) => Math.min(decay, (1 + updates) / (10 + updates));
}

/** Decay that makes the average of all updates equally weighted (stochastic weight averaging, Izmailov et al. 2018). */
export function equalShares(): Schedule {
  return (updates) => updates / (updates + 1);
}

/**
 * average = decay average + (1 - decay) parameters, as PyTorch's AveragedModel has it: the first update copies. The decay
 * is data: prepare() before a step, update() inside a recording.
 */
export class WeightAverage {
  readonly #gpu: Gpu;
  readonly #parameters: BufferRange;
  readonly #share: BufferRange;
  readonly #decay: Schedule;
  /** The average, f32, the parameters' layout. */
  readonly average: BufferRange;
  /** Updates done; part of a checkpoint, with the average. */
  updates = 0;

  /**
   * @param options.decay a number in [0, 1), or a function of the updates done so far
   * @param options.average where to keep it, such as another network's parameter arena (a teacher); by default new memory
   * Errors: OpError for a decay out of range or an average of another size.
   */
  constructor(gpu: Gpu, parameters: BufferRange, { decay, average }: { decay: number | Schedule; average?: BufferRange }) {
    if (average && average.bytes !== parameters.bytes) {
      throw new OpError({ code: "optim/arenas", message: `WeightAverage: average must have the parameters' ${parameters.bytes} bytes, got ${average.bytes}` });
    }
    if (typeof decay === "number") checkNumber("WeightAverage", "decay", { value: decay, high: 1 });
    this.#gpu = gpu;
    this.#parameters = parameters;
    this.#decay = typeof decay === "number" ? () => decay : decay;
    this.#share = gpu.persistent(8, "average's decay");
    this.average = average ?? zeroArena(gpu, { parameters }, "average of weights");
  }

  /** Counts the coming update and writes its decay; outside of recordings. */
  prepare(): void {
    const decay = this.updates === 0 ? 0 : this.#decay(this.updates);
    checkNumber("WeightAverage", "decay", { value: decay, high: 1 });
    this.updates++;
    this.#gpu.write(this.#share, Float32Array.of(decay, 1 - decay));
  }

  /** Encodes the update. */
  update(): void {
    averageArena(this.#gpu, { p: this.#parameters, share: this.#share, average: this.average });
  }
}
