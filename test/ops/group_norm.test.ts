import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { planChunks } from "../../src/kernels/reduce.ts";
import { GroupNorm, LayerNorm } from "../../src/nn/layers.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { groupNorm, layerNorm } from "../../src/ops/group_norm.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type GroupNormFacts, groupNormReference } from "../reference/group_norm.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Groups of channels, or how many last axes are normalised. */
interface Subject {
  shape: number[];
  groups?: number;
  axes?: number;
}

const SUBJECTS: Subject[] = [
  { shape: [3, 7], axes: 1 },
  { shape: [5], axes: 1 },
  { shape: [2, 3, 5, 4], axes: 1 },
  { shape: [2, 3, 5, 4], axes: 2 },
  { shape: [2, 3, 5, 4], axes: 3 },
  { shape: [3, 1, 1], axes: 1 },
  { shape: [4, 6], groups: 2 },
  { shape: [2, 3, 5, 6], groups: 3 },
  { shape: [2, 3, 5, 6], groups: 1 },
  { shape: [2, 7, 5], groups: 5 },
  { shape: [1, 11, 13, 8], groups: 8 },
];

/** Large enough that sums over a group, and those over rows, are cut up. */
const LARGE: Subject[] = [
  { shape: [3, 40, 24, 6], groups: 2 },
  { shape: [2, 61, 17, 3], groups: 1 },
  { shape: [2, 31, 37, 5], axes: 3 },
  { shape: [700, 5], axes: 1 },
];

function apply(x: Tensor | undefined, { groups, gamma, beta }: Subject & { gamma: Tensor | undefined; beta: Tensor | undefined }): Tensor {
  const affine = { gamma: gamma as Tensor, beta: beta as Tensor };
  return groups === undefined ? layerNorm(x as Tensor, affine) : groupNorm(x as Tensor, { groups, ...affine });
}

function factsOf({ shape, groups, axes = 0 }: Subject): GroupNormFacts & { affine: number[] } {
  if (groups === undefined) {
    const affine = shape.slice(-axes);
    return { batch: count(shape.slice(0, -axes)), pixels: 1, groups: 1, channels: count(affine), epsilon: 1e-5, affine };
  }
  const channels = shape.at(-1) as number;
  return { batch: shape[0] as number, pixels: count(shape.slice(1, -1)), groups, channels, epsilon: 1e-5, affine: [channels] };
}

const nameOf = ({ shape, groups, axes }: Subject) => (groups === undefined ? `layerNorm [${shape}] over ${axes} axes` : `groupNorm [${shape}] in ${groups} groups`);

test("values by the definition, far from zero too, and the same bits every time", async () => {
  for (const subject of [...SUBJECTS, ...LARGE]) {
    const facts = factsOf(subject);
    // A mean far from zero: sums of squares would lose the variance.
    const x = randomValues(count(subject.shape), 1).map((value) => value + 10);
    const [gamma, beta] = [randomValues(facts.channels, 2), randomValues(facts.channels, 3)];
    const tensor = (data: Float32Array, shape: number[]) => persistentTensor(gpu, shape, { data });
    const call = () => apply(tensor(x, subject.shape), { ...subject, gamma: tensor(gamma, facts.affine), beta: tensor(beta, facts.affine) });
    const y = await call().toArray();
    expectClose(y, groupNormReference(x, { ...facts, gamma, beta }), "longSum", nameOf(subject));
    expect(await call().toArray()).toEqual(y);
  }
});

for (const subject of SUBJECTS) {
  test(`${nameOf(subject)}: gradient check`, async () => {
    const { affine } = factsOf(subject);
    await checkGradient(gpu, {
      label: nameOf(subject),
      // Spread wide, so that the curvature over a step of the check is small.
      inputs: [{ shape: subject.shape, values: randomValues(count(subject.shape), 4).map((value, i) => 2 * value + (i % 3)) }, { shape: affine }, { shape: affine }],
      op: (x, gamma, beta) => apply(x, { ...subject, gamma, beta }),
    });
  });
}

/** All gradients by the chain rule of the definition, f64. */
function gradientReference(facts: GroupNormFacts, { x, gamma, upstream }: { x: ArrayLike<number>; gamma: ArrayLike<number>; upstream: ArrayLike<number> }) {
  const { batch, pixels, groups, channels, epsilon } = facts;
  const width = channels / groups;
  const plain = groupNormReference(x, { ...facts, gamma: new Float64Array(channels).fill(1), beta: new Float64Array(channels) });
  const [dx, dgamma, dbeta] = [new Float64Array(x.length), new Float64Array(channels), new Float64Array(channels)];
  for (let n = 0; n < batch; n++)
    for (let g = 0; g < groups; g++) {
      const places: number[] = [];
      for (let p = 0; p < pixels; p++) for (let w = 0; w < width; w++) places.push((n * pixels + p) * channels + g * width + w);
      const size = places.length;
      const mean = places.reduce((sum, at) => sum + (x[at] as number), 0) / size;
      const deviation = Math.sqrt(places.reduce((sum, at) => sum + ((x[at] as number) - mean) ** 2, 0) / size + epsilon);
      const slope = (at: number) => (upstream[at] as number) * (gamma[at % channels] as number);
      const first = places.reduce((sum, at) => sum + slope(at), 0) / size;
      const second = places.reduce((sum, at) => sum + slope(at) * (plain[at] as number), 0) / size;
      for (const at of places) {
        dx[at] = (slope(at) - first - (plain[at] as number) * second) / deviation;
        dgamma[at % channels] = (dgamma[at % channels] as number) + (upstream[at] as number) * (plain[at] as number);
        dbeta[at % channels] = (dbeta[at % channels] as number) + (upstream[at] as number);
      }
    }
  return [dx, dgamma, dbeta];
}

