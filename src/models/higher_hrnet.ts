/** HigherHRNet (Cheng et al., CVPR 2020): HRNet, then deconvolutions to finer heatmaps, with tags that group joints to persons. */
import { Batchnorm, Conv2d, Deconv2d, type Pass } from "../nn/layers.ts";
import { ParameterStore } from "../nn/store.ts";
import { concat, slice } from "../ops/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { heatmapConv, Hrnet, type HrnetFacts } from "./hrnet.ts";
import type { PoseNetwork } from "./network.ts";
import { convInitialiser, ResidualBlock } from "./resnet.ts";

/** One doubling of the resolution: the source system's EXTRA.DECONV. */
export interface HigherHrnetDeconv {
  /** NUM_CHANNELS. */
  channels: number;
  /** KERNEL_SIZE: 4, 3 or 2; 4 where absent. */
  kernel?: 4 | 3 | 2;
  /** NUM_BASIC_BLOCKS behind the deconvolution; 4 where absent. */
  blocks?: number;
  /** CAT_OUTPUT: the outputs so far come in beside the features; true where absent. */
  concatenate?: boolean;
}

/** What the network is made of. */
export interface HigherHrnetFacts extends HrnetFacts {
  joints: number;
  /** The doublings; one to as many channels as the trunk has where absent, as published. */
  deconvs?: readonly HigherHrnetDeconv[];
  /** LOSS.WITH_AE_LOSS: which outputs have tags, one entry per output; the first alone where absent. */
  tags?: readonly boolean[];
  /** TAG_PER_JOINT: a tag for every joint (default), or one for all. */
  tagPerJoint?: boolean;
  /** Kernel of the output convolutions, 1 or 3. */
  finalKernel?: number;
  /** Prefix of all parameter names; half-precision training of the source system leaves "1.". */
  prefix?: string;
  /** Where to declare the tensors; a store of its own where absent. Several networks may share one under different prefixes. */
  store?: ParameterStore;
}

interface Doubling {
  concatenate: boolean;
  deconv: Deconv2d;
  batchnorm: Batchnorm;
  blocks: ResidualBlock[];
}

/** HigherHRNet. Outputs [n, h/4, w/4, joints + tags], [n, h/2, w/2, joints], ...: heatmaps first, then tags. */
export class HigherHrnet implements PoseNetwork {
  readonly store: ParameterStore;
  readonly joints: number;
  readonly stride: number;
  readonly inputMultiple: number;
  readonly #trunk: Hrnet;
  readonly #finals: Conv2d[];
  readonly #deconvs: Doubling[];

  constructor(facts: HigherHrnetFacts) {
    const { joints, prefix = "", start = "pose", tagPerJoint = true, finalKernel = 1, store = new ParameterStore() } = facts;
    this.store = store;
    this.joints = joints;
    this.#trunk = new Hrnet(store, prefix, facts);
    const width = this.#trunk.channels;
    const deconvs = facts.deconvs ?? [{ channels: width }];
    const tags = facts.tags ?? Array.from({ length: deconvs.length + 1 }, (_, i) => i === 0);
    if (tags.length !== deconvs.length + 1) throw new Error(`tags must have an entry for each of the ${deconvs.length + 1} outputs, got ${tags.length}`);
    this.inputMultiple = this.#trunk.multiple;
    this.stride = 4 / 2 ** deconvs.length;
    const outputs = tags.map((tagged) => joints + (tagged ? (tagPerJoint ? joints : 1) : 0));
    this.#finals = outputs.map((to, i) =>
      heatmapConv(store, `${prefix}final_layers.${i}`, { from: i === 0 ? width : (deconvs[i - 1] as HigherHrnetDeconv).channels, to, kernel: finalKernel, start }),
    );
    let features = width;
    this.#deconvs = deconvs.map(({ channels, kernel = 4, blocks = 4, concatenate = true }, i) => {
      const from = features + (concatenate ? (outputs[i] as number) : 0);
      const name = `${prefix}deconv_layers.${i}`;
      features = channels;
      return {
        concatenate,
        deconv: new Deconv2d(store, `${name}.0.0`, {
          from,
          to: channels,
          kernel,
          padding: kernel === 2 ? 0 : 1,
          // PyTorch counts the fan of a transposed convolution over its output channels.
          initialise: convInitialiser(start, { from: channels, kernel }),
        }),
        batchnorm: new Batchnorm(store, `${name}.0.1`, channels),
        blocks: Array.from(
          { length: blocks },
          (_, k) => new ResidualBlock(store, `${name}.${k + 1}.0`, { block: "basic", from: channels, planes: channels, stride: 1, start }),
        ),
      };
    });
  }

  forward(x: Tensor, pass: Pass): Tensor {
    const last = this.heatmaps(x, pass).at(-1) as Tensor;
    return last.shape.at(-1) === this.joints ? last : slice(last, [{}, {}, {}, { end: this.joints }]);
  }

  heatmaps(x: Tensor, pass: Pass): readonly Tensor[] {
    let features = this.#trunk.forward(x, pass);
    const outputs: Tensor[] = [];
    this.#finals.forEach((final, i) => {
      if (i > 0) {
        const { concatenate, deconv, batchnorm, blocks } = this.#deconvs[i - 1] as Doubling;
        if (concatenate) features = concat([features, outputs[i - 1] as Tensor], -1);
        features = batchnorm.forward(deconv.forward(features), pass, { relu: true });
        for (const block of blocks) features = block.forward(features, pass);
      }
      outputs.push(final.forward(features));
    });
    return outputs;
  }
}
