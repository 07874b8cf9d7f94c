import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";
import { packCrops } from "../../src/augment/crop_batch.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { CropSample } from "../../src/data/sample.ts";
import { toFloat32 } from "../../src/interop/safetensors.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { buildMethod, viewPlan } from "../../src/methods/build.ts";
import { passSlots } from "../../src/methods/semi/consistency.ts";
import { buildModel } from "../../src/models/build.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import { Adam } from "../../src/optim/adam.ts";
import { Random } from "../../src/random.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { StepRunner } from "../../src/train/step_runner.ts";
import { loadModelWeights } from "../../src/train/weights_file.ts";
import { Golden, torchPath } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import type { ToleranceName } from "../tolerances.ts";

const gpu = await testDevice();

// As in test/golden/make_steps.py.
const [SEED, STEPS, BATCH, SIDE, JOINTS] = [21, 10, 4, 64, 17];
const STREAMS = { labelled: 700, unlabelled: 701 };

/** Blocks of random colour, joints and which of them are visible. */
function sample(stream: number, step: number, n: number): CropSample {
  const random = new Random({ seed: SEED, stream, epoch: step % 2, index: n });
  const blocks = Uint8Array.from({ length: 8 * 8 * 3 }, () => random.integer(0, 256));
  const pixels = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
    return blocks[3 * (8 * Math.floor(y / 8) + Math.floor(x / 8)) + c] as number;
  });
  const joints = Float32Array.from({ length: 2 * JOINTS }, () => SIDE * random.uniform());
  const visible = Uint8Array.from({ length: JOINTS }, () => Number(random.chance(0.8)));
  const size = [SIDE, SIDE] as const;
  return {
    pixels,
    window: { x: 0, y: 0, width: SIDE, height: SIDE },
    imageSize: size,
    flip: false,
    toInput: [1, 0, 0, 0, 1, 0],
    joints,
    visible,
    center: [0, 0],
    scale: [1, 1],
    rotationDegrees: 0,
    record: { imageId: 0, annotationId: 0, imagePath: "", imageSize: size, center: [0, 0], scale: [1, 1], joints: new Float64Array(2 * JOINTS), visible, box: [0, 0, 1, 1], score: 1 },
  };
}

interface Files {
  golden: Golden;
  weights: string;
  width: number;
  learningRate: number;
  /** Of the losses. */
  tolerance: ToleranceName;
}

/** The largest difference, by the largest value. */
function apart(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest(Array.from(actual, (value, i) => value - (expected[i] as number))) / largest(Array.from(expected));
}

/**
 * Ten replayed steps as a configuration says, from PyTorch's weights; every loss, the first step's gradients and the running statistics are
 * compared. Running statistics of the last stage see 16 values a step at the published width, so PyTorch's f32 and f64 differ by more than 1e-3
 * there: then twice that is allowed. Says how far ours are from PyTorch's f32, and that from its f64.
 */
