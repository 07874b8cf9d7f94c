/** Whole training steps on random data, as the tables of speed, memory and kernels run them; each is what a configuration says. */
import { packCrops } from "../src/augment/crop_batch.ts";
import { withRecompute } from "../src/autograd/op.ts";
import { parseConfig } from "../src/config/load.ts";
import type { ResolvedConfig } from "../src/config/resolved.ts";
import type { CropSample } from "../src/data/sample.ts";
import type { BufferRange, Gpu } from "../src/gpu/device.ts";
import { addInto } from "../src/kernels/elementwise.ts";
import { buildMethod, viewPlan } from "../src/methods/build.ts";
import { passSlots } from "../src/methods/semi/consistency.ts";
import { buildModel } from "../src/models/build.ts";
import { hrnetStages } from "../src/models/hrnet.ts";
import type { ParameterStore } from "../src/nn/store.ts";
import { Adam } from "../src/optim/adam.ts";
import { LossScaler } from "../src/optim/loss_scaler.ts";
import { Random } from "../src/random.ts";

/** A named step. */
export interface StepProblem {
  name: string;
  config: ResolvedConfig;
}

/** A step by the keys in which its configuration differs from the defaults. */
export function stepProblem(name: string, ...keys: readonly string[]): StepProblem {
  return { name, config: parseConfig("", { path: name, overrides: ["DATASET.ROOT=none", ...keys] }).config };
}

/** Keys of the network of configs/quickstart.yaml and of its batch. */
export const QUICKSTART = [
  "MODEL.NUM_JOINTS=17", "MODEL.IMAGE_SIZE=[48,64]", "MODEL.EXTRA.NUM_LAYERS=8", "MODEL.EXTRA.WIDTH=16",
  "MODEL.EXTRA.NUM_DECONV_LAYERS=2", "MODEL.EXTRA.NUM_DECONV_FILTERS=[32,32]", "MODEL.EXTRA.SIGMA=1", "TRAIN.BATCH_SIZE=16",
];
/** Keys of a published network at 256x192. */
export function poseResnet(depth: number, batch: number): string[] {
  return ["MODEL.NUM_JOINTS=17", "MODEL.IMAGE_SIZE=[192,256]", `MODEL.EXTRA.NUM_LAYERS=${depth}`, "MODEL.EXTRA.SIGMA=2", `TRAIN.BATCH_SIZE=${batch}`];
}
/** Keys of supervised HRNet-W32 at 256x192. */
export function poseHrnet32(batch: number): string[] {
  const stages = hrnetStages(32).flatMap(({ modules, channels }, i) => [`MODEL.EXTRA.STAGE${i + 2}.NUM_MODULES=${modules}`, `MODEL.EXTRA.STAGE${i + 2}.NUM_CHANNELS=[${channels.join(",")}]`]);
  return ["MODEL.NAME=pose_hrnet", "DATASET.TRAIN_DATASET=coco", "MODEL.NUM_JOINTS=17", "MODEL.IMAGE_SIZE=[192,256]", "MODEL.EXTRA.SIGMA=2", `TRAIN.BATCH_SIZE=${batch}`, ...stages];
}
/** Keys of the methods. */
export const SUPERVISED = ["MODEL.NAME=pose_resnet", "DATASET.TRAIN_DATASET=coco"];
export const POSE_CONS = ["MODEL.NAME=pose_cons", "DATASET.TRAIN_DATASET=mix_coco_coco", "USE_JointCutout_AUG=true", "PARITY=original"];
const JOCO_JCCM = ["DATASET.TRAIN_DATASET=mix_coco_coco", "MULTI_AUGS=true", "USE_JointCutMix_CutOut_AUG=true", "USE_JointCutout_CutMix_AUG=true", "PARITY=original"];
const ALL_FOUR = [...JOCO_JCCM, "USE_JointCutout_AUG=true", "USE_JointCutMix_AUG=true"];
/** MultiAugs' views: JOCO and JCCM; with JC and JO before them; these for a pair of networks. */
export const MULTI_2 = ["MODEL.NAME=pose_cons", ...JOCO_JCCM];
export const MULTI_4 = ["MODEL.NAME=pose_cons", ...ALL_FOUR];
export const DUAL_MULTI_4 = ["MODEL.NAME=pose_dual", ...ALL_FOUR];

