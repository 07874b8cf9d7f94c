import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { type StoredTensor, toFloat32 } from "../../src/interop/safetensors.ts";
import { HigherHrnet, type HigherHrnetFacts } from "../../src/models/higher_hrnet.ts";
import { type HourglassFacts, StackedHourglass } from "../../src/models/hourglass.ts";
import { hrnetStages, PoseHrnet } from "../../src/models/hrnet.ts";
import { PartGenerator, partTransforms } from "../../src/models/part_generator.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { affinity, relate, Rsgnet, type RsgnetFacts } from "../../src/models/rsgnet.ts";
import { EVALUATION, type Pass } from "../../src/nn/layers.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import type { ParameterStore } from "../../src/nn/store.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { StepRunner } from "../../src/train/step_runner.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { TOLERANCES } from "../tolerances.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const TRAINING: Pass = { training: true, groups: 1, slot: 0 };

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** One training step of a network with the weights of PyTorch's .pth against PyTorch's: names and their order, outputs, all gradients, running statistics, evaluation. */
async function checkNetwork(name: string, network: { store: ParameterStore; heatmaps(x: Tensor, pass: Pass): readonly Tensor[] }): Promise<void> {
  const golden = await Golden.open(name);
  const { store } = network;
  const under = (prefix: string) => golden.names().filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  expect(store.declarations.map((declaration) => declaration.name)).toEqual(under("grad."));
  store.materialise(gpu, 0);
  await golden.loadTorch(store);
  const x = persistentTensor(gpu, golden.imageShape("x"), { data: golden.images("x") });
  const outputs = network.heatmaps(x, TRAINING);
  expect(outputs.length).toBe(under("y.").length);
  const losses = outputs.map((y, i) => {
    const gradient = persistentTensor(gpu, golden.imageShape(`gy.${i}`), { data: golden.images(`gy.${i}`) });
    return sum(mul(y, gradient));
  });
  store.zeroGradients();
  backward(losses.reduce((total, loss) => add(total, loss)));
  store.completeGradients();
  for (const [i, y] of outputs.entries()) expectClose(await y.toArray(), golden.images(`y.${i}`), "torchNetwork", `${name} output ${i}`);
  for (const declaration of store.declarations) {
    const actual = await store.parameter(declaration.name).gradient.toArray();
    const expected = golden.parameter("grad.", declaration);
    const weight = declaration.name.replace(/bias$/, "weight");
    // A bias that a batchnorm takes away again has a gradient of zero, up to the rounding of terms as large as its weight's.
    if (weight !== declaration.name && expected.every((value) => value === 0)) {
      const bound = TOLERANCES.torchNetwork.relative * largest(golden.floats(`grad.${weight}`));
      expect(largest(actual), `${name} grad.${declaration.name}`).toBeLessThanOrEqual(bound);
    } else expectClose(actual, expected, "torchGradient", `${name} grad.${declaration.name}`);
  }
  store.updateRunning([0]);
  store.batchesTracked++;
  const dict = await readStateDict(store);
  for (const key of under("after.")) {
    const [actual, expected] = [dict.get(key), golden.raw(`after.${key}`)];
    if (!actual) throw new Error(`no ${key}`);
    expect(actual.shape).toEqual([...expected.shape]);
    if (key.endsWith("num_batches_tracked")) expect(actual.data).toEqual(expected.data);
    else expectClose(toFloat32(actual, key), golden.floats(`after.${key}`), "torchNetwork", `${name} ${key}`);
  }
  const evaluated = network.heatmaps(x, EVALUATION);
  for (const [i, y] of evaluated.entries()) expectClose(await y.toArray(), golden.images(`y_eval.${i}`), "torchNetwork", `${name} evaluation ${i}`);
}

/** Entries of the state dict: parameters, and three of each batchnorm. */
const entries = ({ declarations, statisticsDeclarations }: ParameterStore) => declarations.length + 3 * statisticsDeclarations.length;

/** Numbers that are not learned: mean and variance per channel, one counter per batchnorm. */
const buffers = ({ statisticsDeclarations }: ParameterStore) => statisticsDeclarations.reduce((total, { channels }) => total + 2 * channels + 1, 0);

