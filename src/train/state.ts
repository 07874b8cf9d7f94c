/** A run's state between the device and a checkpoint. */
import type { ResolvedConfig } from "../config/config.ts";
import { restoreConfig } from "../config/config.ts";
import type { Gpu } from "../gpu/device.ts";
import type { StoredTensor } from "../interop/safetensors.ts";
import { buildNetwork } from "../models/build.ts";
import type { PoseResnet } from "../models/pose_resnet.ts";
import { readArena, readStateDict, writeArena, writeStateDict } from "../nn/state_dict.ts";
import type { Adam } from "../optim/adam.ts";
import { loadCheckpointFile } from "./checkpoint.ts";

const MODEL = "model.";
const MOMENTS = ["adam.m.", "adam.v."] as const;

function prefixed(prefix: string, tensors: ReadonlyMap<string, StoredTensor>): [string, StoredTensor][] {
  return [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
}

/** Weights, running statistics and, with an optimiser, its moments. */
export async function collectTensors(network: PoseResnet, adam?: Adam): Promise<Map<string, StoredTensor>> {
  const { store } = network;
  const tensors = new Map(prefixed(MODEL, await readStateDict(store)));
  if (adam) {
    for (const [i, prefix] of MOMENTS.entries()) {
      for (const [name, tensor] of prefixed(prefix, await readArena(store, i === 0 ? adam.m : adam.v))) tensors.set(name, tensor);
    }
  }
  return tensors;
}

/** The reverse. Errors: DataError naming the tensor that is missing or has another shape. */
export function restoreTensors(tensors: ReadonlyMap<string, StoredTensor>, where: string, network: PoseResnet, adam?: Adam): void {
  const under = (prefix: string) => ({ where, get: (name: string) => tensors.get(prefix + name) });
  writeStateDict(network.store, under(MODEL));
  if (!adam) return;
  writeArena(network.store, adam.m, under(MOMENTS[0]));
  writeArena(network.store, adam.v, under(MOMENTS[1]));
}

/** A network with the weights of a checkpoint file, and the configuration it was trained with. */
export async function loadNetwork(gpu: Gpu, modelFile: string): Promise<{ network: PoseResnet; config: ResolvedConfig }> {
  const checkpoint = await loadCheckpointFile(modelFile);
  const config = restoreConfig(checkpoint.state.config, modelFile);
  const network = buildNetwork(config);
  network.store.materialise(gpu, config.SEED);
  restoreTensors(checkpoint.tensors, modelFile, network);
  return { network, config };
}
