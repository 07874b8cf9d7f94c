import { expect, test } from "bun:test";
import { withoutGradient } from "../../src/autograd/op.ts";
import { backward } from "../../src/autograd/tape.ts";
import { permute } from "../../src/interop/layout.ts";
import { toFloat32 } from "../../src/interop/safetensors.ts";
import { warpAffine } from "../../src/kernels/augment.ts";
import { applyPatches, PATCH_BYTES } from "../../src/kernels/augment_patches.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import { heatmapMse } from "../../src/ops/heatmap_mse.ts";
import { Adam } from "../../src/optim/adam.ts";
import { batchView, emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { StepRunner } from "../../src/train/step_runner.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const [BATCH, SIDE, JOINTS, STEPS, HOLES] = [4, 64, 5, 10, 3];
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** Ten replayed steps on the data of a golden file; the losses of every step. */
async function tenSteps(name: "supervised_ten_losses" | "pose_cons_ten_losses") {
  const golden = await Golden.open(name);
  const semi = name === "pose_cons_ten_losses";
  const network = new PoseResnet({ depth: 10, joints: JOINTS, width: 8, deconvFilters: [16, 16, 16] });
  const { store } = network;
  store.materialise(gpu, 0);
  golden.load(store);
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena });
  const groups = semi ? 2 : 1;
  const labelled = persistentTensor(gpu, [BATCH, SIDE, SIDE, 3]);
  const unlabelled = persistentTensor(gpu, [BATCH, SIDE, SIDE, 3]);
  const target = persistentTensor(gpu, [BATCH, 16, 16, JOINTS]);
  const weight = persistentTensor(gpu, [groups * BATCH, JOINTS]);
  const theta = gpu.persistent(24 * BATCH, "theta");
  const boxes = gpu.persistent(PATCH_BYTES * BATCH * HOLES, "boxes");
  const losses = persistentTensor(gpu, [groups]);
  const copy = (from: { range: Parameters<typeof addInto>[1]["a"]; size: number }, to: Parameters<typeof addInto>[1]["out"]) =>
    addInto(gpu, { a: from.range, b: undefined, out: to, count: from.size });

  const runner = new StepRunner(gpu, () => {
    const images = emptyTensor(gpu, [groups * BATCH, SIDE, SIDE, 3]);
    const targets = emptyTensor(gpu, [groups * BATCH, 16, 16, JOINTS]);
    copy(labelled, batchView(images, 0, BATCH).range);
    copy(target, batchView(targets, 0, BATCH).range);
    if (semi) {
      const taught = withoutGradient(() => network.forward(unlabelled, { training: true, groups: 1, slot: 2 }));
      const hard = emptyTensor(gpu, unlabelled.shape);
      applyPatches(gpu, { x: unlabelled.range, table: boxes, y: hard.range, shape: { batch: BATCH, height: SIDE, width: SIDE, channels: 3 }, patches: HOLES });
      warpAffine(gpu, { x: hard.range, theta, y: batchView(images, BATCH, BATCH).range, shape: { batch: BATCH, height: SIDE, width: SIDE, channels: 3 } });
      warpAffine(gpu, { x: taught.range, theta, y: batchView(targets, BATCH, BATCH).range, shape: { batch: BATCH, height: 16, width: 16, channels: JOINTS } });
    }
    const loss = heatmapMse(network.forward(images, { training: true, groups, slot: 0 }), { target: targets, weight, groups });
    store.zeroGradients();
    backward(loss);
    store.completeGradients();
    store.updateRunning(semi ? [0, 2, 1] : [0]);
    adam.step();
    copy(loss, losses.range);
  });

  const blocks = golden.raw("images").data;
  const imageBytes = 3 * 8 * 8;
  /** Blocks of 8x8 colours, enlarged and normalised, NHWC. */
  const picture = (set: number, n: number) =>
    Float32Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
      const [c, x, y] = [i % 3, Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
      const byte = blocks[(set * 2 * BATCH + n) * imageBytes + c * 64 + Math.floor(y / 8) * 8 + Math.floor(x / 8)] as number;
      return (byte / 255 - (MEAN[c] as number)) / (DEVIATION[c] as number);
    });
  const stack = (set: number, first: number) => Float32Array.from(Array.from({ length: BATCH }, (_, n) => [...picture(set, first + n)]).flat());
  const targetSize = BATCH * JOINTS * 16 * 16;
  const all: number[][] = [];
  for (let step = 0; step < STEPS; step++) {
    const set = step % 2;
    gpu.write(labelled.range, stack(set, 0));
    gpu.write(target.range, permute(golden.floats("targets").slice(set * targetSize, (set + 1) * targetSize), [BATCH, JOINTS, 16, 16], [0, 2, 3, 1]));
    const weights = new Float32Array(groups * BATCH * JOINTS).fill(1);
    weights.set(golden.floats("weights").subarray(set * BATCH * JOINTS, (set + 1) * BATCH * JOINTS));
    gpu.write(weight.range, weights);
    if (semi) {
      gpu.write(unlabelled.range, stack(set, BATCH));
      gpu.write(theta, golden.floats("thetas").subarray(6 * BATCH * step, 6 * BATCH * (step + 1)));
      const raw = golden.raw("boxes").data;
      const own = new Int32Array(raw.buffer, raw.byteOffset, raw.byteLength / 4).subarray(4 * BATCH * HOLES * step, 4 * BATCH * HOLES * (step + 1));
      // Behind each box: nothing is shown in it.
      gpu.write(boxes, Int32Array.from({ length: 2 * own.length }, (_, i) => (i % 8 < 4 ? (own[4 * Math.floor(i / 8) + i % 8] as number) : i % 8 === 4 ? -1 : 0)));
    }
    adam.prepare(1e-4);
    runner.run(0);
    if (step === 0) {
      for (const declaration of store.declarations) {
        const actual = await store.parameter(declaration.name).gradient.toArray();
        expectClose(actual, golden.parameter("grad.", declaration), "torchGradient", `${name} grad.${declaration.name}`);
      }
    }
    all.push([...(await losses.toArray())]);
  }
  return { golden, store, losses: all, host: runner.host };
}

for (const name of ["supervised_ten_losses", "pose_cons_ten_losses"] as const) {
  test(`${name}: losses, gradients of the first step and running statistics equal PyTorch's, all steps replayed`, async () => {
    const { golden, store, losses, host } = await tenSteps(name);
    expect(host.steps).toBe(STEPS);
    const expected = golden.floats("losses");
    losses.forEach((row, step) => row.forEach((loss, k) => expectClose([loss], [expected[2 * step + k] as number], "torchSteps", `${name} step ${step + 1} loss ${k}`)));
    const dict = await readStateDict(store);
    for (const { name: layer } of store.statisticsDeclarations) {
      const tensor = dict.get(`${layer}.running_mean`);
      if (tensor) expectClose(toFloat32(tensor, layer), golden.floats(`after.${layer}.running_mean`), "torchGradient", `${layer}.running_mean`);
    }
  });
}
