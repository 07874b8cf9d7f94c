import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { ResidualBlock } from "../../src/models/resnet.ts";
import { constant } from "../../src/nn/init.ts";
import { Batchnorm, Deconv2d, EVALUATION, type Pass } from "../../src/nn/layers.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { heatmapMse } from "../../src/ops/heatmap_mse.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { toFloat32 } from "../../src/interop/safetensors.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import type { ToleranceName } from "../tolerances.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const TRAINING: Pass = { training: true, groups: 1, slot: 0 };

async function expectRunning(store: ParameterStore, golden: Golden, tolerance: ToleranceName): Promise<void> {
  store.updateRunning([0]);
  store.batchesTracked++;
  const dict = await readStateDict(store);
  for (const { name } of store.statisticsDeclarations) {
    for (const part of ["running_mean", "running_var"]) {
      const tensor = dict.get(`${name}.${part}`);
      if (!tensor) throw new Error(`no ${name}.${part}`);
      expectClose(toFloat32(tensor, part), golden.floats(`after.${name}.${part}`), tolerance, `${golden.name} ${name}.${part}`);
    }
    expect(dict.get(`${name}.num_batches_tracked`)?.data).toEqual(golden.raw(`after.${name}.num_batches_tracked`).data);
  }
}

async function expectGradients(store: ParameterStore, golden: Golden): Promise<void> {
  for (const declaration of store.declarations) {
    const actual = await store.parameter(declaration.name).gradient.toArray();
    expectClose(actual, golden.parameter("grad.", declaration), "torchGradient", `${golden.name} grad.${declaration.name}`);
  }
}

async function checkModule(name: string, build: (store: ParameterStore) => (x: Tensor) => Tensor): Promise<void> {
  const golden = await Golden.open(name);
  const store = new ParameterStore();
  const forward = build(store);
  store.materialise(gpu, 0);
  golden.load(store);
  const x = persistentTensor(gpu, golden.imageShape("x"), { data: golden.images("x"), requiresGradient: true });
  const gradient = persistentTensor(gpu, golden.imageShape("gy"), { data: golden.images("gy") });
  const y = forward(x);
  store.zeroGradients();
  const leaves = backward(y, { gradient, leaves: [x] });
  expectClose(await y.toArray(), golden.images("y"), "torchLayer", `${name} y`);
  expectClose(await (leaves.get(x) as Tensor).toArray(), golden.images("gx"), "torchLayer", `${name} gx`);
  await expectGradients(store, golden);
  await expectRunning(store, golden, "torchLayer");
}

test("a basic residual block with a strided shortcut equals PyTorch: output, all gradients, running statistics", () =>
  checkModule("residual_basic", (store) => {
    const block = new ResidualBlock(store, "block", { block: "basic", from: 16, planes: 24, stride: 2, start: "pose" });
    return (x) => block.forward(x, TRAINING);
  }));

test("a bottleneck block equals PyTorch", () =>
  checkModule("residual_bottleneck", (store) => {
    const block = new ResidualBlock(store, "block", { block: "bottleneck", from: 12, planes: 8, stride: 1, start: "pose" });
    return (x) => block.forward(x, TRAINING);
  }));

for (const [kernel, padding] of [[4, 1], [3, 1], [2, 0]] as const) {
  test(`a deconvolution of kernel ${kernel} with batchnorm and relu equals PyTorch`, () =>
    checkModule(`deconv_k${kernel}`, (store) => {
      const deconv = new Deconv2d(store, "0", { from: 6, to: 10, kernel, padding, initialise: constant(0) });
      const normalise = new Batchnorm(store, "1", 10);
      return (x) => normalise.forward(deconv.forward(x), TRAINING, { relu: true });
    }));
}

for (const [name, facts] of [
  ["pose_resnet10", { depth: 10, joints: 17, width: 8, deconvFilters: [16, 16, 16] }],
  ["pose_resnet50", { depth: 50, joints: 5, width: 4, deconvFilters: [8, 8, 8] }],
] as const) {
  test(`${name} with the weights of PyTorch's .pth equals PyTorch: heatmaps, loss, all gradients, running statistics, evaluation`, async () => {
    const golden = await Golden.open(name);
    const network = new PoseResnet(facts);
    const { store } = network;
    store.materialise(gpu, 0);
    await golden.loadTorch(store);
    const x = persistentTensor(gpu, golden.imageShape("x"), { data: golden.images("x") });
    const target = persistentTensor(gpu, golden.imageShape("target"), { data: golden.images("target") });
    const weight = persistentTensor(gpu, golden.shape("weight"), { data: golden.floats("weight") });
    const y = network.forward(x, TRAINING);
    const loss = heatmapMse(y, { target, weight });
    store.zeroGradients();
    backward(loss);
    expectClose(await y.toArray(), golden.images("y"), "torchNetwork", `${name} heatmaps`);
    expectClose(await loss.toArray(), golden.floats("loss"), "torchNetwork", `${name} loss`);
    await expectGradients(store, golden);
    await expectRunning(store, golden, "torchNetwork");
    expectClose(await network.forward(x, EVALUATION).toArray(), golden.images("y_eval"), "torchNetwork", `${name} evaluation`);
  });
}

test("PoseResNet has the published numbers of parameters for every number of joints, of buffers and state entries", () => {
  const counts = {
    18: { 17: 15_376_721, 16: 15_376_464, 14: 15_375_950, 24: 15_378_520 },
    34: { 17: 25_484_881, 16: 25_484_624, 14: 25_484_110, 24: 25_486_680 },
    50: { 17: 33_999_697, 16: 33_999_440, 14: 33_998_926, 24: 34_001_496 },
    101: { 17: 52_991_825, 16: 52_991_568, 14: 52_991_054, 24: 52_993_624 },
    152: { 17: 68_635_473, 16: 68_635_216, 14: 68_634_702, 24: 68_637_272 },
  } as const;
  const entries = { 18: 140, 34: 236, 50: 338, 101: 644, 152: 950 } as const;
  const buffers = { 18: 11_159, 34: 18_599, 50: 54_712, 101: 106_987, 152: 153_118 } as const;
  for (const depth of [18, 34, 50, 101, 152] as const) {
    for (const [joints, count] of Object.entries(counts[depth])) {
      const { store } = new PoseResnet({ depth, joints: Number(joints) });
      expect(store.parameterCount, `PoseResNet-${depth}, ${joints} joints`).toBe(count);
      expect(store.declarations.length + 3 * store.statisticsDeclarations.length).toBe(entries[depth]);
      expect(store.statisticsDeclarations.reduce((total, { channels }) => total + 2 * channels + 1, 0)).toBe(buffers[depth]);
    }
  }
  expect(new PoseResnet({ depth: 50, joints: 17, deconvBias: true }).store.parameterCount).toBe(34_000_465);
  expect(new PoseResnet({ depth: 50, joints: 17, deconvKernels: [3, 3, 3], finalKernel: 3 }).store.parameterCount).toBe(29_446_993);
  expect(new PoseResnet({ depth: 50, joints: 17, deconvKernels: [2, 2, 2] }).store.parameterCount).toBe(26_135_377);
});

test("two ResNet-18 networks of 24 joints in one store are the published pair", () => {
  const store = new ParameterStore();
  for (const prefix of ["resnet.", "resnet2."]) new PoseResnet({ depth: 18, joints: 24, store, prefix });
  expect(store.parameterCount).toBe(30_757_040);
  expect(store.declarations.length + 3 * store.statisticsDeclarations.length).toBe(280);
});
