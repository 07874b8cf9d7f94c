/** Where a run writes. */
import { basename, extname, join } from "node:path";
import type { LoadedConfig } from "./load.ts";
import { modelSize } from "./network.ts";

/**
 * The folder of a run below OUTPUT_DIR or LOG_DIR: TRAIN_DATASET[_HYBRID_JOINTS_TYPE]/NAME_LAYERS (for HRNet the channels
 * of its finest branch, for hourglasses how many there are)/<name of the configuration file>[_EXP_SUB_NAME]. Source: multiaugs §6.3.
 */
export function runFolder({ config, path }: Pick<LoadedConfig, "config" | "path">, root = config.OUTPUT_DIR): string {
  const { DATASET, MODEL, EXP_SUB_NAME } = config;
  const joined = (...parts: readonly string[]) => parts.filter((part) => part !== "").join("_");
  return join(root, joined(DATASET.TRAIN_DATASET, DATASET.HYBRID_JOINTS_TYPE), `${MODEL.NAME}_${modelSize(MODEL)}`, joined(basename(path, extname(path)), EXP_SUB_NAME));
}
