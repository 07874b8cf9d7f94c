/** HRNet (Sun et al., CVPR 2019): branches of 1/4, 1/8, ... resolution that exchange their features after every module. */
import { constant, uniformFanIn } from "../nn/init.ts";
import { Conv2d, type Pass } from "../nn/layers.ts";
import { ParameterStore } from "../nn/store.ts";
import { add, relu } from "../ops/elementwise.ts";
import { upsampleNearest } from "../ops/upsample.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PoseNetwork } from "./network.ts";
import { RefineModule } from "./refine.ts";
import { ConvBatchnorm, convInitialiser, type ConvStart, ResidualBlock } from "./resnet.ts";

/** One stage: the source systems' STAGE2, STAGE3, ... */
export interface HrnetStage {
  /** NUM_MODULES: how often the branches exchange. */
  modules: number;
  /** BLOCK; a bottleneck gives four times the channels. */
  block: "basic" | "bottleneck";
  /** NUM_BLOCKS of every branch. */
  blocks: readonly number[];
  /** NUM_CHANNELS of every branch, before a bottleneck's factor; each branch has half the resolution of the one before. */
  channels: readonly number[];
}

/** What the trunk is made of. */
export interface HrnetFacts {
  /** Stages from the second on, each with more branches than the one before. */
  stages: readonly HrnetStage[];
  /** Channels of the stem and planes of layer1; 64 is the published network. */
  stem?: number;
  /** Initial weights, see ConvStart; "pose" where absent. */
  start?: ConvStart;
}

/** The published stages of HRNet-W32, -W48 and of any other width: 1, 4, 3 modules of 2, 3, 4 branches. */
export function hrnetStages(width: number): HrnetStage[] {
  return [1, 4, 3].map((modules, i) => ({
    modules,
    block: "basic",
    blocks: Array.from({ length: i + 2 }, () => 4),
    channels: Array.from({ length: i + 2 }, (_, branch) => width * 2 ** branch),
  }));
}

const EXPANSION = { basic: 1, bottleneck: 4 } as const;

/** Blocks on every branch, then y_i = relu of the sum over j of x_j brought to the resolution and channels of branch i. */
class ExchangeModule {
  readonly #branches: ResidualBlock[][];
  /** Per output i and other branch j: one unit and an upsampling (j > i), or i - j strided units (j < i). */
  readonly #exchange: ConvBatchnorm[][][];

  constructor(store: ParameterStore, name: string, { stage, outputs, start }: { stage: HrnetStage; outputs: number; start: ConvStart }) {
    const { block, blocks } = stage;
    const channels = stage.channels.map((planes) => planes * EXPANSION[block]);
    this.#branches = stage.channels.map((planes, branch) =>
      Array.from(
        { length: blocks[branch] as number },
        (_, i) => new ResidualBlock(store, `${name}.branches.${branch}.${i}`, { block, from: channels[branch] as number, planes, stride: 1, start }),
      ),
    );
    const unit = (path: string, shape: { from: number; to: number; kernel: number; stride?: number }) =>
      new ConvBatchnorm(store, { conv: `${path}.0`, batchnorm: `${path}.1` }, { ...shape, start });
    const exchanged = channels.length > 1 ? channels.slice(0, outputs) : [];
    this.#exchange = exchanged.map((to, i) =>
      channels.map((from, j) => {
        const path = `${name}.fuse_layers.${i}.${j}`;
        if (j > i) return [unit(path, { from, to, kernel: 1 })];
        return Array.from({ length: i - j }, (_, k) => unit(`${path}.${k}`, { from, to: k === i - j - 1 ? to : from, kernel: 3, stride: 2 }));
      }),
    );
  }

  forward(inputs: readonly Tensor[], pass: Pass): Tensor[] {
    const branches = this.#branches.map((blocks, i) => blocks.reduce((y, block) => block.forward(y, pass), inputs[i] as Tensor));
    if (branches.length === 1) return branches;
    return this.#exchange.map((paths, i) => {
      let sum = branches[i] as Tensor;
      for (let j = i + 1; j < branches.length; j++) {
        const [unit] = paths[j] as [ConvBatchnorm];
        sum = add(sum, upsampleNearest(unit.forward(branches[j] as Tensor, pass), 2 ** (j - i)));
      }
      if (i === 0) return relu(sum);
      // Finer branches come last, because their batchnorm takes the sum and the relu into its own pass over memory.
      for (let j = 0; j < i; j++) {
        const units = paths[j] as ConvBatchnorm[];
        let y = branches[j] as Tensor;
        for (const unit of units.slice(0, -1)) y = unit.forward(y, pass, { relu: true });
        sum = (units.at(-1) as ConvBatchnorm).forward(y, pass, { residual: sum, relu: j === i - 1 });
      }
      return sum;
    });
  }
}

/** Stem, layer1 and stages. Input [n, h, w, 3], sides multiples of `multiple`; output the finest branch [n, h/4, w/4, channels]. */
export class Hrnet {
  /** Channels of the output. */
  readonly channels: number;
  /** Both sides of the input must be multiples of this, px. */
  readonly multiple: number;
  readonly #stem: ConvBatchnorm[];
  readonly #layer1: ResidualBlock[];
  /** Per stage, what leads to its branches (nothing where a branch passes through), and its modules. */
  readonly #stages: { transition: ConvBatchnorm[][]; modules: ExchangeModule[] }[];

