/** What a method of consistency training is made of. */
import type { AugmentOptions } from "../../augment/chain.ts";
import type { CropBatchFacts } from "../../augment/crop_batch.ts";
import type { AgreementRules } from "../../kernels/label_correction.ts";
import type { PoseModel } from "../../models/network.ts";
import type { LossScaler } from "../../optim/loss_scaler.ts";
import type { Size } from "../../pose/types.ts";
import type { ConsistencyOptions } from "./loss.ts";
import type { ViewPlan } from "./plan.ts";

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

/** Sizes, seed, labels and views. */
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

/** Facts of a method that has views. */
export type TeachingFacts = ConsistencyFacts & { semi: SemiFacts };
