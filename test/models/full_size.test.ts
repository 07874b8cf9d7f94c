/** The networks at their published size against PyTorch. Takes a minute or two, so it runs where LIMBER_SLOW is set. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { fromTorch, permute, torchShape, toTorch } from "../../src/interop/layout.ts";
import { toFloat32 } from "../../src/interop/safetensors.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { HigherHrnet } from "../../src/models/higher_hrnet.ts";
import { StackedHourglass } from "../../src/models/hourglass.ts";
import { hrnetStages, PoseHrnet } from "../../src/models/hrnet.ts";
import { PartGenerator, partTransforms } from "../../src/models/part_generator.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { Rsgnet } from "../../src/models/rsgnet.ts";
import { EVALUATION, type Pass } from "../../src/nn/layers.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import type { ParameterStore } from "../../src/nn/store.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { Golden } from "../golden/load.ts";
import { TOLERANCES } from "../tolerances.ts";

interface Case {
  /** Input, px. */
  height: number;
  width: number;
  /** Tensors in front of a max pool, where rounding decides near ties: PyTorch's own gradients in f32 and f64 differ there by up to 8e-3. */
  pooled?: RegExp;
  build(): { store: ParameterStore; heatmaps(x: Tensor, pass: Pass): readonly Tensor[] };
}

const BATCH = 2;

/** RSGNet's outputs with a relation target that the golden script computes too. */
function rsgnet(joints: number, width: number): ReturnType<Case["build"]> {
  const places = 24 * 32;
  const limbs = Array.from({ length: joints }, (_, i) => [i, (i + 1) % joints] as const);
  const network = new Rsgnet({ joints, limbs, inputSize: [96, 128], stages: hrnetStages(width), upScale: 2 });
  const { store } = network;
  const relationTarget = store.declareConstant({
    name: "relation target",
    shape: [BATCH, places],
    values: () => Float32Array.from({ length: BATCH * places }, (_, i) => ((i % places) * (i < places ? 1 : 2) % 7) / 7),
  });
  return {
    store,
    heatmaps(x, pass) {
      const { multi, target, limbs: masks, relation } = network.outputs(x, pass, { relationTarget: relationTarget() });
      return [multi, target, masks, reshape(relation as Tensor, [BATCH, 1, 1, 1])];
    },
  };
}

/** The generator's choices and transforms as images of one pixel. */
function generator(depth: 18 | 50): ReturnType<Case["build"]> {
  const network = new PartGenerator({ depth });
  return {
    store: network.store,
    heatmaps(x, pass) {
      const u = network.forward(x, pass);
      return [reshape(u, [BATCH, 1, 1, 75]), reshape(partTransforms(u), [BATCH, 1, 1, 150])];
    },
  };
}

const CASES: Record<string, Case> = {
  pose_resnet18: { height: 128, width: 96, pooled: /^(conv1|bn1)/, build: () => new PoseResnet({ depth: 18, joints: 24 }) },
  pose_resnet34: { height: 128, width: 96, pooled: /^(conv1|bn1)/, build: () => new PoseResnet({ depth: 34, joints: 16 }) },
  pose_resnet152: { height: 128, width: 96, pooled: /^(conv1|bn1)/, build: () => new PoseResnet({ depth: 152, joints: 14 }) },
  pose_resnet101: { height: 128, width: 96, pooled: /^(conv1|bn1)/, build: () => new PoseResnet({ depth: 101, joints: 17 }) },
  pose_resnet50: { height: 256, width: 192, pooled: /^(conv1|bn1)/, build: () => new PoseResnet({ depth: 50, joints: 17 }) },
  hrnet_w32: { height: 256, width: 192, build: () => new PoseHrnet({ joints: 17, stages: hrnetStages(32) }) },
  hrnet_w48: { height: 128, width: 96, build: () => new PoseHrnet({ joints: 17, stages: hrnetStages(48) }) },
  hourglass2: { height: 256, width: 256, pooled: /./, build: () => new StackedHourglass({ joints: 16, stacks: 2 }) },
  hourglass8: { height: 128, width: 128, pooled: /./, build: () => new StackedHourglass({ joints: 16, stacks: 8 }) },
  higher_hrnet_w32: { height: 128, width: 128, build: () => new HigherHrnet({ joints: 17, stages: hrnetStages(32) }) },
  higher_hrnet_w48: { height: 128, width: 128, build: () => new HigherHrnet({ joints: 14, stages: hrnetStages(48) }) },
  rsgnet_w32: { height: 128, width: 96, build: () => rsgnet(14, 32) },
  rsgnet_w48: { height: 128, width: 96, build: () => rsgnet(17, 48) },
  part_generator18: { height: 256, width: 192, pooled: /^trunk\.(conv1|bn1)/, build: () => generator(18) },
  part_generator50: { height: 256, width: 192, pooled: /^trunk\.(conv1|bn1)/, build: () => generator(50) },
};

/** In [-1, 1): a mixed 32-bit hash of the place and FNV-1a of the name; `numbers` of test/golden/make_full.py. */
function numbers(name: string, count: number): Float64Array {
  let seed = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) seed = Math.imul(seed ^ name.charCodeAt(i), 0x01000193);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let h = Math.imul(i, 2654435761) + seed;
    h = Math.imul(h ^ (h >>> 16), 2246822519);
    h = Math.imul(h ^ (h >>> 13), 3266489917);
    out[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return out;
}

const product = (shape: readonly number[]) => shape.reduce((total, size) => total * size, 1);

