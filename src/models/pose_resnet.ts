/** SimpleBaseline (Xiao et al., ECCV 2018): a ResNet, stride-2 deconvolutions, a convolution to heatmaps. */
import { constant, uniformFanIn } from "../nn/init.ts";
import { Batchnorm, Conv2d, Deconv2d, type Pass } from "../nn/layers.ts";
import { ParameterStore } from "../nn/store.ts";
import { mul } from "../ops/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PoseNetwork } from "./network.ts";
import { RefineModule } from "./refine.ts";
import { type BottleneckStyle, convInitialiser, type ConvStart, Resnet, type ResnetDepth } from "./resnet.ts";

/** What the network is made of. */
export interface PoseResnetFacts {
  depth: ResnetDepth;
  joints: number;
  /** Channels of the stem; 64 is the published network, smaller is a thinner one. */
  width?: number;
  deconvFilters?: readonly number[];
  deconvKernels?: readonly number[];
  deconvBias?: boolean;
  /** Kernel of the output convolution, 1 or 3. */
  finalKernel?: number;
  /** Where bottlenecks have their stride; "pytorch" where absent. */
  style?: BottleneckStyle;
  /** MODEL.PRM: a refine module before the output convolution. */
  refine?: boolean;
  /** Initial weights, see ConvStart; "pose" where absent. */
  start?: ConvStart;
  /** True where the backbone will get other weights: the output's bias then starts at 0, as the source systems have it. */
  pretrained?: boolean;
  /** Prefix of all parameter names, for example "resnet.". */
  prefix?: string;
  /** Where to declare the tensors; a store of its own where absent. Several networks may share one under different prefixes. */
  store?: ParameterStore;
}

const DECONV_PADDING: Readonly<Record<number, number>> = { 4: 1, 3: 1, 2: 0 };

/**
 * PoseResNet. Input [n, h, w, 3] normalised, output heatmaps [n, h/4, w/4, joints] for three deconvolutions. All features are
 * stored as the input is, f32 or f16; heatmaps are f32.
 */
export class PoseResnet implements PoseNetwork {
  readonly store: ParameterStore;
  readonly joints: number;
  readonly stride: number;
  readonly inputMultiple: number;
  readonly #backbone: Resnet;
  readonly #decoder: { deconv: Deconv2d; batchnorm: Batchnorm }[];
  readonly #refine: RefineModule | undefined;
  readonly #final: Conv2d;

  constructor(facts: PoseResnetFacts) {
    const { depth, joints, width = 64, prefix = "", deconvFilters = [256, 256, 256], finalKernel = 1 } = facts;
    const deconvKernels = facts.deconvKernels ?? deconvFilters.map(() => 4);
    if (deconvKernels.length !== deconvFilters.length) throw new Error("deconvFilters and deconvKernels differ in length");
    this.store = facts.store ?? new ParameterStore();
    this.joints = joints;
    const start = facts.start ?? "pose";
    this.#backbone = new Resnet(this.store, prefix, { depth, width, start, ...(facts.style ? { style: facts.style } : {}) });
    this.inputMultiple = this.#backbone.stride;
    this.stride = this.#backbone.stride / 2 ** deconvFilters.length;
    let from = this.#backbone.channels;
    this.#decoder = deconvFilters.map((to, i) => {
      const kernel = deconvKernels[i] as number;
      const padding = DECONV_PADDING[kernel];
      if (padding === undefined) throw new Error(`deconvolution kernel ${kernel} is not 4, 3 or 2`);
      const deconv = new Deconv2d(this.store, `${prefix}deconv_layers.${3 * i}`, {
        from,
        to,
        kernel,
        padding,
        // PyTorch counts the fan of a transposed convolution over its output channels.
        initialise: convInitialiser(start, { from: to, kernel }),
        ...(facts.deconvBias ? { bias: constant(0) } : {}),
      });
      const batchnorm = new Batchnorm(this.store, `${prefix}deconv_layers.${3 * i + 1}`, to);
      from = to;
      return { deconv, batchnorm };
    });
    this.#refine = facts.refine ? new RefineModule(this.store, `${prefix}prm`, { channels: from, start }) : undefined;
    this.#final = new Conv2d(this.store, `${prefix}final_layer`, {
      from,
      to: joints,
      kernel: finalKernel,
      padding: finalKernel === 3 ? 1 : 0,
      initialise: convInitialiser(start, { from, kernel: finalKernel }),
      bias: facts.pretrained && start === "pose" ? constant(0) : uniformFanIn(from * finalKernel * finalKernel),
      output: "f32",
    });
  }

  forward(x: Tensor, pass: Pass): Tensor {
    let y = this.#backbone.forward(x, pass);
    if (pass.attack) y = mul(y, pass.attack);
    for (const { deconv, batchnorm } of this.#decoder) y = batchnorm.forward(deconv.forward(y), pass, { relu: true });
    return this.#final.forward(this.#refine ? this.#refine.forward(y, pass) : y);
  }

  heatmaps(x: Tensor, pass: Pass): readonly Tensor[] {
    return [this.forward(x, pass)];
  }
}