const narrow = [
  { modules: 1, block: "basic", blocks: [1, 1], channels: [4, 6] },
  { modules: 1, block: "basic", blocks: [1, 1, 1], channels: [4, 6, 8] },
] as const;

test("HRNet equals PyTorch's: outputs, all gradients, running statistics, evaluation", () =>
  checkNetwork(
    "hrnet",
    new PoseHrnet({
      joints: 5,
      stem: 4,
      stages: [
        { modules: 1, block: "basic", blocks: [2, 1], channels: [4, 6] },
        { modules: 2, block: "basic", blocks: [1, 1, 2], channels: [4, 6, 8] },
        { modules: 2, block: "basic", blocks: [1, 1, 1, 1], channels: [4, 6, 8, 10] },
      ],
    }),
  ));

test("HRNet of bottlenecks, with two new branches in one stage and a 3x3 output convolution, equals PyTorch's", () =>
  checkNetwork(
    "hrnet_bottleneck",
    new PoseHrnet({
      joints: 3,
      stem: 4,
      finalKernel: 3,
      stages: [
        { modules: 1, block: "bottleneck", blocks: [1, 1, 1], channels: [2, 3, 4] },
        { modules: 1, block: "bottleneck", blocks: [1, 1, 1, 1], channels: [2, 3, 4, 2] },
      ],
    }),
  ));

test("PoseResNet with strides as Caffe's and the refine module equals PyTorch's", () =>
  checkNetwork("pose_resnet_refined", new PoseResnet({ depth: 50, width: 2, deconvFilters: [4, 4, 4], joints: 3, style: "caffe", refine: true })));

test("HRNet with the refine module equals PyTorch's", () =>
  checkNetwork("hrnet_refined", new PoseHrnet({ joints: 3, stem: 4, stages: narrow.slice(0, 1), refine: true })));

test("the refine module has the published numbers of parameters", () => {
  const count = (build: (refine: boolean) => { store: ParameterStore }) => build(true).store.parameterCount - build(false).store.parameterCount;
  expect(count((refine) => new PoseResnet({ depth: 18, joints: 17, refine }))).toBe(811_008);
  expect(count((refine) => new PoseHrnet({ joints: 17, stages: hrnetStages(32), refine }))).toBe(15_360);
  expect(count((refine) => new PoseHrnet({ joints: 17, stages: hrnetStages(48), refine }))).toBe(32_256);
});

test("HRNet-W32 and -W48 have the published numbers of parameters, buffers and state entries, and names", () => {
  const counts = {
    32: { 17: 28_536_113, 16: 28_536_080, 14: 28_536_014, 24: 28_536_344 },
    48: { 17: 63_595_745, 16: 63_595_696, 14: 63_595_598, 24: 63_596_088 },
  } as const;
  for (const width of [32, 48] as const) {
    for (const [joints, count] of Object.entries(counts[width])) {
      const { store } = new PoseHrnet({ joints: Number(joints), stages: hrnetStages(width) });
      expect(store.parameterCount).toBe(count);
      expect(entries(store)).toBe(1754);
      expect(buffers(store)).toBe({ 32: 54_628, 48: 79_876 }[width]);
    }
  }
  const { store, inputMultiple } = new PoseHrnet({ joints: 17, stages: hrnetStages(32), prefix: "resnet." });
  expect(inputMultiple).toBe(32);
  const shapes = new Map(store.declarations.map(({ name, shape }) => [name, shape]));
  for (const [name, shape] of Object.entries({
    "conv1.weight": [3, 3, 3, 64],
    "layer1.0.downsample.0.weight": [1, 1, 64, 256],
    "transition1.0.0.weight": [3, 3, 256, 32],
    "transition1.1.0.0.weight": [3, 3, 256, 64],
    "transition2.2.0.0.weight": [3, 3, 64, 128],
    "transition3.3.0.0.weight": [3, 3, 128, 256],
    "stage2.0.branches.1.3.conv2.weight": [3, 3, 64, 64],
    "stage2.0.fuse_layers.0.1.0.weight": [1, 1, 64, 32],
    "stage2.0.fuse_layers.1.0.0.0.weight": [3, 3, 32, 64],
    "stage4.0.fuse_layers.3.0.1.0.weight": [3, 3, 32, 32],
    "stage4.0.fuse_layers.3.0.2.0.weight": [3, 3, 32, 256],
    "final_layer.weight": [1, 1, 32, 17],
    "final_layer.bias": [17],
  })) {
    expect(shapes.get(`resnet.${name}`), name).toEqual(shape);
  }
  expect([...shapes.keys()].filter((name) => name.startsWith("resnet.stage4.2.fuse_layers.") && !name.includes("fuse_layers.0."))).toEqual([]);
});

