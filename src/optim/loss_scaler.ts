/** Dynamic loss scaling, which keeps gradients stored as f16 from vanishing. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type LossScaleBuffers, type LossScaleConstants, updateLossScale } from "../kernels/loss_scale.ts";
import { mapForward } from "../kernels/map.ts";
import { emptyTensor, type Tensor } from "../tensor/tensor.ts";
import { checkNumber } from "./optimiser.ts";

/** Options of a loss scaler; PyTorch's defaults. */
export interface LossScalerOptions extends Partial<LossScaleConstants> {
  /** Scale of the first step. */
  initial?: number;
}

/** Where a loss scaler stands; all that a checkpoint needs. */
export interface LossScaleState {
  scale: number;
  /** Steps since the scale changed. */
  goodSteps: number;
  /** Steps left out so far, because a gradient was not finite. */
  skippedSteps: number;
}

/**
 * Loss scaling (Micikevicius et al., ICLR 2018) by the rules of PyTorch's GradScaler, on the device: backward passes start
 * from the scale, the optimiser divides by it, and a step with a gradient that is not finite changes no weight and no
 * moment. Nothing is read back, so a recorded step replays with it.
 *
 *   const scaler = new LossScaler(gpu, store.gradientArena);
 *   const adam = new Adam(gpu, { ..., gradientScale: scaler.gradientScale });
 *   backward(loss, { gradient: scaler.gradientOf(loss) });
 *   scaler.update();
 *   adam.step();
 *
 * Adam's bias correction counts steps that were left out too, where PyTorch's does not: the host does not know of them.
 */
export class LossScaler {
  readonly #gpu: Gpu;
  readonly #gradients: BufferRange;
  readonly #constants: LossScaleConstants;
  readonly #buffers: LossScaleBuffers;

  /** @param gradients the arena that decides whether a step counts. Errors: OpError for constants out of range. */
  constructor(gpu: Gpu, gradients: BufferRange, { initial = 2 ** 16, ...constants }: LossScalerOptions = {}) {
    const { growth, backoff, interval } = (this.#constants = { growth: 2, backoff: 0.5, interval: 2000, ...constants });
    checkNumber("LossScaler", "initial", { value: initial, low: 2 ** -126 });
    checkNumber("LossScaler", "growth", { value: growth, low: 1 });
    checkNumber("LossScaler", "backoff", { value: backoff, low: Number.MIN_VALUE, high: 1 });
    checkNumber("LossScaler", "interval", { value: interval, low: 1 });
    this.#gpu = gpu;
    this.#gradients = gradients;
    this.#buffers = {
      state: gpu.persistent(12, "loss scale"),
      found: gpu.upload(new Uint32Array(1), "overflow"),
      gradientScale: gpu.upload(Float32Array.of(1 / initial), "gradient scale"),
    };
    this.restore({ scale: initial, goodSteps: 0, skippedSteps: 0 });
  }

  /** One f32 that optimisers multiply gradients by; negative where the step is to be left out. */
  get gradientScale(): BufferRange {
    return this.#buffers.gradientScale;
  }

  /** The scale for every element of a loss: where its backward pass starts. */
  gradientOf(loss: Tensor): Tensor {
    const { allocation, offset } = this.#buffers.state;
    const gradient = emptyTensor(this.#gpu, loss.shape, { label: "loss scale" });
    mapForward(this.#gpu, "identity", { operands: [{ range: { allocation, offset, bytes: 4 }, shape: [1] }], shape: loss.shape, y: gradient.range });
    return gradient;
  }

  /** Encodes the verdict over the gradients: behind all backward passes, before the optimiser's step. */
  update(): void {
    updateLossScale(this.#gpu, { gradients: this.#gradients, buffers: this.#buffers, constants: this.#constants });
  }

  /** Reads where it stands; waits for the device. */
  async read(): Promise<LossScaleState> {
    const [scale = 0, goodSteps = 0, skippedSteps = 0] = await this.#gpu.readFloats(this.#buffers.state);
    return { scale, goodSteps, skippedSteps };
  }

  /** Writes where it stood; outside of recordings. */
  restore({ scale, goodSteps, skippedSteps }: LossScaleState): void {
    this.#gpu.write(this.#buffers.state, Float32Array.of(scale, goodSteps, skippedSteps));
  }
}
