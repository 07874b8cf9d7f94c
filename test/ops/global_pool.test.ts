import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { globalAveragePool, globalMaxPool } from "../../src/ops/global_pool.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { globalAverageReference, globalMaxReference } from "../reference/global_pool.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { checkHalf } from "../support/half.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();

const SHAPES = [[2, 7, 5, 11], [1, 1, 1, 1], [3, 1, 13, 2], [1, 64, 48, 17], [2, 2, 2, 1031]] as const;

for (const shape of SHAPES) {
  const [n, h, w, c] = shape;
  const count = n * h * w * c;
  const sizes = { n, pixels: h * w, c };
  const check = async (label: string, data: Float32Array, op: (x: Tensor) => Tensor, reference: typeof globalMaxReference) => {
    const x = persistentTensor(gpu, shape, { data, requiresGradient: true });
    const y = op(x);
    expect([...y.shape]).toEqual([n, 1, 1, c]);
    const gradY = randomValues(n * c, 2);
    const expected = reference(data, gradY, sizes);
    expectClose(await y.toArray(), expected.y, "kernel", `${label}: output`);
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gradY }), leaves: [x] });
    expectClose(await (gradients.get(x) as Tensor).toArray(), expected.gradX, "kernel", `${label}: gradient`);
  };

  test(`global pools of [${shape.join(", ")}]: output and gradient as in f64`, async () => {
    await check("mean", randomValues(count, 1), globalAveragePool, globalAverageReference);
    await check("maximum", randomValues(count, 3), globalMaxPool, globalMaxReference);
    const random = testRandom(4);
    await check("maximum of few different values", Float32Array.from({ length: count }, () => random.integer(-5, -1)), globalMaxPool, globalMaxReference);
    const label = `global pool of [${shape.join(", ")}]`;
    await checkGradient(gpu, { label, inputs: [{ shape }], op: (x) => globalAveragePool(x as Tensor) });
    await checkAdjoint(gpu, { label, inputs: [{ shape }], op: (x) => globalAveragePool(x as Tensor) });
    if (count > 10_000) return; // values far enough apart would be too large for differences in f32
    const values = Float32Array.from(testRandom(5).permutation(count), (rank) => rank / 20);
    await checkGradient(gpu, { label, inputs: [{ shape, values }], op: (x) => globalMaxPool(x as Tensor) });
  });
}

test("a NaN is not hidden, and the first one takes the gradient", async () => {
  const x = persistentTensor(gpu, [1, 5, 1, 1], { data: Float32Array.of(3, Number.NaN, 5, Number.NaN, 9), requiresGradient: true });
  const y = globalMaxPool(x);
  expect([...(await y.toArray())]).toEqual([Number.NaN]);
  expect([...(await (backward(y, { leaves: [x] }).get(x) as Tensor).toArray())]).toEqual([0, 1, 0, 0, 0]);
});

test("global pools name the shape that is wrong", () => {
  const x = persistentTensor(gpu, [4, 4, 2]);
  expect(() => globalMaxPool(x)).toThrow("globalMaxPool: x must be [n, h, w, c] with at least one pixel, got [4, 4, 2]");
  expect(() => globalAveragePool(x)).toThrow("globalAveragePool: x must be [n, h, w, c] with at least one pixel, got [4, 4, 2]");
});

test.skipIf(!gpu.features.has("shader-f16"))("in f16 the results are those of f32, rounded", async () => {
  await checkHalf(gpu, { label: "globalMaxPool", shape: [3, 5, 7, 3], op: globalMaxPool });
});

test("equals PyTorch, with all gradients", async () => {
  await checkGolden(gpu, "global_pool", {
    mean: (x) => globalAveragePool(x as Tensor),
    maximum: (x) => globalMaxPool(x as Tensor),
    "maximum of ties": (x) => globalMaxPool(x as Tensor),
  });
});
