/** RMSprop over a network's flat arenas. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type RmspropConstants, type RmspropMoments, rmspropStep } from "../kernels/rmsprop.ts";
import { checkNumber, type Optimiser, type OptimiserArenas, type ParameterGroup, StepPlan, zeroArena } from "./optimiser.ts";

/** Options of RMSprop; PyTorch's defaults. */
export interface RmspropOptions extends Partial<RmspropConstants> {
  /** Divides by the standard deviation of the gradient instead of its root mean square. */
  centered?: boolean;
  /** L2: weightDecay * parameters is added to the gradient. */
  weightDecay?: number;
  groups?: readonly ParameterGroup[];
}

/**
 * RMSprop (Tieleman and Hinton 2012; centred: Graves 2013), as PyTorch 1.13 computes it; only that a variance which
 * rounding takes below 0 counts as 0, where PyTorch gives NaN.
 */
export class Rmsprop implements Optimiser {
  readonly name = "rmsprop";
  readonly #gpu: Gpu;
  readonly #plan: StepPlan;
  readonly #constants: RmspropConstants;
  readonly #weightDecay: number;
  readonly #moments: RmspropMoments;
  steps = 0;

  /** Errors: OpError for constants out of range, arenas of different sizes, wrong groups. */
  constructor(gpu: Gpu, arenas: OptimiserArenas, { centered = false, weightDecay = 0, groups, ...constants }: RmspropOptions = {}) {
    const { alpha, epsilon, momentum } = (this.#constants = { alpha: 0.99, epsilon: 1e-8, momentum: 0, ...constants });
    checkNumber("Rmsprop", "alpha", { value: alpha, high: 1 });
    checkNumber("Rmsprop", "epsilon", { value: epsilon });
    checkNumber("Rmsprop", "momentum", { value: momentum });
    checkNumber("Rmsprop", "weightDecay", { value: weightDecay });
    this.#gpu = gpu;
    this.#plan = new StepPlan(gpu, arenas, groups);
    this.#weightDecay = weightDecay;
    const zeros = (label: string) => zeroArena(gpu, arenas, `rmsprop ${label}`);
    this.#moments = { v: zeros("v"), ...(centered ? { average: zeros("average") } : {}), ...(momentum > 0 ? { velocity: zeros("velocity") } : {}) };
  }

  /** What it was made with. */
  get settings(): RmspropConstants & { weightDecay: number; centered: boolean } {
    return { ...this.#constants, weightDecay: this.#weightDecay, centered: this.#moments.average !== undefined };
  }

  /** v (PyTorch's square_avg) and, where used, average (grad_avg) and velocity (momentum_buffer). */
  get state(): Readonly<Record<string, BufferRange>> {
    return { ...this.#moments };
  }

  /** Counts the coming step and writes its learning rate and decay. */
  prepare(learningRate: number): void {
    this.steps++;
    this.#plan.write(learningRate, (own) => [own.learningRate, this.#weightDecay * own.weightDecay, 0, 0]);
  }

  /** Encodes the update. */
  step(): void {
    this.#plan.encode((call) => rmspropStep(this.#gpu, { ...call, moments: this.#moments, constants: this.#constants }));
  }
}
