/**
 * RSGNet: HRNet's features, heatmaps of all people in the box, and a relation parser that keeps those of the target
 * person, with limb masks as an auxiliary task. After its published code, which gives its tensors no names that could be
 * kept; the trunk has HRNet's.
 */
import { constant, type Initialiser, normal } from "../nn/init.ts";
import { Batchnorm, Conv2d, Deconv2d, GroupNorm, type Pass } from "../nn/layers.ts";
import { ParameterStore } from "../nn/store.ts";
import { conv2d } from "../ops/conv2d.ts";
import { leakyRelu, mul, sigmoid, square, sub } from "../ops/elementwise.ts";
import { linear } from "../ops/linear.ts";
import { matmul } from "../ops/matmul.ts";
import { maxPool } from "../ops/maxpool.ts";
import { sum } from "../ops/reduce.ts";
import { reshape } from "../ops/reshape.ts";
import { concat, expand, slice, transpose } from "../ops/shape.ts";
import { upsampleBilinear } from "../ops/upsample.ts";
import { shapeText, type Tensor } from "../tensor/tensor.ts";
import { heatmapConv, Hrnet, type HrnetStage } from "./hrnet.ts";
import type { PoseNetwork } from "./network.ts";
import { ConvBatchnorm } from "./resnet.ts";

/** What the network is made of. */
export interface RsgnetFacts {
  joints: number;
  /** The two joints of every limb. */
  limbs: readonly (readonly [number, number])[];
  /** Width and height of the input, px. */
  inputSize: readonly [width: number, height: number];
  stages: readonly HrnetStage[];
  /** Channels of HRNet's stem; 64 is the published network. */
  stem?: number;
  /** UP_SCALE: 2 doubles the resolution of the heatmaps; 1 where absent. */
  upScale?: 1 | 2;
  /** RELATION_SUB_SAMPLE: relates pixels of half the resolution. */
  subSample?: boolean;
  /** NUM_TYPE_VECTOR: length of a joint's word vector; 600 is the published network. */
  wordLength?: number;
  /** Initial word vectors [joints, wordLength], learned further; N(0, 0.37) where absent, which has the published ones' spread. */
  words?: Float32Array;
}

/** All outputs of a pass. */
export interface RsgnetOutputs {
  /** Heatmaps of everyone in the box, [n, h, w, joints]. */
  multi: Tensor;
  /** Heatmaps of the target person, [n, h, w, joints]. */
  target: Tensor;
  /** Chance of every limb, [n, h, w, limbs]. */
  limbs: Tensor;
  /** Mean squared error of the relation map, [n]; only with a relation target. */
  relation: Tensor | undefined;
}

/** Elements of the largest piece of a relation map that is held as one tensor: 64 MiB, below every adapter's binding limit. */
const PIECE_ELEMENTS = 2 ** 24;

/** How much every place of z belongs with every row: sigmoid of their inner products. @param rows [n, r, c] @param z [n, p, c] @returns [n, r, p] */
export function affinity(rows: Tensor, z: Tensor): Tensor {
  return sigmoid(matmul(rows, z, { transposeB: true }));
}

/**
 * r_i = sum over j of A_ij g_j with A = affinity(z, z), in pieces of so many rows; with a target t also the mean over i, j
 * of (t_i t_j - A_ij)^2. A is neither scaled nor normalised.
 * @param z [n, p, c]  @param g [n, p, c]; target [n, p]
 * @returns aggregate [n, p, c], loss [n]
 */
export function relate(z: Tensor, g: Tensor, options: { target?: Tensor | undefined; rows?: number } = {}): { aggregate: Tensor; loss: Tensor | undefined } {
  const [n = 0, places = 0] = z.shape;
  const { target } = options;
  if (target && shapeText(target.shape) !== shapeText([n, places])) throw new Error(`the relation target must be ${shapeText([n, places])}, got ${shapeText(target.shape)}`);
  const rows = options.rows ?? Math.max(1, Math.floor(PIECE_ELEMENTS / (n * places)));
  const aggregates: Tensor[] = [];
  const losses: Tensor[] = [];
  for (let start = 0; start < places; start += rows) {
    const end = Math.min(places, start + rows);
    const piece = (tensor: Tensor) => (end - start === places ? tensor : slice(tensor, [{}, { start, end }]));
    const map = affinity(piece(z), z);
    aggregates.push(matmul(map, g));
    if (!target) continue;
    const wanted = mul(reshape(piece(target), [n, end - start, 1]), reshape(target, [n, 1, places]));
    losses.push(sum(square(sub(wanted, map)), { axes: [1, 2] }));
  }
  const loss = losses.length > 0 ? mul(sum(concat(losses.map((part) => reshape(part, [1, n])), 0), { axes: [0] }), 1 / places ** 2) : undefined;
  return { aggregate: concat(aggregates, 1), loss };
}

