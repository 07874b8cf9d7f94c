/** Residual backbones with torchvision's names: 18, 34 basic; 50, 101, 152 bottleneck; 8 and 10 are small basic ones. */
import { type Initialiser, normal, uniformFanIn } from "../nn/init.ts";
import { Batchnorm, Conv2d, type Pass } from "../nn/layers.ts";
import type { ParameterStore } from "../nn/store.ts";
import { maxPool } from "../ops/maxpool.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Blocks per stage by depth. 8 and 10 have one basic block a stage and are ours, for small runs: 10 has the four stages
 * of the others; 8 leaves the last one out and so ends at stride 16, which keeps 4x4 features of a 64x64 input.
 */
export const RESNET_DEPTHS = {
  8: { block: "basic", blocks: [1, 1, 1] },
  10: { block: "basic", blocks: [1, 1, 1, 1] },
  18: { block: "basic", blocks: [2, 2, 2, 2] },
  34: { block: "basic", blocks: [3, 4, 6, 3] },
  50: { block: "bottleneck", blocks: [3, 4, 6, 3] },
  101: { block: "bottleneck", blocks: [3, 4, 23, 3] },
  152: { block: "bottleneck", blocks: [3, 8, 36, 3] },
} as const;

export type ResnetDepth = keyof typeof RESNET_DEPTHS;

/** How convolutions start: "pose" is N(0, 0.001), the source systems without a pretrained file; "framework" is PyTorch's default. */
export type ConvStart = "pose" | "framework";

/** Initialiser of a convolution weight. */
export function convInitialiser(start: ConvStart, facts: { from: number; kernel: number }): Initialiser {
  return start === "pose" ? normal(0.001) : uniformFanIn(facts.from * facts.kernel * facts.kernel);
}

/** Convolution without bias, then batchnorm: the unit of all these networks. */
export class ConvBatchnorm {
  readonly #conv: Conv2d;
  readonly #batchnorm: Batchnorm;

  constructor(
    store: ParameterStore,
    names: { conv: string; batchnorm: string },
    facts: { from: number; to: number; kernel: number; stride?: number; start: ConvStart },
  ) {
    const { from, to, kernel, stride } = facts;
    this.#conv = new Conv2d(store, names.conv, {
      from,
      to,
      kernel,
      ...(stride ? { stride } : {}),
      padding: (kernel - 1) >> 1,
      initialise: convInitialiser(facts.start, facts),
    });
    this.#batchnorm = new Batchnorm(store, names.batchnorm, to);
  }

  forward(x: Tensor, pass: Pass, tail: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    return this.#batchnorm.forward(this.#conv.forward(x), pass, tail);
  }
}

/** Where a bottleneck has its stride: in the 3x3 convolution, or in the first 1x1 as Caffe's ResNets. */
export type BottleneckStyle = "pytorch" | "caffe";

/** A residual block: basic (3×3, 3×3) or bottleneck (1×1, 3×3 with the stride, 1×1 to four times the planes). */
export class ResidualBlock {
  readonly #units: ConvBatchnorm[];
  readonly #shortcut: ConvBatchnorm | undefined;

  constructor(
    store: ParameterStore,
    name: string,
    facts: { block: "basic" | "bottleneck"; from: number; planes: number; stride: number; start: ConvStart; style?: BottleneckStyle },
  ) {
    const { block, from, planes, stride, start, style = "pytorch" } = facts;
    const [first, second] = style === "pytorch" ? [1, stride] : [stride, 1];
    const to = block === "basic" ? planes : 4 * planes;
    const unit = (i: number, shape: { from: number; to: number; kernel: number; stride?: number }) =>
      new ConvBatchnorm(store, { conv: `${name}.conv${i}`, batchnorm: `${name}.bn${i}` }, { ...shape, start });
    this.#units =
      block === "basic"
        ? [unit(1, { from, to: planes, kernel: 3, stride }), unit(2, { from: planes, to, kernel: 3 })]
        : [
            unit(1, { from, to: planes, kernel: 1, stride: first }),
            unit(2, { from: planes, to: planes, kernel: 3, stride: second }),
            unit(3, { from: planes, to, kernel: 1 }),
          ];
    this.#shortcut =
      stride !== 1 || from !== to
        ? new ConvBatchnorm(store, { conv: `${name}.downsample.0`, batchnorm: `${name}.downsample.1` }, { from, to, kernel: 1, stride, start })
        : undefined;
  }

  forward(x: Tensor, pass: Pass): Tensor {
    const residual = this.#shortcut ? this.#shortcut.forward(x, pass) : x;
    let y = x;
    this.#units.forEach((unit, i) => {
      y = unit.forward(y, pass, i === this.#units.length - 1 ? { relu: true, residual } : { relu: true });
    });
    return y;
  }
}

/** Stem and stages. Input [n, h, w, 3], output [n, h/32, w/32, channels] (stride 16 for depth 8). */
export class Resnet {
  readonly #stem: ConvBatchnorm;
  readonly #stages: ResidualBlock[][];
  /** Channels of the output. */
  readonly channels: number;
  /** Input px per cell of the output. */
  readonly stride: number;

  constructor(store: ParameterStore, prefix: string, facts: { depth: ResnetDepth; width: number; start: ConvStart; style?: BottleneckStyle }) {
    const { block, blocks } = RESNET_DEPTHS[facts.depth];
    const { width, start, style = "pytorch" } = facts;
    this.#stem = new ConvBatchnorm(
      store,
      { conv: `${prefix}conv1`, batchnorm: `${prefix}bn1` },
      { from: 3, to: width, kernel: 7, stride: 2, start },
    );
    let from = width;
    this.#stages = blocks.map((count, stage) => {
      const planes = width * 2 ** stage;
      return Array.from({ length: count }, (_, i) => {
        const unit = new ResidualBlock(store, `${prefix}layer${stage + 1}.${i}`, {
          block,
          from,
          planes,
          stride: stage > 0 && i === 0 ? 2 : 1,
          start,
          style,
        });
        from = block === "basic" ? planes : 4 * planes;
        return unit;
      });
    });
    this.channels = from;
    this.stride = 4 * 2 ** (blocks.length - 1);
  }

  forward(x: Tensor, pass: Pass): Tensor {
    let y = maxPool(this.#stem.forward(x, pass, { relu: true }), { kernel: 3, stride: 2, padding: 1 });
    for (const stage of this.#stages) for (const block of stage) y = block.forward(y, pass);
    return y;
  }
}
