/** Stochastic gradient descent over a network's flat arenas. */
import { OpError } from "../error.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { sgdStep } from "../kernels/sgd.ts";
import { checkNumber, type Optimiser, type OptimiserArenas, type ParameterGroup, StepPlan, zeroArena } from "./optimiser.ts";

/** Options of SGD; PyTorch's defaults. */
export interface SgdOptions {
  momentum?: number;
  /** Share of the gradient that momentum leaves out, except in the first step. */
  dampening?: number;
  nesterov?: boolean;
  /** L2: weightDecay * parameters is added to the gradient. */
  weightDecay?: number;
  groups?: readonly ParameterGroup[];
}

type SgdSettings = Required<Omit<SgdOptions, "groups">>;

/** Gradient descent with momentum or Nesterov's (Sutskever et al. 2013), as PyTorch 1.13 computes it. */
export class Sgd implements Optimiser {
  readonly name = "sgd";
  readonly #gpu: Gpu;
  readonly #plan: StepPlan;
  readonly #settings: SgdSettings;
  readonly #velocity: BufferRange | undefined;
  steps = 0;

  /** Errors: OpError for constants out of range, Nesterov without momentum or with dampening, wrong arenas or groups. */
  constructor(gpu: Gpu, arenas: OptimiserArenas, { momentum = 0, dampening = 0, nesterov = false, weightDecay = 0, groups }: SgdOptions = {}) {
    checkNumber("Sgd", "momentum", { value: momentum });
    checkNumber("Sgd", "dampening", { value: dampening, low: -Infinity });
    checkNumber("Sgd", "weightDecay", { value: weightDecay });
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new OpError({ code: "optim/nesterov", message: `Sgd: nesterov must have momentum above 0 and dampening 0, got ${momentum} and ${dampening}` });
    }
    this.#gpu = gpu;
    this.#plan = new StepPlan(gpu, arenas, groups);
    this.#settings = { momentum, dampening, nesterov, weightDecay };
    this.#velocity = momentum === 0 ? undefined : zeroArena(gpu, arenas, "sgd velocity");
  }

  /** What it was made with. */
  get settings(): SgdSettings {
    return { ...this.#settings };
  }

  /** With momentum the velocity (PyTorch's momentum_buffer). */
  get state(): Readonly<Record<string, BufferRange>> {
    return this.#velocity ? { velocity: this.#velocity } : {};
  }

  /** Counts the coming step and writes its learning rate, decay and dampening. */
  prepare(learningRate: number): void {
    this.steps++;
    const { dampening, weightDecay } = this.#settings;
    // PARITY: PyTorch starts the velocity with the whole first gradient, whatever the dampening.
    const undamped = this.steps === 1 ? 1 : 1 - dampening;
    this.#plan.write(learningRate, (own) => [own.learningRate, weightDecay * own.weightDecay, undamped, 0]);
  }

  /** Encodes the update. */
  step(): void {
    const { momentum, nesterov } = this.#settings;
    this.#plan.encode((call) => sgdStep(this.#gpu, { ...call, velocity: this.#velocity, momentum, nesterov }));
  }
}
