/** Stacked Hourglass (Newell et al., ECCV 2016) with pre-activation units, as ASDA trains it. */
import { uniformFanIn } from "../nn/init.ts";
import { Batchnorm, Conv2d, type Pass } from "../nn/layers.ts";
import { ParameterStore } from "../nn/store.ts";
import { cast } from "../ops/cast.ts";
import { add } from "../ops/elementwise.ts";
import { maxPool } from "../ops/maxpool.ts";
import { upsampleNearest } from "../ops/upsample.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PoseNetwork } from "./network.ts";

/** What the network is made of. */
export interface HourglassFacts {
  joints: number;
  /** NSTACKS: hourglasses behind one another, each with heatmaps of its own. */
  stacks: number;
  /** NCHANNELS of an hourglass; 256 is the published network. */
  channels?: number;
  /** NMODULES: residual units at every place of an hourglass. */
  modules?: number;
  /** NREDUCTIONS: how often an hourglass halves its input. */
  reductions?: number;
  /** Channels of the first convolution, half of what the residual units before the first hourglass work with; 64 is the published network. */
  stem?: number;
  /** Prefix of all parameter names. */
  prefix?: string;
  /** Where to declare the tensors; a store of its own where absent. Several networks may share one under different prefixes. */
  store?: ParameterStore;
}

interface Convolution {
  from: number;
  to: number;
  kernel: number;
  stride?: number;
  output?: "f32";
}

/** A convolution with bias that starts as PyTorch's default. */
function convolution(store: ParameterStore, name: string, shape: Convolution): Conv2d {
  const start = uniformFanIn(shape.from * shape.kernel * shape.kernel);
  return new Conv2d(store, name, { ...shape, padding: (shape.kernel - 1) >> 1, initialise: start, bias: start });
}

/** Batchnorm, relu, convolution. */
class PreActivation {
  readonly #batchnorm: Batchnorm;
  readonly #conv: Conv2d;

  constructor(store: ParameterStore, name: string, shape: Convolution) {
    this.#batchnorm = new Batchnorm(store, `${name}.bn`, shape.from);
    this.#conv = convolution(store, `${name}.conv`, shape);
  }

  forward(x: Tensor, pass: Pass): Tensor {
    return this.#conv.forward(this.#batchnorm.forward(x, pass, { relu: true }));
  }
}

/** 1x1 to half the channels, 3x3, 1x1, added to the input or its 1x1 convolution; no relu after the sum. */
class PreActivationResidual {
  readonly #units: PreActivation[];
  readonly #skip: Conv2d | undefined;

  constructor(store: ParameterStore, name: string, { from, to }: { from: number; to: number }) {
    const half = Math.floor(to / 2);
    const shapes = [
      { from, to: half, kernel: 1 },
      { from: half, to: half, kernel: 3 },
      { from: half, to, kernel: 1 },
    ];
    this.#units = shapes.map((shape, i) => new PreActivation(store, `${name}.cb.cbr${i + 1}`, shape));
    this.#skip = from === to ? undefined : convolution(store, `${name}.skip.conv`, { from, to, kernel: 1 });
  }

  forward(x: Tensor, pass: Pass): Tensor {
    const y = this.#units.reduce((z, unit) => unit.forward(z, pass), x);
    return add(y, this.#skip ? this.#skip.forward(x) : x);
  }
}

/** Residual units of one width behind one another. */
class ResidualChain {
  readonly #units: PreActivationResidual[];

  constructor(store: ParameterStore, name: string, { channels, modules }: { channels: number; modules: number }) {
    this.#units = Array.from({ length: modules }, (_, i) => new PreActivationResidual(store, `${name}.${i}`, { from: channels, to: channels }));
  }

  forward(x: Tensor, pass: Pass): Tensor {
    return this.#units.reduce((y, unit) => unit.forward(y, pass), x);
  }
}

/** One hourglass: a skip at this resolution, and the way through half of it. */
class HourglassModule {
  readonly #skip: ResidualChain;
  readonly #before: ResidualChain;
  readonly #inner: HourglassModule | ResidualChain;
  readonly #after: ResidualChain;

  constructor(store: ParameterStore, name: string, facts: { channels: number; modules: number; reductions: number }) {
    const { reductions } = facts;
    this.#skip = new ResidualChain(store, `${name}.skip`, facts);
    this.#before = new ResidualChain(store, `${name}.afterpool`, facts);
    this.#inner =
      reductions > 1 ? new HourglassModule(store, `${name}.hg`, { ...facts, reductions: reductions - 1 }) : new ResidualChain(store, `${name}.num1res`, facts);
    this.#after = new ResidualChain(store, `${name}.lowres`, facts);
  }

