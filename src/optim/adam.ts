/** Adam over a network's flat arenas. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type AdamConstants, adamStep } from "../kernels/adam.ts";
import { fill } from "../kernels/elementwise.ts";

/** What Adam works on. */
export interface AdamArenas {
  parameters: BufferRange;
  gradients: BufferRange;
}

/** Adam with L2 weight decay, PyTorch's defaults. The step's numbers are data: prepare() before, step() inside a recording. */
export class Adam {
  readonly #gpu: Gpu;
  readonly #arenas: AdamArenas;
  readonly #constants: AdamConstants;
  readonly #state: BufferRange;
  /** First and second moments, f32, the parameters' layout. */
  readonly m: BufferRange;
  readonly v: BufferRange;
  /** Steps taken. */
  steps = 0;

  constructor(gpu: Gpu, arenas: AdamArenas, constants: Partial<AdamConstants> = {}) {
    this.#gpu = gpu;
    this.#arenas = arenas;
    this.#constants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, ...constants };
    const { bytes } = arenas.parameters;
    this.m = gpu.persistent(bytes, "adam m");
    this.v = gpu.persistent(bytes, "adam v");
    for (const range of [this.m, this.v]) fill(gpu, { out: range, count: bytes / 4, value: 0 });
    this.#state = gpu.persistent(16, "adam state");
  }

  /** Counts the coming step and writes its learning rate and bias corrections. */
  prepare(learningRate: number): void {
    this.steps++;
    const { beta1, beta2 } = this.#constants;
    const first = learningRate / (1 - beta1 ** this.steps);
    const second = 1 / Math.sqrt(1 - beta2 ** this.steps);
    this.#gpu.write(this.#state, Float32Array.of(first, second));
  }

  /** Encodes the update. */
  step(): void {
    adamStep(this.#gpu, { ...this.#arenas, m: this.m, v: this.v, state: this.#state, constants: this.#constants });
  }
}
