import { expect, test } from "bun:test";
import { logSumExp } from "../../src/ops/log_sum_exp.ts";
import * as ops from "../../src/ops/reduce.ts";
import { planChunks } from "../../src/kernels/reduce.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { reduceReference } from "../reference/reduce.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const meanOf = (values: readonly number[]) => total(values) / values.length;

const REDUCTIONS: Record<string, { op: (x: Tensor, options: ops.ReduceOptions) => Tensor; f: (values: readonly number[]) => number }> = {
  sum: { op: ops.sum, f: total },
  mean: { op: ops.mean, f: meanOf },
  min: { op: ops.min, f: (values) => Math.min(...values) },
  max: { op: ops.max, f: (values) => Math.max(...values) },
  variance: { op: ops.variance, f: (values) => meanOf(values.map((value) => (value - meanOf(values)) ** 2)) },
  logSumExp: { op: logSumExp, f: (values) => Math.log(total(values.map(Math.exp))) },
  norm: { op: ops.norm, f: (values) => Math.hypot(...values) },
};

const SHAPES: { shape: number[]; axes?: number | number[] }[] = [
  { shape: [7] },
  { shape: [3, 5, 7] },
  { shape: [3, 5, 7], axes: 0 },
  { shape: [3, 5, 7], axes: 1 },
  { shape: [3, 5, 7], axes: -1 },
  { shape: [3, 5, 7], axes: [0, 2] },
  { shape: [2, 3, 1, 5, 4], axes: [1, 2, 4] },
  { shape: [2, 3, 4], axes: [] },
  { shape: [1, 3, 1], axes: [0] },
];

for (const [name, { op, f }] of Object.entries(REDUCTIONS)) {
  test(`${name} over any axes, values and gradient`, async () => {
    for (const { shape, axes } of SHAPES) {
      // Values that never tie: extremes keep their place under the check's steps.
      const order = randomValues(count(shape), 1);
      const ranks = [...order.keys()].toSorted((a, b) => (order[a] as number) - (order[b] as number));
      const values = new Float32Array(order.length);
      ranks.forEach((at, rank) => (values[at] = (2 * rank) / order.length - 0.9));
      const options = axes === undefined ? {} : { axes };
      const label = `${name} [${shape}] over ${String(axes)}`;
      if (name === "variance" && Array.isArray(axes) && count(axes.map((axis) => shape[axis] as number)) <= 1) continue;
      const list = axes === undefined ? shape.map((_, axis) => axis) : [axes].flat().map((axis) => (axis < 0 ? axis + shape.length : axis));
      const expected = reduceReference(f, values, { shape, axes: list });
      const x = persistentTensor(gpu, shape, { data: values });
      const y = op(x, options);
      expect([...y.shape]).toEqual(shape.filter((_, axis) => !list.includes(axis)));
      expectClose(await y.toArray(), expected, "transcendental", label);
      expect([...op(x, { ...options, keepAxes: true }).shape]).toEqual(shape.map((size, axis) => (list.includes(axis) ? 1 : size)));
      await checkGradient(gpu, { label, inputs: [{ shape, values }], op: (t) => op(t as Tensor, options), step: 1 / 1024 });
    }
  });
}

test("long axes go through two passes in a fixed order, to f64's sum and to the same bits", async () => {
  for (const [outer, length, inner] of [[1, 100003, 1], [3, 4099, 1], [1, 5003, 17], [2, 977, 5]] as const) {
    expect(planChunks({ outer, length, inner }, true)).toBeGreaterThan(1);
    const shape = [outer, length, inner];
    const values = randomValues(count(shape), 2);
    const x = persistentTensor(gpu, shape, { data: values });
    const first = await ops.sum(x, { axes: 1 }).toArray();
    expectClose(first, reduceReference(total, values, { shape, axes: [1] }), "longSum", `sum [${shape}]`);
    expect(await ops.sum(x, { axes: 1 }).toArray()).toEqual(first);
    expectClose(await ops.max(x, { axes: 1 }).toArray(), reduceReference((list) => list.reduce((a, b) => Math.max(a, b)), values, { shape, axes: [1] }), "exact", `max [${shape}]`);
  }
});