test("HRNet's convolutions start as N(0, 0.001) with bias 0, or as the framework's", async () => {
  const stages = [{ modules: 1, block: "basic", blocks: [1], channels: [16] }] as const;
  for (const start of ["pose", "framework"] as const) {
    const { store } = new PoseHrnet({ joints: 5, stem: 16, stages, start });
    store.materialise(gpu, 3);
    const weights = await store.parameter("stage2.0.branches.0.0.conv1.weight").toArray();
    const deviation = Math.sqrt(weights.reduce((total, value) => total + value * value, 0) / weights.length);
    const expected = start === "pose" ? 0.001 : 1 / Math.sqrt(3 * 16 * 9);
    expect(Math.abs(deviation / expected - 1)).toBeLessThan(0.1);
    const bias = await store.parameter("final_layer.bias").toArray();
    expect(bias.every((value) => value === 0)).toBe(start === "pose");
  }
});

/** Standard deviation about 0, and the largest value. */
async function spreadOf(store: ParameterStore, name: string): Promise<[deviation: number, most: number]> {
  const values = await store.parameter(name).toArray();
  return [Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length), largest(values)];
}

test("hourglasses start as the framework's layers: weights and biases uniform in 1 / sqrt(fan in), batchnorms 1 and 0", async () => {
  const { store } = new StackedHourglass({ joints: 16, stacks: 1, channels: 32, reductions: 1, stem: 16 });
  store.materialise(gpu, 3);
  for (const [name, fan] of [["hourglass.start.conv", 3 * 49], ["hourglass.hourglass.0.skip.0.cb.cbr2.conv", 16 * 9], ["hourglass.chantojoints.0", 32]] as const) {
    const [deviation, most] = await spreadOf(store, `${name}.weight`);
    expect(most * Math.sqrt(fan)).toBeLessThanOrEqual(1);
    expect(deviation * Math.sqrt(3 * fan), name).toBeCloseTo(1, 0);
    const [, bias] = await spreadOf(store, `${name}.bias`);
    expect(bias * Math.sqrt(fan)).toBeLessThanOrEqual(1);
    expect(bias).toBeGreaterThan(0);
  }
  expect(await spreadOf(store, "hourglass.lin1.0.bn.weight")).toEqual([1, 1]);
  expect(await spreadOf(store, "hourglass.lin1.0.bn.bias")).toEqual([0, 0]);
});

test("HigherHRNet starts as HRNet: convolutions and deconvolutions N(0, 0.001), biases 0", async () => {
  const { store } = new HigherHrnet({ joints: 8, stem: 8, stages: narrow.slice(0, 1), deconvs: [{ channels: 16, blocks: 1 }] });
  store.materialise(gpu, 3);
  for (const name of ["deconv_layers.0.0.0.weight", "deconv_layers.0.1.0.conv1.weight", "conv2.weight"]) {
    expect(Math.abs((await spreadOf(store, name))[0] / 0.001 - 1), name).toBeLessThan(0.15);
  }
  for (const i of [0, 1]) expect(await spreadOf(store, `final_layers.${i}.bias`)).toEqual([0, 0]);
});

