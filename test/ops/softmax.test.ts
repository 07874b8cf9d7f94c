import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { planChunks } from "../../src/kernels/reduce.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { softmaxReference } from "../reference/softmax.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const OPS = { softmax: { op: softmax, logarithm: false }, logSoftmax: { op: logSoftmax, logarithm: true } };

/** Gradient by the definition: J is y_a (1[a = b] - y_b), for the logarithm 1[a = b] - y_b. */
function gradientReference(values: ArrayLike<number>, upstream: ArrayLike<number>, { length, logarithm }: { length: number; logarithm: boolean }): Float64Array {
  const y = softmaxReference(values, { shape: [values.length / length, length], axis: 1, logarithm: false });
  return Float64Array.from({ length: values.length }, (_, b) => {
    const first = Math.floor(b / length) * length;
    let sum = 0;
    for (let a = first; a < first + length; a++) sum += (upstream[a] as number) * (logarithm ? 1 : (y[a] as number)) * (Number(a === b) - (y[b] as number));
    return sum;
  });
}

for (const [name, { op, logarithm }] of Object.entries(OPS)) {
  test(`${name} over any axis, values and gradient`, async () => {
    for (const { shape, axis } of [
      { shape: [7], axis: 0 },
      { shape: [1, 5], axis: 0 },
      { shape: [3, 5, 7], axis: 0 },
      { shape: [3, 5, 7], axis: 1 },
      { shape: [3, 5, 7], axis: -1 },
      { shape: [2, 3, 2, 11], axis: 2 },
      { shape: [67, 3], axis: 0 },
    ]) {
      const values = randomValues(count(shape), 1).map((value) => 3 * value);
      const label = `${name} [${shape}] over ${axis}`;
      const y = op(persistentTensor(gpu, shape, { data: values }), { axis });
      expect([...y.shape]).toEqual(shape);
      expectClose(await y.toArray(), softmaxReference(values, { shape, axis: axis < 0 ? axis + shape.length : axis, logarithm }), "transcendental", label);
      await checkGradient(gpu, { label, inputs: [{ shape, values }], op: (x) => op(x as Tensor, { axis }) });
    }
  });

  test(`${name}: long lines go through two passes, to f64's values and gradient and to the same bits`, async () => {
    for (const shape of [[1, 4099, 1], [3, 977, 1], [1, 1009, 5], [2, 977, 3]]) {
      const [outer, length, inner] = shape as [number, number, number];
      expect(planChunks({ outer, length, inner }, true)).toBeGreaterThan(1);
      const values = randomValues(count(shape), 2).map((value) => 4 * value);
      const x = persistentTensor(gpu, shape, { data: values, requiresGradient: true });
      const y = op(x, { axis: 1 });
      const first = await y.toArray();
      expectClose(first, softmaxReference(values, { shape, axis: 1, logarithm }), "transcendental", `${name} [${shape}]`);
      expect(await op(x, { axis: 1 }).toArray()).toEqual(first);
      if (inner > 1) continue;
      const upstream = randomValues(count(shape), 3);
      const gradient = backward(y, { gradient: persistentTensor(gpu, shape, { data: upstream }), leaves: [x] }).get(x) as Tensor;
      expectClose(await gradient.toArray(), gradientReference(values, upstream, { length, logarithm }), "longSum", `gradient of ${name} [${shape}]`);
    }
  });

  test(`${name}: a lot of short lines`, async () => {
    const shape = [70_003, 2];
    const values = randomValues(count(shape), 4);
    const x = persistentTensor(gpu, shape, { data: values, requiresGradient: true });
    const y = op(x, { axis: 1 });
    expectClose(await y.toArray(), softmaxReference(values, { shape, axis: 1, logarithm }), "transcendental", name);
    const upstream = randomValues(count(shape), 5);
    const gradient = backward(y, { gradient: persistentTensor(gpu, shape, { data: upstream }), leaves: [x] }).get(x) as Tensor;
    expectClose(await gradient.toArray(), gradientReference(values, upstream, { length: 2, logarithm }), "transcendental", `gradient of ${name}`);
  });
}

test("far logits do not overflow, masked ones count as nothing, in one pass and in two", async () => {
  const low = Number.NEGATIVE_INFINITY;
  const x = persistentTensor(gpu, [3, 2], { data: Float32Array.of(1000, 1001, -1000, -1000, low, 4), requiresGradient: true });
  const expected = [1 / (1 + Math.E), Math.E / (1 + Math.E), 0.5, 0.5, 0, 1];
  const y = softmax(x, { axis: 1 });
  expectClose(await y.toArray(), expected, "transcendental", "softmax");
  const gradient = backward(y, { gradient: persistentTensor(gpu, [3, 2], { data: Float32Array.of(1, 0, 0, 0, 5, 7) }), leaves: [x] }).get(x) as Tensor;
  expectClose(await gradient.toArray(), [Math.E / (1 + Math.E) ** 2, -Math.E / (1 + Math.E) ** 2, 0, 0, 0, 0], "transcendental", "gradient");
  const logarithms = await logSoftmax(x, { axis: 1 }).toArray();
  expect(logarithms[4]).toBe(low);
  expectClose([...logarithms].toSpliced(4, 1), expected.toSpliced(4, 1).map(Math.log), "transcendental", "logSoftmax");

  // Whole chunks of a long line are masked.
  const long = new Float32Array(1024).fill(low);
  long[5] = -3;
  const masked = await softmax(persistentTensor(gpu, [1024], { data: long }), { axis: 0 }).toArray();
  expect([...masked]).toEqual([...long].map((_, i) => Number(i === 5)));
});

test("a wrong axis is refused by name", () => {
  const x = persistentTensor(gpu, [2, 3]);
  expect(() => softmax(x, { axis: 2 })).toThrow("softmax: axis must be in [-2, 1] for shape [2, 3], got 2");
  expect(() => logSoftmax(x, { axis: -3 })).toThrow("logSoftmax: axis must be in [-2, 1] for shape [2, 3], got -3");
});

test("equals PyTorch, with all gradients", async () => {
  const over = (op: typeof softmax, axis: number) => (x?: Tensor) => op(x as Tensor, { axis });
  await checkGolden(
    gpu,
    "softmax",
    {
      "softmax first axis": over(softmax, 0),
      "softmax middle axis": over(softmax, 1),
      "softmax last axis": over(softmax, -1),
      "softmax of pixels": over(softmax, 1),
      "logSoftmax first axis": over(logSoftmax, 0),
      "logSoftmax middle axis": over(logSoftmax, 1),
      "logSoftmax last axis": over(logSoftmax, -1),
      "logSoftmax of pixels": over(logSoftmax, 1),
    },
    "transcendental",
  );
});