test("sum and mean are adjoint to their gradients", async () => {
  for (const op of [ops.sum, ops.mean]) await checkAdjoint(gpu, { label: op.name, inputs: [{ shape: [3, 70, 5] }], op: (x) => op(x as Tensor, { axes: 1 }) });
});

test("argmax takes the first of equal maxima", async () => {
  const x = persistentTensor(gpu, [2, 4], { data: Float32Array.of(1, 3, 3, 0, -5, -1, -7, -1) });
  const places = async (tensor: Tensor) => [...new Uint32Array((await tensor.toArray()).buffer)];
  expect(await places(ops.argmax(x, { axis: 1 }))).toEqual([1, 1]);
  expect(await places(ops.argmax(x, { axis: 0 }))).toEqual([0, 0, 0, 0]);
  expect(ops.argmax(x, { axis: -1, keepAxes: true }).shape).toEqual([2, 1]);
});

test("a NaN is not hidden by minimum and maximum, wherever it is, and argmax takes the first", async () => {
  for (const length of [1, 5, 64, 5003]) {
    for (const at of new Set([0, length >> 1, length - 1])) {
      const data = Float32Array.from({ length }, (_, i) => ((i * 7) % 13) - 6).fill(Number.NaN, at);
      const label = `NaN from ${at} of ${length}`;
      for (const op of [ops.min, ops.max]) {
        const once = persistentTensor(gpu, [length, 1], { data: data.map((value, i) => (i === at ? value : 1)) });
        expect([...(await op(once, { axes: 0 }).toArray())], `${op.name}, ${label}`).toEqual([Number.NaN]);
      }
      const x = persistentTensor(gpu, [length, 1], { data });
      expect(new Uint32Array((await ops.argmax(x, { axis: 0 }).toArray()).buffer)[0], label).toBe(at);
    }
  }
});

test("logSumExp neither overflows nor loses a row of minus infinity", async () => {
  const low = Number.NEGATIVE_INFINITY;
  const x = persistentTensor(gpu, [3, 2], { data: Float32Array.of(500, 500, -500, -500, low, low) });
  const y = [...(await logSumExp(x, { axes: 1 }).toArray())];
  expectClose(y.slice(0, 2), [500 + Math.log(2), -500 + Math.log(2)], "transcendental", "far values");
  expect(y[2]).toBe(low);
});

test("wrong axes are refused by name", () => {
  const x = persistentTensor(gpu, [2, 3]);
  expect(() => ops.sum(x, { axes: 2 })).toThrow("sum: axis must be in [-2, 1] for shape [2, 3], got 2");
  expect(() => ops.max(x, { axes: [0, -2] })).toThrow("max: axes must be distinct, got 0, -2");
  expect(() => ops.variance(x, { axes: 0, correction: 2 })).toThrow("variance: needs more than 2 elements, got 2");
});

test("equals PyTorch, with all gradients", async () => {
  const over = (op: (x: Tensor, options: ops.ReduceOptions) => Tensor, options: ops.ReduceOptions) => (x?: Tensor) => op(x as Tensor, options);
  await checkGolden(
    gpu,
    "reduce",
    {
      sum: over(ops.sum, { axes: [0, 2] }),
      mean: over(ops.mean, { axes: 1, keepAxes: true }),
      min: over(ops.min, { axes: [1, 2] }),
      max: over(ops.max, { axes: 0 }),
      variance: (x) => ops.variance(x as Tensor, { axes: [0, 1], correction: 1 }),
      logSumExp: over(logSumExp, { axes: 2 }),
      norm: over(ops.norm, { axes: 2 }),
      "ties of max": over(ops.max, { axes: 1 }),
    },
    "transcendental",
  );
});
