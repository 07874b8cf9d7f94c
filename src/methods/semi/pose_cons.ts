/**
 * PoseCons (Xie et al., ICCV 2021; MultiAugs): a network is taught by its own heatmaps of an easy view, warped into the
 * frame of harder views of the same image; and plain supervised training, which is PoseCons without views.
 *
 * Passes of a step, in the order that the running statistics see them: labelled S, teacher T on the easy view, students
 * V_1..V_K. S and V_k share one launch by grouped batchnorm; statistics slots keep the order (see ParameterStore).
 */
import { CropBatch, type CropBatchFacts } from "../../augment/crop_batch.ts";
import { isRecomputing, withoutGradient } from "../../autograd/op.ts";
import { backward } from "../../autograd/tape.ts";
import type { BufferRange, Gpu } from "../../gpu/device.ts";
import { cutBoxes, jointCutoutBoxes, warpAffine } from "../../kernels/augment.ts";
import { addInto, storeRow } from "../../kernels/elementwise.ts";
import { argmaxPeaks, renderHeatmaps } from "../../kernels/heatmap.ts";
import type { PoseNetwork } from "../../models/network.ts";
import type { LossScaler } from "../../optim/loss_scaler.ts";
import { add } from "../../ops/elementwise.ts";
import { heatmapMse } from "../../ops/heatmap_mse.ts";
import { drawViewTheta } from "../../pose/affine.ts";
import type { Size } from "../../pose/types.ts";
import { Random, STREAM } from "../../random.ts";
import { byteCount, type DType, elementCount, elementOf, emptyTensor, type Tensor } from "../../tensor/tensor.ts";
import type { Inspection, StepPlace, TrainingBatch, TrainingMethod } from "../method.ts";

/** Hard views of PoseCons. */
export interface ViewFacts {
  /** Second random affine (A60), of images and pseudo labels. */
  warp: boolean;
  scaleFactor: number;
  rotationFactor: number;
  /** Boxes at joints; 0 for none. */
  jointCutouts: number;
  /** Joints that boxes may be drawn at. */
  cutoutPool: readonly number[];
  /** PARITY: clamp box columns to the height and rows to the width, as the original does. */
  swapLimits: boolean;
}

export interface PoseConsFacts extends Omit<CropBatchFacts, "joints"> {
  seed: number;
  heatmapSize: Size;
  sigma: number;
  useTargetWeight: boolean;
  /** Joints that the labelled set has: their pseudo labels count. */
  labelledJoints: readonly number[];
  /** Without views the method is supervised training. */
  views?: ViewFacts;
  /** Mixed precision: features are stored as f16, gradients start from the scale. Its update() is the caller's. */
  scaler?: LossScaler | undefined;
  /** Runs the passes one by one instead of merged; for tests, and where shapes would differ. */
  separate?: boolean;
}

/** One launch of the network with gradient: `groups` batches behind one another, statistics slots from `slot` on. */
interface Pass {
  images: Tensor;
  /** Makes targets and weights; behind the forward pass, so that they need no memory before. */
  labels(): { targets: Tensor; weights: Tensor };
  groups: number;
  slot: number;
}

/** What a teacher pass leaves: its maps, and how the student's view of the same images is drawn. */
interface Lesson {
  taught: Tensor;
  drawHard(into: BufferRange, easy: Tensor): void;
  easy: Tensor;
}

const WARP_CHANCE = 0.8;
/** Image size that the 10..19 px boxes of the original belong to. */
const CUTOUT_REFERENCE_PX = 256;
/** Supervised training and PoseCons of one network. */
export class PoseCons implements TrainingMethod {
  readonly lossNames: readonly string[];
  readonly #gpu: Gpu;
  readonly #network: PoseNetwork;
  readonly #facts: PoseConsFacts;
  /** How images, and with them all features, are stored. */
  readonly #dtype: DType;
  readonly #labelled: CropBatch;
  readonly #unlabelled: CropBatch | undefined;
  readonly #theta: BufferRange;
  readonly #keys: BufferRange;
  readonly #pool: BufferRange;
  readonly #unlabelledWeight: BufferRange;
  readonly #allVisible: BufferRange;
  /** Row numbers 0 and 1, for copies into groups. */
  readonly #rows: readonly BufferRange[];

  constructor(network: PoseNetwork, facts: PoseConsFacts) {
    const { gpu } = network.store;
    const { batch, views } = facts;
    const { joints } = network;
    this.#gpu = gpu;
    this.#network = network;
    this.#facts = facts;
    this.#dtype = facts.scaler ? "f16" : "f32";
    this.lossNames = views ? ["loss_pose", "loss_cons"] : ["loss_pose"];
    const crop = { batch, size: facts.size, rgb: facts.rgb, joints };
    this.#labelled = new CropBatch(gpu, crop);
    this.#unlabelled = views ? new CropBatch(gpu, crop) : undefined;
    this.#theta = gpu.persistent(24 * batch, "theta");
    this.#keys = gpu.persistent(16, "random keys");
    this.#pool = gpu.upload(Uint32Array.from(views?.cutoutPool.length ? views.cutoutPool : [0]), "cutout joints");
    const weight = new Float32Array(batch * joints);
    for (let n = 0; n < batch; n++) for (const joint of facts.labelledJoints) weight[n * joints + joint] = 1;
    this.#unlabelledWeight = gpu.upload(facts.useTargetWeight ? weight : weight.fill(1), "unlabelled weight");
    this.#allVisible = gpu.upload(new Float32Array(batch * joints).fill(1), "unit weight");
    this.#rows = [0, 1].map((row) => gpu.upload(Uint32Array.of(row), "row"));
  }

