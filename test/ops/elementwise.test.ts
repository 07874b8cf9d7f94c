import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import * as ops from "../../src/ops/elementwise.ts";
import { add, type Operand } from "../../src/ops/elementwise.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { broadcastReference } from "../reference/broadcast.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();

interface Unary {
  op: (x: Tensor) => Tensor;
  f: (x: number) => number;
  /** Values that the function is tried at, from uniform ones in [-1, 1): off its kinks, inside its domain. */
  domain?: (u: number) => number;
  differentiable?: boolean;
}

const positive = (u: number) => 1.5 + u;
const offZero = (u: number) => u + 0.05 * Math.sign(u);

const UNARY: Record<string, Unary> = {
  neg: { op: ops.neg, f: (x) => -x },
  sqrt: { op: ops.sqrt, f: Math.sqrt, domain: positive },
  safeSqrt: { op: ops.safeSqrt, f: Math.sqrt, domain: positive },
  rsqrt: { op: ops.rsqrt, f: (x) => 1 / Math.sqrt(x), domain: positive },
  square: { op: ops.square, f: (x) => x * x },
  exp: { op: ops.exp, f: Math.exp, domain: (u) => 4 * u },
  log: { op: ops.log, f: Math.log, domain: positive },
  abs: { op: ops.abs, f: Math.abs, domain: offZero },
  sign: { op: ops.sign, f: Math.sign, domain: offZero, differentiable: false },
  sin: { op: ops.sin, f: Math.sin, domain: (u) => 3 * u },
  cos: { op: ops.cos, f: Math.cos, domain: (u) => 3 * u },
  tanh: { op: ops.tanh, f: Math.tanh, domain: (u) => 3 * u },
  sigmoid: { op: ops.sigmoid, f: (x) => 1 / (1 + Math.exp(-x)), domain: (u) => 6 * u },
  relu: { op: ops.relu, f: (x) => Math.max(x, 0), domain: offZero },
  leakyRelu: { op: (x) => ops.leakyRelu(x, 0.2), f: (x) => (x < 0 ? 0.2 * x : x), domain: offZero },
  softplus: { op: ops.softplus, f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), domain: (u) => 8 * u },
  clamp: { op: (x) => ops.clamp(x, { low: -0.5, high: 0.25 }), f: (x) => Math.min(0.25, Math.max(-0.5, x)), domain: (u) => Math.round(u * 20 + 0.5) / 20 + 0.025 },
};

interface Binary {
  op: (a: Operand, b: Operand) => Tensor;
  f: (a: number, b: number) => number;
  domain?: (u: number) => number;
  /** The second operand's, where it differs. */
  right?: (u: number) => number;
  differentiable?: boolean;
}

/** Multiples of 1/8, so that a second operand between them never ties. */
const onGrid = (u: number) => Math.round(u * 8) / 8;

const BINARY: Record<string, Binary> = {
  add: { op: ops.add, f: (a, b) => a + b },
  sub: { op: ops.sub, f: (a, b) => a - b },
  mul: { op: ops.mul, f: (a, b) => a * b },
  div: { op: ops.div, f: (a, b) => a / b, domain: positive },
  pow: { op: ops.pow, f: Math.pow, domain: positive },
  minimum: { op: ops.minimum, f: Math.min, domain: onGrid, right: (u) => onGrid(u) + 1 / 16 },
  maximum: { op: ops.maximum, f: Math.max, domain: onGrid, right: (u) => onGrid(u) + 1 / 16 },
  equal: { op: ops.equal, f: (a, b) => Number(a === b), domain: Math.round, differentiable: false },
  notEqual: { op: ops.notEqual, f: (a, b) => Number(a !== b), domain: Math.round, differentiable: false },
  less: { op: ops.less, f: (a, b) => Number(a < b), domain: Math.round, differentiable: false },
  lessEqual: { op: ops.lessEqual, f: (a, b) => Number(a <= b), domain: Math.round, differentiable: false },
  greater: { op: ops.greater, f: (a, b) => Number(a > b), domain: Math.round, differentiable: false },
  greaterEqual: { op: ops.greaterEqual, f: (a, b) => Number(a >= b), domain: Math.round, differentiable: false },
};

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const identity = (u: number) => u;

for (const [name, { op, f, domain = identity, differentiable = true }] of Object.entries(UNARY)) {
  test(`${name}: values and gradient`, async () => {
    for (const shape of [[1], [3, 5, 7]]) {
      const values = randomValues(count(shape), 1).map(domain);
      const y = await op(persistentTensor(gpu, shape, { data: values })).toArray();
      expectClose(y, Float64Array.from(values, f), "transcendental", `${name} [${shape}]`);
      if (differentiable) await checkGradient(gpu, { label: `${name} [${shape}]`, inputs: [{ shape, values }], op: (x) => op(x as Tensor) });
    }
  });
}

