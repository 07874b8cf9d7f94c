/**
 * Consistency training: networks are taught by heatmaps of an easy view, warped into the frame of harder views of the same
 * image. One network that teaches itself is PoseCons, a pair that teaches each other PoseDual (Xie et al., ICCV 2021), with
 * several views MultiAugs (Huynh-The et al., 2024); with a third network on corrected labels it is SSPCM; without views it is
 * plain supervised training.
 *
 * Passes of a step and network, in the order that the running statistics see them: labelled S, (easy view for the teacher's
 * joints), teacher T, students V_1..V_K. S and all V_k share one launch by grouped batchnorm; statistics slots keep the
 * order (see ParameterStore).
 */
import { type AugmentOptions, Augmenter, type AugmentStep } from "../../augment/chain.ts";
import { CropBatch, type CropBatchFacts } from "../../augment/crop_batch.ts";
import { isRecomputing, withoutGradient } from "../../autograd/op.ts";
import { backward } from "../../autograd/tape.ts";
import type { BufferRange, Gpu } from "../../gpu/device.ts";
import { attackMask } from "../../kernels/attack_mask.ts";
import { warpAffine } from "../../kernels/augment.ts";
import { addInto, storeRow } from "../../kernels/elementwise.ts";
import { argmaxPeaks, renderHeatmaps } from "../../kernels/heatmap.ts";
import { type AgreementRules, agreementWeights, correctLabels } from "../../kernels/label_correction.ts";
import { peakAccuracy, peakStatistics } from "../../kernels/peak_statistics.ts";
import type { ModelNetwork, PoseModel } from "../../models/network.ts";
import { add, mul } from "../../ops/elementwise.ts";
import { heatmapMse } from "../../ops/heatmap_mse.ts";
import { sum } from "../../ops/reduce.ts";
import { concat, slice } from "../../ops/shape.ts";
import type { ParameterStore } from "../../nn/store.ts";
import type { LossScaler } from "../../optim/loss_scaler.ts";
import { composeAffine, drawViewTheta, invertAffine } from "../../pose/affine.ts";
import type { Affine, Size } from "../../pose/types.ts";
import { keyWords, Random, STREAM } from "../../random.ts";
import { byteCount, type DType, elementCount, elementOf, emptyTensor, persistentTensor, type Tensor } from "../../tensor/tensor.ts";
import type { Inspection, StepPlace, TrainingBatch, TrainingMethod } from "../method.ts";
import { type ConsistencyOptions, consistencyLoss } from "./loss.ts";
import type { Stage, ViewPlan } from "./plan.ts";

/** What SSPCM adds to a pair: a third network on labels that four teachers' maps correct. Source: multiaugs §12. */
export interface CorrectionFacts extends AgreementRules {
  /** The two teachers as they were at the end of the epoch before. */
  previous: PoseModel;
  /** Labels are corrected in epochs above this; up to it they are the mean of the two teachers' maps. */
  warmupEpoch: number;
  /** Takes one random cell of the deepest features from every student's view; PoseResNet in f32 only. */
  featureAttack: boolean;
}

/** The unlabelled half of a step. */
export interface SemiFacts extends ConsistencyOptions {
  plan: ViewPlan;
  /** The run's first and last epoch and the steps of each, for progressive stages. */
  beginEpoch: number;
  endEpoch: number;
  stepsPerEpoch: number;
  /** Second random affine (A60), of images and pseudo labels. */
  warp: boolean;
  scaleFactor: number;
  rotationFactor: number;
  augment: Omit<AugmentOptions, "joints">;
  /**
   * Warps pseudo labels about the places where targets have their joints. PARITY: the original does not and so moves them by up
   * to half a cell (multiaugs D-22).
   */
  alignCentres: boolean;
  /** For models of three networks. */
  correction?: CorrectionFacts | undefined;
}

export interface ConsistencyFacts extends Omit<CropBatchFacts, "joints"> {
  seed: number;
  heatmapSize: Size;
  sigma: number;
  useTargetWeight: boolean;
  /** Joints that the labelled set has: their pseudo labels count. */
  labelledJoints: readonly number[];
  /** Without it the method is supervised training. */
  semi?: SemiFacts | undefined;
  /** Mixed precision: features are stored as f16, gradients start from the scale. Its update() is the caller's. */
  scaler?: LossScaler | undefined;
  /** Runs the passes one by one instead of merged: the memory of one, the same result. Not with `fuse`. */
  separate?: boolean;
}

