/** The training method that a configuration describes. */
import type { CropBatchFacts } from "../augment/crop_batch.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { augmentationsOf, isSupervised } from "../config/method_checks.ts";
import type { PoseModel } from "../models/network.ts";
import type { LossScaler } from "../optim/loss_scaler.ts";
import { ConsistencyTraining } from "./semi/consistency.ts";
import type { CorrectionFacts, SemiFacts } from "./semi/facts.ts";
import { type AugmentCounts, ViewPlan } from "./semi/plan.ts";

/** PARITY: what the original's PoseDual cuts with several views, whatever the keys say (multiaugs D-4). */
const DUAL_CUTOUT_HOLES = 4;
const DUAL_CUTMIX_HOLES = 2;

function augmentCounts({ MODEL, MULTI_AUGS, REPEAT_AUG, OPTIONS, ...config }: ResolvedConfig): AugmentCounts {
  const { MASK_HOLES_NUM_CO: cutout, MASK_HOLES_NUM_CM: cutmix } = config;
  const counts = {
    cutout,
    cutmix,
    jointCutout: config.MASK_JOINT_NUM,
    jointCutOcclusion: config.KP_CutMix_JOINT_NUM,
    cutoutInChain: cutout,
    cutmixInChain: cutmix,
    randMagnitude: config.RAND_MAGNITUDE,
  };
  const swapped = MODEL.NAME === "pose_dual" && (MULTI_AUGS || REPEAT_AUG) && OPTIONS.DUAL_HOLE_COUNTS === "original";
  return swapped ? { ...counts, cutout: DUAL_CUTOUT_HOLES, cutmix: DUAL_CUTMIX_HOLES, cutmixInChain: cutout } : counts;
}

/** The views of a semi-supervised configuration; undefined for a supervised one. */
export function viewPlan(config: ResolvedConfig): ViewPlan | undefined {
  if (isSupervised(config)) return undefined;
  const { MULTI_AUGS, REPEAT_AUG, REPEAT_TIMES, PROG_MODE, AUG_EASY_HARD_COUPLES, STEP_WISE } = config;
  return new ViewPlan({
    enabled: new Set(augmentationsOf(config)),
    counts: augmentCounts(config),
    mode: MULTI_AUGS ? "multi" : REPEAT_AUG ? "repeat" : "sequential",
    repeat: REPEAT_TIMES,
    couples: PROG_MODE === "" ? [] : AUG_EASY_HARD_COUPLES[PROG_MODE],
    stepWise: STEP_WISE,
  });
}

/** What the method needs besides the configuration. */
export interface MethodFacts {
  config: ResolvedConfig;
  /** The views of the configuration, see viewPlan. */
  plan: ViewPlan | undefined;
  crop: CropBatchFacts;
  /** Joints that the labelled set has. */
  labelledJoints: readonly number[];
  stepsPerEpoch: number;
  /** Of SSPCM: the pair of the epoch before, see buildPrevious. */
  previous?: PoseModel | undefined;
  scaler?: LossScaler | undefined;
}

function correctionFacts(previous: PoseModel, { SSPCM }: ResolvedConfig): CorrectionFacts {
  return {
    previous,
    warmupEpoch: SSPCM.CORRECTION_WARMUP_EPOCH,
    featureAttack: SSPCM.FEATURE_ATTACK,
    scoreThreshold: SSPCM.SCORE_FILTER ? SSPCM.SCORE_FILTER_THRESH : undefined,
    scoreWeight: SSPCM.SCORE_WEIGHT,
    distance: SSPCM.DISTANCE_FILTER,
    distanceThreshold: SSPCM.DISTANCE_THRESH,
  };
}

function semiFacts(plan: ViewPlan, facts: MethodFacts): SemiFacts {
  const { config, labelledJoints, stepsPerEpoch } = facts;
  const { MODEL, DATASET, TRAIN, OPTIONS } = config;
  return {
    plan,
    beginEpoch: TRAIN.BEGIN_EPOCH,
    endEpoch: TRAIN.END_EPOCH,
    stepsPerEpoch,
    warp: config.UNSUP_TRANSFORM,
    scaleFactor: DATASET.SCALE_FACTOR,
    rotationFactor: DATASET.ROT_FACTOR,
    augment: {
      pool: OPTIONS.JOINT_POOL === "labelled" ? labelledJoints : Array.from({ length: MODEL.NUM_JOINTS }, (_, joint) => joint),
      scale: config.AUG_SIZE_SCALE,
      swapLimits: OPTIONS.SWAP_CUT_LIMITS,
      swapJointAxes: OPTIONS.SWAP_JOINT_AXES,
    },
    alignCentres: !OPTIONS.CENTRE_SHIFT,
    sharpen: config.SHARPEN_PRED,
    confidence: config.CONF_MASKING ? config.CONF_THRESH : undefined,
    fuse: config.HEAT_FUSION,
    correction: facts.previous && correctionFacts(facts.previous, config),
  };
}

/** Supervised training, PoseCons, PoseDual or SSPCM of a materialised model. */
export function buildMethod(model: PoseModel, facts: MethodFacts): ConsistencyTraining {
  const { config, plan, crop, labelledJoints, scaler } = facts;
  const { MODEL } = config;
  return new ConsistencyTraining(model, {
    ...crop,
    seed: config.SEED,
    heatmapSize: MODEL.EXTRA.HEATMAP_SIZE,
    sigma: MODEL.EXTRA.SIGMA,
    useTargetWeight: config.LOSS.USE_TARGET_WEIGHT,
    labelledJoints,
    scaler,
    separate: config.ACCUMULATE_VIEWS,
    semi: plan && semiFacts(plan, facts),
  });
}
