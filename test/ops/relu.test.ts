import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { relu } from "../../src/ops/relu.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("relu keeps the positive and zeroes the rest, on more elements than one axis of workgroups holds", async () => {
  const count = 65535 * 64 + 77;
  const data = new Float32Array(count).map((_, i) => ((i * 7919) % 2001) - 1000);
  const y = await relu(persistentTensor(gpu, [count], { data })).toArray();
  expect(y.findIndex((value, i) => value !== Math.max(data[i] as number, 0))).toBe(-1);
});

test("relu's gradient at zero is zero", async () => {
  const x = persistentTensor(gpu, [4], { data: Float32Array.of(-1, 0, 1e-30, 2), requiresGradient: true });
  const gradient = persistentTensor(gpu, [4], { data: Float32Array.of(3, 4, 5, 6) });
  const leaves = backward(relu(x), { gradient, leaves: [x] });
  expect([...(await (leaves.get(x) as Tensor).toArray())]).toEqual([0, 0, 5, 6]);
});

test("a NaN passes through relu", async () => {
  const x = persistentTensor(gpu, [3], { data: Float32Array.of(Number.NaN, -1, Number.NEGATIVE_INFINITY) });
  expect([...(await relu(x).toArray())]).toEqual([Number.NaN, 0, 0]);
});

test("relu passes the gradient check", async () => {
  for (const shape of [[1], [3, 5, 7, 11], [2, 1, 1, 64]]) {
    // Off the kink by more than the step of the check.
    const values = randomValues(shape.reduce((a, b) => a * b), 1).map((value) => value + 0.05 * Math.sign(value));
    await checkGradient(gpu, { label: `relu [${shape}]`, inputs: [{ shape, values }], op: (x) => relu(x as Tensor) });
  }
});

test("relu equals PyTorch's, with its gradient", async () => {
  await checkGolden(gpu, "relu", { ragged: (x) => relu(x as Tensor) });
});