test("PoseResNet starts as N(0, 0.001); its last bias is the framework's, or 0 where the backbone gets other weights", async () => {
  for (const pretrained of [false, true]) {
    const { store } = new PoseResnet({ depth: 10, width: 8, joints: 8, deconvFilters: [16, 16, 16], pretrained });
    store.materialise(gpu, 3);
    for (const name of ["layer2.0.conv1.weight", "deconv_layers.3.weight"]) expect(Math.abs((await spreadOf(store, name))[0] / 0.001 - 1), name).toBeLessThan(0.1);
    const [, bias] = await spreadOf(store, "final_layer.bias");
    expect(bias > 0).toBe(!pretrained);
    expect(bias).toBeLessThanOrEqual(1 / Math.sqrt(16));
  }
});

const hourglasses: Record<string, HourglassFacts> = {
  hourglass: { joints: 5, stacks: 2, channels: 12, reductions: 2, stem: 4 },
  hourglass_modules: { joints: 3, stacks: 1, channels: 8, modules: 2, reductions: 1, stem: 4 },
};

for (const [name, facts] of Object.entries(hourglasses)) {
  test(`the stacked network ${name} equals PyTorch's: outputs, all gradients, running statistics, evaluation`, () => checkNetwork(name, new StackedHourglass(facts)));
}

test("Hourglass-1 to -8 have the published numbers of parameters, buffers and state entries, and names", () => {
  const counts = { 1: 3_496_470, 2: 6_640_422, 4: 12_928_326, 8: 25_504_134 } as const;
  for (const stacks of [1, 2, 4, 8] as const) {
    const { store } = new StackedHourglass({ joints: 16, stacks });
    expect(store.parameterCount).toBe(counts[stacks]);
    expect(new StackedHourglass({ joints: 17, stacks }).store.parameterCount).toBe(counts[stacks] + 513 * stacks);
    if (stacks === 2) expect([entries(store), buffers(store)]).toEqual([688, 31_462]);
    if (stacks === 8) expect([entries(store), buffers(store)]).toEqual([2530, 120_808]);
  }
  const { store, inputMultiple } = new StackedHourglass({ joints: 16, stacks: 2 });
  expect(inputMultiple).toBe(64);
  const shapes = new Map(store.declarations.map(({ name, shape }) => [name, shape]));
  expect(shapes.get("hourglass.start.conv.weight")).toEqual([7, 7, 3, 64]);
  expect(shapes.get("hourglass.start.bn.weight")).toEqual([3]);
  expect(shapes.get("hourglass.res1.skip.conv.weight")).toEqual([1, 1, 64, 128]);
  expect(shapes.get("hourglass.hourglass.0.hg.hg.hg.num1res.0.cb.cbr2.conv.weight")).toEqual([3, 3, 128, 128]);
  expect(shapes.get("hourglass.chantojoints.1.weight")).toEqual([1, 1, 256, 16]);
  expect(shapes.get("hourglass.jointstochan.1.weight")).toEqual([1, 1, 16, 256]);
});

const highers: Record<string, HigherHrnetFacts> = {
  higher_hrnet: { joints: 3, stem: 4, stages: narrow, deconvs: [{ channels: 4, blocks: 2 }] },
  higher_hrnet_twice: {
    joints: 3,
    stem: 4,
    stages: narrow.slice(0, 1),
    deconvs: [{ channels: 4, blocks: 1 }, { channels: 6, blocks: 1, concatenate: false }],
    tags: [true, true, false],
    tagPerJoint: false,
  },
};

for (const [name, facts] of Object.entries(highers)) {
  test(`the network ${name} equals PyTorch's: outputs, all gradients, running statistics, evaluation`, () => checkNetwork(name, new HigherHrnet(facts)));
}

test("HigherHRNet decodes the joints' channels alone where its last output has tags", () => {
  const network = new HigherHrnet({ joints: 3, stem: 4, stages: narrow.slice(0, 1), deconvs: [{ channels: 4, blocks: 1 }], tags: [true, true] });
  network.store.materialise(gpu, 0);
  const x = persistentTensor(gpu, [1, 16, 8, 3], { data: new Float32Array(16 * 8 * 3).fill(1) });
  expect(network.heatmaps(x, EVALUATION).map(({ shape }) => shape)).toEqual([[1, 4, 2, 6], [1, 8, 4, 6]]);
  expect(network.forward(x, EVALUATION).shape).toEqual([1, 8, 4, 3]);
});

