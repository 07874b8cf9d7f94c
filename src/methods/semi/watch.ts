/** Figures that say how consistency training goes: accuracy on labelled images, and how high heatmaps rise. */
import type { BufferRange, Gpu } from "../../gpu/device.ts";
import { peakAccuracy, peakStatistics } from "../../kernels/peak_statistics.ts";
import type { PoseModel } from "../../models/network.ts";
import { slice } from "../../ops/shape.ts";
import { emptyTensor, type Tensor } from "../../tensor/tensor.ts";
import type { ConsistencyFacts } from "./facts.ts";
import { peaksOf } from "./lesson.ts";
import { teachersOf } from "./teachers.ts";

/** Watched of each network that teaches: mean peaks on labelled and on unlabelled images, and the share of the latter that are next to empty. */
const WATCHED = ["labelled_peak", "teacher_peak", "teacher_flat"] as const;
/** Pseudo-label maps that stay below this are next to empty. */
const FLAT_BELOW = 0.05;

/** The watched figures of a model. */
export class Watch {
  readonly names: readonly string[];
  readonly #gpu: Gpu;
  readonly #facts: ConsistencyFacts;
  readonly #joints: number;
  /** What each joint adds to a mean. */
  readonly #shares: BufferRange;

  constructor(model: PoseModel, facts: ConsistencyFacts) {
    const { batch, labelledJoints, semi } = facts;
    const { networks, store } = model;
    this.#gpu = store.gpu;
    this.#facts = facts;
    this.#joints = networks[0].network.joints;
    const numbered = (name: string, n: number) => (networks.length === 1 ? name : `${name}_${n + 1}`);
    this.names = ["accuracy", ...(semi ? teachersOf(model, facts).map((_, n) => WATCHED.map((name) => numbered(name, n))).flat() : [])];
    this.#shares = store.gpu.upload(Float32Array.from({ length: this.#joints }, (_, joint) => (labelledJoints.includes(joint) ? 1 / (batch * labelledJoints.length) : 0)), "joint shares");
  }

  /** Network n's part of the figures: its heatmaps of labelled images, their targets, and the peaks that it teaches. */
  of(n: number, { heatmaps, targets, taught }: { heatmaps: Tensor; targets: Tensor; taught: BufferRange | undefined }): Tensor[] {
    if (n > 0 && !taught) return [];
    const labelled = peaksOf(heatmaps, { batch: this.#facts.batch, scale: 1 });
    const figures = taught ? [slice(this.#statisticsOf(labelled), [{ end: 1 }]), this.#statisticsOf(taught)] : [];
    return [...(n === 0 ? [this.#accuracyOf(labelled, targets)] : []), ...figures];
  }

  /** Mean and share of flat maps, [2], of the joints that labels have. */
  #statisticsOf(peaks: BufferRange): Tensor {
    const { batch } = this.#facts;
    const statistics = emptyTensor(this.#gpu, [2], { label: "peak statistics" });
    peakStatistics(this.#gpu, { peaks, shares: this.#shares, out: statistics.range, batch, joints: this.#joints, flatBelow: FLAT_BELOW });
    return statistics;
  }

  /** How many predictions for labelled samples are right, [1]. */
  #accuracyOf(prediction: BufferRange, targets: Tensor): Tensor {
    const { batch, heatmapSize } = this.#facts;
    const accuracy = emptyTensor(this.#gpu, [1], { label: "accuracy" });
    peakAccuracy(this.#gpu, { prediction, expected: peaksOf(targets, { batch, scale: 1 }), out: accuracy.range, batch, joints: this.#joints, size: heatmapSize });
    return accuracy;
  }
}