test("gradients where sums are cut up; those nobody wants are left out", async () => {
  expect(planChunks({ outer: 3, length: 40 * 24, inner: 2 }, true)).toBeGreaterThan(1);
  expect(planChunks({ outer: 2, length: 31 * 37 * 5, inner: 1 }, true)).toBeGreaterThan(1);
  for (const subject of LARGE) {
    const facts = factsOf(subject);
    const [x, upstream] = [randomValues(count(subject.shape), 5), randomValues(count(subject.shape), 6)];
    const [gamma, beta] = [randomValues(facts.channels, 7), randomValues(facts.channels, 8)];
    const expected = gradientReference(facts, { x, gamma, upstream });
    const seed = persistentTensor(gpu, subject.shape, { data: upstream });
    for (const wanted of [[0, 1, 2], [0], [1], [2]]) {
      const tensors = [x, gamma, beta].map((data, i) => persistentTensor(gpu, i === 0 ? subject.shape : facts.affine, { data, requiresGradient: wanted.includes(i) }));
      const found = backward(apply(tensors[0], { ...subject, gamma: tensors[1], beta: tensors[2] }), { gradient: seed, leaves: tensors });
      for (const [i, tensor] of tensors.entries()) {
        const gradient = found.get(tensor);
        expect(gradient !== undefined).toBe(wanted.includes(i));
        if (gradient) expectClose(await gradient.toArray(), expected[i] as Float64Array, "longSum", `${nameOf(subject)}: gradient ${i}`);
      }
    }
  }
});

test("layers hold PyTorch's weight and bias and start as the plain normalisation", async () => {
  const store = new ParameterStore();
  const norm = new GroupNorm(store, "head.norm", { channels: 6, groups: 3 });
  const layer = new LayerNorm(store, "block.norm", 6);
  store.materialise(gpu, 0);
  expect([...(await readStateDict(store)).keys()].toSorted()).toEqual(["block.norm.bias", "block.norm.weight", "head.norm.bias", "head.norm.weight"]);
  const values = randomValues(2 * 5 * 6, 9);
  const x = persistentTensor(gpu, [2, 5, 6], { data: values });
  const affine = { gamma: new Float64Array(6).fill(1), beta: new Float64Array(6), epsilon: 1e-5 };
  expectClose(await norm.forward(x).toArray(), groupNormReference(values, { batch: 2, pixels: 5, groups: 3, channels: 6, ...affine }), "kernel", "GroupNorm");
  const y = layer.forward(x);
  expectClose(await y.toArray(), groupNormReference(values, { batch: 10, pixels: 1, groups: 1, channels: 6, ...affine }), "kernel", "LayerNorm");
  store.zeroGradients();
  backward(y);
  expectClose(await store.parameter("block.norm.bias").gradient.toArray(), [10, 10, 10, 10, 10, 10], "exact", "gradient of the bias");
});

test("wrong arguments are refused by name", () => {
  const x = persistentTensor(gpu, [2, 4, 6]);
  const of = (...shape: number[]) => persistentTensor(gpu, shape);
  const [six, four] = [of(6), of(4)];
  expect(() => groupNorm(x, { groups: 4, gamma: six, beta: six })).toThrow("groupNorm: groups must divide the 6 channels of x [2, 4, 6], got 4");
  expect(() => groupNorm(x, { groups: 0, gamma: six, beta: six })).toThrow("groupNorm: groups must divide the 6 channels of x [2, 4, 6], got 0");
  expect(() => groupNorm(x, { groups: 2, gamma: four, beta: six })).toThrow("groupNorm: gamma must be [6] for x [2, 4, 6], got [4]");
  expect(() => groupNorm(six, { groups: 2, gamma: six, beta: six })).toThrow("groupNorm: x must be [n, ..., c], got [6]");
  expect(() => layerNorm(x, { gamma: four, beta: four })).toThrow("layerNorm: gamma must have the shape of the last axes of x [2, 4, 6], got [4]");
  expect(() => layerNorm(x, { gamma: of(1, 2, 4, 6), beta: six })).toThrow("layerNorm: gamma must have the shape of the last axes of x [2, 4, 6], got [1, 2, 4, 6]");
  expect(() => layerNorm(x, { gamma: of(4, 6), beta: six })).toThrow("layerNorm: beta must be [4, 6] like gamma, got [6]");
});

test("equals PyTorch, with all gradients", async () => {
  const call = (subject: Omit<Subject, "shape"> = {}) => (x?: Tensor, gamma?: Tensor, beta?: Tensor) => apply(x, { shape: [], ...subject, gamma, beta });
  await checkGolden(gpu, "group_norm", {
    "layerNorm over channels": call(),
    "layerNorm over pixels and channels": call(),
    "layerNorm of rows": call(),
    "groupNorm of images": call({ groups: 3 }),
    "groupNorm of rows": call({ groups: 2 }),
    "groupNorm in one group": call({ groups: 1 }),
    "groupNorm by channel": call({ groups: 6 }),
  });
});
