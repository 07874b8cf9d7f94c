/**
 * The files that MultiAugs leaves in the folder of a run, under its names and in its forms, beside this program's own:
 * weights and optimiser for PyTorch, predictions of the validation set. Source: multiaugs §6.3, §6.4.
 */
import { basename, join } from "node:path";
import { backboneOf } from "../config/network.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { Dataset } from "../data/datasets.ts";
import { writeNpy } from "../data/npy.ts";
import { writePredMat } from "../eval/pck.ts";
import { writeDatasetResults } from "../eval/results.ts";
import { type TorchValue, writeTorch } from "../interop/torch_writer.ts";
import { networkName } from "../models/build.ts";
import type { ParameterStore } from "../nn/store.ts";
import { readArena, readStateDict } from "../nn/state_dict.ts";
import { Adam } from "../optim/adam.ts";
import type { Optimiser } from "../optim/optimiser.ts";
import { Rmsprop } from "../optim/rmsprop.ts";
import { Sgd } from "../optim/sgd.ts";
import type { Evaluation } from "./evaluate.ts";

/** A run's weights. */
export interface RunWeights {
  readonly store: ParameterStore;
  readonly config: ResolvedConfig;
}

/** What checkpoint.pth.tar holds besides the weights. */
export interface RunProgress {
  readonly optimiser: Optimiser;
  readonly learningRate: number;
  /** Epochs finished. */
  readonly epoch: number;
  /** Best score so far. */
  readonly best: number;
}

/** PyTorch's names for what optimisers remember. */
const TORCH_STATE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  adam: { m: "exp_avg", v: "exp_avg_sq" },
  sgd: { velocity: "momentum_buffer" },
  rmsprop: { v: "square_avg" },
};

/** The original's name of a tensor: a single network of a method is resnet., the head of a pair of ResNets is final_layer_1. */
function originalName(name: string, { MODEL }: ResolvedConfig): string {
  if (MODEL.NAME === "pose_cons") return `resnet.${name}`;
  const pair = MODEL.NAME === "pose_dual" && backboneOf(MODEL) === "resnet";
  return pair ? name.replace(/\.final_layer\./, ".final_layer_1.") : name;
}

async function originalStateDict({ store, config }: RunWeights): Promise<Map<string, TorchValue>> {
  return new Map([...(await readStateDict(store))].map(([name, tensor]) => [originalName(name, config), tensor]));
}

/** Writes a bare state_dict: model_best.pth.tar, State_epoch{e}.pth.tar, final_state.pth.tar. */
export async function writeOriginalWeights(path: string, weights: RunWeights): Promise<void> {
  await writeTorch(path, await originalStateDict(weights));
}

/** What an optimiser was made with, under PyTorch's names. */
function torchSettings(optimiser: Optimiser): (readonly [string, TorchValue])[] {
  if (optimiser instanceof Adam) {
    const { beta1, beta2, epsilon, weightDecay, amsgrad } = optimiser.settings;
    return [["betas", [beta1, beta2]], ["eps", epsilon], ["weight_decay", weightDecay], ["amsgrad", amsgrad]];
  }
  if (optimiser instanceof Sgd) {
    const { momentum, dampening, weightDecay, nesterov } = optimiser.settings;
    return [["momentum", momentum], ["dampening", dampening], ["weight_decay", weightDecay], ["nesterov", nesterov]];
  }
  if (optimiser instanceof Rmsprop) {
    const { alpha, epsilon, momentum, weightDecay, centered } = optimiser.settings;
    return [["alpha", alpha], ["eps", epsilon], ["momentum", momentum], ["weight_decay", weightDecay], ["centered", centered]];
  }
  throw new Error(`PyTorch's names for ${optimiser.name} are unknown`);
}

/** The optimiser's state_dict, parameters numbered in the order of model.parameters(). */
async function optimiserState(store: ParameterStore, { optimiser, learningRate }: RunProgress): Promise<TorchValue> {
  const state = new Map<number, Map<string, TorchValue>>(store.declarations.map((_, i) => [i, new Map([["step", optimiser.steps]])]));
  for (const [key, name] of Object.entries(TORCH_STATE[optimiser.name] ?? {})) {
    const arena = optimiser.state[key];
    const tensors = arena ? [...(await readArena(store, arena)).values()] : [];
    for (const [i, tensor] of tensors.entries()) state.get(i)?.set(name, tensor);
  }
  const group = new Map<string, TorchValue>([["lr", learningRate], ...torchSettings(optimiser), ["params", store.declarations.map((_, i) => i)]]);
  return new Map<string, TorchValue>([["state", state], ["param_groups", [group]]]);
}

/** Writes checkpoint.pth.tar. */
export async function writeOriginalCheckpoint(path: string, weights: RunWeights, progress: RunProgress): Promise<void> {
  await writeTorch(
    path,
    new Map<string, TorchValue>([
      ["epoch", progress.epoch],
      ["model", weights.config.MODEL.NAME],
      ["model_full_name", networkName(weights.config)],
      ["state_dict", await originalStateDict(weights)],
      ["perf", progress.best],
      ["optimizer", await optimiserState(weights.store, progress)],
    ]),
  );
}

/**
 * Writes all_preds.npy (the first network's predictions: image px and score, NaN of a corrupt image that was passed over) and, where
 * SAVE_RESULT asks for it, results/person_keypoints_<set>_eval_{1,2,3}.json or pred.mat, head2_pred.mat, ensemble_pred.mat.
 */
export async function writeOriginalPredictions(folder: string, { evaluation, set, config }: { evaluation: Evaluation; set: Dataset; config: ResolvedConfig }): Promise<void> {
  const joints = config.MODEL.NUM_JOINTS;
  const predictions = evaluation.scored[0]?.predictions ?? [];
  const keypoints = new Float64Array(predictions.length * joints * 3).fill(Number.NaN);
  predictions.forEach((person, n) => keypoints.set(person?.keypoints ?? [], n * joints * 3));
  await writeNpy(join(folder, "all_preds.npy"), { shape: [predictions.length, joints, 3], data: keypoints });
  if (!config.TEST.SAVE_RESULT) return;
  // Lists of images alone are named image_info_<set>.
  const title = basename(set.file, ".json").replace(/^image_info_/, "person_keypoints_");
  for (const [i, { name, scores }] of evaluation.scored.entries()) {
    if (set.truth) await writeDatasetResults(join(folder, "results", `${title}_eval_${i + 1}.json`), set, scores.results);
    else {
      const head = i === 0 ? "" : `${name.replace(/^net /, "head")}_`;
      await writePredMat(join(folder, `${head}pred.mat`), scores.predictions, { joints: set.joints.jointNames.length, columns: 3 });
    }
  }
}
