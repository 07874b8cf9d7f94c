import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { mul } from "../../src/ops/elementwise.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { concat, expand, flip, pad, permute, slice, type SliceRange, split, stack, transpose } from "../../src/ops/shape.ts";
import { persistentTensor, stopGradient, type Tensor } from "../../src/tensor/tensor.ts";
import { gatherReference } from "../reference/shape.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

interface Moved {
  label: string;
  shape: number[];
  op: (x: Tensor) => Tensor;
  out: number[];
  /** Input index of an output index; undefined where the output is `background`. */
  source: (index: readonly number[]) => number[] | undefined;
  background?: number;
}

const MOVES: Moved[] = [
  { label: "permute 0213", shape: [2, 3, 5, 4], op: (x) => permute(x, [0, 2, 1, 3]), out: [2, 5, 3, 4], source: ([a = 0, b = 0, c = 0, d = 0]) => [a, c, b, d] },
  { label: "permute of six axes", shape: [2, 1, 3, 2, 5, 2], op: (x) => permute(x, [5, 4, 3, 2, 1, 0]), out: [2, 5, 2, 3, 1, 2], source: (index) => index.toReversed() },
  { label: "transpose", shape: [3, 7], op: (x) => transpose(x), out: [7, 3], source: (index) => index.toReversed() },
  { label: "rows, aligned or not", shape: [5, 3], op: (x) => slice(x, [{ start: 1, end: 4 }]), out: [3, 3], source: ([a = 0, b = 0]) => [a + 1, b] },
  { label: "rows, aligned", shape: [3, 64], op: (x) => slice(x, [{ start: 1 }]), out: [2, 64], source: ([a = 0, b = 0]) => [a + 1, b] },
  { label: "every second column from the end", shape: [4, 9], op: (x) => slice(x, [{}, { start: -8, step: 2 }]), out: [4, 4], source: ([a = 0, b = 0]) => [a, 1 + 2 * b] },
  { label: "a box", shape: [4, 5, 6], op: (x) => slice(x, [{ start: 1, end: 3 }, { start: 2 }, { end: -1 }]), out: [2, 3, 5], source: ([a = 0, b = 0, c = 0]) => [a + 1, b + 2, c] },
  { label: "flip", shape: [3, 4, 5], op: (x) => flip(x, [0, -1]), out: [3, 4, 5], source: ([a = 0, b = 0, c = 0]) => [2 - a, b, 4 - c] },
  { label: "pad", shape: [2, 3], op: (x) => pad(x, [[1, 0], [2, 1]], -4), out: [3, 6], background: -4, source: ([a = 0, b = 0]) => (a >= 1 && b >= 2 && b < 5 ? [a - 1, b - 2] : undefined) },
  { label: "expand", shape: [3, 1], op: (x) => expand(x, [2, 3, 4]), out: [2, 3, 4], source: ([, b = 0]) => [b, 0] },
  { label: "reshape", shape: [2, 6], op: (x) => reshape(x, [3, -1]), out: [3, 4], source: ([a = 0, b = 0]) => [Math.floor((4 * a + b) / 6), (4 * a + b) % 6] },
];

for (const { label, shape, op, out, source, background = 0 } of MOVES) {
  test(`${label}: every element at its place, and its gradient back`, async () => {
    const values = randomValues(count(shape), 1);
    const y = op(persistentTensor(gpu, shape, { data: values }));
    expect([...y.shape]).toEqual(out);
    expectClose(await y.toArray(), gatherReference(values, { shape, out, source, background }), "exact", label);
    await checkGradient(gpu, { label, inputs: [{ shape }], op: (x) => op(x as Tensor) });
    if (background === 0) await checkAdjoint(gpu, { label, inputs: [{ shape }], op: (x) => op(x as Tensor) });
  });
}

