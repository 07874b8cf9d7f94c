import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { conv2d, type Conv2dOptions } from "../../src/ops/conv2d.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { conv2d as reference, conv2dGradients } from "../reference/conv2d.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";

const gpu = await testDevice();

interface Case extends Conv2dOptions {
  x: readonly [n: number, h: number, w: number, ci: number];
  weight: readonly [kh: number, kw: number, ci: number, co: number];
  stride: readonly [number, number];
  padding: readonly [number, number];
  dilation?: readonly [number, number];
}

/** The layers of PoseResNet in small, dilated and grouped ones, and random shapes. */
const CASES: Case[] = [
  { x: [2, 11, 9, 3], weight: [7, 7, 3, 8], stride: [2, 2], padding: [3, 3] },
  { x: [3, 6, 5, 16], weight: [1, 1, 16, 7], stride: [1, 1], padding: [0, 0] },
  { x: [1, 5, 7, 4], weight: [4, 4, 4, 6], stride: [2, 2], padding: [1, 1] },
  { x: [2, 9, 8, 3], weight: [3, 3, 3, 5], stride: [1, 1], padding: [2, 3], dilation: [2, 3] },
  { x: [1, 11, 12, 5], weight: [3, 2, 5, 4], stride: [2, 3], padding: [2, 0], dilation: [2, 4] },
  { x: [2, 7, 6, 5], weight: [3, 3, 1, 5], stride: [1, 1], padding: [1, 1], groups: 5 },
  { x: [1, 8, 9, 6], weight: [3, 3, 3, 4], stride: [2, 1], padding: [2, 1], dilation: [2, 1], groups: 2 },
  { x: [4, 1, 1, 40], weight: [1, 1, 8, 15], stride: [1, 1], padding: [0, 0], groups: 5 },
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

for (const { x: shape, weight: weightShape, ...options } of CASES) {
  const text = `x [${shape}], weight [${weightShape}], ${JSON.stringify(options)}`;
  const label = `${text}, seed ${TEST_SEED}`;
  const [[n, h, w, ci], [kh, kw, , co]] = [shape, weightShape];

  test(`equals the definition with all gradients, passes the gradient check and is adjoint to its gradient: ${text}`, async () => {
    const { stride: [sh, sw], padding: [ph, pw], dilation: [dh, dw] = [1, 1], groups = 1 } = options;
    const conv = { n, h, w, ci, co, kh, kw, sh, sw, ph, pw, dh, dw, groups };
    const values = [shape, weightShape, [co]].map((own, i) => randomValues(own.reduce((a, b) => a * b), 80 + i)) as [Float32Array, Float32Array, Float32Array];
    const [x, weight, bias] = [shape, weightShape, [co]].map((own, i) => persistentTensor(gpu, own, { data: values[i] as Float32Array, requiresGradient: true })) as [Tensor, Tensor, Tensor];
    const y = conv2d(x, weight, { bias, ...options });
    expectClose(await y.toArray(), reference(conv, ...values), "kernel", label);
    const gy = randomValues(y.size, 84);
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gy }), leaves: [x, weight, bias] });
    const expected = conv2dGradients(conv, values[0], values[1], gy);
    expectClose(await (gradients.get(x) as Tensor).toArray(), expected.gx, "kernel", `gradient of x, ${label}`);
    expectClose(await (gradients.get(weight) as Tensor).toArray(), expected.gw, "kernel", `gradient of weight, ${label}`);
    expectClose(await (gradients.get(bias) as Tensor).toArray(), expected.gb, "kernel", `gradient of bias, ${label}`);

    await checkGradient(gpu, { label, inputs: [{ shape }, { shape: weightShape }, { shape: [co] }], op: (a, k, b) => conv2d(a as Tensor, k as Tensor, { bias: b, ...options }) });
    await checkAdjoint(gpu, { label, inputs: [{ shape }], op: (a) => conv2d(a as Tensor, weight, options) });
  });
}

test("gradients that nobody wants are not made", () => {
  const weight = persistentTensor(gpu, [3, 3, 2, 4], { requiresGradient: true });
  const x = persistentTensor(gpu, [1, 5, 5, 4]);
  const y = conv2d(x, weight, { groups: 2 });
  expect([...backward(y, { leaves: [x, weight] }).keys()]).toEqual([weight]);
});

test("the argument that is wrong is named", () => {
  const x = persistentTensor(gpu, [1, 4, 4, 3]);
  const six = persistentTensor(gpu, [1, 4, 4, 6]);
  const weight = (...shape: number[]) => persistentTensor(gpu, shape);
  const fitting = weight(3, 3, 3, 5);
  expect(() => conv2d(weight(4, 4, 3), fitting)).toThrow("conv2d: x must be [n, h, w, c], got [4, 4, 3]");
  expect(() => conv2d(x, weight(3, 3, 5))).toThrow("conv2d: weight must be [kh, kw, ci, co], got [3, 3, 5]");
  expect(() => conv2d(x, weight(3, 3, 2, 5))).toThrow("conv2d: weight[2] must be 3 (the channels of x [1, 4, 4, 3]), got 2");
  expect(() => conv2d(x, fitting, { bias: persistentTensor(gpu, [4]) })).toThrow("conv2d: bias must be [5], got [4]");
  expect(() => conv2d(x, fitting, { stride: 0 })).toThrow("conv2d: stride must be integers of at least 1, got 0, 0");
  expect(() => conv2d(x, fitting, { padding: [1, -1] })).toThrow("conv2d: padding must be integers of at least 0, got 1, -1");
  expect(() => conv2d(x, fitting, { dilation: 0.5 })).toThrow("conv2d: dilation must be integers of at least 1, got 0.5, 0.5");
  expect(() => conv2d(x, fitting, { groups: 2 })).toThrow("conv2d: groups must be a divisor of the 3 channels of x [1, 4, 4, 3], got 2");
  expect(() => conv2d(x, fitting, { groups: 0 })).toThrow("conv2d: groups must be a divisor of the 3 channels of x [1, 4, 4, 3], got 0");
  expect(() => conv2d(six, weight(3, 3, 2, 5), { groups: 3 })).toThrow("conv2d: weight[3] must be a multiple of 3 groups, got 5");
  expect(() => conv2d(six, weight(3, 3, 6, 9), { groups: 3 })).toThrow("conv2d: weight[2] must be 2 (the channels of x [1, 4, 4, 6] in 3 groups), got 6");
  expect(() => conv2d(x, weight(7, 7, 3, 5))).toThrow("conv2d: x [1, 4, 4, 3] is smaller than the kernel of weight [7, 7, 3, 5]");
  expect(() => conv2d(x, fitting, { dilation: 2 })).toThrow("conv2d: x [1, 4, 4, 3] is smaller than the kernel of weight [3, 3, 3, 5]");
});

test("equals PyTorch, with all gradients", async () => {
  const call = (options: Conv2dOptions) => (x?: Tensor, weight?: Tensor, bias?: Tensor) => conv2d(x as Tensor, weight as Tensor, { bias, ...options });
  await checkGolden(gpu, "conv2d", {
    "strided": call({ stride: 2, padding: 1 }),
    "without bias": call({ stride: [1, 3], padding: [2, 0] }),
    "dilated": call({ padding: 2, dilation: 2 }),
    "dilated and strided": call({ stride: [2, 3], padding: [3, 1], dilation: [3, 2] }),
    "grouped": call({ stride: 2, padding: 1, groups: 3 }),
    "depthwise": call({ padding: 2, dilation: 2, groups: 6 }),
    "grouped 1x1": call({ groups: 5 }),
  });
});