/** Pairs of shapes that broadcast, with the result's. */
const PAIRS: [number[], number[], number[]][] = [
  [[2, 3, 5], [2, 3, 5], [2, 3, 5]],
  [[2, 3, 5], [5], [2, 3, 5]],
  [[2, 3, 1], [2, 1, 5], [2, 3, 5]],
  [[1], [7, 3], [7, 3]],
  [[4, 1, 3], [5, 1], [4, 5, 3]],
  [[2, 1, 3, 1, 5], [7, 1, 2, 1], [2, 7, 3, 2, 5]],
];

for (const [name, { op, f, domain = identity, right: rightDomain = domain, differentiable = true }] of Object.entries(BINARY)) {
  test(`${name}: broadcasting, numbers and gradients`, async () => {
    for (const [left, right, shape] of PAIRS) {
      const [a, b] = [randomValues(count(left), 2).map(domain), randomValues(count(right), 3).map(rightDomain)];
      const label = `${name} [${left}] and [${right}]`;
      const y = op(persistentTensor(gpu, left, { data: a }), persistentTensor(gpu, right, { data: b }));
      expect([...y.shape]).toEqual(shape);
      expectClose(await y.toArray(), broadcastReference(f, [{ values: a, shape: left }, { values: b, shape: right }], shape), "transcendental", label);
      if (!differentiable) continue;
      const inputs = [{ shape: left, values: a }, { shape: right, values: b }];
      await checkGradient(gpu, { label, inputs, op: (x, z) => op(x as Tensor, z as Tensor), step: 1 / 512 });
    }
    const values = randomValues(35, 4).map(domain);
    const x = persistentTensor(gpu, [5, 7], { data: values });
    const c = rightDomain(0.4);
    expectClose(await op(x, c).toArray(), Float64Array.from(values, (value) => f(value, Math.fround(c))), "transcendental", `${name} with a number`);
    expectClose(await op(c, x).toArray(), Float64Array.from(values, (value) => f(Math.fround(c), value)), "transcendental", `a number ${name}`);
    if (differentiable) {
      await checkGradient(gpu, { label: `${name} with a number`, inputs: [{ shape: [5, 7], values }], op: (t) => add(op(t as Tensor, c), op(c, t as Tensor)), step: 1 / 512 });
    }
  });
}

test("where chooses by its condition and sends the gradient the same way", async () => {
  const condition = persistentTensor(gpu, [3, 1], { data: Float32Array.of(1, 0, -2) });
  const [a, b] = [randomValues(15, 5), randomValues(5, 6)];
  const y = ops.where(condition, persistentTensor(gpu, [3, 5], { data: a }), persistentTensor(gpu, [5], { data: b }));
  expectClose(await y.toArray(), a.map((value, i) => (i >= 5 && i < 10 ? (b[i - 5] as number) : value)), "exact", "where");
  await checkGradient(gpu, { label: "where", inputs: [{ shape: [3, 5] }, { shape: [5] }], op: (x, z) => ops.where(condition, x as Tensor, z as Tensor) });
});

test("no gradient comes out of a condition or a comparison", async () => {
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(-1, 0, 2), requiresGradient: true });
  const kept = persistentTensor(gpu, [3], { data: Float32Array.of(1, 2, 3), requiresGradient: true });
  const y = ops.mul(ops.where(x, kept, 0), ops.greater(x, -5));
  const leaves = backward(y, { leaves: [x, kept] });
  expect(leaves.get(x)).toBeUndefined();
  expect([...(await (leaves.get(kept) as Tensor).toArray())]).toEqual([1, 0, 1]);
});

test("elements that tie share the gradient of minimum and maximum", async () => {
  for (const op of [ops.minimum, ops.maximum]) {
    const [a, b] = [0, 1].map(() => persistentTensor(gpu, [2], { data: Float32Array.of(3, -3), requiresGradient: true })) as [Tensor, Tensor];
    const leaves = backward(op(a, b), { leaves: [a, b] });
    for (const leaf of [a, b]) expect([...(await (leaves.get(leaf) as Tensor).toArray())]).toEqual([0.5, 0.5]);
  }
});

test("the edges of the table: powers of negative numbers, far ends, zeros", async () => {
  const tensor = (...values: number[]) => persistentTensor(gpu, [values.length], { data: Float32Array.from(values) });
  expect([...(await ops.pow(tensor(-2, -2, -2, 0, 0, 3), tensor(3, 2, -1, 0, 2, 1)).toArray())]).toEqual([-8, 4, -0.5, 1, 0, 3]);
  expect([...(await ops.sigmoid(tensor(-200, 200)).toArray())]).toEqual([0, 1]);
  expect([...(await ops.softplus(tensor(-200, 200)).toArray())]).toEqual([0, 200]);
  expect([...(await ops.tanh(tensor(-50, 50, 0)).toArray())]).toEqual([-1, 1, 0]);
  const small = await ops.softplus(tensor(-15)).toArray();
  expect(Math.abs((small[0] as number) / Math.log1p(Math.exp(-15)) - 1)).toBeLessThan(1e-5);
  const zero = persistentTensor(gpu, [2], { data: Float32Array.of(0, 4), requiresGradient: true });
  expect([...(await (backward(ops.safeSqrt(zero), { leaves: [zero] }).get(zero) as Tensor).toArray())]).toEqual([0, 0.25]);
});