/** Per pixel x/w, y/h, x - w/2, y - h/2; pixel indices, the offsets not normalised. [h, w, 4] */
function coordinateMaps(width: number, height: number): Float32Array {
  const maps = new Float32Array(height * width * 4);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) maps.set([x / width, y / height, x - width / 2, y - height / 2], 4 * (y * width + x));
  return maps;
}

/** [limbs, joints], 1 at a limb's two joints. */
function incidence(limbs: RsgnetFacts["limbs"], joints: number): Float32Array {
  const matrix = new Float32Array(limbs.length * joints);
  limbs.forEach((ends, limb) => {
    for (const joint of ends) {
      if (!(Number.isInteger(joint) && joint >= 0 && joint < joints)) throw new Error(`limb ${limb} names joint ${joint}, but there are ${joints}`);
      matrix[limb * joints + joint] = 1;
    }
  });
  return matrix;
}

const GROUPS = 8;

/** RSGNet. Input [n, h, w, 3] of the given size; heatmaps at a quarter of it, or half with upScale 2. */
export class Rsgnet implements PoseNetwork {
  readonly store = new ParameterStore();
  readonly joints: number;
  readonly stride: number;
  readonly inputMultiple: number;
  readonly #facts: RsgnetFacts;
  readonly #trunk: Hrnet;
  readonly #multi: Conv2d;
  readonly #visual: ConvBatchnorm;
  readonly #words: { table: () => Tensor; map: () => Tensor; batchnorm: Batchnorm };
  readonly #category: { weight: () => Tensor; batchnorm: Batchnorm };
  readonly #geometry: { maps: () => Tensor; unit: ConvBatchnorm };
  readonly #clues: ConvBatchnorm[];
  readonly #relation: { values: Conv2d; deconv: { deconv: Deconv2d; batchnorm: Batchnorm } | undefined; conv: Conv2d; norm: GroupNorm };
  readonly #predict: { first: ConvBatchnorm; deconv: { deconv: Deconv2d; batchnorm: Batchnorm } | undefined; last: ConvBatchnorm; final: Conv2d };
  readonly #limb: { unit: ConvBatchnorm; matrix: () => Tensor; incidence: () => Tensor; linear: { weight: () => Tensor; bias: () => Tensor }[] };