async function tenSteps({ golden, weights, width, learningRate, tolerance }: Files, method: "pose_cons" | "pose_dual", warped: boolean) {
  const name = `${method}${warped ? ".warped" : ""}`;
  const { config } = parseConfig("", {
    path: "steps",
    overrides: [
      `MODEL.NAME=${method}`, `MODEL.NUM_JOINTS=${JOINTS}`, "MODEL.IMAGE_SIZE=64", "MODEL.EXTRA.NUM_LAYERS=18", `MODEL.EXTRA.WIDTH=${width}`,
      `MODEL.EXTRA.NUM_DECONV_FILTERS=[${4 * width > 64 ? "256,256,256" : "8,8,8"}]`, "MODEL.EXTRA.SIGMA=1",
      "DATASET.ROOT=none", "DATASET.TRAIN_DATASET=mix_coco_coco", "PARITY=original", `UNSUP_TRANSFORM=${warped}`, `SEED=${SEED}`, `TRAIN.BATCH_SIZE=${BATCH}`,
    ],
  });
  const model = buildModel(config);
  const { store } = model;
  const plan = viewPlan(config);
  store.materialise(gpu, 0, { slots: passSlots(plan?.mostViews ?? 0) });
  await loadModelWeights(model, weights, { need: "all", say: () => undefined });
  const crop = { batch: BATCH, size: [SIDE, SIDE] as const, joints: JOINTS, rgb: true };
  const training = buildMethod(model, { config, plan, crop, labelledJoints: Array.from({ length: JOINTS }, (_, joint) => joint), stepsPerEpoch: STEPS });
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena });
  const losses = persistentTensor(gpu, [training.lossNames.length + training.watchNames.length]);
  const runner = new StepRunner(gpu, (mode) => {
    const made = training.encode(mode);
    addInto(gpu, { a: made.range, b: undefined, out: losses.range, count: made.size });
    adam.step();
  });
  const expected = golden.floats(`${name}.losses`);
  const batch = (stream: number, step: number) => packCrops(Array.from({ length: BATCH }, (_, n) => sample(stream, step, n)), crop);
  const worst = { loss: 0, gradient: 0, statistic: 0 };
  const [ownLoss = 0, ownGradient = 0, ownStatistic = 0] = golden.floats(`${name}.departure`);
  for (let step = 0; step < STEPS; step++) {
    const place = { epoch: 0, stepInEpoch: step, step };
    training.prepare({ labelled: batch(STREAMS.labelled, step), unlabelled: batch(STREAMS.unlabelled, step) }, place);
    adam.prepare(learningRate);
    runner.run(training.generation, training.mode(place));
    if (step === 0) {
      for (const [n, { prefix }] of model.networks.entries()) {
        for (const declaration of store.declarations.filter((own) => own.name.startsWith(prefix))) {
          const actual = await store.parameter(declaration.name).gradient.toArray();
          const gradient = golden.parameter(`${name}.grad.${n}.`, { ...declaration, name: declaration.name.slice(prefix.length) });
          worst.gradient = Math.max(worst.gradient, apart(actual, gradient));
          expectClose(actual, gradient, "torchGradient", `${name} grad.${declaration.name}`);
        }
      }
    }
    const values = await losses.toArray();
    for (const k of [0, 1]) {
      const [actual, wanted] = [values[k] as number, expected[2 * step + k] as number];
      if (wanted > 0) worst.loss = Math.max(worst.loss, Math.abs(actual / wanted - 1));
      expectClose([actual], [wanted], tolerance, `${name}, step ${step + 1}, ${training.lossNames[k]}`);
    }
  }
  const dict = await readStateDict(store);
  for (const [n, { prefix }] of model.networks.entries()) {
    for (const statistic of ["bn1.running_mean", "bn1.running_var", "layer4.1.bn2.running_mean", "layer4.1.bn2.running_var"]) {
      const tensor = dict.get(prefix + statistic);
      if (!tensor) throw new Error(`no ${prefix}${statistic}`);
      worst.statistic = Math.max(worst.statistic, apart(toFloat32(tensor, statistic), golden.floats(`${name}.after.${n}.${statistic}`)));
    }
  }
  expect(worst.statistic, `${name}: running statistics`).toBeLessThan(Math.max(1e-3, 2 * ownStatistic));
  runner.dispose();
  for (const range of [store.parameterArena, store.gradientArena, ...Object.values(adam.state)]) gpu.free(range);
  const shown = (own: number, other: number) => `${own.toExponential(1)} (${other.toExponential(1)})`;
  return `losses ${shown(worst.loss, ownLoss)}, gradients ${shown(worst.gradient, ownGradient)}, statistics ${shown(worst.statistic, ownStatistic)}`;
}

const CASES = [["pose_cons", false], ["pose_cons", true], ["pose_dual", false], ["pose_dual", true]] as const;
const title = (method: string, warped: boolean) => `ten steps of ${method} ${warped ? "with" : "without"} the second affine`;

for (const [method, warped] of CASES) {
  test(`${title(method, warped)} equal PyTorch's: losses, gradients, running statistics`, async () => {
    await tenSteps({ golden: await Golden.open("steps"), weights: torchPath("steps_pair.pth"), width: 4, learningRate: 1e-4, tolerance: "torchSteps" }, method, warped);
  });
}

const full = fileURLToPath(new URL("../golden/full/steps_pair.pth", import.meta.url));
for (const [method, warped] of CASES) {
  test.skipIf(!process.env["LIMBER_SLOW"] || !existsSync(full))(`slow: ${title(method, warped)} at the published width, after python3 test/golden/make_steps.py full`, async () => {
    const files = { golden: await Golden.open("full/steps"), weights: full, width: 64, learningRate: 1e-5, tolerance: "torchFullSteps" } as const;
    console.log(`${title(method, warped)}, from PyTorch's f32 (which is from its f64): ${await tenSteps(files, method, warped)}`);
  }, 600_000);
}
