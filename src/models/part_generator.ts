/**
 * ASDA's generator (Bin et al., ECCV 2020): a ResNet that looks at a crop and chooses, for every category of body parts,
 * how a part of it is turned and shifted before it is pasted.
 */
import { constant, type Initialiser, uniformFanIn } from "../nn/init.ts";
import { Conv2d, type Pass } from "../nn/layers.ts";
import { ParameterStore } from "../nn/store.ts";
import { conv2d } from "../ops/conv2d.ts";
import { cos, mul, neg, relu, sigmoid, sin, sub } from "../ops/elementwise.ts";
import { globalAveragePool } from "../ops/global_pool.ts";
import { reshape } from "../ops/reshape.ts";
import { concat, split } from "../ops/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Resnet, type ResnetDepth } from "./resnet.ts";

/** What the network is made of. */
export interface PartGeneratorFacts {
  /** The trunk: 18 where absent; the published HRNet-W48 recipe has 50. */
  depth?: ResnetDepth;
  /** Channels of the trunk's stem; 64 is the published network. */
  width?: number;
  /** Kinds of body parts. */
  categories?: number;
  /** Channels of the head per category. */
  hidden?: number;
  /** Prefix of all parameter names. */
  prefix?: string;
}

/** Numbers per category: angle, horizontal and vertical shift. */
const CHOICES = 3;

/** The generator. Input [n, h, w, 3], normalised, of any size; output [n, categories, 3], each in (-0.5, 0.5), 0 at first. */
export class PartGenerator {
  readonly store = new ParameterStore();
  readonly categories: number;
  readonly #trunk: Resnet;
  readonly #hidden: Conv2d;
  readonly #weight: () => Tensor;
  readonly #bias: () => Tensor;

  constructor(facts: PartGeneratorFacts = {}) {
    const { depth = 18, width = 64, categories = 25, hidden = 128, prefix = "" } = facts;
    const { store } = this;
    this.categories = categories;
    this.#trunk = new Resnet(store, `${prefix}trunk.`, { depth, width, start: "framework" });
    const from = this.#trunk.channels;
    const start: Initialiser = uniformFanIn(from);
    this.#hidden = new Conv2d(store, `${prefix}fc_locs.0`, { from, to: hidden * categories, kernel: 1, initialise: start, bias: start });
    // Each category has its own hidden channels. Zeros make every transform the identity at first.
    this.#weight = store.declare({ name: `${prefix}fc_locs.2.weight`, shape: [1, 1, hidden, CHOICES * categories], kind: "conv", initialise: constant(0) });
    this.#bias = store.declare({ name: `${prefix}fc_locs.2.bias`, shape: [CHOICES * categories], kind: "vector", initialise: constant(0) });
  }

  forward(x: Tensor, pass: Pass): Tensor {
    const hidden = relu(this.#hidden.forward(globalAveragePool(this.#trunk.forward(x, pass))));
    const choices = sigmoid(conv2d(hidden, this.#weight(), { bias: this.#bias(), groups: this.categories }));
    return reshape(sub(choices, 0.5), [x.shape[0] as number, this.categories, CHOICES]);
  }
}

/** PARITY: the source's digits of pi. */
const HALF_TURN_RADIANS = 3.1415926;

/** Full range of a shift, in half canvases. */
const SHIFT_RANGE = 2.4;

/**
 * Maps from the pasted canvas to the part's, as affineGrid takes them: rows [cos a, sin a, tx] and [-sin a, cos a, ty] with
 * a = pi u0, tx = 2.4 u1, ty = 2.4 u2, so within a quarter turn and 1.2 half canvases.
 * @param u [..., 3] @returns [..., 2, 3]
 */
export function partTransforms(u: Tensor): Tensor {
  const [turn, right, down] = split(u, 1, -1) as [Tensor, Tensor, Tensor];
  const angle = mul(turn, HALF_TURN_RADIANS);
  const [c, s] = [cos(angle), sin(angle)];
  return reshape(concat([c, s, mul(right, SHIFT_RANGE), neg(s), c, mul(down, SHIFT_RANGE)], -1), [...u.shape.slice(0, -1), 2, 3]);
}