  get generation(): number {
    return this.#labelled.generation + (this.#unlabelled?.generation ?? 0);
  }

  prepare(batch: TrainingBatch, place: StepPlace): void {
    const { batch: size, views, seed } = this.#facts;
    this.#labelled.write(batch.labelled);
    if (!views || !this.#unlabelled) return;
    if (!batch.unlabelled) throw new Error("PoseCons got a batch without unlabelled samples");
    this.#unlabelled.write(batch.unlabelled);
    const theta = new Float32Array(6 * size);
    for (let n = 0; n < size; n++) {
      const random = new Random({ seed, stream: STREAM.viewGeometry, epoch: place.epoch, index: place.stepInEpoch * size + n });
      theta.set(drawViewTheta(random, { ...views, probability: WARP_CHANCE }), 6 * n);
    }
    this.#gpu.write(this.#theta, theta);
    this.#gpu.write(this.#keys, Uint32Array.of(seed >>> 0, STREAM.jointCutout, place.epoch, place.stepInEpoch * size));
  }

  /** What the passes with gradient see, S before V_1; merged, all of it behind one another as a single pass of groups. */
  #views(): Pass[] {
    const { batch, size: [width, height], heatmapSize: [mapW, mapH], views, separate } = this.#facts;
    const gpu = this.#gpu;
    const { joints } = this.#network;
    const count = views ? 2 : 1;
    const groups = separate ? 1 : count;
    const lesson = views ? this.#teach(views) : undefined;
    const maps = { batch, height: mapH, width: mapW, channels: joints };
    const fill = (tensor: Tensor, slot: number, draw: (slot: number, into: BufferRange) => void): Tensor => {
      for (let group = 0; group < groups; group++) this.#intoGroup(tensor, group, (into) => draw(slot + group, into));
      return tensor;
    };
    return Array.from({ length: count / groups }, (_, pass): Pass => {
      const slot = pass * groups;
      const draw = (easy: () => Tensor) => (at: number, into: BufferRange) => {
        if (at > 0 && lesson) lesson.drawHard(into, easy());
        else this.#labelled.run(into);
      };
      const images = emptyTensor(gpu, [groups * batch, height, width, 3], { label: "images", dtype: this.#dtype });
      fill(images, slot, draw(() => lesson?.easy ?? this.#easyView()));
      if (isRecomputing()) images.recipe = (copy) => void fill(copy, slot, draw(() => this.#easyView()));
      const labels = () => {
        const targets = emptyTensor(gpu, [groups * batch, mapH, mapW, joints], { label: "targets" });
        const weights = emptyTensor(gpu, [groups * batch, joints], { label: "weights" });
        const visibleWeight = gpu.allocate(4 * batch * joints, "visible weight");
        fill(targets, slot, (at, into) => {
          if (at > 0 && lesson) this.#place(lesson.taught.range, into, maps);
          else this.#renderLabelled(into, visibleWeight);
        });
        const labelledWeight = this.#facts.useTargetWeight ? visibleWeight : this.#allVisible;
        fill(weights, slot, (at, into) => addInto(gpu, { a: at > 0 ? this.#unlabelledWeight : labelledWeight, b: undefined, out: into, count: batch * joints }));
        return { targets, weights };
      };
      return { images, labels, groups, slot };
    });
  }

  #renderLabelled(target: BufferRange, weight: BufferRange): void {
    const { batch, size: [width, height], heatmapSize: [mapW, mapH], sigma } = this.#facts;
    renderHeatmaps(this.#gpu, {
      joints: this.#labelled.joints,
      visible: this.#labelled.visible,
      target,
      weight,
      shape: { batch, height: mapH, width: mapW, joints: this.#network.joints },
      stride: [width / mapW, height / mapH],
      sigma,
    });
  }

  /** The unlabelled crops. */
  #easyView(): Tensor {
    const { batch, size: [width, height] } = this.#facts;
    const easy = emptyTensor(this.#gpu, [batch, height, width, 3], { label: "easy view", dtype: this.#dtype });
    this.#unlabelled?.run(easy.range);
    return easy;
  }

  /** Brings images or maps from the easy view's frame into the hard one's. */
  #place(source: BufferRange, into: BufferRange, shape: { batch: number; height: number; width: number; channels: number }): void {
    const { batch, height, width, channels } = shape;
    if (this.#facts.views?.warp) warpAffine(this.#gpu, { x: source, theta: this.#theta, y: into, shape });
    else addInto(this.#gpu, { a: source, b: undefined, out: into, count: batch * height * width * channels });
  }

  /** The teacher's pass over the easy view. */
  #teach({ jointCutouts: holes, cutoutPool, swapLimits }: ViewFacts): Lesson {
    const { batch, size: [width, height], heatmapSize: [mapW, mapH] } = this.#facts;
    const gpu = this.#gpu;
    const { joints } = this.#network;
    const easy = this.#easyView();
    const taught = withoutGradient(() => this.#network.forward(easy, { training: true, groups: 1, slot: 2 }));
    const shape = { batch, height, width, channels: 3 };
    if (holes === 0) return { taught, easy, drawHard: (into, view) => this.#place(view.range, into, shape) };
    const peaks = gpu.allocate(12 * batch * joints, "peaks");
    argmaxPeaks(gpu, { maps: taught.range, peaks, shape: { batch, height: mapH, width: mapW, joints }, scale: width / mapW });
    const boxes = gpu.allocate(16 * batch * holes, "cutout boxes");
    jointCutoutBoxes(gpu, {
      peaks,
      pool: this.#pool,
      keys: this.#keys,
      boxes,
      batch,
      joints,
      holes,
      size: [width, height],
      poolSize: cutoutPool.length,
      scale: Math.max(width, height) / CUTOUT_REFERENCE_PX,
      swapLimits,
    });
    const drawHard = (into: BufferRange, view: Tensor) => {
      const cut = emptyTensor(gpu, view.shape, { label: "hard view", dtype: view.dtype });
      cutBoxes(gpu, { x: view.range, boxes, y: cut.range, shape, holes });
      this.#place(cut.range, into, shape);
    };
    return { taught, easy, drawHard };
  }

  /** Lets `fill` write one group of a merged tensor: in place, or by a copy where the adapter cannot bind at that offset. */
  #intoGroup(tensor: Tensor, group: number, fill: (into: BufferRange) => void): void {
    const { allocation, offset } = tensor.range;
    const shape = [this.#facts.batch, ...tensor.shape.slice(1)];
    const count = elementCount(shape);
    const bytes = byteCount(shape, tensor.dtype);
    const start = offset + group * count * (tensor.dtype === "f16" ? 2 : 4);
    if (start % this.#gpu.limits.minStorageBufferOffsetAlignment === 0) {
      fill({ allocation, offset: start, bytes });
      return;
    }
    const own = this.#gpu.allocate(bytes, `${tensor.label} of group ${group}`, { element: elementOf(tensor.dtype) });
    fill(own);
    storeRow(this.#gpu, { x: own, row: this.#rows[group] as BufferRange, table: tensor.range, count });
  }

  encode(): Tensor {
    const { store } = this.#network;
    const passes = this.#views();
    const { scaler, views } = this.#facts;
    const count = views ? 2 : 1;
    store.zeroGradients();
    const losses = passes.map(({ images, labels, groups, slot }) => {
      const outputs = this.#network.heatmaps(images, { training: true, groups, slot });
      const { targets: target, weights: weight } = labels();
      // A network of several stages learns from the plain sum of their losses.
      const loss = outputs.map((heatmaps) => heatmapMse(heatmaps, { target, weight, groups })).reduce((total, own) => add(total, own));
      backward(loss, scaler ? { gradient: scaler.gradientOf(loss) } : {});
      return loss;
    });
    store.completeGradients();
    store.updateRunning(views ? [0, count, 1] : [0]);
    const [first] = losses as [Tensor, ...Tensor[]];
    if (losses.length === 1) return first;
    const table = emptyTensor(this.#gpu, [count], { label: "losses" });
    losses.forEach((loss, row) => storeRow(this.#gpu, { x: loss.range, row: this.#rows[row] as BufferRange, table: table.range, count: 1 }));
    return table;
  }

  /** Passes of one step that update the running statistics. */
  get passes(): number {
    return this.#facts.views ? 3 : 1;
  }

  async inspect(): Promise<Inspection> {
    const gpu = this.#gpu;
    const kept = gpu.scope((keep) => {
      const passes = this.#views().map(({ images, labels, groups, slot }) => {
        const predictions = withoutGradient(() => this.#network.forward(images, { training: true, groups, slot }));
        return { images, targets: labels().targets, predictions };
      });
      for (const { images, targets, predictions } of passes) for (const { range } of [images, targets, predictions]) keep(range);
      return passes;
    });
    const read = async (part: "images" | "targets" | "predictions") => joined(await Promise.all(kept.map((pass) => pass[part].toArray())));
    const [images, targets, predictions] = await Promise.all([read("images"), read("targets"), read("predictions")]);
    for (const pass of kept) for (const { range } of [pass.images, pass.targets, pass.predictions]) gpu.free(range);
    const slices = this.#facts.views ? ["labelled", "hard view"] : ["labelled"];
    return { slices, images, targets, predictions, batch: this.#facts.batch };
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