/** The unlabelled images of a step on their way to the views of the first network; all are [batch, h, w, 3], normalised. */
export interface UnfoldedViews {
  /** The loader's view behind the second affine alone. */
  warped: Float32Array;
  /** Of each view its name and chain, the images behind each step of it, and those behind the affine that follows. */
  views: readonly { name: string; chain: readonly AugmentStep[]; steps: readonly Float32Array[]; end: Float32Array }[];
}

/** One launch of a network with gradient: `groups` batches behind one another, statistics slots from `slot` on. */
interface Pass {
  images: Tensor;
  /** Makes targets and weights; behind the forward pass, so that they need no memory before. */
  labels(): { targets: Tensor; weights: Tensor };
  groups: number;
  slot: number;
}

/** What one network learns from another's teacher pass. */
interface Lesson {
  /** The teacher's maps, in the frame of its view. */
  taught: Tensor;
  /** Brings `taught` into the students' frame; undefined: it is there. */
  toStudent: BufferRange | undefined;
  /** Joints in the easy view's frame [batch, joints, 3], px. */
  peaks: BufferRange;
  /** What joints count [batch, joints]. */
  weight: BufferRange;
}

/** The teachers' part of a step. */
interface Teaching {
  easy: Tensor;
  /** By teacher, the peaks that it gives. */
  given: BufferRange[];
  /** By network, what it takes. */
  lessons: Lesson[];
}

const WARP_CHANCE = 0.8;
/** Watched of each network that teaches: mean peaks on labelled and on unlabelled images, and the share of the latter that are next to empty. */
const WATCHED = ["labelled_peak", "teacher_peak", "teacher_flat"] as const;
/** The teacher's draws have a lane of their own, behind those of all views. */
const TEACHER_LANE = 255;
/** Sites of the feature attack's draws: beyond those of all lanes of augmentations. */
const ATTACK_SITES = 2 ** 24;
/** Pseudo-label maps that stay below this are next to empty. */
const FLAT_BELOW = 0.05;

/** Ends the name of a mode in which the third network's labels are not corrected yet. */
const UNCORRECTED = ", labels not corrected";

/** Passes that a step of `views` views leaves statistics of, at most; what store.materialise() wants. */
export function passSlots(views: number): number {
  return views + 3;
}

/** Supervised training, PoseCons, PoseDual, SSPCM. */
export class ConsistencyTraining implements TrainingMethod {
  readonly lossNames: readonly string[];
  readonly watchNames: readonly string[];
  readonly #gpu: Gpu;
  readonly #model: PoseModel;
  readonly #joints: number;
  readonly #facts: ConsistencyFacts;
  /** How images, and with them all features, are stored. */
  readonly #dtype: DType;
  readonly #labelled: CropBatch;
  readonly #unlabelled: CropBatch | undefined;
  readonly #augmenter: Augmenter | undefined;
  /** Students' views; per network the teacher's, its inverse, and the teacher's frame to the students'. */
  readonly #theta: BufferRange;
  readonly #teacherThetas: readonly { view: BufferRange; inverse: BufferRange; toStudent: BufferRange }[];
  readonly #keys: BufferRange;
  readonly #unlabelledWeight: BufferRange;
  readonly #allVisible: Tensor;
  readonly #jointShare: BufferRange;
  /** Row numbers, for copies into groups. */
  readonly #rows: readonly BufferRange[];
  /** By number of losses: where their backward passes start. */
  readonly #factors = new Map<string, Tensor>();