test("HigherHRNet-W32 and -W48 have the published numbers of parameters, buffers and state entries, and names", () => {
  const counts = { 32: { 17: 28_645_331, 14: 28_641_962 }, 48: { 17: 63_827_139, 14: 63_822_090 } } as const;
  for (const width of [32, 48] as const) {
    for (const [joints, count] of Object.entries(counts[width])) {
      const { store } = new HigherHrnet({ joints: Number(joints), stages: hrnetStages(width) });
      expect(store.parameterCount).toBe(count);
      expect(entries(store)).toBe(1810);
      expect(buffers(store)).toBe({ 32: 55_213, 48: 80_749 }[width]);
    }
  }
  const { store, stride } = new HigherHrnet({ joints: 17, stages: hrnetStages(32), prefix: "1." });
  expect(stride).toBe(2);
  const shapes = new Map(store.declarations.map(({ name, shape }) => [name, shape]));
  expect(shapes.get("1.final_layers.0.weight")).toEqual([1, 1, 32, 34]);
  expect(shapes.get("1.final_layers.1.weight")).toEqual([1, 1, 32, 17]);
  expect(shapes.get("1.deconv_layers.0.0.0.weight")).toEqual([4, 4, 66, 32]);
  expect(shapes.get("1.deconv_layers.0.4.0.bn2.weight")).toEqual([32]);
});

const rsgnets: Record<string, RsgnetFacts> = {
  rsgnet: { joints: 3, limbs: [[0, 1], [1, 2]], inputSize: [40, 32], stages: [{ modules: 1, block: "basic", blocks: [1, 1], channels: [8, 4] }], stem: 4, upScale: 2, wordLength: 12 },
  rsgnet_half: {
    joints: 4,
    limbs: [[0, 1], [1, 2], [3, 0]],
    inputSize: [32, 48],
    stages: [{ modules: 1, block: "basic", blocks: [1, 1], channels: [8, 4] }],
    stem: 4,
    subSample: true,
    wordLength: 6,
  },
};

for (const [name, facts] of Object.entries(rsgnets)) {
  test(`the network ${name} equals PyTorch's: heatmaps of all and of the target, limbs, relation error, all gradients, statistics`, async () => {
    const network = new Rsgnet(facts);
    const [width, height] = facts.inputSize;
    const places = (width * height) / (facts.subSample ? 64 : 16);
    const target = persistentTensor(gpu, [2, places], { data: Float32Array.from({ length: 2 * places }, (_, i) => ((i % places) * (i < places ? 1 : 2) % 7) / 7) });
    const { store } = network;
    await checkNetwork(name, {
      store,
      heatmaps(x, pass) {
        const { multi, target: heatmaps, limbs, relation } = network.outputs(x, pass, { relationTarget: target });
        return [multi, heatmaps, limbs, reshape(relation as Tensor, [2, 1, 1, 1])];
      },
    });
    const golden = await Golden.open(name);
    const x = persistentTensor(gpu, golden.imageShape("x"), { data: golden.images("x") });
    expectClose(await network.forward(x, EVALUATION).toArray(), golden.images("y_eval.1"), "torchNetwork", `${name} forward`);
    for (const [i, y] of network.heatmaps(x, EVALUATION).entries()) expectClose(await y.toArray(), golden.images(`y_eval.${i}`), "torchNetwork", `${name} heatmaps ${i}`);
    expect(() => network.forward(persistentTensor(gpu, [1, 64, 64, 3]), EVALUATION)).toThrow("x must be");
  });
}

