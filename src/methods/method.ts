/** What a training method is to the loop: it takes a batch, encodes a step, and says what its losses are called. */
import type { PackedCrops } from "../augment/crop_batch.ts";
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

/** A method of training one network. */
export interface TrainingMethod {
  /** Names of the entries of the loss tensor. */
  readonly lossNames: readonly string[];
  /** Changes when recordings of the step no longer hold. */
  readonly generation: number;
  /** Queues uploads for the coming step; everything that differs from step to step passes through here. */
  prepare(batch: TrainingBatch, place: StepPlace): void;
  /** Encodes forward passes, losses and gradients; returns the losses. Safe to record. */
  encode(): Tensor;
  /** Runs the views of the prepared step without changing anything, and reads them. */
  inspect(): Promise<Inspection>;
}
