import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { add } from "../../src/ops/add.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../support/compare.ts";
import { checkAdjoint, checkGradient, scale } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("add sums two tensors and gives each the incoming gradient", async () => {
  for (const shape of [[1], [2, 3, 5, 7], [4, 16, 12, 8]]) {
    const count = shape.reduce((a, b) => a * b);
    const [a, b] = [randomValues(count, 1), randomValues(count, 2)];
    const sum = await add(persistentTensor(gpu, shape, { data: a }), persistentTensor(gpu, shape, { data: b })).toArray();
    expectClose(sum, a.map((value, i) => value + (b[i] as number)), "exact", `add [${shape}]`);
    await checkGradient(gpu, { label: `add [${shape}]`, inputs: [{ shape }, { shape }], op: (x, y) => add(x as Tensor, y as Tensor) });
    await checkAdjoint(gpu, { label: `add [${shape}]`, inputs: [{ shape }], op: (x) => add(x as Tensor, scale(x as Tensor, 0.5)) });
  }
});

test("a tensor added to itself twice gets four times the gradient", async () => {
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(1, 2, 3), requiresGradient: true });
  const twice = add(x, x);
  const gradient = persistentTensor(gpu, [3], { data: Float32Array.of(1, -2, 0.5) });
  const leaves = backward(add(twice, twice), { gradient, leaves: [x] });
  expect([...(await (leaves.get(x) as Tensor).toArray())]).toEqual([4, -8, 2]);
  expect([...(await gradient.toArray())]).toEqual([1, -2, 0.5]);
});

test("add refuses different shapes by name", () => {
  const [a, b] = [[2, 3], [3, 2]].map((shape) => persistentTensor(gpu, shape));
  expect(() => add(a as Tensor, b as Tensor)).toThrow("add: b must be [2, 3] like a, got [3, 2]");
});
