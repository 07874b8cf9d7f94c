/** Whole training steps on random data, as the table of speed, the table of memory and the table of kernels run them. */
import { packCrops } from "../src/augment/crop_batch.ts";
import { withRecompute } from "../src/autograd/op.ts";
import type { ResolvedConfig } from "../src/config/config.ts";
import type { CropSample } from "../src/data/sample.ts";
import type { BufferRange, Gpu } from "../src/gpu/device.ts";
import { addInto } from "../src/kernels/elementwise.ts";
import { PoseCons } from "../src/methods/semi/pose_cons.ts";
import { PoseResnet, type PoseResnetFacts } from "../src/models/pose_resnet.ts";
import { Adam } from "../src/optim/adam.ts";
import { LossScaler } from "../src/optim/loss_scaler.ts";
import { Random } from "../src/random.ts";

/** A step by its network, input and method. */
export interface StepProblem {
  name: string;
  network: PoseResnetFacts;
  /** Width and height of the input, px. */
  size: readonly [number, number];
  batch: number;
  semi: boolean;
  /** Cheap activations are computed again in backward. */
  recompute?: boolean;
  /** Features as f16, with loss scaling. */
  mixed?: boolean;
}

/** The network of configs/quickstart.yaml. */
export const QUICKSTART = { network: { depth: 8, joints: 17, width: 16, deconvFilters: [32, 32] }, size: [48, 64], batch: 16 } as const satisfies Partial<StepProblem>;

/** The step of a configuration, with Adam whatever its optimiser is. */
export function stepProblem(name: string, { MODEL, TRAIN, PRECISION }: ResolvedConfig): StepProblem {
  const { EXTRA } = MODEL;
  return {
    name,
    network: {
      depth: EXTRA.NUM_LAYERS,
      joints: MODEL.NUM_JOINTS,
      width: EXTRA.WIDTH,
      deconvFilters: EXTRA.NUM_DECONV_FILTERS,
      deconvKernels: EXTRA.NUM_DECONV_KERNELS,
      deconvBias: EXTRA.DECONV_WITH_BIAS,
      finalKernel: EXTRA.FINAL_CONV_KERNEL,
    },
    size: MODEL.IMAGE_SIZE,
    batch: TRAIN.BATCH_SIZE,
    semi: MODEL.NAME === "pose_cons",
    recompute: EXTRA.RECOMPUTE,
    mixed: PRECISION === "mixed",
  };
}

/** A step that can be run, recorded or only planned. */
export interface BenchStep {
  /** Writes what differs from step to step; before each run. */
  prepare(step: number): void;
  work(): void;
  /** The step's losses, at most two. */
  readonly losses: BufferRange;
  /** Bytes of parameters, their gradients and Adam's moments. */
  readonly stateBytes: number;
  /** Gives back network and optimiser state. */
  free(): void;
}

/** Builds network, optimiser and method, and a batch of random pixels. */
export function buildStep(gpu: Gpu, { network: facts, size, batch, semi, recompute = false, mixed = false }: StepProblem): BenchStep {
  const network = new PoseResnet(facts);
  const { store } = network;
  const { joints } = facts;
  store.materialise(gpu, 1);
  const scaler = mixed ? new LossScaler(gpu, store.gradientArena) : undefined;
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) });
  const scale = 2 ** (facts.deconvFilters?.length ?? 3) / (facts.depth === 8 ? 16 : 32);
  const all = Array.from({ length: joints }, (_, i) => i);
  const views = { warp: true, scaleFactor: 0.25, rotationFactor: 30, jointCutouts: 5, cutoutPool: all, swapLimits: true };
  const crop = { batch, size, joints, rgb: true };
  const method = new PoseCons(network, {
    ...crop,
    seed: 1,
    heatmapSize: [size[0] * scale, size[1] * scale],
    sigma: 2,
    useTargetWeight: true,
    labelledJoints: all,
    scaler,
    ...(semi ? { views } : {}),
  });
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
  const losses = gpu.persistent(8, "losses");
  const encode = () => method.encode();
  return {
    losses,
    stateBytes: 4 * store.parameterArena.bytes,
    prepare(step) {
      method.prepare({ labelled: packed, ...(semi ? { unlabelled: packed } : {}) }, { epoch: 0, stepInEpoch: step, step });
      adam.prepare(1e-3);
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
