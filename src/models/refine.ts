/** Pose refine machine of RSN (Cai et al., ECCV 2020), as MODEL.PRM puts it before the output convolution. */
import type { Initialiser } from "../nn/init.ts";
import { uniformFanIn } from "../nn/init.ts";
import { Batchnorm, Conv2d, type Pass } from "../nn/layers.ts";
import type { ParameterStore } from "../nn/store.ts";
import { cast } from "../ops/cast.ts";
import { add, mul, sigmoid } from "../ops/elementwise.ts";
import { globalAveragePool } from "../ops/global_pool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { convInitialiser, type ConvStart } from "./resnet.ts";

/** How its convolutions start; where `bias` is absent, biases start as PyTorch's default. */
export interface RefineFacts {
  channels: number;
  start: ConvStart;
  bias?: Initialiser;
}

/** a (1 + g s): a is a 3x3 unit of x, g a gate per channel from a's mean, s a gate per pixel and channel of 9x9 surroundings. */
export class RefineModule {
  readonly #units: ((x: Tensor, pass: Pass) => Tensor)[];

  /** @param name for example "prm" */
  constructor(store: ParameterStore, name: string, { channels, start, bias }: RefineFacts) {
    const unit = (part: string, kernel: number, groups = 1) => {
      const from = channels / groups;
      const path = `${name}.conv_bn_relu_prm_${part}`;
      const initial = bias ?? uniformFanIn(from * kernel * kernel);
      const conv = new Conv2d(store, `${path}.conv`, { from: channels, to: channels, kernel, padding: (kernel - 1) >> 1, groups, initialise: convInitialiser(start, { from, kernel }), bias: initial });
      const batchnorm = new Batchnorm(store, `${path}.bn`, channels);
      return (x: Tensor, pass: Pass) => batchnorm.forward(conv.forward(x), pass, { relu: true });
    };
    this.#units = [unit("1", 3), unit("2_1", 1), unit("2_2", 1), unit("3_1", 1), unit("3_2", 9, channels)];
  }

  /** @param x [n, h, w, channels], f32 or f16 @returns the same shape, f32 */
  forward(x: Tensor, pass: Pass): Tensor {
    const [first, reduce, gate, mix, surround] = this.#units as [RefineUnit, RefineUnit, RefineUnit, RefineUnit, RefineUnit];
    const features = first(x, pass);
    // Depthwise convolutions and products of unlike shapes take f32 alone.
    const a = features.dtype === "f16" ? cast(features, "f32") : features;
    // PARITY: the source has a relu before each sigmoid, so that no gate falls below a half.
    const perChannel = sigmoid(gate(reduce(globalAveragePool(a), pass), pass));
    const perPixel = sigmoid(surround(mix(a, pass), pass));
    return mul(a, add(mul(perPixel, perChannel), 1));
  }
}

type RefineUnit = (x: Tensor, pass: Pass) => Tensor;