  constructor(model: PoseModel, facts: ConsistencyFacts) {
    const { gpu } = model.store;
    const { batch, semi, labelledJoints } = facts;
    const joints = model.networks[0].network.joints;
    if (facts.separate && semi?.fuse) throw new Error("views that are fused cannot run one by one");
    this.#gpu = gpu;
    this.#model = model;
    this.#joints = joints;
    this.#facts = facts;
    this.#dtype = facts.scaler ? "f16" : "f32";
    const numbered = (name: string, n: number) => (model.networks.length === 1 ? name : `${name}_${n + 1}`);
    this.lossNames = semi ? ["loss_pose", "loss_cons"] : ["loss_pose"];
    const taught = semi?.correction ? 2 : model.networks.length;
    this.watchNames = ["accuracy", ...(semi ? Array.from({ length: taught }, (_, n) => WATCHED.map((name) => numbered(name, n))).flat() : [])];
    const crop = { batch, size: facts.size, rgb: facts.rgb, joints };
    this.#labelled = new CropBatch(gpu, crop);
    this.#unlabelled = semi ? new CropBatch(gpu, crop) : undefined;
    this.#augmenter = semi ? new Augmenter(gpu, { ...semi.augment, joints }) : undefined;
    const thetas = (label: string) => gpu.persistent(24 * batch, label);
    this.#theta = thetas("theta");
    const warped = semi?.plan.stages.some(({ teacher }) => teacher.warp) ?? false;
    this.#teacherThetas = warped ? model.networks.map(() => ({ view: thetas("teacher theta"), inverse: thetas("inverse theta"), toStudent: thetas("label theta") })) : [];
    this.#keys = gpu.persistent(16, "random keys");
    const weight = new Float32Array(batch * joints);
    for (let n = 0; n < batch; n++) for (const joint of labelledJoints) weight[n * joints + joint] = 1;
    this.#unlabelledWeight = gpu.upload(facts.useTargetWeight ? weight : weight.fill(1), "unlabelled weight");
    this.#jointShare = gpu.upload(Float32Array.from({ length: joints }, (_, joint) => (labelledJoints.includes(joint) ? 1 / (batch * labelledJoints.length) : 0)), "joint shares");
    const views = semi?.plan.mostViews ?? 0;
    this.#allVisible = persistentTensor(gpu, [Math.max(1, views) * batch, joints], { data: new Float32Array(Math.max(1, views) * batch * joints).fill(1), label: "unit weight" });
    this.#rows = Array.from({ length: Math.max(2, 1 + views) * Math.max(2, model.networks.length) }, (_, row) => gpu.upload(Uint32Array.of(row), "row"));
    // All that a recorded step reads exists before it is recorded.
    for (const stage of semi?.plan.stages ?? [undefined]) for (const { groups, slot } of this.#launches(stage)) this.#lossFactors(groups, slot);
  }

  get generation(): number {
    return this.#labelled.generation + (this.#unlabelled?.generation ?? 0);
  }

  mode(place: StepPlace): string {
    const { semi } = this.#facts;
    if (!semi) return "";
    const { name } = semi.plan.at({ ...semi, ...place });
    return semi.correction && place.epoch <= semi.correction.warmupEpoch ? name + UNCORRECTED : name;
  }

  /** The stage that a mode names, the first for none, and whether the third network's labels are corrected in it. */
  #stageOf(mode: string): { stage: Stage | undefined; corrected: boolean } {
    const corrected = !mode.endsWith(UNCORRECTED);
    const own = corrected ? mode : mode.slice(0, -UNCORRECTED.length);
    const stages = this.#facts.semi?.plan.stages;
    const stage = own === "" ? stages?.[0] : stages?.find(({ name }) => name === own);
    if (stages && !stage) throw new Error(`no stage "${own}"`);
    return { stage, corrected };
  }

