/** Adam, AdamW and AMSGrad over a network's flat arenas. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type AdamConstants, type AdamMoments, adamStep } from "../kernels/adam.ts";
import { checkNumber, type Optimiser, type OptimiserArenas, type ParameterGroup, StepPlan, zeroArena } from "./optimiser.ts";

/** Options of Adam; PyTorch's defaults. */
export interface AdamOptions extends Partial<AdamConstants> {
  weightDecay?: number;
  /** Shrinks the parameters by lr * weightDecay instead of adding weightDecay * parameters to the gradient: AdamW. */
  decoupled?: boolean;
  /** Divides by the largest second moment so far. */
  amsgrad?: boolean;
  groups?: readonly ParameterGroup[];
}

/** Adam (Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019; AMSGrad: Reddi et al. 2018), as PyTorch 1.13 computes it. */
export class Adam implements Optimiser {
  readonly name = "adam";
  readonly #gpu: Gpu;
  readonly #plan: StepPlan;
  readonly #constants: AdamConstants;
  readonly #decay: { l2: number; decoupled: number };
  readonly #moments: AdamMoments;
  steps = 0;

  /** Errors: OpError for constants out of range, arenas of different sizes, wrong groups. */
  constructor(gpu: Gpu, arenas: OptimiserArenas, { weightDecay = 0, decoupled = false, amsgrad = false, groups, ...constants }: AdamOptions = {}) {
    const { beta1, beta2, epsilon } = (this.#constants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ...constants });
    checkNumber("Adam", "beta1", { value: beta1, high: 1 });
    checkNumber("Adam", "beta2", { value: beta2, high: 1 });
    checkNumber("Adam", "epsilon", { value: epsilon });
    checkNumber("Adam", "weightDecay", { value: weightDecay });
    this.#gpu = gpu;
    this.#plan = new StepPlan(gpu, arenas, groups);
    this.#decay = decoupled ? { l2: 0, decoupled: weightDecay } : { l2: weightDecay, decoupled: 0 };
    const zeros = (label: string) => zeroArena(gpu, arenas, `adam ${label}`);
    this.#moments = { m: zeros("m"), v: zeros("v"), ...(amsgrad ? { largestV: zeros("largest v") } : {}) };
  }

  /** What it was made with. */
  get settings(): AdamConstants & { weightDecay: number; decoupled: boolean; amsgrad: boolean } {
    const { l2, decoupled } = this.#decay;
    return { ...this.#constants, weightDecay: l2 + decoupled, decoupled: decoupled > 0, amsgrad: this.#moments.largestV !== undefined };
  }

  /** First and second moments, f32, the parameters' layout. */
  get m(): BufferRange {
    return this.#moments.m;
  }

  get v(): BufferRange {
    return this.#moments.v;
  }

  /** m, v and, with AMSGrad, largestV. */
  get state(): Readonly<Record<string, BufferRange>> {
    return { ...this.#moments };
  }

  /** Counts the coming step and writes its learning rate, bias corrections and decay. */
  prepare(learningRate: number): void {
    this.steps++;
    const { beta1, beta2 } = this.#constants;
    const first = 1 / (1 - beta1 ** this.steps);
    const second = 1 / Math.sqrt(1 - beta2 ** this.steps);
    const { l2, decoupled } = this.#decay;
    this.#plan.write(learningRate, (own) => [own.learningRate * first, second, l2 * own.weightDecay, 1 - own.learningRate * decoupled * own.weightDecay]);
  }

  /** Encodes the update. */
  step(): void {
    this.#plan.encode((call) => adamStep(this.#gpu, { ...call, moments: this.#moments, constants: this.#constants }));
  }
}