test("RSGNet's passes that share a launch leave statistics equal to those of separate passes", async () => {
  const network = new Rsgnet(rsgnets["rsgnet"] as RsgnetFacts);
  const { store } = network;
  store.materialise(gpu, 1);
  const image = (n: number) => Float32Array.from({ length: n * 32 * 40 * 3 }, (_, i) => Math.sin(i * 0.37 + (i % 11)));
  const both = persistentTensor(gpu, [4, 32, 40, 3], { data: image(4) });
  const first = persistentTensor(gpu, [2, 32, 40, 3], { data: image(2) });
  const merged = await network.forward(both, { training: true, groups: 2, slot: 0 }).toArray();
  store.updateRunning([1]);
  const shared = await readStateDict(store);
  const alone = await network.forward(first, { training: true, groups: 1, slot: 2 }).toArray();
  expectClose(merged.subarray(0, alone.length), alone, "torchLayer", "first pass");
  const words = toFloat32(shared.get("word_norm.running_mean") as StoredTensor, "word_norm");
  store.updateRunning([2, 2]);
  const again = toFloat32((await readStateDict(store)).get("word_norm.running_mean") as StoredTensor, "word_norm");
  expectClose(again, words.map((value) => value * (1 + 0.9 + 0.81)), "torchLayer", "word statistics of the second slot");
});

test("the affinity of three places of two channels is the published one", async () => {
  const z = persistentTensor(gpu, [1, 3, 2], { data: Float32Array.of(1, 0, 0, 1, -1, 1) });
  const [a, b, c, half] = [0.731059, 0.880797, 0.268941, 0.5];
  expectClose(await affinity(z, z).toArray(), [a, half, c, half, a, a, c, a, b], "torchLayer", "affinity");
});

test("relations in pieces equal the whole, with gradients", async () => {
  const places = 7;
  const draw = (shape: number[], factor: number) =>
    persistentTensor(gpu, shape, { data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(factor * (i + 1))), requiresGradient: true });
  const [z, g] = [draw([2, places, 5], 1.3), draw([2, places, 5], 0.7)];
  const target = persistentTensor(gpu, [2, places], { data: Float32Array.from({ length: 2 * places }, (_, i) => (i % 5) / 5) });
  const run = async (rows: number) => {
    const { aggregate, loss } = relate(z, g, { target, rows });
    const total = add(sum(mul(aggregate, aggregate)), sum(loss as Tensor));
    const leaves = backward(total, { leaves: [z, g] });
    const read = [aggregate, loss as Tensor, leaves.get(z) as Tensor, leaves.get(g) as Tensor];
    return Promise.all(read.map((tensor) => tensor.toArray()));
  };
  const [whole, pieces] = [await run(places), await run(3)];
  for (const [i, values] of pieces.entries()) expectClose(values, whole[i] as Float32Array, "torchLayer", `part ${i}`);
});

test("RSGNet has the published number of parameters beside HRNet's", () => {
  const limbs = (count: number) => Array.from({ length: count }, (_, i) => [i % 13, (i + 1) % 13] as const);
  for (const [joints, limbCount, width, extra] of [[17, 18, 32, 723_804], [14, 14, 32, 721_696], [17, 18, 48, 1_032_700]] as const) {
    const stages = hrnetStages(width);
    const trunk = new PoseHrnet({ joints, stages }).store.parameterCount - joints * (width + 1);
    const { store, stride } = new Rsgnet({ joints, limbs: limbs(limbCount), inputSize: [192, 256], stages, upScale: 2 });
    expect(store.parameterCount - trunk).toBe(extra);
    expect(stride).toBe(2);
  }
});

test("RSGNet starts with biases of 0, small weights and gains, limb factors of N(0, 1) and words of N(0, 0.37) or as given", async () => {
  const { store } = new Rsgnet({ ...(rsgnets["rsgnet"] as RsgnetFacts), wordLength: 400 });
  store.materialise(gpu, 1);
  const spread = async (name: string) => {
    const values = await store.parameter(name).toArray();
    return Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length);
  };
  expect(await spread("words")).toBeCloseTo(0.37, 1);
  expect((await spread("word_map.weight")) / 0.001).toBeCloseTo(1, 1);
  expect(await spread("relation.out.1.weight")).toBeLessThan(0.003);
  expect(await spread("relation.out.1.weight")).toBeGreaterThan(0.0003);
  expect(await spread("limb.matrix")).toBeGreaterThan(0.3);
  for (const name of ["relation.values.bias", "limb.linear1.bias", "final_layer.bias"]) expect(await spread(name)).toBe(0);
  const words = Float32Array.from({ length: 36 }, (_, i) => i);
  const given = new Rsgnet({ ...(rsgnets["rsgnet"] as RsgnetFacts), words });
  given.store.materialise(gpu, 1);
  expect(await given.store.parameter("words").toArray()).toEqual(words);
  expect(() => new Rsgnet({ ...(rsgnets["rsgnet"] as RsgnetFacts), limbs: [[0, 3]] })).toThrow("limb 0 names joint 3");
});