  constructor(facts: RsgnetFacts) {
    const { store } = this;
    const { joints, limbs, stages, stem, inputSize, upScale = 1, subSample = false, wordLength = 600, words } = facts;
    this.#facts = facts;
    this.joints = joints;
    this.stride = 4 / upScale;
    // Every layer with a weight starts alike; the training code's last initialisation overrides all earlier ones.
    const small = normal(0.001);
    const matrix = (name: string, declared: { shape: readonly number[]; kind: "linear" | "table"; initialise: Initialiser }) => store.declare({ name, ...declared });
    const table = matrix("words", { shape: [joints, wordLength], kind: "table", initialise: words ? (values) => values.set(words) : normal(0.37) });
    this.#trunk = new Hrnet(store, "", { stages, ...(stem ? { stem } : {}) });
    this.inputMultiple = this.#trunk.multiple * (subSample && this.#trunk.multiple < 8 ? 2 : 1);
    const width = this.#trunk.channels;
    const [w, h] = inputSize.map((px) => px / 4) as [number, number];
    if (inputSize.some((px) => px % this.inputMultiple !== 0)) throw new Error(`both sides of the input must be multiples of ${this.inputMultiple} px, got ${inputSize.join("x")}`);
    if (width % GROUPS !== 0) throw new Error(`the finest branch must have a multiple of ${GROUPS} channels, got ${width}`);
    if (words && words.length !== joints * wordLength) throw new Error(`words must be ${joints} vectors of ${wordLength}, got ${words.length} numbers`);
    const unit = (name: string, shape: { from: number; to: number; kernel?: number }) =>
      new ConvBatchnorm(store, { conv: `${name}.0`, batchnorm: `${name}.1` }, { kernel: 3, ...shape, start: "pose" });
    const pointwise = (name: string) => new Conv2d(store, name, { from: width, to: width, kernel: 1, initialise: small, bias: constant(0) });
    const doubling = (name: string) => ({
      deconv: new Deconv2d(store, `${name}.0`, { from: width, to: width, kernel: 4, padding: 1, initialise: small }),
      batchnorm: new Batchnorm(store, `${name}.1`, width),
    });

    this.#multi = heatmapConv(store, "multi_layer", { from: width, to: joints, start: "pose" });
    this.#visual = unit("visual", { from: width, to: width });
    this.#words = {
      table,
      map: matrix("word_map.weight", { shape: [wordLength, wordLength], kind: "linear", initialise: small }),
      batchnorm: new Batchnorm(store, "word_norm", wordLength),
    };
    this.#category = {
      weight: store.declare({ name: "category.0.weight", shape: [3, 3, wordLength, width], kind: "conv", initialise: small }),
      batchnorm: new Batchnorm(store, "category.1", width),
    };
    this.#geometry = {
      maps: store.declareConstant({ name: "coordinates", shape: [1, h, w, 4], values: () => coordinateMaps(w, h) }),
      unit: unit("geometry", { from: 4, to: width, kernel: 1 }),
    };
    this.#clues = [unit("clues.0", { from: 3 * width, to: 3 * width }), unit("clues.1", { from: 3 * width, to: width })];
    this.#relation = {
      values: pointwise("relation.values"),
      deconv: subSample ? doubling("relation.deconv") : undefined,
      conv: pointwise("relation.out.0"),
      // PARITY: the source draws every parameter named weight from N(0, 0.001), this gain too, so relations start near zero.
      norm: new GroupNorm(store, "relation.out.1", { channels: width, groups: GROUPS, gain: small }),
    };
    this.#predict = {
      first: unit("predict.0", { from: 2 * width, to: width }),
      deconv: upScale === 2 ? doubling("predict.deconv") : undefined,
      last: unit("predict.1", { from: width, to: width }),
      final: heatmapConv(store, "final_layer", { from: width, to: joints, start: "pose" }),
    };
    const ends = incidence(limbs, joints);
    this.#limb = {
      matrix: matrix("limb.matrix", { shape: [limbs.length, joints], kind: "table", initialise: normal(1) }),
      unit: unit("limb.features", { from: width, to: width }),
      incidence: store.declareConstant({ name: "limb incidence", shape: [limbs.length, joints], values: () => ends }),
      linear: [1, 2].map((i) => ({
        weight: matrix(`limb.linear${i}.weight`, { shape: [width, width], kind: "linear", initialise: small }),
        bias: store.declare({ name: `limb.linear${i}.bias`, shape: [width], kind: "vector", initialise: constant(0) }),
      })),
    };
  }

  /** The joints' words as the pass sees them, [joints, wordLength]. */
  #wordVectors(pass: Pass): Tensor {
    const { table, map, batchnorm } = this.#words;
    const groups = pass.training ? pass.groups : 1;
    const mapped = linear(table(), map());
    // Statistics are over the words. Passes that share a launch each leave theirs, equal ones, so each gets its own copy.
    const copies = groups === 1 ? mapped : concat(Array.from({ length: groups }, () => mapped), 0);
    return slice(batchnorm.forward(copies, { ...pass, groups }, { relu: true }), [{ end: this.joints }]);
  }

  /** The encoding of places, from one set of coordinate maps, whatever the batch. [n, h, w, width] */
  #places(batch: number, pass: Pass): Tensor {
    const { maps, unit } = this.#geometry;
    const groups = pass.training ? pass.groups : 1;
    const copies = groups === 1 ? maps() : concat(Array.from({ length: groups }, maps), 0);
    const places = slice(unit.forward(copies, { ...pass, groups }, { relu: true }), [{ end: 1 }]);
    return expand(places, [batch, ...places.shape.slice(1)]);
  }

  /** The clues encoding Z [n, h, w, width] and the heatmaps M of everyone, both at a quarter of the input. */
  #encode(x: Tensor, pass: Pass): { clues: Tensor; multi: Tensor } {
    const [width, height] = this.#facts.inputSize;
    const [batch = 0, ...size] = x.shape;
    if (size[0] !== height || size[1] !== width) throw new Error(`x must be [n, ${height}, ${width}, 3], got ${shapeText(x.shape)}`);
    const features = this.#trunk.forward(x, pass);
    const multi = this.#multi.forward(features);
    const visual = this.#visual.forward(features, pass, { relu: true });
    // A convolution of sum_k M_k E_k is one of M with the kernels sum_c W_c E_kc: joints channels in place of wordLength.
    const { weight, batchnorm } = this.#category;
    const [kh = 0, kw = 0, length = 0, to = 0] = weight().shape;
    const kernels = matmul(this.#wordVectors(pass), reshape(weight(), [kh * kw, length, to]));
    const category = batchnorm.forward(conv2d(multi, reshape(kernels, [kh, kw, this.joints, to]), { padding: 1 }), pass, { relu: true });
    let clues = concat([visual, category, this.#places(batch, pass)], -1);
    for (const unit of this.#clues) clues = unit.forward(clues, pass, { relu: true });
    return { clues, multi };
  }

  /** The target's heatmaps, and the error of the relation map. */
  #parse(clues: Tensor, pass: Pass, target?: Tensor): { heatmaps: Tensor; relation: Tensor | undefined } {
    const { values, deconv, conv, norm } = this.#relation;
    const z = deconv ? maxPool(clues, { kernel: 2 }) : clues;
    const [n = 0, h = 0, w = 0, channels = 0] = z.shape;
    const flat = (tensor: Tensor) => reshape(tensor, [n, h * w, channels]);
    const { aggregate, loss } = relate(flat(z), flat(values.forward(z)), { target });
    let related = reshape(aggregate, [n, h, w, channels]);
    if (deconv) related = deconv.batchnorm.forward(deconv.deconv.forward(related), pass, { relu: true });
    related = norm.forward(conv.forward(related));
    const predict = this.#predict;
    let y = predict.first.forward(concat([related, clues], -1), pass, { relu: true });
    if (predict.deconv) y = predict.deconv.batchnorm.forward(predict.deconv.deconv.forward(y), pass, { relu: true });
    return { heatmaps: predict.final.forward(predict.last.forward(y, pass, { relu: true })), relation: loss };
  }

  /** The limbs' 1x1 kernels from the joints' output weights (knowledge adaptation), [1, 1, width, limbs]. */
  #limbKernels(): Tensor {
    const { matrix, incidence: ends, linear: layers } = this.#limb;
    const joints = this.store.parameter("final_layer.weight");
    const [, , width = 0] = joints.shape;
    const mixed = matmul(mul(matrix(), ends()), reshape(joints, [width, this.joints]), { transposeB: true });
    const [first, second] = layers as [(typeof layers)[number], (typeof layers)[number]];
    const hidden = leakyRelu(linear(mixed, first.weight(), { bias: first.bias() }), 0.02);
    return reshape(transpose(linear(hidden, second.weight(), { bias: second.bias() })), [1, 1, width, this.#facts.limbs.length]);
  }

  /** Brings an output of the encoder to the resolution of the heatmaps. */
  #doubled(x: Tensor): Tensor {
    const [, height = 0, width = 0] = x.shape;
    return this.#facts.upScale === 2 ? upsampleBilinear(x, { height: 2 * height, width: 2 * width, alignCorners: true }) : x;
  }

  /**
   * All outputs. @param relationTarget [n, places]: how much of the target person is at each place of the relation map,
   * h/4 x w/4 in rows (half of both with subSample).
   */
  outputs(x: Tensor, pass: Pass, { relationTarget }: { relationTarget?: Tensor } = {}): RsgnetOutputs {
    const { clues, multi } = this.#encode(x, pass);
    const { heatmaps, relation } = this.#parse(clues, pass, relationTarget);
    const limbs = sigmoid(this.#doubled(conv2d(this.#limb.unit.forward(clues, pass, { relu: true }), this.#limbKernels())));
    return { multi: this.#doubled(multi), target: heatmaps, limbs, relation };
  }

  forward(x: Tensor, pass: Pass): Tensor {
    return this.#parse(this.#encode(x, pass).clues, pass).heatmaps;
  }

  /** Heatmaps of everyone in the box, and of the target. */
  heatmaps(x: Tensor, pass: Pass): readonly Tensor[] {
    const { clues, multi } = this.#encode(x, pass);
    return [this.#doubled(multi), this.#parse(clues, pass).heatmaps];
  }
}
