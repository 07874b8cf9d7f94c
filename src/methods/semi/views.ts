/** What teachers and students see of a step's unlabelled images: the loader's crops behind augmentations and affine maps. */
import { Augmenter, type AugmentStep } from "../../augment/chain.ts";
import { CropBatch, type PackedCrops } from "../../augment/crop_batch.ts";
import type { BufferRange, Gpu } from "../../gpu/device.ts";
import { warpAffine } from "../../kernels/augment.ts";
import { addInto } from "../../kernels/elementwise.ts";
import type { PoseModel } from "../../models/network.ts";
import { composeAffine, drawViewTheta, invertAffine } from "../../pose/affine.ts";
import type { Affine } from "../../pose/types.ts";
import { keyWords, Random, STREAM } from "../../random.ts";
import { type DType, emptyTensor, type Tensor } from "../../tensor/tensor.ts";
import type { StepPlace } from "../method.ts";
import type { ConsistencyFacts, TeachingFacts } from "./facts.ts";

const WARP_CHANCE = 0.8;
/** The teacher's draws have a lane of their own, behind those of all views. */
export const TEACHER_LANE = 255;

/** How images, and with them all features, are stored. */
export function imageType({ scaler }: ConsistencyFacts): DType {
  return scaler ? "f16" : "f32";
}

/** Which random draws are those of a network's view, counted from 1. */
export function laneOf(network: number, view: number): number {
  return network * (TEACHER_LANE + 1) + view;
}

/** An image's augmentations: joints in its frame [batch, joints, 3], px, where they are known, and the lane of its draws. */
export interface Augmented {
  chain: readonly AugmentStep[];
  peaks: BufferRange | undefined;
  lane: number;
}

/** The unlabelled images of a step, their affine maps and random keys. */
export class UnlabelledViews {
  /** Random keys of the step. */
  readonly keys: BufferRange;
  readonly #gpu: Gpu;
  readonly #facts: TeachingFacts;
  readonly #networks: number;
  readonly #crops: CropBatch;
  readonly #augmenter: Augmenter;
  /** Students' views; per network the teacher's, its inverse, and the teacher's frame to the students'. */
  readonly #theta: BufferRange;
  readonly #teacherThetas: readonly { view: BufferRange; inverse: BufferRange; toStudent: BufferRange }[];

  constructor({ store: { gpu }, networks }: PoseModel, facts: TeachingFacts) {
    const { batch, size, rgb, semi } = facts;
    const { joints } = networks[0].network;
    this.#gpu = gpu;
    this.#facts = facts;
    this.#networks = networks.length;
    this.#crops = new CropBatch(gpu, { batch, size, rgb, joints });
    this.#augmenter = new Augmenter(gpu, { ...semi.augment, joints });
    const thetas = (label: string) => gpu.persistent(24 * batch, label);
    this.#theta = thetas("theta");
    const warped = semi.plan.stages.some(({ teacher }) => teacher.warp);
    this.#teacherThetas = warped ? networks.map(() => ({ view: thetas("teacher theta"), inverse: thetas("inverse theta"), toStudent: thetas("label theta") })) : [];
    this.keys = gpu.persistent(16, "random keys");
  }

  /** Changes when recordings of the step no longer hold. */
  get generation(): number {
    return this.#crops.generation;
  }

  /** Writes a step's crops, and draws its affine maps. */
  prepare(crops: PackedCrops, place: StepPlace): void {
    const { batch, semi, seed } = this.#facts;
    this.#crops.write(crops);
    const first = place.stepInEpoch * batch;
    const draw = (stream: number, index: number): Affine => drawViewTheta(new Random({ seed, stream, epoch: place.epoch, index }), { ...semi, probability: WARP_CHANCE });
    const students = Array.from({ length: batch }, (_, n): Affine => (semi.warp ? draw(STREAM.viewGeometry, first + n) : [1, 0, 0, 0, 1, 0]));
    const write = (range: BufferRange, maps: readonly Affine[]) => this.#gpu.write(range, Float32Array.from(maps.flat()));
    write(this.#theta, students);
    this.#teacherThetas.forEach(({ view, inverse, toStudent }, network) => {
      const views = students.map((_, n) => draw(STREAM.teacherGeometry, this.#networks * (first + n) + network));
      const back = views.map(invertAffine);
      write(view, views);
      write(inverse, back);
      write(toStudent, students.map((student, n) => composeAffine(back[n] as Affine, student)));
    });
    this.#gpu.write(this.keys, keyWords({ seed, stream: STREAM.augment, epoch: place.epoch, index: first }));
  }

  /** The loader's crops. */
  easy(): Tensor {
    const { batch, size: [width, height] } = this.#facts;
    const easy = emptyTensor(this.#gpu, [batch, height, width, 3], { label: "easy view", dtype: imageType(this.#facts) });
    this.#crops.run(easy.range);
    return easy;
  }

  augment(easy: Tensor, { chain, peaks, lane }: Augmented): Tensor {
    return this.#augmenter.encode(chain, { easy, keys: this.keys, lane, ...(peaks ? { peaks } : {}) });
  }

  /** Draws a student's view, the second affine last. */
  drawStudent(into: BufferRange, { easy, ...augmented }: Augmented & { easy: Tensor }): void {
    const { batch, size: [width, height], semi } = this.#facts;
    const shape = { batch, height, width, channels: 3 };
    const { range } = this.augment(easy, augmented);
    if (semi.warp) warpAffine(this.#gpu, { x: range, theta: this.#theta, y: into, shape });
    else addInto(this.#gpu, { a: range, b: undefined, out: into, count: batch * height * width * 3 });
  }

  /**
   * An image in the frame of teacher n, and how maps of that frame get into others: `toEasy` into the loader's and `toStudent` into the
   * students'; undefined: they are there.
   */
  asTeacher(n: number, { image, warp }: { image: Tensor; warp: boolean }): { image: Tensor; toEasy: BufferRange | undefined; toStudent: BufferRange | undefined } {
    const { batch, size: [width, height], semi } = this.#facts;
    const own = warp ? this.#teacherThetas[n] : undefined;
    if (!own) return { image, toEasy: undefined, toStudent: semi.warp ? this.#theta : undefined };
    const warped = emptyTensor(this.#gpu, image.shape, { label: "teacher view", dtype: image.dtype });
    warpAffine(this.#gpu, { x: image.range, theta: own.view, y: warped.range, shape: { batch, height, width, channels: 3 } });
    return { image: warped, toEasy: own.inverse, toStudent: own.toStudent };
  }

  /** Heatmaps [batch, h, w, joints] in another frame. */
  warpMaps(maps: Tensor, { theta, label }: { theta: BufferRange; label: string }): Tensor {
    const { size: [inputWidth], batch, semi } = this.#facts;
    const [, height = 0, width = 0, channels = 0] = maps.shape;
    const out = emptyTensor(this.#gpu, maps.shape, { label });
    warpAffine(this.#gpu, { x: maps.range, theta, y: out.range, shape: { batch, height, width, channels }, centre: semi.alignCentres ? width / inputWidth : 1 });
    return out;
  }
}