test("relu keeps the positive and zeroes the rest, on more elements than one axis of workgroups holds", async () => {
  const size = 65535 * 64 + 77;
  const data = new Float32Array(size).map((_, i) => ((i * 7919) % 2001) - 1000);
  const y = await ops.relu(persistentTensor(gpu, [size], { data })).toArray();
  expect(y.findIndex((value, i) => value !== Math.max(data[i] as number, 0))).toBe(-1);
});

test("relu's gradient at zero is zero, and a NaN passes through", async () => {
  const x = persistentTensor(gpu, [4], { data: Float32Array.of(-1, 0, 1e-30, 2), requiresGradient: true });
  const gradient = persistentTensor(gpu, [4], { data: Float32Array.of(3, 4, 5, 6) });
  const leaves = backward(ops.relu(x), { gradient, leaves: [x] });
  expect([...(await (leaves.get(x) as Tensor).toArray())]).toEqual([0, 0, 5, 6]);
  const odd = persistentTensor(gpu, [3], { data: Float32Array.of(Number.NaN, -1, Number.NEGATIVE_INFINITY) });
  expect([...(await ops.relu(odd).toArray())]).toEqual([Number.NaN, 0, 0]);
});

test("minimum, maximum and clamp let a NaN through, as PyTorch's do", async () => {
  const nan = Number.NaN;
  const [a, b] = [Float32Array.of(nan, 1, nan, 2), Float32Array.of(1, nan, nan, 3)].map((data) => persistentTensor(gpu, [4], { data })) as [Tensor, Tensor];
  expect([...(await ops.minimum(a, b).toArray())]).toEqual([nan, nan, nan, 2]);
  expect([...(await ops.maximum(a, b).toArray())]).toEqual([nan, nan, nan, 3]);
  expect([...(await ops.clamp(a, { low: 0, high: 1.5 }).toArray())]).toEqual([nan, 1, nan, 1.5]);
});

test("a tensor added to itself twice gets four times the gradient, and the incoming one stays as it was", async () => {
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(1, 2, 3), requiresGradient: true });
  const twice = add(x, x);
  const gradient = persistentTensor(gpu, [3], { data: Float32Array.of(1, -2, 0.5) });
  const leaves = backward(add(twice, twice), { gradient, leaves: [x] });
  expect([...(await (leaves.get(x) as Tensor).toArray())]).toEqual([4, -8, 2]);
  expect([...(await gradient.toArray())]).toEqual([1, -2, 0.5]);
  await checkAdjoint(gpu, { label: "add", inputs: [{ shape: [4, 16, 12, 8] }], op: (t) => add(t as Tensor, ops.mul(t as Tensor, 0.5)) });
});

test("shapes that do not broadcast are refused with their axis", () => {
  const [a, b] = [[2, 3], [3, 2]].map((shape) => persistentTensor(gpu, shape)) as [Tensor, Tensor];
  expect(() => ops.mul(a, b)).toThrow("mul: shapes [2, 3] and [3, 2] do not broadcast: axis 0 has 2 and 3");
  expect(() => ops.add(1, 2)).toThrow("add: at least one operand must be a tensor");
  expect(() => ops.clamp(a, { low: 2, high: 1 })).toThrow("clamp: low must not be above high");
});

test("random shapes of up to six axes broadcast as the reference does", async () => {
  const random = testRandom(7);
  for (let round = 0; round < 20; round++) {
    const shape = Array.from({ length: random.integer(1, 7) }, () => random.integer(1, 5));
    const shrunk = () => shape.slice(random.integer(0, shape.length)).map((size) => (random.uniform() < 0.4 ? 1 : size));
    const shapes = [shrunk(), shrunk(), shape].toSorted(() => 0);
    const values = shapes.map((own, i) => randomValues(count(own), 10 * round + i + 20));
    const tensors = shapes.map((own, i) => persistentTensor(gpu, own, { data: values[i] as Float32Array })) as [Tensor, Tensor, Tensor];
    const y = add(ops.mul(tensors[0], tensors[2]), tensors[1]);
    const expected = broadcastReference((a, b, c) => Math.fround(a * c) + b, shapes.map((own, i) => ({ shape: own, values: values[i] as Float32Array })), shape);
    expectClose(await y.toArray(), expected, "kernel", `shapes ${JSON.stringify(shapes)}`);
  }
});

test("equals PyTorch, with all gradients", async () => {
  await checkGolden(gpu, "elementwise", {
    ...Object.fromEntries(Object.entries(UNARY).filter(([name, { differentiable }]) => name !== "safeSqrt" && differentiable !== false).map(([name, { op }]) => [name, (x?: Tensor) => op(x as Tensor)])),
    ...Object.fromEntries(Object.entries(BINARY).filter(([, { differentiable }]) => differentiable !== false).map(([name, { op }]) => [name, (a?: Tensor, b?: Tensor) => op(a as Tensor, b as Tensor)])),
    where: (c, a, b) => ops.where(ops.greater(c as Tensor, 0), a as Tensor, b as Tensor),
  }, "transcendental");
});
