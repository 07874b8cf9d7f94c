/** What the command line asks of training, validation, prediction, figures and conversion. Plain data. */
import type { LoadedConfig } from "../config/load.ts";
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
  /** Weights: checkpoints' JSON or tensor files, or .pth, .pth.tar, .safetensors; several are an ensemble. */
  readonly modelFiles: readonly string[];
  /** Take all networks that the files hold, also where the configuration names a single one. */
  readonly ensemble: boolean;
  /** Take what fits of the weights. */
  readonly allowPartial: boolean;
}

/** A prediction on one image. */
export interface PredictRequest {
  /** Weights: a checkpoint's JSON or tensor file, which also holds the configuration, or .pth, .pth.tar, .safetensors. */
  readonly modelFile: string;
  /** The network's configuration, in place of the checkpoint's; needed for bare weights. */
  readonly loaded: LoadedConfig | undefined;
  /** Take what fits of the weights. */
  readonly allowPartial: boolean;
  readonly image: string;
  /** One box per person in px of the image; empty: the whole image. */
  readonly boxes: readonly Box[];
  /** Folder for the keypoints and the overlay. */
  readonly out: string;
  /** Where to write the heatmaps [persons, h, w, joints], if anywhere. */
  readonly saveHeatmaps: string | undefined;
}

/** Figures of augmentations or heatmaps. */
export interface VisualizeRequest {
  readonly kind: "augs" | "heatmaps";
  readonly loaded: LoadedConfig;
  /** Weights, as for validation; undefined: random ones. */
  readonly modelFile: string | undefined;
  /** A folder of images in place of the configuration's data set. */
  readonly images: string | undefined;
  /** Folder for the figures. */
  readonly out: string;
  /** Samples to show. */
  readonly count: number | undefined;
}

/** Names that `--model` takes: a network, or a method whose files put resnet. before the network's names. */
export const CONVERT_MODELS = ["pose_resnet", "pose_hrnet", "pose_higher_hrnet", "pose_hourglass", "pose_rsgnet", "part_generator", "pose_cons"] as const;

/** A conversion. */
export interface ConvertRequest {
  readonly input: string;
  readonly output: string;
  /** One of CONVERT_MODELS; absent: what is recognised. Without model and network all tensors keep their names. */
  readonly model: string | undefined;
  /** Which network of a file of several, from 1; absent: the first. */
  readonly network: number | undefined;
  /** Take what fits the model. */
  readonly allowPartial: boolean;
}