  constructor(store: ParameterStore, prefix: string, { stages, stem = 64, start = "pose" }: HrnetFacts) {
    const unit = (names: [conv: string, batchnorm: string], shape: { from: number; to: number; kernel: number; stride?: number }) =>
      new ConvBatchnorm(store, { conv: prefix + names[0], batchnorm: prefix + names[1] }, { ...shape, start });
    this.#stem = [unit(["conv1", "bn1"], { from: 3, to: stem, kernel: 3, stride: 2 }), unit(["conv2", "bn2"], { from: stem, to: stem, kernel: 3, stride: 2 })];
    this.#layer1 = Array.from(
      { length: 4 },
      (_, i) => new ResidualBlock(store, `${prefix}layer1.${i}`, { block: "bottleneck", from: i === 0 ? stem : 4 * stem, planes: stem, stride: 1, start }),
    );
    let before = [4 * stem];
    this.#stages = stages.map((stage, s) => {
      const { modules: count, block, blocks } = stage;
      const channels = stage.channels.map((planes) => planes * EXPANSION[block]);
      if (channels.length < before.length || channels.length !== blocks.length) {
        throw new Error(`stage ${s + 2} must have at least ${before.length} branches, and as many entries of blocks as of channels; got ${channels.length} and ${blocks.length}`);
      }
      const coarsest = before.length - 1;
      const transition = channels.map((to, i) => {
        const path = `transition${s + 1}.${i}`;
        const from = before[i];
        if (from !== undefined) return from === to ? [] : [unit([`${path}.0`, `${path}.1`], { from, to, kernel: 3 })];
        return Array.from({ length: i - coarsest }, (_, k) =>
          unit([`${path}.${k}.0`, `${path}.${k}.1`], { from: before[coarsest] as number, to: k === i - coarsest - 1 ? to : (before[coarsest] as number), kernel: 3, stride: 2 }),
        );
      });
      const modules = Array.from({ length: count }, (_, i) => {
        // Only the finest branch leaves the trunk, so the last module has no other outputs.
        const outputs = s === stages.length - 1 && i === count - 1 ? 1 : channels.length;
        return new ExchangeModule(store, `${prefix}stage${s + 2}.${i}`, { stage, outputs, start });
      });
      before = channels;
      return { transition, modules };
    });
    this.channels = before[0] as number;
    this.multiple = 4 * 2 ** (before.length - 1);
  }

  forward(x: Tensor, pass: Pass): Tensor {
    let y = x;
    for (const unit of this.#stem) y = unit.forward(y, pass, { relu: true });
    for (const block of this.#layer1) y = block.forward(y, pass);
    let branches = [y];
    for (const { transition, modules } of this.#stages) {
      const before = branches;
      branches = transition.map((units, i) => units.reduce((z, unit) => unit.forward(z, pass, { relu: true }), (before[i] ?? before.at(-1)) as Tensor));
      for (const module of modules) branches = module.forward(branches, pass);
    }
    return branches[0] as Tensor;
  }
}

/** The output convolution of the HRNet family: N(0, 0.001) with bias 0, or the framework's default. */
export function heatmapConv(store: ParameterStore, name: string, facts: { from: number; to: number; kernel?: number; start: ConvStart }): Conv2d {
  const { from, to, kernel = 1, start } = facts;
  return new Conv2d(store, name, {
    from,
    to,
    kernel,
    padding: (kernel - 1) >> 1,
    initialise: convInitialiser(start, { from, kernel }),
    output: "f32",
    bias: start === "pose" ? constant(0) : uniformFanIn(from * kernel * kernel),
  });
}

/** HRNet with its output convolution. */
export interface PoseHrnetFacts extends HrnetFacts {
  joints: number;
  /** Kernel of the output convolution, 1 or 3. */
  finalKernel?: number;
  /** MODEL.PRM: a refine module before the output convolution. */
  refine?: boolean;
  /** Prefix of all parameter names, for example "resnet.". */
  prefix?: string;
  /** Where to declare the tensors; a store of its own where absent. Several networks may share one under different prefixes. */
  store?: ParameterStore;
}

/** The pose network HRNet: heatmaps [n, h/4, w/4, joints] from the finest branch. */
export class PoseHrnet implements PoseNetwork {
  readonly store: ParameterStore;
  readonly joints: number;
  readonly stride = 4;
  readonly inputMultiple: number;
  readonly #trunk: Hrnet;
  readonly #refine: RefineModule | undefined;
  readonly #final: Conv2d;

  constructor(facts: PoseHrnetFacts) {
    const { joints, finalKernel = 1, prefix = "", start = "pose" } = facts;
    this.store = facts.store ?? new ParameterStore();
    this.joints = joints;
    this.#trunk = new Hrnet(this.store, prefix, facts);
    this.inputMultiple = this.#trunk.multiple;
    this.#refine = facts.refine ? new RefineModule(this.store, `${prefix}prm`, { channels: this.#trunk.channels, start, ...(start === "pose" ? { bias: constant(0) } : {}) }) : undefined;
    this.#final = heatmapConv(this.store, `${prefix}final_layer`, { from: this.#trunk.channels, to: joints, kernel: finalKernel, start });
  }

  /** The finest branch, [n, h/4, w/4, width]. */
  features(x: Tensor, pass: Pass): Tensor {
    return this.#trunk.forward(x, pass);
  }

  forward(x: Tensor, pass: Pass): Tensor {
    const features = this.features(x, pass);
    return this.#final.forward(this.#refine ? this.#refine.forward(features, pass) : features);
  }

  heatmaps(x: Tensor, pass: Pass): readonly Tensor[] {
    return [this.forward(x, pass)];
  }
}
