/**
 * PoseCons (Xie et al., ICCV 2021; MultiAugs): a network is taught by its own heatmaps of an easy view, warped into the
 * frame of harder views of the same image; and plain supervised training, which is PoseCons without views.
 *
 * Passes of a step, in the order that the running statistics see them: labelled S, teacher T on the easy view, students
 * V_1..V_K. S and V_k share one launch by grouped batchnorm; statistics slots keep the order (see ParameterStore).
 */
import { CropBatch, type CropBatchFacts } from "../../augment/crop_batch.ts";
import { withoutGradient } from "../../autograd/op.ts";
import { backward } from "../../autograd/tape.ts";
import type { BufferRange, Gpu } from "../../gpu/device.ts";
import { cutBoxes, jointCutoutBoxes, warpAffine } from "../../kernels/augment.ts";
import { addInto, storeRow } from "../../kernels/elementwise.ts";
import { argmaxPeaks, renderHeatmaps } from "../../kernels/heatmap.ts";
import type { PoseResnet } from "../../models/pose_resnet.ts";
import { heatmapMse } from "../../ops/heatmap_mse.ts";
import { drawViewTheta } from "../../pose/affine.ts";
import type { Size } from "../../pose/types.ts";
import { Random, STREAM } from "../../random.ts";
import { batchView, emptyTensor, type Tensor } from "../../tensor/tensor.ts";
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
  /** Runs the passes one by one instead of merged; for tests, and where shapes would differ. */
  separate?: boolean;
}

const WARP_CHANCE = 0.8;
/** Image size that the 10..19 px boxes of the original belong to. */
const CUTOUT_REFERENCE_PX = 256;
/** Supervised training and PoseCons of one network. */
export class PoseCons implements TrainingMethod {
  readonly lossNames: readonly string[];
  readonly #gpu: Gpu;
  readonly #network: PoseResnet;
  readonly #facts: PoseConsFacts;
  readonly #labelled: CropBatch;
  readonly #unlabelled: CropBatch | undefined;
  readonly #theta: BufferRange;
  readonly #keys: BufferRange;
  readonly #pool: BufferRange;
  readonly #unlabelledWeight: BufferRange;
  readonly #allVisible: BufferRange;
  /** Row numbers 0 and 1, for the losses of separate passes. */
  readonly #groupRows: readonly BufferRange[];

