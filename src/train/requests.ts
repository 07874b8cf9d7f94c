/** What the command line asks of training, validation and prediction. Plain data. */
import type { LoadedConfig } from "../config/config.ts";
import type { Box } from "../pose/types.ts";

/** A training run. */
export interface TrainRequest {
  readonly loaded: LoadedConfig;
  /** Folder of the run: checkpoints, logs, figures. */
  readonly folder: string;
  /** Continue from the newest checkpoint of the folder (TRAIN.RESUME or --resume). */
  readonly resume: boolean;
  /** Aborted when the user wants to stop: finish the step, write a checkpoint, return "stopped". */
  readonly stop: AbortSignal;
}

/** How a training run ended. */
export type TrainOutcome = "finished" | "stopped";

/** A validation of stored weights. */
export interface ValidRequest {
  readonly loaded: LoadedConfig;
  /** Folder of the run, where results are written. */
  readonly folder: string;
  /** Checkpoint with the weights: its JSON or its tensor file. */
  readonly modelFile: string;
}

/** A prediction on one image. */
export interface PredictRequest {
  /** Checkpoint with the weights: its JSON or its tensor file; it also holds the configuration. */
  readonly modelFile: string;
  readonly image: string;
  /** One box per person in px of the image; empty: the whole image. */
  readonly boxes: readonly Box[];
  /** Folder for the keypoints and the overlay. */
  readonly out: string;
  /** Where to write the heatmaps [persons, h, w, joints], if anywhere. */
  readonly saveHeatmaps: string | undefined;
}
