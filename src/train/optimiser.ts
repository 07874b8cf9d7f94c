/** The optimiser of a configuration and its learning rate. */
import type { ResolvedConfig } from "../config/resolved.ts";
import type { Gpu } from "../gpu/device.ts";
import { Adam } from "../optim/adam.ts";
import type { Optimiser, OptimiserArenas } from "../optim/optimiser.ts";
import { Rmsprop } from "../optim/rmsprop.ts";
import { multiStepSchedule } from "../optim/schedule.ts";
import { Sgd } from "../optim/sgd.ts";

/**
 * Learning rate of an epoch: multiplied by the factor once for every milestone that has passed. A function of the epoch alone,
 * so that milestones come when they are due in a resumed run too; in the original they come an epoch early (multiaugs D-16).
 */
export function learningRateAt({ TRAIN }: Pick<ResolvedConfig, "TRAIN">, epoch: number): number {
  return TRAIN.LR * multiStepSchedule({ milestones: TRAIN.LR_STEP, factor: TRAIN.LR_FACTOR })(epoch);
}

/** L2 weight decay. */
function weightDecayOf({ TRAIN, OPTIONS }: Pick<ResolvedConfig, "TRAIN" | "OPTIONS">): number {
  // PARITY: the original gives its weight decay to sgd alone (multiaugs D-7).
  return TRAIN.OPTIMIZER === "adam" && !OPTIONS.ADAM_WEIGHT_DECAY ? 0 : TRAIN.WD;
}

/** Makes it. */
export function buildOptimiser(gpu: Gpu, arenas: OptimiserArenas, config: ResolvedConfig): Optimiser {
  const { TRAIN } = config;
  const weightDecay = weightDecayOf(config);
  if (TRAIN.OPTIMIZER === "sgd") return new Sgd(gpu, arenas, { weightDecay, momentum: TRAIN.MOMENTUM, nesterov: TRAIN.NESTEROV });
  if (TRAIN.OPTIMIZER === "rmsprop") return new Rmsprop(gpu, arenas, { weightDecay });
  return new Adam(gpu, arenas, { weightDecay });
}
