import { expect, test } from "bun:test";
import { conv2d } from "../../src/ops/conv2d.ts";
import { deconv2d } from "../../src/ops/deconv2d.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

interface Case {
  x: readonly [n: number, h: number, w: number, ci: number];
  weight: readonly [kh: number, kw: number, ci: number, co: number];
  stride: readonly [number, number];
  padding: readonly [number, number];
}

/** The layers of PoseResNet in small, and random shapes. */
const CASES: Case[] = [
  { x: [2, 11, 9, 3], weight: [7, 7, 3, 8], stride: [2, 2], padding: [3, 3] },
  { x: [3, 6, 5, 16], weight: [1, 1, 16, 7], stride: [1, 1], padding: [0, 0] },
  { x: [1, 5, 7, 4], weight: [4, 4, 4, 6], stride: [2, 2], padding: [1, 1] },
  ...Array.from({ length: 5 }, (_, i): Case => {
    const random = testRandom(70 + i);
    const [kh, kw, ci] = [random.integer(1, 5), random.integer(1, 5), random.integer(1, 14)];
    return {
      x: [random.integer(1, 4), random.integer(kh, kh + 7), random.integer(kw, kw + 7), ci],
      weight: [kh, kw, ci, random.integer(1, 18)],
      stride: [random.integer(1, 4), random.integer(1, 4)],
      padding: [random.integer(0, kh), random.integer(0, kw)],
    };
  }),
];

for (const { x, weight, stride, padding } of CASES) {
  const text = `x [${x}], weight [${weight}], stride ${stride}, padding ${padding}`;
  const label = `${text}, seed ${TEST_SEED}`;
  const count = weight.reduce((a, b) => a * b);
  const co = weight[3];

  test(`conv2d passes the gradient check and is adjoint to its gradient: ${text}`, async () => {
    const options = { stride, padding };
    await checkGradient(gpu, { label, inputs: [{ shape: x }, { shape: weight }, { shape: [co] }], op: (a, w, bias) => conv2d(a as Tensor, w as Tensor, { bias, ...options }) });
    const fixed = persistentTensor(gpu, weight, { data: randomValues(count, 80) });
    await checkAdjoint(gpu, { label, inputs: [{ shape: x }], op: (a) => conv2d(a as Tensor, fixed, options) });
  });

  test(`deconv2d passes the gradient check and is adjoint to its gradient: ${text}`, async () => {
    // Padding must leave an output.
    const [, h, w] = x;
    const fits = (size: number, axis: 0 | 1) => (size - 1) * stride[axis] - 2 * padding[axis] + weight[axis] >= 1;
    const options = { stride, padding: [fits(h, 0) ? padding[0] : 0, fits(w, 1) ? padding[1] : 0] as const, outputPadding: [stride[0] - 1, 0] as const };
    await checkGradient(gpu, { label, inputs: [{ shape: x }, { shape: weight }, { shape: [co] }], op: (a, k, bias) => deconv2d(a as Tensor, k as Tensor, { bias, ...options }) });
    const fixed = persistentTensor(gpu, weight, { data: randomValues(count, 81) });
    await checkAdjoint(gpu, { label, inputs: [{ shape: x }], op: (a) => deconv2d(a as Tensor, fixed, options) });
  });
}

test("conv2d and deconv2d name the argument that is wrong", () => {
  const x = persistentTensor(gpu, [1, 4, 4, 3]);
  const weight = persistentTensor(gpu, [3, 3, 2, 5]);
  expect(() => conv2d(x, weight)).toThrow("conv2d: weight[2] must be 3 (the channels of x [1, 4, 4, 3]), got 2");
  expect(() => deconv2d(x, weight)).toThrow("deconv2d: weight[2] must be 3 (the channels of x [1, 4, 4, 3]), got 2");
  const fitting = persistentTensor(gpu, [3, 3, 3, 5]);
  expect(() => conv2d(x, fitting, { bias: persistentTensor(gpu, [4]) })).toThrow("conv2d: bias must be [5], got [4]");
  expect(() => conv2d(x, fitting, { stride: 0 })).toThrow("conv2d: stride must be integers of at least 1, got 0, 0");
  expect(() => conv2d(x, persistentTensor(gpu, [7, 7, 3, 5]))).toThrow("conv2d: x [1, 4, 4, 3] is smaller than the kernel of weight [7, 7, 3, 5]");
});
