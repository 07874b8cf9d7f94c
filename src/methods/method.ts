/** What a training method is to the loop: it takes a batch, encodes a step, and says what its losses are called. */
import type { PackedCrops } from "../augment/crop_batch.ts";
import type { ParameterStore } from "../nn/store.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** One step's data from the host. */
export interface TrainingBatch {
  labelled: PackedCrops;
  unlabelled?: PackedCrops;
}

/** Numbers of a step that its random draws depend on. */
export interface StepPlace {
  epoch: number;
  stepInEpoch: number;
  /** Steps since the beginning of the run. */
  step: number;
}

/** Heatmaps and images of one step, for figures; [n, h, w, c] with the views behind one another in the batch. */
export interface Inspection {
  /** Names of the equal slices of the batch: "labelled", "view 1", ... */
  slices: string[];
  images: Float32Array;
  targets: Float32Array;
  predictions: Float32Array;
  batch: number;
}

/** A method of training a model. */
export interface TrainingMethod {
  /** Names of the first entries of what encode() returns: the losses. */
  readonly lossNames: readonly string[];
  /** Names of the entries behind them: figures that say how training goes. */
  readonly watchNames: readonly string[];
  /** Changes when recordings of the step no longer hold. */
  readonly generation: number;
  /** Queues uploads for the coming step; everything that differs from step to step passes through here. */
  prepare(batch: TrainingBatch, place: StepPlace): void;
  /** Names the control flow of a step: steps of one mode may share a recording. */
  mode(place: StepPlace): string;
  /** Encodes forward passes, losses and gradients; returns the losses and watched figures. Safe to record. */
  encode(mode?: string): Tensor;
  /** Weights besides the model's that training goes on from, by what their tensors' names begin with in a checkpoint. */
  readonly companions: ReadonlyMap<string, ParameterStore>;
  /** Before the first epoch of a run and after every epoch; outside of recordings. */
  endEpoch(): void;
  /** Passes of a step that every batchnorm counts. */
  passes(mode?: string): number;
  /** Runs the views of the prepared step without changing anything, and reads them. */
  inspect(mode?: string): Promise<Inspection>;
}
