/** A tiny network in training on samples of random pixels, without files. */
import { packCrops } from "../../src/augment/crop_batch.ts";
import type { CropSample } from "../../src/data/sample.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { PoseCons } from "../../src/methods/semi/pose_cons.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
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

/** A trainer of one tiny network: a step's work, its preparation, and what it leaves. */
export function tinyTrainer(gpu: Gpu, { batch, separate = false, views = true, mixed = false }: { batch: number; separate?: boolean; views?: boolean; mixed?: boolean }) {
  const network = new PoseResnet({ depth: 8, joints: JOINTS, width: 8, deconvFilters: [16, 16] });
  const { store } = network;
  store.materialise(gpu, 1);
  const scaler = mixed ? new LossScaler(gpu, store.gradientArena, { interval: 20 }) : undefined;
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) });
  const crop = { batch, size: SIZE, joints: JOINTS, rgb: true };
  const method = new PoseCons(network, {
    ...crop,
    seed: 4,
    heatmapSize: [8, 8],
    sigma: 1,
    useTargetWeight: true,
    labelledJoints: ALL,
    separate,
    scaler,
    ...(views ? { views: { warp: true, scaleFactor: 0.25, rotationFactor: 30, jointCutouts: 3, cutoutPool: ALL, swapLimits: true } } : {}),
  });
  const losses = gpu.upload(new Float32Array(2), "losses");
  const work = () => {
    const loss = method.encode();
    addInto(gpu, { a: loss.range, b: undefined, out: losses, count: loss.size });
    scaler?.update();
    adam.step();
  };
  const prepare = (step: number, { learningRate = 1e-3, seed = step }: { learningRate?: number; seed?: number } = {}) => {
    method.prepare({ labelled: packCrops(samples(batch, 10 + seed), crop), unlabelled: packCrops(samples(batch, 50 + seed), crop) }, { epoch: 0, stepInEpoch: step, step });
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
  return { method, scaler, work, prepare, state };
}