/** Small, so that a few steps on one batch lower its loss whatever the network. */
export const LEARNING_RATE = 1e-4;

/** A step that can be run, recorded or only planned. */
export interface BenchStep {
  /** Writes what differs from step to step; before each run. */
  prepare(step: number): void;
  work(): void;
  /** The step's losses, that of labels first, and behind them watched figures. */
  readonly losses: BufferRange;
  /** How many are losses. */
  readonly lossCount: number;
  readonly store: ParameterStore;
  /** The batch, labelled and unlabelled alike. */
  readonly samples: readonly CropSample[];
  /** Bytes of parameters, their gradients and Adam's moments. */
  readonly stateBytes: number;
  /** Labelled and unlabelled images that a step takes. */
  readonly imagesPerStep: number;
  /** Gives back networks and optimiser state. */
  free(): void;
}

/** Builds model, optimiser (Adam, whatever the configuration has) and method, and a batch of random pixels. */
export function buildStep(gpu: Gpu, { config }: StepProblem, { recompute = config.MODEL.EXTRA.RECOMPUTE }: { recompute?: boolean } = {}): BenchStep {
  const { MODEL, TRAIN, PRECISION } = config;
  const { BATCH_SIZE: batch } = TRAIN;
  const { IMAGE_SIZE: size, NUM_JOINTS: joints } = MODEL;
  const model = buildModel(config);
  const { store } = model;
  const plan = viewPlan(config);
  store.materialise(gpu, 1, { slots: passSlots(plan?.mostViews ?? 0) });
  const scaler = PRECISION === "mixed" ? new LossScaler(gpu, store.gradientArena) : undefined;
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) });
  const crop = { batch, size, joints, rgb: true };
  const labelledJoints = Array.from({ length: joints }, (_, joint) => joint);
  const method = buildMethod(model, { config, plan, crop, labelledJoints, stepsPerEpoch: 1, scaler });
  const random = new Random({ seed: 5, stream: 520 });
  const [width, height] = size;
  const samples = Array.from({ length: batch }, (): CropSample => ({
    pixels: Uint8Array.from({ length: 3 * width * height }, () => random.integer(0, 256)),
    window: { x: 0, y: 0, width, height },
    imageSize: size,
    flip: false,
    toInput: [1, 0, 0, 0, 1, 0],
    joints: Float32Array.from({ length: 2 * joints }, (_, i) => random.range(0, size[i % 2] as number)),
    visible: new Uint8Array(joints).fill(1),
    center: [0, 0],
    scale: [1, 1],
    rotationDegrees: 0,
    record: { imageId: 0, annotationId: 0, imagePath: "", imageSize: size, center: [0, 0], scale: [1, 1], joints: new Float64Array(2 * joints), visible: new Uint8Array(joints), box: [0, 0, 1, 1], score: 1 },
  }));
  const packed = packCrops(samples, crop);
  const losses = gpu.persistent(4 * (method.lossNames.length + method.watchNames.length), "losses");
  const encode = () => method.encode();
  return {
    losses,
    lossCount: method.lossNames.length,
    store,
    samples,
    stateBytes: 4 * store.parameterArena.bytes,
    imagesPerStep: (plan ? 2 : 1) * batch,
    prepare(step) {
      method.prepare({ labelled: packed, ...(plan ? { unlabelled: packed } : {}) }, { epoch: 0, stepInEpoch: step, step });
      adam.prepare(LEARNING_RATE);
    },
    work() {
      const loss = recompute ? withRecompute(encode) : encode();
      addInto(gpu, { a: loss.range, b: undefined, out: losses, count: loss.size });
      scaler?.update();
      adam.step();
    },
    free() {
      for (const range of [losses, store.parameterArena, store.gradientArena, ...Object.values(adam.state)]) gpu.free(range);
    },
  };
}
