/** Layers: declare their tensors in a store under PyTorch's names, and apply ops. */
import { batchnorm } from "../ops/batchnorm.ts";
import { conv2d } from "../ops/conv2d.ts";
import { deconv2d } from "../ops/deconv2d.ts";
import { groupNorm, layerNorm } from "../ops/group_norm.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constant, type Initialiser } from "./init.ts";
import type { ParameterStore } from "./store.ts";

/** A pass through a network: how it treats batchnorm, see ops/batchnorm. */
export interface Pass {
  training: boolean;
  groups: number;
  slot: number;
  /** Multiplies the deepest features, [n, h, w, 1]; PoseResnet alone has it. */
  attack?: Tensor | undefined;
}

/** Evaluation: running statistics. */
export const EVALUATION: Pass = { training: false, groups: 1, slot: 0 };

export interface ConvFacts {
  from: number;
  to: number;
  kernel: number;
  stride?: number;
  padding?: number;
  /** Of a convolution: parts that its channels are cut into, see conv2d. */
  groups?: number;
  initialise: Initialiser;
  /** Initial bias; without it the layer has none. */
  bias?: Initialiser;
  /** Of a convolution: its output is f32 whatever its input is. */
  output?: "f32";
}

/** Convolution, weight [k, k, from / groups, to]. */
export class Conv2d {
  readonly #weight;
  readonly #bias;
  readonly #stride: number;
  readonly #padding: number;
  readonly #groups: number;
  readonly #output: { output?: "f32" };

  constructor(store: ParameterStore, name: string, facts: ConvFacts) {
    const { from, to, kernel, groups = 1 } = facts;
    this.#output = facts.output ? { output: facts.output } : {};
    this.#weight = store.declare({ name: `${name}.weight`, shape: [kernel, kernel, from / groups, to], kind: "conv", initialise: facts.initialise });
    this.#bias = facts.bias ? store.declare({ name: `${name}.bias`, shape: [to], kind: "vector", initialise: facts.bias }) : undefined;
    this.#stride = facts.stride ?? 1;
    this.#padding = facts.padding ?? 0;
    this.#groups = groups;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.#weight(), { bias: this.#bias?.(), stride: this.#stride, padding: this.#padding, groups: this.#groups, ...this.#output });
  }
}

/** Transposed convolution with stride 2, weight [k, k, from, to]; doubles both sides for kernels 4, 3 and 2. */
export class Deconv2d {
  readonly #weight;
  readonly #bias;
  readonly #padding: number;
  readonly #outputPadding: number;

  constructor(store: ParameterStore, name: string, facts: ConvFacts) {
    const { from, to, kernel } = facts;
    this.#weight = store.declare({ name: `${name}.weight`, shape: [kernel, kernel, from, to], kind: "deconv", initialise: facts.initialise });
    this.#bias = facts.bias ? store.declare({ name: `${name}.bias`, shape: [to], kind: "vector", initialise: facts.bias }) : undefined;
    this.#padding = facts.padding ?? 0;
    this.#outputPadding = kernel === 3 ? 1 : 0;
  }

  forward(x: Tensor): Tensor {
    return deconv2d(x, this.#weight(), { bias: this.#bias?.(), stride: 2, padding: this.#padding, outputPadding: this.#outputPadding });
  }
}

/** Batch normalisation of [n, c], [n, l, c] or [n, h, w, c], with an optional residual and relu in the same pass over memory. */
export class Batchnorm {
  readonly #store: ParameterStore;
  readonly #name: string;
  readonly #gamma;
  readonly #beta;
  readonly #place;

  constructor(store: ParameterStore, name: string, channels: number) {
    this.#gamma = store.declare({ name: `${name}.weight`, shape: [channels], kind: "vector", initialise: constant(1) });
    this.#beta = store.declare({ name: `${name}.bias`, shape: [channels], kind: "vector", initialise: constant(0) });
    this.#place = store.declareStatistics({ name, channels });
    this.#store = store;
    this.#name = name;
  }

  /**
   * A frozen layer normalises by its running statistics in training too and leaves them as they are; gamma, beta and the
   * input have gradients as ever. What a step was recorded with it keeps.
   */
  get frozen(): boolean {
    return this.#store.statisticsFrozen(this.#name);
  }

  set frozen(frozen: boolean) {
    this.#store.freezeStatistics(this.#name, frozen);
  }

  forward(x: Tensor, pass: Pass, tail: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    return batchnorm(x, { gamma: this.#gamma(), beta: this.#beta(), place: this.#place(), ...pass, training: pass.training && !this.frozen, ...tail });
  }
}

/** Normalisation of [n, ..., c] over the pixels and the channels of a group, sample by sample. */
export class GroupNorm {
  readonly #gamma;
  readonly #beta;
  readonly #groups: number;

  /** `gain`: initial gamma, 1 where absent. */
  constructor(store: ParameterStore, name: string, { channels, groups, gain = constant(1) }: { channels: number; groups: number; gain?: Initialiser }) {
    this.#gamma = store.declare({ name: `${name}.weight`, shape: [channels], kind: "vector", initialise: gain });
    this.#beta = store.declare({ name: `${name}.bias`, shape: [channels], kind: "vector", initialise: constant(0) });
    this.#groups = groups;
  }

  forward(x: Tensor): Tensor {
    return groupNorm(x, { groups: this.#groups, gamma: this.#gamma(), beta: this.#beta() });
  }
}

/** Normalisation of [..., c] over the last axis. */
export class LayerNorm {
  readonly #gamma;
  readonly #beta;

  constructor(store: ParameterStore, name: string, channels: number) {
    this.#gamma = store.declare({ name: `${name}.weight`, shape: [channels], kind: "vector", initialise: constant(1) });
    this.#beta = store.declare({ name: `${name}.bias`, shape: [channels], kind: "vector", initialise: constant(0) });
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, { gamma: this.#gamma(), beta: this.#beta() });
  }
}
