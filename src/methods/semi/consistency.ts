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
import type { AugmentStep } from "../../augment/chain.ts";
import { CropBatch } from "../../augment/crop_batch.ts";
import { isRecomputing, withoutGradient } from "../../autograd/op.ts";
import { backward } from "../../autograd/tape.ts";
import type { BufferRange, Gpu } from "../../gpu/device.ts";
import { addInto, storeRow } from "../../kernels/elementwise.ts";
import { renderHeatmaps } from "../../kernels/heatmap.ts";
import type { ModelNetwork, PoseModel } from "../../models/network.ts";
import { add, mul } from "../../ops/elementwise.ts";
import { heatmapMse } from "../../ops/heatmap_mse.ts";
import { sum } from "../../ops/reduce.ts";
import { concat, slice } from "../../ops/shape.ts";
import type { ParameterStore } from "../../nn/store.ts";
import { byteCount, elementCount, elementOf, emptyTensor, persistentTensor, type Tensor } from "../../tensor/tensor.ts";
import type { Inspection, StepPlace, TrainingBatch, TrainingMethod } from "../method.ts";
import { drawFeatureAttack } from "./correction.ts";
import type { ConsistencyFacts } from "./facts.ts";
import type { Lesson } from "./lesson.ts";
import { consistencyLoss } from "./loss.ts";
import type { Stage } from "./plan.ts";
import { needsJoints, Teachers, teachersOf, type Teaching } from "./teachers.ts";
import { imageType, laneOf, UnlabelledViews } from "./views.ts";
import { Watch } from "./watch.ts";

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

/** Ends the name of a mode in which the third network's labels are not corrected yet. */
const UNCORRECTED = ", labels not corrected";

const NO_VIEWS = "supervised training has no views";

/** Passes that a step of `views` views leaves statistics of, at most; what store.materialise() wants. */
export function passSlots(views: number): number {
  return views + 3;
}

/** The unlabelled part of a step. */
interface Unlabelled {
  views: UnlabelledViews;
  teachers: Teachers;
}

/** Supervised training, PoseCons, PoseDual, SSPCM. */
export class ConsistencyTraining implements TrainingMethod {
  readonly lossNames: readonly string[];
  readonly watchNames: readonly string[];
  readonly #gpu: Gpu;
  readonly #model: PoseModel;
  readonly #joints: number;
  readonly #facts: ConsistencyFacts;
  readonly #labelled: CropBatch;
  readonly #unlabelled: Unlabelled | undefined;
  readonly #watch: Watch;
  readonly #allVisible: Tensor;
  /** Row numbers, for copies into groups. */
  readonly #rows: readonly BufferRange[];
  /** By number of losses: where their backward passes start. */
  readonly #factors = new Map<string, Tensor>();