/** Hashed numbers of an image in PyTorch's order, in ours. */
function image(name: string, [n = 0, h = 0, w = 0, c = 0]: readonly number[], scale = 1): Float32Array {
  const values = Float32Array.from(numbers(name, n * c * h * w), (value) => scale * value);
  return permute(values, [n, c, h, w], [0, 2, 3, 1]);
}

function fillNetwork(store: ParameterStore): void {
  const lengths = new Map(store.declarations.map(({ name, shape }) => [name, shape.length]));
  for (const { name, shape, kind } of store.declarations) {
    const torch = torchShape(shape, kind);
    const u = numbers(name, product(shape));
    const isWeight = name.endsWith("weight");
    const normalises = torch.length === 1 && lengths.get(name.replace(/bias$/, "weight")) === 1;
    const scale = torch.length > 1 ? Math.sqrt(4.2 / product(torch.slice(1))) : normalises && isWeight ? 0.1 : 0.4;
    const shift = normalises ? (isWeight ? 0.4 : 3) : 0;
    const parameter = store.parameter(name);
    parameter.gpu.write(parameter.range, fromTorch(Float32Array.from(u, (value) => scale * value + shift), shape, kind));
  }
  const running = new Float32Array(store.runningArena.bytes / 4);
  for (const { name, channels, offset } of store.statisticsDeclarations) {
    running.set(numbers(`${name}.running_mean`, channels).map((value) => 0.25 * value), offset);
    running.set(numbers(`${name}.running_var`, channels).map((value) => 0.75 + 0.25 * value), running.length / 2 + offset);
  }
  store.gpu.write(store.runningArena, running);
}

/** Largest difference at the samples (see make_full.py), relative to the largest value of the whole tensor. */
function difference(actual: Float32Array, golden: Golden, key: string, scale?: number): number {
  const expected = golden.floats(key);
  const count = expected.length - 1;
  const largest = expected[count] as number;
  let worst = Math.abs(actual.reduce((most, value) => Math.max(most, Math.abs(value)), 0) - largest);
  for (let k = 0; k < count; k++) worst = Math.max(worst, Math.abs((actual[Math.floor((k * actual.length) / count)] as number) - (expected[k] as number)));
  const relative = worst / (scale ?? largest);
  return worst === 0 ? 0 : relative;
}

setDefaultTimeout(300_000);

for (const [name, { height, width, pooled, build }] of Object.entries(CASES)) {
  test.skipIf(process.env["LIMBER_SLOW"] === undefined)(`slow: ${name} at its published size equals PyTorch's: outputs, all gradients, running statistics, evaluation`, async () => {
    // A device of its own, because all tensors of such a step are held until the end.
    const gpu = await openDevice({ mode: "checked" });
    const golden = await Golden.open(`full/${name}`);
    const network = build();
    const { store } = network;
    store.materialise(gpu, 0);
    fillNetwork(store);
    const differences = { outputs: 0, gradients: 0, beforePools: 0, statistics: 0, evaluation: 0 };
    let worstGradient = "";
    try {
      const x = persistentTensor(gpu, [BATCH, height, width, 3], { data: image("x", [BATCH, height, width, 3], 1.7) });
      const outputs = network.heatmaps(x, { training: true, groups: 1, slot: 0 });
      const losses = outputs.map((y, i) => sum(mul(y, persistentTensor(gpu, y.shape, { data: image(`gy.${i}`, y.shape) }))));
      store.zeroGradients();
      backward(losses.reduce((total, loss) => add(total, loss)));
      store.completeGradients();
      const inTorch = async (y: Tensor) => permute(await y.toArray(), y.shape, [0, 3, 1, 2]);
      for (const [i, y] of outputs.entries()) differences.outputs = Math.max(differences.outputs, difference(await inTorch(y), golden, `y.${i}`));
      for (const { name: key, shape, kind } of store.declarations) {
        const actual = toTorch(await store.parameter(key).gradient.toArray(), shape, kind);
        // A bias that a batchnorm takes away again has no gradient but rounding errors, as large as its weight's allow.
        const weight = key.replace(/bias$/, "weight");
        const scale = weight === key ? 0 : (golden.floats(`grad.${weight}`).at(-1) as number);
        const own = difference(actual, golden, `grad.${key}`, Math.max(scale, golden.floats(`grad.${key}`).at(-1) as number));
        if (pooled?.test(key)) differences.beforePools = Math.max(differences.beforePools, own);
        else if (own > differences.gradients) [differences.gradients, worstGradient] = [own, key];
      }
      store.updateRunning([0]);
      const dict = await readStateDict(store);
      for (const key of golden.names().filter((own) => own.startsWith("after."))) {
        const tensor = dict.get(key.slice(6));
        if (!tensor) throw new Error(`no ${key}`);
        differences.statistics = Math.max(differences.statistics, difference(toFloat32(tensor, key), golden, key));
      }
      for (const [i, y] of network.heatmaps(x, EVALUATION).entries()) differences.evaluation = Math.max(differences.evaluation, difference(await inTorch(y), golden, `y_eval.${i}`));
    } finally {
      await gpu.close();
    }
    console.log(name, differences);
    for (const key of ["outputs", "statistics", "evaluation"] as const) expect(differences[key], key).toBeLessThanOrEqual(TOLERANCES.torchNetwork.relative);
    expect(differences.gradients, worstGradient).toBeLessThanOrEqual(TOLERANCES.torchGradient.relative);
    expect(differences.beforePools).toBeLessThanOrEqual(0.03);
  });
}
