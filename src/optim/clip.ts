/** Limits on gradients, on the device: nothing is read back. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { clampArena, clipFactor, scaleArena } from "../kernels/clip.ts";
import { checkNumber } from "./optimiser.ts";

/**
 * Limits the Euclidean norm of all gradients together (PyTorch's clip_grad_norm_). measure() finds the norm and the
 * factor; the factor is then handed to an optimiser as `gradientScale`, which costs no pass over memory, or apply()
 * multiplies the gradients by it. A norm that is NaN or infinite makes the gradients NaN, as in PyTorch; behind a
 * LossScaler, whose gradientScale it takes, the step is left out instead.
 */
export class NormClip {
  readonly #gpu: Gpu;
  readonly #gradients: BufferRange;
  readonly #limit: BufferRange;
  readonly #gradientScale: BufferRange;
  /** Norm before clipping, one f32. */
  readonly norm: BufferRange;
  /** min(1, maxNorm / (norm + 1e-6)), one f32; with a gradientScale times that, or negative as that is. */
  readonly factor: BufferRange;

  /**
   * @param options.gradientScale what the gradients are to be multiplied by before they are measured: a LossScaler's, whose
   * update() then precedes measure(). Errors: OpError unless maxNorm is above 0 and finite.
   */
  constructor(gpu: Gpu, gradients: BufferRange, { maxNorm, gradientScale }: { maxNorm: number; gradientScale?: BufferRange }) {
    this.#gpu = gpu;
    this.#gradients = gradients;
    this.#limit = gpu.persistent(4, "norm limit");
    this.#gradientScale = gradientScale ?? gpu.upload(Float32Array.of(1), "gradient scale");
    this.norm = gpu.upload(new Float32Array(1), "gradient norm");
    this.factor = gpu.upload(Float32Array.of(1), "gradient factor");
    this.prepare(maxNorm);
  }

  /** Writes another limit; outside of recordings. */
  prepare(maxNorm: number): void {
    checkNumber("NormClip", "maxNorm", { value: maxNorm, low: Number.MIN_VALUE });
    this.#gpu.write(this.#limit, Float32Array.of(maxNorm));
  }

  /** Encodes norm and factor of the gradients as they are. */
  measure(): void {
    clipFactor(this.#gpu, { gradients: this.#gradients, limit: this.#limit, gradientScale: this.#gradientScale, norm: this.norm, factor: this.factor });
  }

  /** Encodes the multiplication of the gradients by the factor. */
  apply(): void {
    scaleArena(this.#gpu, { arena: this.#gradients, factor: this.factor });
  }
}

/** Encodes a limit of every gradient to [-limit, limit] (PyTorch's clip_grad_value_). Errors: OpError for a negative limit. */
export function clipValues(gpu: Gpu, gradients: BufferRange, { limit }: { limit: number }): void {
  checkNumber("clipValues", "limit", { value: limit });
  clampArena(gpu, { arena: gradients, limit });
}