  prepare(batch: TrainingBatch, place: StepPlace): void {
    const { batch: size, semi, seed } = this.#facts;
    this.#labelled.write(batch.labelled);
    if (!semi || !this.#unlabelled) return;
    if (!batch.unlabelled) throw new Error("consistency training got a batch without unlabelled samples");
    this.#unlabelled.write(batch.unlabelled);
    const first = place.stepInEpoch * size;
    const draw = (stream: number, index: number): Affine => drawViewTheta(new Random({ seed, stream, epoch: place.epoch, index }), { ...semi, probability: WARP_CHANCE });
    const students = Array.from({ length: size }, (_, n): Affine => (semi.warp ? draw(STREAM.viewGeometry, first + n) : [1, 0, 0, 0, 1, 0]));
    const write = (range: BufferRange, maps: readonly Affine[]) => this.#gpu.write(range, Float32Array.from(maps.flat()));
    write(this.#theta, students);
    this.#teacherThetas.forEach(({ view, inverse, toStudent }, network) => {
      const views = students.map((_, n) => draw(STREAM.teacherGeometry, this.#model.networks.length * (first + n) + network));
      const back = views.map(invertAffine);
      write(view, views);
      write(inverse, back);
      write(toStudent, students.map((student, n) => composeAffine(back[n] as Affine, student)));
    });
    this.#gpu.write(this.#keys, keyWords({ seed, stream: STREAM.augment, epoch: place.epoch, index: first }));
  }

  /** The launches with gradient of one network: all views behind one another, or each by itself. */
  #launches(stage: Stage | undefined): { groups: number; slot: number }[] {
    const count = 1 + (stage?.views.length ?? 0);
    return this.#facts.separate ? Array.from({ length: count }, (_, slot) => ({ groups: 1, slot })) : [{ groups: count, slot: 0 }];
  }

  /** Weight of each loss of a launch in the step's: that of labels is shared by the networks of a model. */
  #lossFactors(groups: number, slot: number): Tensor {
    const key = `${groups} from ${slot}`;
    let factors = this.#factors.get(key);
    if (!factors) {
      const losses = this.#facts.semi?.fuse ? Math.min(groups, 2) : groups;
      const data = Float32Array.from({ length: losses }, (_, i) => (slot + i === 0 ? this.#labelShare : 1));
      factors = persistentTensor(this.#gpu, [losses], { data, label: "loss factors" });
      this.#factors.set(key, factors);
    }
    return factors;
  }

  /** PARITY: a half for each of a pair, and of three (multiaugs §5.3, §12). */
  get #labelShare(): number {
    return this.#model.networks.length === 1 ? 1 : 0.5;
  }

  /** What the passes with gradient of network n see, S before V_1. */
  #passes(n: number, stage: Stage | undefined, teaching: Teaching | undefined): Pass[] {
    const { batch, size: [width, height], heatmapSize: [mapW, mapH], useTargetWeight } = this.#facts;
    const gpu = this.#gpu;
    const joints = this.#joints;
    const lesson = teaching?.lessons[n];
    const maps = [batch, mapH, mapW, joints] as const;
    return this.#launches(stage).map(({ groups, slot }): Pass => {
      const fill = (tensor: Tensor, draw: (view: number, into: BufferRange) => void): Tensor => {
        for (let group = 0; group < groups; group++) this.#intoGroup(tensor, group, (into) => draw(slot + group, into));
        return tensor;
      };
      const draw = (easy: () => Tensor) => (view: number, into: BufferRange) => {
        if (view === 0 || !stage || !lesson) this.#labelled.run(into);
        else this.#drawHard(into, { easy: easy(), chain: stage.views[view - 1] ?? [], peaks: lesson.peaks, lane: n * (TEACHER_LANE + 1) + view });
      };
      const images = emptyTensor(gpu, [groups * batch, height, width, 3], { label: "images", dtype: this.#dtype });
      fill(images, draw(() => teaching?.easy ?? this.#easyView()));
      if (isRecomputing()) {
        images.recipe = (copy) => {
          let easy: Tensor | undefined;
          fill(copy, draw(() => (easy ??= this.#easyView())));
        };
      }
      const labels = () => {
        const targets = emptyTensor(gpu, [groups * batch, mapH, mapW, joints], { label: "targets" });
        const weights = emptyTensor(gpu, [groups * batch, joints], { label: "weights" });
        const visibleWeight = gpu.allocate(4 * batch * joints, "visible weight");
        const pseudo = lesson && slot + groups > 1 ? this.#pseudoLabels(lesson) : undefined;
        const copy = (from: BufferRange, into: BufferRange, count: number) => addInto(gpu, { a: from, b: undefined, out: into, count });
        fill(targets, (view, into) => {
          if (view > 0 && pseudo) copy(pseudo.range, into, elementCount(maps));
          else this.#renderLabelled(into, visibleWeight);
        });
        const labelledWeight = useTargetWeight ? visibleWeight : this.#allVisible.range;
        fill(weights, (view, into) => copy(view > 0 && lesson ? lesson.weight : labelledWeight, into, batch * joints));
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
      shape: { batch, height: mapH, width: mapW, joints: this.#joints },
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

  #augment(easy: Tensor, { chain, peaks, lane }: { chain: readonly AugmentStep[]; peaks: BufferRange | undefined; lane: number }): Tensor {
    if (!this.#augmenter) throw new Error("augmentations without unlabelled images");
    return this.#augmenter.encode(chain, { easy, keys: this.#keys, lane, ...(peaks ? { peaks } : {}) });
  }

  /** Draws a student's view. */
  #drawHard(into: BufferRange, { easy, ...view }: { easy: Tensor; chain: readonly AugmentStep[]; peaks: BufferRange; lane: number }): void {
    const { batch, size: [width, height], semi } = this.#facts;
    const shape = { batch, height, width, channels: 3 };
    const { range } = this.#augment(easy, view);
    if (semi?.warp) warpAffine(this.#gpu, { x: range, theta: this.#theta, y: into, shape });
    else addInto(this.#gpu, { a: range, b: undefined, out: into, count: batch * height * width * 3 });
  }

  #warpMaps(maps: Tensor, theta: BufferRange, label: string): Tensor {
    const { size: [width], heatmapSize: [mapW, mapH], batch, semi } = this.#facts;
    const out = emptyTensor(this.#gpu, maps.shape, { label });
    warpAffine(this.#gpu, { x: maps.range, theta, y: out.range, shape: { batch, height: mapH, width: mapW, channels: this.#joints }, centre: semi?.alignCentres ? mapW / width : 1 });
    return out;
  }

  /** The teacher's maps in the students' frame. */
  #pseudoLabels({ taught, toStudent }: Lesson): Tensor {
    return toStudent ? this.#warpMaps(taught, toStudent, "pseudo labels") : taught;
  }

  /** Peaks of the maps' first batch [batch, joints, 3], in px of the image or, with a scale of 1, in cells. */
  #peaksOf(maps: Tensor, scale?: number): BufferRange {
    const { batch, size: [width], heatmapSize: [mapW, mapH] } = this.#facts;
    const peaks = this.#gpu.allocate(12 * batch * this.#joints, "peaks");
    argmaxPeaks(this.#gpu, { maps: maps.range, peaks, shape: { batch, height: mapH, width: mapW, joints: this.#joints }, scale: scale ?? width / mapW });
    return peaks;
  }

  /** Networks that teach: all but SSPCM's third. */
  get #teachers(): readonly ModelNetwork[] {
    return this.#facts.semi?.correction ? this.#model.networks.slice(0, 2) : this.#model.networks;
  }

  /** Whose lessons network n takes: its own, or of a pair the other's. */
  #teacherOf(n: number): number {
    return this.#model.networks.length === 1 ? 0 : 1 - n;
  }

  /** A pass without gradient that leaves its statistics in a slot. */
  #look({ network }: ModelNetwork, image: Tensor, slot: number): Tensor {
    return withoutGradient(() => network.forward(image, { training: true, groups: 1, slot }));
  }

  /** Mean and share of flat maps, [2], of the joints that labels have. */
  #statisticsOf(peaks: BufferRange): Tensor {
    const { batch } = this.#facts;
    const statistics = emptyTensor(this.#gpu, [2], { label: "peak statistics" });
    peakStatistics(this.#gpu, { peaks, shares: this.#jointShare, out: statistics.range, batch, joints: this.#joints, flatBelow: FLAT_BELOW });
    return statistics;
  }

  /** How many predictions for labelled samples are right, [1]. */
  #accuracyOf(prediction: BufferRange, targets: Tensor): Tensor {
    const { batch, heatmapSize } = this.#facts;
    const accuracy = emptyTensor(this.#gpu, [1], { label: "accuracy" });
    peakAccuracy(this.#gpu, { prediction, expected: this.#peaksOf(targets, 1), out: accuracy.range, batch, joints: this.#joints, size: heatmapSize });
    return accuracy;
  }

  /** The teachers' passes over the easy view: what each network learns, and the peaks of what each teaches. */
  #teach({ teacher, views }: Stage, { corrected }: { corrected: boolean }): Teaching {
    const { batch, size: [width, height], semi } = this.#facts;
    const gpu = this.#gpu;
    const teachers = this.#teachers;
    const easy = this.#easyView();
    const slot = views.length + 1;
    const joints = needsJoints(teacher.chain) ? teachers.map((own) => this.#peaksOf(this.#look(own, easy, slot + 1))) : undefined;
    const given = teachers.map((network, n): Lesson => {
      let image = this.#augment(easy, { chain: teacher.chain, peaks: joints?.[this.#teacherOf(n)], lane: n * (TEACHER_LANE + 1) + TEACHER_LANE });
      const own = teacher.warp ? this.#teacherThetas[n] : undefined;
      if (own) {
        const warped = emptyTensor(gpu, image.shape, { label: "teacher view", dtype: image.dtype });
        warpAffine(gpu, { x: image.range, theta: own.view, y: warped.range, shape: { batch, height, width, channels: 3 } });
        image = warped;
      }
      const taught = this.#look(network, image, slot);
      const peaks = this.#peaksOf(own ? this.#warpMaps(taught, own.inverse, "easy maps") : taught);
      return { taught, toStudent: own?.toStudent ?? (semi?.warp ? this.#theta : undefined), peaks, weight: this.#unlabelledWeight };
    });
    const lessons = teachers.map((_, n) => given[this.#teacherOf(n)] as Lesson);
    return { easy, given: given.map(({ peaks }) => peaks), lessons: semi?.correction ? this.#withThird(semi.correction, { easy, lessons, given, corrected }) : lessons };
  }

  /** The lessons of SSPCM: the pair's by the joints that both agree on, and the third network's. */
  #withThird(correction: CorrectionFacts, { easy, lessons, given, corrected }: { easy: Tensor; lessons: readonly Lesson[]; given: readonly Lesson[]; corrected: boolean }): Lesson[] {
    const { batch, size: [width, height], heatmapSize: [mapW, mapH] } = this.#facts;
    const gpu = this.#gpu;
    const joints = this.#joints;
    const [a, b] = given as [Lesson, Lesson];
    // Before the correction begins, now stands for then: the pairs are one, and the labels its mean.
    const [oldA, oldB] = corrected ? (correction.previous.networks.map((own) => this.#look(own, easy, 0)) as [Tensor, Tensor]) : [a.taught, b.taught];
    const [oldPeaksA, oldPeaksB] = corrected ? [this.#peaksOf(oldA), this.#peaksOf(oldB)] : [a.peaks, b.peaks];
    const taught = emptyTensor(gpu, a.taught.shape, { label: "corrected maps" });
    correctLabels(gpu, {
      maps: { first: a.taught.range, second: b.taught.range, firstOld: oldA.range, secondOld: oldB.range },
      peaks: { first: a.peaks, second: b.peaks, firstOld: oldPeaksA, secondOld: oldPeaksB },
      out: taught.range,
      batch,
      pixels: mapW * mapH,
      joints,
    });
    const [everyone, third] = ["weight by agreement", "third weight by agreement"].map((label) => gpu.allocate(4 * batch * joints, label)) as [BufferRange, BufferRange];
    agreementWeights(gpu, { first: a.peaks, second: b.peaks, base: this.#unlabelledWeight, everyone, third, count: batch * joints, diagonal: Math.hypot(width, height), rules: correction });
    return [...lessons.map((lesson) => ({ ...lesson, weight: everyone })), { taught, toStudent: a.toStudent, peaks: this.#peaksOf(taught), weight: third }];
  }

  /** What SSPCM takes from the deepest features of network n's students. */
  #attack(n: number, { groups, slot }: { groups: number; slot: number }): Tensor | undefined {
    const { batch, size: [width, height], semi } = this.#facts;
    if (!semi?.correction?.featureAttack || slot + groups === 1) return undefined;
    const { inputMultiple } = (this.#model.networks[n] as ModelNetwork).network;
    const [h, w] = [height / inputMultiple, width / inputMultiple];
    const mask = emptyTensor(this.#gpu, [groups * batch, h, w, 1], { label: "feature attack" });
    const site = ATTACK_SITES + n * (TEACHER_LANE + 1) + slot;
    attackMask(this.#gpu, { keys: this.#keys, mask: mask.range, rows: groups * batch, cells: h * w, batch, first: slot === 0 ? batch : 0, site });
    return mask;
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

  /** The losses of one output of a launch, [1 + views] or, fused, [2]. */
  #losses(heatmaps: Tensor, { targets, weights, groups, slot }: { targets: Tensor; weights: Tensor; groups: number; slot: number }): Tensor {
    const { batch, semi } = this.#facts;
    const labelled = slot === 0 ? 1 : 0;
    const plain = !semi || groups === labelled || !(semi.fuse || semi.sharpen || semi.confidence !== undefined);
    if (plain) return heatmapMse(heatmaps, { target: targets, weight: weights, groups });
    const rest = (tensor: Tensor) => slice(tensor, [{ start: labelled * batch }]);
    const views = groups - labelled;
    const units = slice(this.#allVisible, [{ end: views * batch }]);
    const consistency = consistencyLoss(rest(heatmaps), { targets: rest(targets), weights: rest(weights) }, { ...semi, views, units });
    if (labelled === 0) return consistency;
    const first = (tensor: Tensor) => slice(tensor, [{ end: batch }]);
    return concat([heatmapMse(first(heatmaps), { target: first(targets), weight: first(weights) }), consistency], 0);
  }

  encode(mode = ""): Tensor {
    const { store, networks } = this.#model;
    const { scaler } = this.#facts;
    const { stage, corrected } = this.#stageOf(mode);
    const teaching = stage ? this.#teach(stage, { corrected }) : undefined;
    const watched: Tensor[] = [];
    store.zeroGradients();
    const reports: { loss: Tensor; labelled: boolean }[] = [];
    networks.forEach(({ network, prefix }, n) => {
      for (const { images, labels, groups, slot } of this.#passes(n, stage, teaching)) {
        const outputs = network.heatmaps(images, { training: true, groups, slot, attack: this.#attack(n, { groups, slot }) });
        const made = labels();
        if (slot === 0) watched.push(...this.#watch(outputs.at(-1) as Tensor, { n, targets: made.targets, taught: teaching?.given[n] }));
        // A network of several stages learns from the plain sum of their losses.
        const loss = outputs.map((heatmaps) => this.#losses(heatmaps, { ...made, groups, slot })).reduce((total, own) => add(total, own));
        const factors = this.#lossFactors(groups, slot);
        const weighted = slot === 0 && this.#labelShare !== 1;
        const gradient = withoutGradient(() => (scaler ? mul(scaler.gradientOf(loss), factors) : factors));
        backward(loss, scaler || weighted ? { gradient } : {});
        reports.push({ loss: withoutGradient(() => mul(loss, factors)), labelled: slot === 0 });
      }
      store.updateRunning(this.#slotOrder(stage, n), prefix);
    });
    store.completeGradients();
    return withoutGradient(() => concat([...this.#report(reports), ...watched], 0));
  }

  /** Network n's part of what watchNames names. */
  #watch(heatmaps: Tensor, { n, targets, taught }: { n: number; targets: Tensor; taught: BufferRange | undefined }): Tensor[] {
    if (n > 0 && !taught) return [];
    const labelled = this.#peaksOf(heatmaps, 1);
    const figures = taught ? [slice(this.#statisticsOf(labelled), [{ end: 1 }]), this.#statisticsOf(taught)] : [];
    return [...(n === 0 ? [this.#accuracyOf(labelled, targets)] : []), ...figures];
  }

  /** Slots of network n in the order of the original's passes. */
  #slotOrder(stage: Stage | undefined, n = 0): number[] {
    if (!stage) return [0];
    const views = stage.views.map((_, k) => k + 1);
    if (n >= this.#teachers.length) return [0, ...views];
    const teacher = views.length + 1;
    return [0, ...(needsJoints(stage.teacher.chain) ? [teacher + 1] : []), teacher, ...views];
  }

  /** The sums behind lossNames, each [1]. */
  #report(reports: readonly { loss: Tensor; labelled: boolean }[]): Tensor[] {
    const total = (parts: readonly Tensor[]) => sum(parts.length === 1 ? (parts[0] as Tensor) : concat(parts, 0), { axes: [0], keepAxes: true });
    const pose = total(reports.filter(({ labelled }) => labelled).map(({ loss }) => slice(loss, [{ end: 1 }])));
    if (!this.#facts.semi) return [pose];
    const rest = reports.flatMap(({ loss, labelled }) => (labelled ? (loss.size > 1 ? [slice(loss, [{ start: 1 }])] : []) : [loss]));
    return [pose, total(rest)];
  }

  get companions(): ReadonlyMap<string, ParameterStore> {
    const { correction } = this.#facts.semi ?? {};
    return new Map(correction ? [["previous.", correction.previous.store]] : []);
  }

  endEpoch(): void {
    const { correction } = this.#facts.semi ?? {};
    if (!correction) return;
    // The pair's parameters lie at the beginning of the model's arena, in the same places.
    const { parameterArena: kept } = correction.previous.store;
    const now = { ...this.#model.store.parameterArena, bytes: kept.bytes };
    this.#gpu.scope(() => addInto(this.#gpu, { a: now, b: undefined, out: kept, count: kept.bytes / 4 }));
  }

  /** Passes of one step that update the running statistics of a network. */
  passes(mode = ""): number {
    return this.#slotOrder(this.#stageOf(mode).stage).length;
  }

  /** Reads the unlabelled crops of the prepared step, the loader's view. */
  async readEasy(): Promise<Float32Array> {
    const [easy] = await this.#readOut(() => [this.#easyView()]);
    return easy as Float32Array;
  }

  /** Makes the views of the first network step by step, without changing anything. Errors: where the method has no views. */
  async unfold(mode = ""): Promise<UnfoldedViews> {
    const { stage, corrected } = this.#stageOf(mode);
    if (!stage) throw new Error("supervised training has no views");
    const { batch, size: [width, height] } = this.#facts;
    const [warped, ...rest] = await this.#readOut(() => {
      const { easy, lessons } = this.#teach(stage, { corrected });
      const { peaks } = lessons[0] as Lesson;
      const hard = (chain: readonly AugmentStep[], lane: number) => {
        const view = emptyTensor(this.#gpu, [batch, height, width, 3], { label: "view", dtype: this.#dtype });
        this.#drawHard(view.range, { easy, chain, peaks, lane });
        return view;
      };
      // What a step draws depends on its place in the chain, not on what follows.
      const steps = stage.views.flatMap((chain, view) => chain.map((_, k) => this.#augment(easy, { chain: chain.slice(0, k + 1), peaks, lane: view + 1 })));
      return [hard([], 0), ...stage.views.map((chain, view) => hard(chain, view + 1)), ...steps];
    });
    const ends = rest.splice(0, stage.views.length);
    const views = stage.views.map((chain, view) => ({ name: stage.viewNames[view] as string, chain, steps: rest.splice(0, chain.length), end: ends[view] as Float32Array }));
    return { warped: warped as Float32Array, views };
  }

  /** Runs work without gradient and reads the tensors it returns; all other memory goes back. */
  async #readOut(work: () => readonly Tensor[]): Promise<Float32Array[]> {
    const tensors = this.#gpu.scope((keep) => {
      const made = withoutGradient(work);
      for (const { range } of made) keep(range);
      return made;
    });
    const values = await Promise.all(tensors.map((tensor) => tensor.toArray()));
    for (const { range } of tensors) this.#gpu.free(range);
    return values;
  }

  async inspect(mode = ""): Promise<Inspection> {
    const { stage, corrected } = this.#stageOf(mode);
    const { network } = this.#model.networks[0];
    const read = await this.#readOut(() => {
      const passes = this.#passes(0, stage, stage ? this.#teach(stage, { corrected }) : undefined);
      return passes.flatMap(({ images, labels, groups, slot }) => {
        const predictions = network.forward(images, { training: true, groups, slot });
        return [images, labels().targets, predictions];
      });
    });
    const part = (place: number) => joined(read.filter((_, i) => i % 3 === place));
    return { slices: ["labelled", ...(stage?.viewNames ?? [])], images: part(0), targets: part(1), predictions: part(2), batch: this.#facts.batch };
  }
}

/** Whether a chain cuts at joints. */
function needsJoints(chain: readonly AugmentStep[]): boolean {
  return chain.some(({ kind }) => kind === "joint_cutout" || kind === "joint_cut_occlusion");
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