test("ASDA's generator equals PyTorch's: choices, transforms, all gradients, statistics", async () => {
  const generator = new PartGenerator({ depth: 10, width: 4, categories: 5, hidden: 6 });
  await checkNetwork("part_generator", {
    store: generator.store,
    heatmaps(x, pass) {
      const u = generator.forward(x, pass);
      return [reshape(u, [-1, 1, 1, 15]), reshape(partTransforms(u), [-1, 1, 1, 30])];
    },
  });
});

test("ASDA's generator has the published numbers of parameters, starts with the identity and stays in its bounds", async () => {
  expect(new PartGenerator().store.parameterCount).toBe(12_827_787);
  expect(new PartGenerator({ depth: 50 }).store.parameterCount).toBe(30_074_507);
  const generator = new PartGenerator({ depth: 8, width: 4 });
  const { store } = generator;
  store.materialise(gpu, 2);
  const x = persistentTensor(gpu, [2, 32, 48, 3], { data: Float32Array.from({ length: 2 * 32 * 48 * 3 }, (_, i) => Math.sin(i)) });
  const u = generator.forward(x, TRAINING);
  expect(u.shape).toEqual([2, 25, 3]);
  expect(largest(await u.toArray())).toBeLessThan(1e-7);
  const identity = Array.from({ length: 50 }, () => [1, 0, 0, 0, 1, 0]).flat();
  expectClose(await partTransforms(u).toArray(), identity, "torchLayer", "identity");
  const weight = store.parameter("fc_locs.2.weight");
  gpu.write(weight.range, Float32Array.from({ length: weight.size }, (_, i) => 40 * Math.sin(i * i)));
  const far = await generator.forward(x, TRAINING).toArray();
  expect(largest(far)).toBeLessThanOrEqual(0.5);
  expect(largest(far)).toBeGreaterThan(0.4);
  const maps = await partTransforms(persistentTensor(gpu, [2, 3], { data: Float32Array.of(0.5, 0.25, -0.5, -0.25, 0, 0.1) })).toArray();
  const r = Math.SQRT1_2;
  expectClose(maps, [0, 1, 0.6, -1, 0, -1.2, r, -r, 0, r, r, 0.24], "transcendental", "transforms");
});

for (const [name, build] of Object.entries({
  HRNet: () => new PoseHrnet({ joints: 3, stem: 4, stages: narrow }),
  hourglass: () => new StackedHourglass(hourglasses["hourglass"] as HourglassFacts),
  HigherHRNet: () => new HigherHrnet(highers["higher_hrnet"] as HigherHrnetFacts),
  RSGNet: () => new Rsgnet(rsgnets["rsgnet"] as RsgnetFacts),
})) {
  test(`a recorded step of ${name} gives the gradients of an eager one, bit for bit`, async () => {
    const network = build();
    const { store } = network;
    store.materialise(gpu, 5);
    const x = persistentTensor(gpu, [2, 32, name === "RSGNet" ? 40 : 32, 3]);
    gpu.write(x.range, Float32Array.from({ length: x.size }, (_, i) => Math.sin(i * 0.91)));
    const step = () => {
      store.zeroGradients();
      const losses = network.heatmaps(x, TRAINING).map((y) => sum(mul(y, y)));
      backward(losses.reduce((total, loss) => add(total, loss)));
      store.completeGradients();
    };
    gpu.scope(step);
    const eager = await gpu.readFloats(store.gradientArena);
    expect(largest(eager)).toBeGreaterThan(0);
    gpu.write(store.gradientArena, new Float32Array(eager.length));
    const runner = new StepRunner(gpu, step);
    runner.run(0);
    runner.run(0);
    expect(new Uint32Array((await gpu.readFloats(store.gradientArena)).buffer)).toEqual(new Uint32Array(eager.buffer));
  });
}