  constructor(model: PoseModel, facts: ConsistencyFacts) {
    const { gpu } = model.store;
    const { batch, semi } = facts;
    const joints = model.networks[0].network.joints;
    if (facts.separate && semi?.fuse) throw new Error("views that are fused cannot run one by one");
    this.#gpu = gpu;
    this.#model = model;
    this.#joints = joints;
    this.#facts = facts;
    this.lossNames = semi ? ["loss_pose", "loss_cons"] : ["loss_pose"];
    this.#watch = new Watch(model, facts);
    this.watchNames = this.#watch.names;
    this.#labelled = new CropBatch(gpu, { batch, size: facts.size, rgb: facts.rgb, joints });
    if (semi) {
      const views = new UnlabelledViews(model, { ...facts, semi });
      this.#unlabelled = { views, teachers: new Teachers(model, { ...facts, semi, views }) };
    }
    const views = semi?.plan.mostViews ?? 0;
    this.#allVisible = persistentTensor(gpu, [Math.max(1, views) * batch, joints], { data: new Float32Array(Math.max(1, views) * batch * joints).fill(1), label: "unit weight" });
    this.#rows = Array.from({ length: Math.max(2, 1 + views) * Math.max(2, model.networks.length) }, (_, row) => gpu.upload(Uint32Array.of(row), "row"));
    // All that a recorded step reads exists before it is recorded.
    for (const stage of semi?.plan.stages ?? [undefined]) for (const { groups, slot } of this.#launches(stage)) this.#lossFactors(groups, slot);
  }

  get generation(): number {
    return this.#labelled.generation + (this.#unlabelled?.views.generation ?? 0);
  }

  /** Errors: where the method has no views. */
  get #views(): UnlabelledViews {
    if (!this.#unlabelled) throw new Error(NO_VIEWS);
    return this.#unlabelled.views;
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
    this.#labelled.write(batch.labelled);
    if (!this.#unlabelled) return;
    if (!batch.unlabelled) throw new Error("consistency training got a batch without unlabelled samples");
    this.#unlabelled.views.prepare(batch.unlabelled, place);
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
        else this.#views.drawStudent(into, { easy: easy(), chain: stage.views[view - 1] ?? [], peaks: lesson.peaks, lane: laneOf(n, view) });
      };
      const images = emptyTensor(gpu, [groups * batch, height, width, 3], { label: "images", dtype: imageType(this.#facts) });
      fill(images, draw(() => teaching?.easy ?? this.#views.easy()));
      if (isRecomputing()) {
        images.recipe = (copy) => {
          let easy: Tensor | undefined;
          fill(copy, draw(() => (easy ??= this.#views.easy())));
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

  /** The teacher's maps in the students' frame. */
  #pseudoLabels({ taught, toStudent }: Lesson): Tensor {
    return toStudent ? this.#views.warpMaps(taught, { theta: toStudent, label: "pseudo labels" }) : taught;
  }

  /** What SSPCM takes from the deepest features of network n's students. */
  #attack(n: number, { groups, slot }: { groups: number; slot: number }): Tensor | undefined {
    const { batch, size: [width, height], semi } = this.#facts;
    if (!semi?.correction?.featureAttack || slot + groups === 1) return undefined;
    const { inputMultiple } = (this.#model.networks[n] as ModelNetwork).network;
    const [h, w] = [height / inputMultiple, width / inputMultiple];
    const mask = emptyTensor(this.#gpu, [groups * batch, h, w, 1], { label: "feature attack" });
    drawFeatureAttack(mask, { keys: this.#views.keys, batch, labelled: slot === 0, lane: laneOf(n, slot) });
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
    const teaching = stage && this.#unlabelled?.teachers.teach(stage, { corrected });
    const watched: Tensor[] = [];
    store.zeroGradients();
    const reports: { loss: Tensor; labelled: boolean }[] = [];
    networks.forEach(({ network, prefix }, n) => {
      for (const { images, labels, groups, slot } of this.#passes(n, stage, teaching)) {
        const outputs = network.heatmaps(images, { training: true, groups, slot, attack: this.#attack(n, { groups, slot }) });
        const made = labels();
        if (slot === 0) watched.push(...this.#watch.of(n, { heatmaps: outputs.at(-1) as Tensor, targets: made.targets, taught: teaching?.given[n] }));
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

  /** Slots of network n in the order of the original's passes. */
  #slotOrder(stage: Stage | undefined, n = 0): number[] {
    if (!stage) return [0];
    const views = stage.views.map((_, k) => k + 1);
    if (n >= teachersOf(this.#model, this.#facts).length) return [0, ...views];
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
    const [easy] = await this.#readOut(() => [this.#views.easy()]);
    return easy as Float32Array;
  }

  /** Makes the views of the first network step by step, without changing anything. Errors: where the method has no views. */
  async unfold(mode = ""): Promise<UnfoldedViews> {
    const { stage, corrected } = this.#stageOf(mode);
    if (!stage || !this.#unlabelled) throw new Error(NO_VIEWS);
    const { batch, size: [width, height] } = this.#facts;
    const { views: images, teachers } = this.#unlabelled;
    const [warped, ...rest] = await this.#readOut(() => {
      const { easy, lessons } = teachers.teach(stage, { corrected });
      const { peaks } = lessons[0] as Lesson;
      const hard = (chain: readonly AugmentStep[], lane: number) => {
        const view = emptyTensor(this.#gpu, [batch, height, width, 3], { label: "view", dtype: imageType(this.#facts) });
        images.drawStudent(view.range, { easy, chain, peaks, lane });
        return view;
      };
      // What a step draws depends on its place in the chain, not on what follows.
      const steps = stage.views.flatMap((chain, view) => chain.map((_, k) => images.augment(easy, { chain: chain.slice(0, k + 1), peaks, lane: laneOf(0, view + 1) })));
      return [hard([], laneOf(0, 0)), ...stage.views.map((chain, view) => hard(chain, laneOf(0, view + 1))), ...steps];
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
      const passes = this.#passes(0, stage, stage && this.#unlabelled?.teachers.teach(stage, { corrected }));
      return passes.flatMap(({ images, labels, groups, slot }) => {
        const predictions = network.forward(images, { training: true, groups, slot });
        return [images, labels().targets, predictions];
      });
    });
    const part = (place: number) => joined(read.filter((_, i) => i % 3 === place));
    return { slices: ["labelled", ...(stage?.viewNames ?? [])], images: part(0), targets: part(1), predictions: part(2), batch: this.#facts.batch };
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
