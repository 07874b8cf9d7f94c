/** The configuration that is stored with a run, and which other one may continue it. */
import * as v from "valibot";
import { type ConfigKey, configKeys } from "./keys.ts";
import { configError, issueProblem, unknownKeys } from "./problems.ts";
import { derive, type ResolvedConfig } from "./resolved.ts";
import { configSchema } from "./schema.ts";
import { deepFreeze, isRecord, valueAt } from "./tree.ts";

/**
 * Keys that may differ when a run is continued: they change neither the numbers of a step nor the order of the data.
 * A name that ends in a point stands for the whole section.
 */
const FREE_ON_RESUME: readonly string[] = [
  "OUTPUT_DIR",
  "LOG_DIR",
  "EXP_SUB_NAME",
  "SAVE_INTER",
  "DEBUG.",
  "PRINT_FREQ",
  "WORKERS",
  "MODEL.PRETRAINED",
  "MODEL.EXTRA.PRETRAINED_LAYERS",
  "DATASET.ROOT",
  "DATASET.HYBRID_JOINTS_TYPE",
  "DATASET.TRAIN_ANNOTATIONS",
  "DATASET.TRAIN_IMAGES",
  "DATASET.DATA_FORMAT",
  "DATASET.TEST_DATASET",
  "DATASET.TEST_SET",
  "DATASET.TEST_ANNOTATIONS",
  "DATASET.TEST_IMAGES",
  "DATASET.CACHE_MB",
  "MODEL.EXTRA.RECOMPUTE",
  "TRAIN.RESUME",
  "TRAIN.END_EPOCH",
  "TRAIN.CHECKPOINT_STEPS",
  "TEST.",
];

/**
 * Checks a configuration that was stored with a run (its values, without origins).
 * @throws ConfigError where it does not fit this version's keys.
 */
export function restoreConfig(stored: unknown, where: string): ResolvedConfig {
  const problems = isRecord(stored) ? unknownKeys(stored, configSchema, []) : [];
  const result = v.safeParse(configSchema, stored);
  if (result.success && problems.length === 0) return deepFreeze(derive(result.output));
  if (!result.success) problems.push(...result.issues.map(issueProblem));
  throw configError(where, problems, () => where);
}

/** A key whose value differs between two configurations. */
export interface ConfigDifference {
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

/** The keys that a run's numbers depend on. */
function boundKeys({ PROG_MODE, STEP_WISE }: ResolvedConfig): ConfigKey[] {
  const isFree = (name: string) => FREE_ON_RESUME.some((free) => (free.endsWith(".") ? name.startsWith(free) : name === free));
  // The threshold of detections also chooses the unlabelled persons; a progression goes by the run's length.
  const bound = ["TEST.IMAGE_THRE", ...(PROG_MODE !== "" && !STEP_WISE ? ["TRAIN.END_EPOCH"] : [])];
  return configKeys().filter(({ name }) => !isFree(name) || bound.includes(name));
}

/** The keys that forbid continuing a run of `before` with `after`; empty where it may be continued bit for bit. */
export function resumeConflicts(before: ResolvedConfig, after: ResolvedConfig): ConfigDifference[] {
  const show = (config: ResolvedConfig, name: string): string =>
    JSON.stringify(valueAt(config, name.split("."))) ?? "absent";
  return boundKeys(after)
    .map(({ name }) => ({ key: name, before: show(before, name), after: show(after, name) }))
    .filter((difference) => difference.before !== difference.after);
}

/** SHA-256 over the values that fix a run's numbers: equal digests can be continued into each other. */
export function configDigest(config: ResolvedConfig): string {
  const fixed = boundKeys(config).map(({ name }) => [name, valueAt(config, name.split(".")) ?? null]);
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(fixed)).digest("hex");
}