test("concat, stack and split undo one another", async () => {
  for (const axis of [0, 1, -1]) {
    const shapes = [1, 3, 2].map((size) => [4, 5, 6].with(axis, size));
    const values = shapes.map((shape, i) => randomValues(count(shape), i));
    const tensors = shapes.map((shape, i) => persistentTensor(gpu, shape, { data: values[i] as Float32Array }));
    const whole = concat(tensors, axis);
    expect(whole.shape.at(axis)).toBe(6);
    const parts = split(whole, [1, 3, 2], axis);
    for (const [i, part] of parts.entries()) expectClose(await part.toArray(), values[i] as Float32Array, "exact", `part ${i} along ${axis}`);
    await checkGradient(gpu, { label: `concat along ${axis}`, inputs: shapes.map((shape) => ({ shape })), op: (...inputs) => concat(inputs, axis) });
    await checkGradient(gpu, {
      label: `split along ${axis}`,
      inputs: [{ shape: whole.shape }],
      op: (x) => {
        const [first, second, third] = split(x as Tensor, [1, 3, 2], axis) as [Tensor, Tensor, Tensor];
        return concat([third, mul(first, 2), second], axis);
      },
    });
  }
  const [a, b] = [persistentTensor(gpu, [2, 2], { data: Float32Array.of(1, 2, 3, 4) }), persistentTensor(gpu, [2, 2], { data: Float32Array.of(5, 6, 7, 8) })];
  const stacked = stack([a, b], 1);
  expect(stacked.shape).toEqual([2, 2, 2]);
  expect([...(await stacked.toArray())]).toEqual([1, 2, 5, 6, 3, 4, 7, 8]);
});

test("a slice that the adapter can bind shares memory with its tensor, and its gradient is right beside others", async () => {
  const x = persistentTensor(gpu, [4, 64], { data: randomValues(256, 3), requiresGradient: true });
  const rows = slice(x, [{ start: 2, end: 3 }]);
  expect(rows.range.allocation).toBe(x.range.allocation);
  const gradient = backward(concat([rows, x, rows], 0), { leaves: [x] }).get(x) as Tensor;
  const expected = Float32Array.from({ length: 256 }, (_, i) => (Math.floor(i / 64) === 2 ? 3 : 1));
  expectClose(await gradient.toArray(), expected, "exact", "gradient");
});

test("stopGradient passes values and no gradient", async () => {
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(1, 2, 3), requiresGradient: true });
  const y = mul(x, stopGradient(x));
  expect([...(await y.toArray())]).toEqual([1, 4, 9]);
  expect([...(await (backward(y, { leaves: [x] }).get(x) as Tensor).toArray())]).toEqual([1, 2, 3]);
});

test("wrong shapes are refused with what was expected", () => {
  const x = persistentTensor(gpu, [2, 3]);
  const one: SliceRange[] = [{ start: 1, end: 1 }];
  expect(() => permute(x, [0, 0])).toThrow("permute: order must hold each of the 2 axes of [2, 3] once, got 0, 0");
  expect(() => slice(x, one)).toThrow("slice: the range of axis 0 must be within 0..2 with a step of at least 1, got 1..1 step 1");
  expect(() => pad(x, [[0, 0]])).toThrow("pad: widths must be 2 pairs");
  expect(() => expand(x, [3, 3])).toThrow("expand: [2, 3] does not broadcast to [3, 3]");
  expect(() => reshape(x, [4, -1])).toThrow("reshape: shape must hold the 6 elements of [2, 3], got [4, -1]");
  expect(() => concat([x, persistentTensor(gpu, [2, 4])], 0)).toThrow("concat: shapes must agree but for axis 0, got [2, 3] and [2, 4]");
  expect(() => split(x, [1, 1], 1)).toThrow("split: lengths must sum to the 3 elements of axis 1, got 1, 1");
});

test("equals PyTorch, with all gradients", async () => {
  await checkGolden(gpu, "shape", {
    permute: (x) => permute(x as Tensor, [2, 0, 1]),
    slice: (x) => slice(x as Tensor, [{}, { start: 1, end: 4, step: 2 }, { start: -3 }]),
    flip: (x) => flip(x as Tensor, [0, 2]),
    pad: (x) => pad(x as Tensor, [[0, 1], [2, 0], [1, 1]], 0.5),
    expand: (x) => expand(x as Tensor, [4, 3, 5]),
    concat: (a, b) => concat([a as Tensor, b as Tensor, a as Tensor], 1),
    stack: (a, b) => stack([a as Tensor, b as Tensor], -1),
    reshape: (x) => reshape(x as Tensor, [7, 15]),
  });
});
