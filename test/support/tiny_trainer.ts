/** A tiny network in training on samples of random pixels, without files. */
import { packCrops } from "../../src/augment/crop_batch.ts";
import type { CropSample } from "../../src/data/sample.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { ConsistencyTraining, passSlots } from "../../src/methods/semi/consistency.ts";
import type { SemiFacts } from "../../src/methods/semi/facts.ts";
import { type AugmentCode, ViewPlan } from "../../src/methods/semi/plan.ts";
import { networkPrefix } from "../../src/interop/state_names.ts";
import type { ModelNetwork, PoseModel } from "../../src/models/network.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { Adam } from "../../src/optim/adam.ts";
import { LossScaler } from "../../src/optim/loss_scaler.ts";
import { Random } from "../../src/random.ts";

const JOINTS = 17;
const SIZE = [32, 32] as const;
const ALL = Array.from({ length: JOINTS }, (_, joint) => joint);

/** Samples of random pixels; their places differ with the seed. */
function samples(batch: number, seed: number): CropSample[] {
  const random = new Random({ seed, stream: 900 });
  const [width, height] = SIZE;
  return Array.from({ length: batch }, () => ({
    pixels: Uint8Array.from({ length: 3 * width * height }, () => random.integer(0, 256)),
    window: { x: 0, y: 0, width, height },
    imageSize: SIZE,
    flip: false,
    toInput: [1, 0, 0, 0, 1, 0],
    joints: Float32Array.from({ length: 2 * JOINTS }, () => random.range(0, 32)),
    visible: Uint8Array.from({ length: JOINTS }, () => Number(random.chance(0.8))),
    center: [0, 0],
    scale: [1, 1],
    rotationDegrees: 0,
    record: { imageId: 0, annotationId: 0, imagePath: "", imageSize: SIZE, center: [0, 0], scale: [1, 1], joints: new Float64Array(2 * JOINTS), visible: new Uint8Array(JOINTS), box: [0, 0, 1, 1], score: 1 },
  }));
}

/** What a tiny trainer trains. */
export interface TinyTrainer {
  batch: number;
  networks?: 1 | 2 | 3;
  separate?: boolean;
  /** False: supervised training. */
  semi?: boolean;
  views?: readonly AugmentCode[];
  mode?: "sequential" | "multi" | "repeat";
  couples?: readonly (readonly [teacher: string, student: string])[];
  mixed?: boolean;
  /** What differs from plain consistency training. */
  facts?: Partial<SemiFacts>;
}

/** Steps of an epoch of a tiny trainer; with couples an epoch runs through them. */
export const TINY_STEPS = 100;

/** A trainer of tiny networks: a step's work, its preparation, and what it leaves. */
export function tinyTrainer(gpu: Gpu, options: TinyTrainer) {
  const { batch, networks = 1, separate = false, semi = true, views = ["JC"], mode = "sequential", couples = [], mixed = false, facts = {} } = options;
  const store = new ParameterStore();
  const build = (own: ParameterStore, i: number): ModelNetwork => {
    const prefix = networks === 1 ? "" : networkPrefix(i + 1);
    return { prefix, network: new PoseResnet({ depth: 8, joints: JOINTS, width: 8, deconvFilters: [16, 16], store: own, prefix }) };
  };
  const modelOf = (own: ParameterStore, count: number): PoseModel => ({ store: own, networks: [build(own, 0), ...Array.from({ length: count - 1 }, (_, i) => build(own, i + 1))] });
  const model = modelOf(store, networks);
  const previous = networks === 3 ? modelOf(new ParameterStore(), 2) : undefined;
  previous?.store.materialise(gpu, 1, { gradients: false });
  const counts = { cutout: 5, cutmix: 2, jointCutout: 3, jointCutOcclusion: 2, cutoutInChain: 5, cutmixInChain: 2, randMagnitude: 20 };
  const plan = new ViewPlan({ enabled: new Set(views), counts, mode, repeat: 2, couples, stepWise: true });
  store.materialise(gpu, 1, { slots: passSlots(plan.mostViews) });
  const scaler = mixed ? new LossScaler(gpu, store.gradientArena, { interval: 20 }) : undefined;
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) });
  const crop = { batch, size: SIZE, joints: JOINTS, rgb: true };
  const method = new ConsistencyTraining(model, {
    ...crop,
    seed: 4,
    heatmapSize: [8, 8],
    sigma: 1,
    useTargetWeight: true,
    labelledJoints: ALL,
    separate,
    scaler,
    semi: semi
      ? {
          plan,
          beginEpoch: 0,
          endEpoch: 1,
          stepsPerEpoch: TINY_STEPS,
          warp: true,
          scaleFactor: 0.25,
          rotationFactor: 30,
          augment: { pool: ALL, scale: 32 / 256, swapLimits: true, swapJointAxes: true },
          alignCentres: false,
          sharpen: false,
          confidence: undefined,
          fuse: false,
          correction: previous && { previous, warmupEpoch: -1, featureAttack: false, scoreThreshold: undefined, scoreWeight: false, distance: "none", distanceThreshold: 0.6 },
          ...facts,
        }
      : undefined,
  });
  const losses = gpu.upload(new Float32Array(method.lossNames.length + method.watchNames.length), "losses");
  let current = "";
  /** Encodes the step that was prepared last. */
  const work = () => {
    const loss = method.encode(current);
    addInto(gpu, { a: loss.range, b: undefined, out: losses, count: loss.size });
    scaler?.update();
    adam.step();
  };
  const prepare = (step: number, { learningRate = 1e-3, seed = step }: { learningRate?: number; seed?: number } = {}) => {
    const place = { epoch: 0, stepInEpoch: step, step };
    current = method.mode(place);
    method.prepare({ labelled: packCrops(samples(batch, 10 + seed), crop), unlabelled: packCrops(samples(batch, 50 + seed), crop) }, place);
    adam.prepare(learningRate);
  };
  const state = async () => ({
    losses: await gpu.readFloats(losses),
    gradients: await gpu.readFloats(store.gradientArena),
    parameters: await gpu.readFloats(store.parameterArena),
    statistics: await gpu.readFloats(store.runningArena),
    moments: await gpu.readFloats(adam.v),
    scale: await scaler?.read(),
  });
  return { method, store, previous, scaler, work, prepare, state };
}