  constructor(network: PoseResnet, facts: PoseConsFacts) {
    const { gpu } = network.store;
    const { batch, views } = facts;
    const { joints } = network;
    this.#gpu = gpu;
    this.#network = network;
    this.#facts = facts;
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
    this.#groupRows = [0, 1].map((row) => gpu.upload(Uint32Array.of(row), "row"));
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

  /** Inputs, targets and weights of all passes with gradient, [S, V_1] behind one another. */
  #views(): { images: Tensor; targets: Tensor; weights: Tensor; groups: number } {
    const { batch, size: [width, height], heatmapSize, sigma, views, useTargetWeight } = this.#facts;
    const gpu = this.#gpu;
    const { joints } = this.#network;
    const [mapW, mapH] = heatmapSize;
    const groups = views ? 2 : 1;
    const images = emptyTensor(gpu, [groups * batch, height, width, 3], { label: "images" });
    const targets = emptyTensor(gpu, [groups * batch, mapH, mapW, joints], { label: "targets" });
    const weights = emptyTensor(gpu, [groups * batch, joints], { label: "weights" });
    const slice = (tensor: Tensor, group: number) => batchView(tensor, group * batch, batch);

    this.#labelled.run(slice(images, 0));
    const shape = { batch, height: mapH, width: mapW, joints };
    const weight = useTargetWeight ? slice(weights, 0).range : gpu.allocate(4 * batch * joints, "unused weight");
    renderHeatmaps(gpu, {
      joints: this.#labelled.joints,
      visible: this.#labelled.visible,
      target: slice(targets, 0).range,
      weight,
      shape,
      stride: [width / mapW, height / mapH],
      sigma,
    });
    if (!useTargetWeight) addInto(gpu, { a: this.#allVisible, b: undefined, out: slice(weights, 0).range, count: batch * joints });
    if (!views || !this.#unlabelled) return { images, targets, weights, groups };

    const easy = emptyTensor(gpu, [batch, height, width, 3], { label: "easy view" });
    this.#unlabelled.run(easy);
    const taught = withoutGradient(() => this.#network.forward(easy, { training: true, groups: 1, slot: groups }));
    let hard = easy;
    const imageShape = { batch, height, width, channels: 3 };
    if (views.jointCutouts > 0) {
      const peaks = gpu.allocate(12 * batch * joints, "peaks");
      argmaxPeaks(gpu, { maps: taught.range, peaks, shape, scale: width / mapW });
      const boxes = gpu.allocate(16 * batch * views.jointCutouts, "cutout boxes");
      jointCutoutBoxes(gpu, {
        peaks,
        pool: this.#pool,
        keys: this.#keys,
        boxes,
        batch,
        joints,
        holes: views.jointCutouts,
        size: [width, height],
        poolSize: views.cutoutPool.length,
        scale: Math.max(width, height) / CUTOUT_REFERENCE_PX,
        swapLimits: views.swapLimits,
      });
      hard = emptyTensor(gpu, easy.shape, { label: "hard view" });
      cutBoxes(gpu, { x: easy.range, boxes, y: hard.range, shape: imageShape, holes: views.jointCutouts });
    }
    const place = (source: Tensor, into: Tensor, channels: number) => {
      const [, h = 0, w = 0] = source.shape;
      if (views.warp) warpAffine(gpu, { x: source.range, theta: this.#theta, y: into.range, shape: { batch, height: h, width: w, channels } });
      else addInto(gpu, { a: source.range, b: undefined, out: into.range, count: source.size });
    };
    place(hard, slice(images, 1), 3);
    place(taught, slice(targets, 1), joints);
    addInto(gpu, { a: this.#unlabelledWeight, b: undefined, out: slice(weights, 1).range, count: batch * joints });
    return { images, targets, weights, groups };
  }

  encode(): Tensor {
    const { batch, separate } = this.#facts;
    const { store } = this.#network;
    const { images, targets, weights, groups } = this.#views();
    store.zeroGradients();
    let losses: Tensor;
    if (separate && groups > 1) {
      losses = emptyTensor(this.#gpu, [groups], { label: "losses" });
      for (let group = 0; group < groups; group++) {
        const [x, target, weight] = [images, targets, weights].map((tensor) => batchView(tensor, group * batch, batch)) as [Tensor, Tensor, Tensor];
        const loss = heatmapMse(this.#network.forward(x, { training: true, groups: 1, slot: group }), { target, weight });
        backward(loss);
        storeRow(this.#gpu, { x: loss.range, row: this.#groupRows[group] as BufferRange, table: losses.range, count: 1 });
      }
    } else {
      losses = heatmapMse(this.#network.forward(images, { training: true, groups, slot: 0 }), { target: targets, weight: weights, groups });
      backward(losses);
    }
    store.completeGradients();
    store.updateRunning(groups > 1 ? [0, groups, 1] : [0]);
    return losses;
  }

  /** Passes of one step that update the running statistics. */
  get passes(): number {
    return this.#facts.views ? 3 : 1;
  }

  async inspect(): Promise<Inspection> {
    const gpu = this.#gpu;
    const kept = gpu.scope((keep) => {
      const { images, targets, groups } = this.#views();
      const predictions = withoutGradient(() => this.#network.forward(images, { training: true, groups, slot: 0 }));
      const tensors = [images, targets, predictions];
      for (const { range } of tensors) keep(range);
      return { tensors, groups };
    });
    const [images, targets, predictions] = await Promise.all(kept.tensors.map((tensor) => tensor.toArray()));
    for (const { range } of kept.tensors) gpu.free(range);
    if (!images || !targets || !predictions) throw new Error("nothing was read");
    const slices = ["labelled", "hard view"].slice(0, kept.groups);
    return { slices, images, targets, predictions, batch: this.#facts.batch };
  }
}