  forward(x: Tensor, pass: Pass): Tensor {
    const skipped = this.#skip.forward(x, pass);
    const halved = this.#before.forward(maxPool(x, { kernel: 2 }), pass);
    return add(skipped, upsampleNearest(this.#after.forward(this.#inner.forward(halved, pass), pass), 2));
  }
}

/** One stage: an hourglass, its heatmaps, and what it hands on. */
interface Stack {
  hourglass: HourglassModule;
  residual: ResidualChain;
  lin1: PreActivation;
  chantojoints: Conv2d;
  lin2: Conv2d;
  jointstochan: Conv2d;
}

/** The stacked hourglass network: heatmaps [n, h/4, w/4, joints] of every stack; inference takes the last ones. */
export class StackedHourglass implements PoseNetwork {
  readonly store: ParameterStore;
  readonly joints: number;
  readonly stride = 4;
  readonly inputMultiple: number;
  readonly #start: PreActivation;
  readonly #residuals: PreActivationResidual[];
  readonly #stacks: Stack[];

  constructor(facts: HourglassFacts) {
    const { joints, stacks, channels = 256, modules = 1, reductions = 4, stem = 64, store = new ParameterStore() } = facts;
    this.store = store;
    const prefix = `${facts.prefix ?? ""}hourglass`;
    this.joints = joints;
    this.inputMultiple = 4 * 2 ** reductions;
    // PARITY: the first unit is one like all others, so its batchnorm and relu act on the image itself.
    this.#start = new PreActivation(store, `${prefix}.start`, { from: 3, to: stem, kernel: 7, stride: 2 });
    const widths = [stem, 2 * stem, 2 * stem, channels];
    this.#residuals = [1, 2, 3].map((i) => new PreActivationResidual(store, `${prefix}.res${i}`, { from: widths[i - 1] as number, to: widths[i] as number }));
    // PyTorch's order of parameters: all hourglasses, then all of each further kind.
    const each = <T>(make: (i: number) => T): T[] => Array.from({ length: stacks }, (_, i) => make(i));
    const hourglasses = each((i) => new HourglassModule(store, `${prefix}.hourglass.${i}`, { channels, modules, reductions }));
    const residuals = each((i) => new ResidualChain(store, `${prefix}.Residual.${i}`, { channels, modules }));
    const lin1 = each((i) => new PreActivation(store, `${prefix}.lin1.${i}`, { from: channels, to: channels, kernel: 1 }));
    const chantojoints = each((i) => convolution(store, `${prefix}.chantojoints.${i}`, { from: channels, to: joints, kernel: 1, output: "f32" }));
    const lin2 = each((i) => convolution(store, `${prefix}.lin2.${i}`, { from: channels, to: channels, kernel: 1 }));
    const jointstochan = each((i) => convolution(store, `${prefix}.jointstochan.${i}`, { from: joints, to: channels, kernel: 1 }));
    this.#stacks = hourglasses.map((hourglass, i) => ({
      hourglass,
      residual: residuals[i] as ResidualChain,
      lin1: lin1[i] as PreActivation,
      chantojoints: chantojoints[i] as Conv2d,
      lin2: lin2[i] as Conv2d,
      jointstochan: jointstochan[i] as Conv2d,
    }));
  }

  forward(x: Tensor, pass: Pass): Tensor {
    return this.heatmaps(x, pass).at(-1) as Tensor;
  }

  heatmaps(x: Tensor, pass: Pass): readonly Tensor[] {
    const [first, ...further] = this.#residuals as [PreActivationResidual, ...PreActivationResidual[]];
    let y = maxPool(first.forward(this.#start.forward(x, pass), pass), { kernel: 2 });
    for (const unit of further) y = unit.forward(y, pass);
    return this.#stacks.map(({ hourglass, residual, lin1, chantojoints, lin2, jointstochan }, i) => {
      const features = lin1.forward(residual.forward(hourglass.forward(y, pass), pass), pass);
      const heatmaps = chantojoints.forward(features);
      // The last stack has these two convolutions as well, though nothing follows that would read them.
      if (i < this.#stacks.length - 1) y = add(add(y, lin2.forward(features)), jointstochan.forward(features.dtype === "f16" ? cast(heatmaps, "f16") : heatmaps));
      return heatmaps;
    });
  }
}
