/** A run's state between the device and a checkpoint. */
import type { ResolvedConfig } from "../config/resolved.ts";
import { restoreConfig } from "../config/resume.ts";
import { ConfigError, DataError } from "../error.ts";
import type { Gpu } from "../gpu/device.ts";
import type { StoredTensor } from "../interop/safetensors.ts";
import { buildModel } from "../models/build.ts";
import type { PoseModel } from "../models/network.ts";
import { readArena, readStateDict, writeArena, writeStateDict } from "../nn/state_dict.ts";
import type { ParameterStore } from "../nn/store.ts";
import type { LossScaler } from "../optim/loss_scaler.ts";
import type { Optimiser } from "../optim/optimiser.ts";
import { loadCheckpointFile, MODEL_PREFIX } from "./checkpoint.ts";
import { isBareWeights, loadModelWeights, networksIn } from "./weights_file.ts";

function prefixed(prefix: string, tensors: ReadonlyMap<string, StoredTensor>): [string, StoredTensor][] {
  return [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
}

/** Names of an optimiser's state in a checkpoint begin so: "adam.m.", "adam.v.", "sgd.velocity.". */
function statePrefix({ name }: Optimiser, key: string): string {
  return `${name}.${key}.`;
}

/** What a run goes on from besides the model. */
export interface TrainingState {
  optimiser: Optimiser;
  /** Other weights, by what their names begin with. */
  companions: ReadonlyMap<string, ParameterStore>;
}

/** Weights, running statistics and, of a run that is to go on, the rest of its state. */
export async function collectTensors(store: ParameterStore, state?: TrainingState): Promise<Map<string, StoredTensor>> {
  const tensors = new Map(prefixed(MODEL_PREFIX, await readStateDict(store)));
  if (!state) return tensors;
  const { optimiser, companions } = state;
  for (const [prefix, other] of companions) for (const [name, tensor] of prefixed(prefix, await readStateDict(other))) tensors.set(name, tensor);
  for (const [key, arena] of Object.entries(optimiser.state)) {
    for (const [name, tensor] of prefixed(statePrefix(optimiser, key), await readArena(store, arena))) tensors.set(name, tensor);
  }
  return tensors;
}

/** The reverse. Errors: DataError naming the tensor that is missing or has another shape. */
export function restoreTensors(tensors: ReadonlyMap<string, StoredTensor>, where: string, store: ParameterStore, state?: TrainingState): void {
  const under = (prefix: string) => ({ where, get: (name: string) => tensors.get(prefix + name) });
  writeStateDict(store, under(MODEL_PREFIX));
  if (!state) return;
  const { optimiser, companions } = state;
  for (const [prefix, other] of companions) writeStateDict(other, under(prefix));
  for (const [key, arena] of Object.entries(optimiser.state)) writeArena(store, arena, under(statePrefix(optimiser, key)));
}

/** A loss scaler among the counters of a checkpoint. */
export async function scalerCounters(scaler: LossScaler): Promise<Record<string, number>> {
  const { scale, goodSteps, skippedSteps } = await scaler.read();
  return { lossScale: scale, goodSteps, skippedSteps };
}

/** The reverse. Errors: DataError where the checkpoint has no loss scale. */
export function restoreScaler(scaler: LossScaler, counters: Readonly<Record<string, number>>, where: string): void {
  const { lossScale: scale, goodSteps, skippedSteps } = counters;
  if (scale === undefined || goodSteps === undefined || skippedSteps === undefined) {
    throw new DataError({ code: "checkpoint/mismatch", where, message: "the checkpoint of a run in mixed precision has no loss scale", fix: "use the file as it was written" });
  }
  scaler.restore({ scale, goodSteps, skippedSteps });
}

/** Which weights to load, and into what. */
export interface ModelRequest {
  /** A checkpoint's JSON or tensor file, or bare weights: .pth, .pth.tar, .safetensors. */
  readonly modelFile: string;
  /** The network's configuration; undefined: the one that the checkpoint holds. */
  readonly config: ResolvedConfig | undefined;
  /** Take what fits and keep the initial values of the rest. */
  readonly allowPartial: boolean;
  /** Takes the report of what fitted. */
  readonly say: (line: string) => void;
  /** Statistics slots of the store, for passes in training mode (see StoreOptions). */
  readonly slots?: number;
}

/** A model with the weights of a file, and its configuration. */
export interface LoadedModel {
  readonly model: PoseModel;
  readonly config: ResolvedConfig;
}

/**
 * Builds a model with the weights of a file.
 * @throws DataError where the file is damaged or does not fit; ConfigError for bare weights without a configuration.
 */
export async function loadModel(gpu: Gpu, { modelFile, config: given, allowPartial, say, slots }: ModelRequest): Promise<LoadedModel> {
  const bare = await isBareWeights(modelFile);
  if (bare && !given) {
    throw new ConfigError({ code: "cli/bad-argument", where: modelFile, message: "holds weights without a configuration", fix: "give the network's configuration: --cfg FILE [KEY=VALUE ...]" });
  }
  const checkpoint = bare ? undefined : await loadCheckpointFile(modelFile);
  const config = given ?? restoreConfig(checkpoint?.state.config ?? {}, modelFile);
  const model = buildModel(config);
  const { store } = model;
  store.materialise(gpu, config.SEED, { gradients: false, values: allowPartial, ...(slots === undefined ? {} : { slots }) });
  // The weights of more or fewer networks: names decide, as for bare weights.
  if (!checkpoint || allowPartial || networksIn(checkpoint) !== model.networks.length) await loadModelWeights(model, modelFile, { need: allowPartial ? "some" : "all", say });
  else restoreTensors(checkpoint.tensors, modelFile, store);
  return { model, config };
}
