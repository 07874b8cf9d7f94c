/** What methods, validation and checkpoints want of a network. */
import type { Pass } from "../nn/layers.ts";
import type { ParameterStore } from "../nn/store.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Networks that are trained together; their tensors lie in one store, under a prefix of each. */
export interface PoseModel {
  readonly store: ParameterStore;
  readonly networks: readonly [ModelNetwork, ...ModelNetwork[]];
}

/** One of them. */
export interface ModelNetwork {
  /** What the names of its tensors begin with: "" for a single network, else "resnet.", "resnet2.", ... as in the source systems. */
  readonly prefix: string;
  readonly network: PoseNetwork;
}

/** A network from images to heatmaps. Built without memory; call store.materialise() before the first pass. */
export interface PoseNetwork {
  readonly store: ParameterStore;
  readonly joints: number;
  /** Input px per heatmap cell of what is decoded. */
  readonly stride: number;
  /** Both sides of the input must be multiples of this, px. */
  readonly inputMultiple: number;
  /** The heatmaps that are decoded. @param x [n, h, w, 3], normalised @returns [n, h/stride, w/stride, joints] */
  forward(x: Tensor, pass: Pass): Tensor;
  /**
   * All outputs that training compares with targets, one of every stage, in order. Heatmaps are the first `joints` channels,
   * behind them may follow others (tags); those of the last output are what forward gives.
   */
  heatmaps(x: Tensor, pass: Pass): readonly Tensor[];
}

/** The networks of a model, without their prefixes. */
export function networksOf({ networks: [first, ...rest] }: PoseModel): [PoseNetwork, ...PoseNetwork[]] {
  return [first.network, ...rest.map(({ network }) => network)];
}
