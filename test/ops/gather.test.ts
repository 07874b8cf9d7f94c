import { expect, test } from "bun:test";
import { gather, indexSelect, scatterAdd } from "../../src/ops/gather.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { gatherAxisReference, scatterAddReference } from "../reference/gather.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function indices(shape: readonly number[], size: number, stream: number) {
  const random = testRandom(stream);
  const data = Uint32Array.from({ length: count(shape) }, () => random.integer(0, size));
  return { data, tensor: persistentTensor(gpu, shape, { data, dtype: "u32" }) };
}

const CASES: { shape: number[]; axis: number; length: number }[] = [
  { shape: [7], axis: 0, length: 11 },
  { shape: [3, 5, 7], axis: 0, length: 4 },
  { shape: [3, 5, 7], axis: 1, length: 9 },
  { shape: [3, 5, 7], axis: 2, length: 1 },
];

test("gather: every element by its own index, gradients of repeated ones summed", async () => {
  for (const { shape, axis, length } of CASES) {
    const indexShape = shape.with(axis, length);
    const { data, tensor } = indices(indexShape, shape[axis] as number, axis);
    const values = randomValues(count(shape), 1);
    const y = gather(persistentTensor(gpu, shape, { data: values }), tensor, axis);
    expect([...y.shape]).toEqual(indexShape);
    expectClose(await y.toArray(), gatherAxisReference(values, shape, { index: data, indexShape, axis }), "exact", `gather [${shape}] along ${axis}`);
    const subject = { label: `gather [${shape}] along ${axis}`, inputs: [{ shape }], op: (x?: Tensor) => gather(x as Tensor, tensor, axis) };
    await checkGradient(gpu, subject);
    await checkAdjoint(gpu, subject);
  }
});

test("indexSelect: slices in the order of the index", async () => {
  for (const { shape, axis, length } of CASES) {
    const { data, tensor } = indices([length], shape[axis] as number, 10 + axis);
    const values = randomValues(count(shape), 2);
    const indexShape = shape.with(axis, length);
    const inner = count(shape.slice(axis + 1));
    const whole = Uint32Array.from({ length: count(indexShape) }, (_, i) => data[Math.floor(i / inner) % length] as number);
    const y = await indexSelect(persistentTensor(gpu, shape, { data: values }), tensor, axis).toArray();
    expectClose(y, gatherAxisReference(values, shape, { index: whole, indexShape, axis }), "exact", `indexSelect [${shape}] along ${axis}`);
    await checkAdjoint(gpu, { label: `indexSelect [${shape}] along ${axis}`, inputs: [{ shape }], op: (x) => indexSelect(x as Tensor, tensor, axis) });
  }
});

test("scatterAdd: sums onto a base, gradients to both", async () => {
  for (const { shape, axis, length } of CASES) {
    const indexShape = shape.with(axis, length);
    const { data, tensor } = indices(indexShape, shape[axis] as number, 20 + axis);
    const [base, values] = [randomValues(count(shape), 3), randomValues(count(indexShape), 4)];
    const y = await scatterAdd(persistentTensor(gpu, shape, { data: base }), tensor, { values: persistentTensor(gpu, indexShape, { data: values }), axis }).toArray();
    expectClose(y, scatterAddReference(base, shape, { index: data, values, indexShape, axis }), "kernel", `scatterAdd [${shape}] along ${axis}`);
    await checkGradient(gpu, {
      label: `scatterAdd [${shape}] along ${axis}`,
      inputs: [{ shape }, { shape: indexShape }],
      op: (a, b) => scatterAdd(a as Tensor, tensor, { values: b as Tensor, axis }),
    });
  }
});

test("an index outside of the axis reads nothing and adds nothing", async () => {
  const index = persistentTensor(gpu, [3], { data: Int32Array.of(1, -1, 9), dtype: "i32" });
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(4, 5, 6) });
  expect([...(await indexSelect(x, index, 0).toArray())]).toEqual([5, 0, 0]);
  expect([...(await scatterAdd(x, index, { values: x, axis: 0 }).toArray())]).toEqual([4, 9, 6]);
});

test("wrong indices are refused by name", () => {
  const x = persistentTensor(gpu, [2, 3]);
  const whole = (shape: number[]) => persistentTensor(gpu, shape, { dtype: "u32" });
  expect(() => gather(x, persistentTensor(gpu, [2, 3]), 1)).toThrow("gather: index must be whole numbers (u32 or i32), got f32 [2, 3]");
  expect(() => gather(x, whole([3, 3]), 1)).toThrow("gather: index must have the shape [2, 3] but for axis 1, got [3, 3]");
  expect(() => indexSelect(x, whole([2, 2]), 0)).toThrow("indexSelect: index must be [k], got [2, 2]");
  expect(() => scatterAdd(x, whole([2, 1]), { values: x, axis: 1 })).toThrow("scatterAdd: values must be [2, 1] like index, got [2, 3]");
});

test("equals PyTorch, with all gradients", async () => {
  await checkGolden(gpu, "gather", {
    gather: (x, index) => gather(x as Tensor, index as Tensor, 1),
    indexSelect: (x, index) => indexSelect(x as Tensor, index as Tensor, 2),
    scatterAdd: (base, index, values) => scatterAdd(base as Tensor, index as Tensor, { values: values as Tensor, axis: 0 }),
  });
});
