import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { cast } from "../../src/ops/cast.ts";
import { mul } from "../../src/ops/elementwise.ts";
import { softmax } from "../../src/ops/softmax.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { checkGolden } from "../support/golden_op.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const half = gpu.features.has("shader-f16");
const rounded = (values: Float32Array) => Float32Array.from(Float16Array.from(values));

test.skipIf(!half)("values and gradients are rounded as PyTorch rounds them", async () => {
  await checkGolden(gpu, "cast", { "there and back": (x) => cast(cast(x as Tensor, "f16"), "f32") }, "exact");
});

test.skipIf(!half)("in the middle of a graph the gradient comes back in the type of the input, summed over both uses", async () => {
  const x = persistentTensor(gpu, [3, 7], { data: randomValues(21, 1), requiresGradient: true });
  const y = cast(mul(x, 2), "f16");
  expect(y.dtype).toBe("f16");
  expect(await y.toArray()).toEqual(rounded((await x.toArray()).map((value) => 2 * value)));
  const root = mul(cast(y, "f32"), 3);
  const upstream = randomValues(21, 2);
  const gradients = backward(root, { gradient: persistentTensor(gpu, [3, 7], { data: upstream }), leaves: [x, y] });
  const expected = rounded(upstream.map((value) => 3 * value));
  expect(gradients.get(y)?.dtype).toBe("f16");
  expect(await gradients.get(y)?.toArray()).toEqual(expected);
  expect(await gradients.get(x)?.toArray()).toEqual(expected.map((value) => 2 * value));
  expect(cast(y, "f16")).toBe(y);
});

test("ops that take f32 alone say so and how to go on; integers are no floats", () => {
  const whole = persistentTensor(gpu, [4], { dtype: "u32" });
  expect(() => cast(whole, "f16")).toThrow("cast: x must be f32 or f16, got u32");
  if (!half) return;
  const x = persistentTensor(gpu, [2, 3], { dtype: "f16", label: "features" });
  expect(() => softmax(x, { axis: 1 })).toThrow('softmax: input 0 ("features") must be f32, got f16');
  const root = mul(persistentTensor(gpu, [2, 3], { requiresGradient: true }), 1);
  expect(() => backward(root, { gradient: x })).toThrow("backward: gradient must be f32, got f16");
});
