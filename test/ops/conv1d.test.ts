import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { conv1d, type Conv1dOptions } from "../../src/ops/conv1d.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { conv2d as reference, conv2dGradients } from "../reference/conv2d.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

interface Case extends Conv1dOptions {
  x: readonly [n: number, l: number, ci: number];
  weight: readonly [k: number, ci: number, co: number];
}

const CASES: Case[] = [
  { x: [13, 1, 32], weight: [1, 32, 9] },
  { x: [2, 17, 5], weight: [3, 5, 7], stride: 2, padding: 1 },
  { x: [3, 19, 4], weight: [3, 4, 6], padding: 3, dilation: 3 },
  { x: [1, 23, 3], weight: [4, 3, 5], stride: 2, padding: 4, dilation: 2 },
  { x: [2, 11, 6], weight: [3, 2, 9], stride: 3, padding: 1, groups: 3 },
  { x: [2, 29, 5], weight: [5, 1, 5], padding: 4, dilation: 2, groups: 5 },
];

for (const { x: shape, weight: weightShape, ...options } of CASES) {
  const label = `x [${shape}], weight [${weightShape}], ${JSON.stringify(options)}`;
  const [[n, l, ci], [k, , co]] = [shape, weightShape];

  test(`equals the definition with all gradients, passes the gradient check and is adjoint to its gradient: ${label}`, async () => {
    const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    const conv = { n, h: 1, w: l, ci, co, kh: 1, kw: k, sh: 1, sw: stride, ph: 0, pw: padding, dw: dilation, groups };
    const values = [shape, weightShape, [co]].map((own, i) => randomValues(own.reduce((a, b) => a * b), 90 + i)) as [Float32Array, Float32Array, Float32Array];
    const [x, weight, bias] = [shape, weightShape, [co]].map((own, i) => persistentTensor(gpu, own, { data: values[i] as Float32Array, requiresGradient: true })) as [Tensor, Tensor, Tensor];
    const y = conv1d(x, weight, { bias, ...options });
    expect(y.shape.length).toBe(3);
    expectClose(await y.toArray(), reference(conv, ...values), "kernel", label);
    const gy = randomValues(y.size, 94);
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gy }), leaves: [x, weight, bias] });
    const expected = conv2dGradients(conv, values[0], values[1], gy);
    expectClose(await (gradients.get(x) as Tensor).toArray(), expected.gx, "kernel", `gradient of x, ${label}`);
    expectClose(await (gradients.get(weight) as Tensor).toArray(), expected.gw, "kernel", `gradient of weight, ${label}`);
    expectClose(await (gradients.get(bias) as Tensor).toArray(), expected.gb, "kernel", `gradient of bias, ${label}`);

    await checkGradient(gpu, { label, inputs: [{ shape }, { shape: weightShape }, { shape: [co] }], op: (a, w, b) => conv1d(a as Tensor, w as Tensor, { bias: b, ...options }) });
    await checkAdjoint(gpu, { label, inputs: [{ shape }], op: (a) => conv1d(a as Tensor, weight, options) });
  });
}

test("the argument that is wrong is named", () => {
  const tensor = (...shape: number[]) => persistentTensor(gpu, shape);
  expect(() => conv1d(tensor(1, 4, 4, 3), tensor(3, 3, 5))).toThrow("conv1d: x must be [n, l, c], got [1, 4, 4, 3]");
  expect(() => conv1d(tensor(1, 4, 3), tensor(3, 5))).toThrow("conv1d: weight must be [k, ci, co], got [3, 5]");
  expect(() => conv1d(tensor(1, 4, 3), tensor(3, 2, 5))).toThrow("conv1d: weight[1] must be 3 (the channels of x [1, 4, 3]), got 2");
  expect(() => conv1d(tensor(1, 4, 4), tensor(3, 2, 5), { groups: 2 })).toThrow("conv1d: weight[2] must be a multiple of 2 groups, got 5");
  expect(() => conv1d(tensor(1, 4, 3), tensor(3, 3, 5), { stride: 0 })).toThrow("conv1d: stride must be integers of at least 1, got 0");
  expect(() => conv1d(tensor(1, 4, 3), tensor(3, 3, 5), { dilation: 2 })).toThrow("conv1d: x [1, 4, 3] is smaller than the kernel of weight [3, 3, 5]");
});

test("equals PyTorch, with all gradients", async () => {
  const call = (options: Conv1dOptions) => (x?: Tensor, weight?: Tensor, bias?: Tensor) => conv1d(x as Tensor, weight as Tensor, { bias, ...options });
  await checkGolden(gpu, "conv1d", {
    "of length one": call({}),
    "strided": call({ stride: 2, padding: 1 }),
    "dilated": call({ padding: 3, dilation: 3 }),
    "dilated and grouped": call({ stride: 2, padding: 2, dilation: 2, groups: 2 }),
  });
});
