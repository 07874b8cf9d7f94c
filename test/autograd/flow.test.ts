import { expect, test } from "bun:test";
import { withoutGradient } from "../../src/autograd/op.ts";
import { backward } from "../../src/autograd/tape.ts";
import { Conv2d } from "../../src/nn/layers.ts";
import { constant } from "../../src/nn/init.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { reverseGradient } from "../../src/ops/reverse_gradient.ts";
import { persistentTensor, stopGradient, type Tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const leaf = (...values: number[]) => persistentTensor(gpu, [values.length], { data: Float32Array.from(values), requiresGradient: true });
const gradientOf = async (root: Tensor, x: Tensor) => [...((await backward(root, { leaves: [x] }).get(x)?.toArray()) ?? [])];

/** Two layers of 1x1 convolutions with known weights. */
function network() {
  const store = new ParameterStore();
  const facts = { from: 1, to: 1, kernel: 1 };
  const first = new Conv2d(store, "first", { ...facts, initialise: constant(2) });
  const second = new Conv2d(store, "second", { ...facts, initialise: constant(3) });
  store.materialise(gpu, 0);
  const x = persistentTensor(gpu, [1, 1, 2, 1], { data: Float32Array.of(1, 10), requiresGradient: true });
  return { store, x, y: () => second.forward(first.forward(x)) };
}

test("stopGradient, withoutGradient and reverseGradient", async () => {
  const x = leaf(1, 2);
  expect(await gradientOf(mul(x, stopGradient(mul(x, 5))), x)).toEqual([5, 10]);
  const constantPart = withoutGradient(() => mul(x, 5));
  expect(constantPart.producer).toBeUndefined();
  expect(await gradientOf(mul(x, constantPart), x)).toEqual([5, 10]);
  expect([...(await reverseGradient(x, 0.5).toArray())]).toEqual([1, 2]);
  expect(await gradientOf(mul(reverseGradient(mul(x, 3), 0.5), 2), x)).toEqual([-3, -3]);
  expect(await gradientOf(add(reverseGradient(x), x), x)).toEqual([0, 0]);
});

test("a frozen parameter gets no gradient, and lets its input's through", async () => {
  const { store, x, y } = network();
  store.freeze((name) => name.startsWith("second"));
  store.zeroGradients();
  const gradients = backward(sum(y()), { leaves: [x] });
  store.completeGradients();
  expect([...((await gradients.get(x)?.toArray()) ?? [])]).toEqual([6, 6]);
  expect([...(await store.parameter("first.weight").gradient.toArray())]).toEqual([33]);
  expect([...(await store.parameter("second.weight").gradient.toArray())]).toEqual([0]);
  store.freeze(() => true, false);
  store.zeroGradients();
  backward(sum(y()));
  expect([...(await store.parameter("second.weight").gradient.toArray())]).toEqual([22]);
});

test("several backward passes add up in one accumulation, until the gradients are forgotten", async () => {
  const { store, y } = network();
  store.zeroGradients();
  for (const factor of [1, 2, -0.5]) backward(sum(mul(y(), factor)));
  expectClose(await store.parameter("first.weight").gradient.toArray(), [2.5 * 33], "exact", "first.weight");
  expectClose(await store.parameter("second.weight").gradient.toArray(), [2.5 * 22], "exact", "second.weight");
  store.zeroGradients();
  backward(sum(y()));
  expectClose(await store.parameter("first.weight").gradient.toArray(), [33], "exact", "first.weight again");
});

test("several backward passes in a recorded step replay as they ran", async () => {
  const { store, x, y } = network();
  const work = () => {
    store.zeroGradients();
    backward(sum(y()));
    backward(sum(mul(y(), 2)));
  };
  gpu.scope(work);
  const recording = gpu.record(work);
  gpu.write(x.range, Float32Array.of(-1, 4));
  recording.replay();
  expect([...(await store.parameter("first.weight").gradient.toArray())]).toEqual([27]);
  recording.dispose();
});

test("a root that nothing learned leads to is refused", () => {
  const x = persistentTensor(gpu, [2], { data: randomValues(2, 1) });
  expect(() => backward(mul(x, 2))).toThrow("does not depend on anything that wants a gradient");
});
