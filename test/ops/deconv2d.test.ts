import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { deconv2d, type Deconv2dOptions } from "../../src/ops/deconv2d.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { deconv2d as reference, deconv2dGradients } from "../reference/conv2d.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";

const gpu = await testDevice();

interface Case extends Deconv2dOptions {
  x: readonly [n: number, h: number, w: number, ci: number];
  weight: readonly [kh: number, kw: number, ci: number, co: number];
  stride: readonly [number, number];
  padding: readonly [number, number];
  outputPadding: readonly [number, number];
}

/** The deconvolutions of pose heads, kernels smaller than their stride (pixels without a tap), and random shapes. */
const CASES: Case[] = [
  { x: [2, 4, 3, 9], weight: [4, 4, 9, 8], stride: [2, 2], padding: [1, 1], outputPadding: [0, 0] },
  { x: [2, 4, 3, 9], weight: [4, 4, 9, 8], stride: [2, 2], padding: [1, 1], outputPadding: [0, 0], force: { winograd: true } },
  { x: [1, 5, 4, 6], weight: [4, 4, 6, 7], stride: [2, 2], padding: [2, 0], outputPadding: [1, 1], force: { winograd: true } },
  { x: [1, 5, 4, 6], weight: [3, 3, 6, 7], stride: [2, 2], padding: [1, 1], outputPadding: [1, 1] },
  { x: [2, 3, 5, 4], weight: [2, 2, 4, 3], stride: [2, 2], padding: [0, 0], outputPadding: [0, 0] },
  { x: [1, 4, 3, 5], weight: [1, 2, 5, 4], stride: [3, 4], padding: [0, 0], outputPadding: [2, 1] },
  { x: [2, 6, 7, 3], weight: [3, 5, 3, 6], stride: [1, 1], padding: [2, 1], outputPadding: [0, 0] },
  ...Array.from({ length: 5 }, (_, i): Case => {
    const random = testRandom(130 + i);
    const [kh, kw, ci, h, w] = [random.integer(1, 6), random.integer(1, 6), random.integer(1, 14), random.integer(1, 8), random.integer(1, 8)];
    const stride = [random.integer(1, 4), random.integer(1, 4)] as const;
    // Padding must leave an output.
    const padding = (size: number, kernel: number, step: number) => random.integer(0, Math.floor(((size - 1) * step + kernel - 1) / 2) + 1);
    return {
      x: [random.integer(1, 4), h, w, ci],
      weight: [kh, kw, ci, random.integer(1, 18)],
      stride,
      padding: [Math.min(kh, padding(h, kh, stride[0])), Math.min(kw, padding(w, kw, stride[1]))],
      outputPadding: [random.integer(0, stride[0]), random.integer(0, stride[1])],
    };
  }),
];

for (const { x: shape, weight: weightShape, ...options } of CASES) {
  const text = `x [${shape}], weight [${weightShape}], ${JSON.stringify(options)}`;
  const label = `${text}, seed ${TEST_SEED}`;
  const [[n, h, w, ci], [kh, kw, , co]] = [shape, weightShape];

  test(`equals the definition with all gradients, passes the gradient check and is adjoint to its gradient: ${text}`, async () => {
    const { stride: [sh, sw], padding: [ph, pw], outputPadding: [oph, opw] } = options;
    const deconv = { n, h, w, ci, co, kh, kw, sh, sw, ph, pw, oph, opw };
    const values = [shape, weightShape, [co]].map((own, i) => randomValues(own.reduce((a, b) => a * b), 85 + i)) as [Float32Array, Float32Array, Float32Array];
    const [x, weight, bias] = [shape, weightShape, [co]].map((own, i) => persistentTensor(gpu, own, { data: values[i] as Float32Array, requiresGradient: true })) as [Tensor, Tensor, Tensor];
    const y = deconv2d(x, weight, { bias, ...options });
    expectClose(await y.toArray(), reference(deconv, ...values), "kernel", label);
    const gy = randomValues(y.size, 89);
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gy }), leaves: [x, weight, bias] });
    const expected = deconv2dGradients(deconv, values[0], values[1], gy);
    expectClose(await (gradients.get(x) as Tensor).toArray(), expected.gx, "kernel", `gradient of x, ${label}`);
    expectClose(await (gradients.get(weight) as Tensor).toArray(), expected.gw, "kernel", `gradient of weight, ${label}`);
    expectClose(await (gradients.get(bias) as Tensor).toArray(), expected.gb, "kernel", `gradient of bias, ${label}`);

    await checkGradient(gpu, { label, inputs: [{ shape }, { shape: weightShape }, { shape: [co] }], op: (a, k, b) => deconv2d(a as Tensor, k as Tensor, { bias: b, ...options }) });
    await checkAdjoint(gpu, { label, inputs: [{ shape }], op: (a) => deconv2d(a as Tensor, weight, options) });
  });
}

test("the argument that is wrong is named", () => {
  const tensor = (...shape: number[]) => persistentTensor(gpu, shape);
  const x = tensor(1, 4, 4, 3);
  expect(() => deconv2d(tensor(4, 4, 3), tensor(3, 3, 3, 5))).toThrow("deconv2d: x must be [n, h, w, c], got [4, 4, 3]");
  expect(() => deconv2d(x, tensor(3, 3, 2, 5))).toThrow("deconv2d: weight[2] must be 3 (the channels of x [1, 4, 4, 3]), got 2");
  expect(() => deconv2d(x, tensor(3, 3, 3, 5), { bias: tensor(3) })).toThrow("deconv2d: bias must be [5], got [3]");
  expect(() => deconv2d(x, tensor(3, 3, 3, 5), { stride: 2, outputPadding: 2 })).toThrow("deconv2d: outputPadding must be integers from 0 to stride - 1, got 2, 2");
  expect(() => deconv2d(tensor(1, 1, 1, 3), tensor(3, 3, 3, 5), { padding: 2 })).toThrow("deconv2d: x [1, 1, 1, 3] gives an empty output with weight [3, 3, 3, 5]");
});

test("equals PyTorch, with all gradients", async () => {
  const call = (options: Deconv2dOptions) => (x?: Tensor, weight?: Tensor, bias?: Tensor) => deconv2d(x as Tensor, weight as Tensor, { bias, ...options });
  await checkGolden(gpu, "deconv2d", {
    "doubling": call({ stride: 2, padding: 1 }),
    "output padding": call({ stride: [2, 3], padding: [1, 0], outputPadding: [1, 2] }),
    "kernel below the stride": call({ stride: 3, outputPadding: [0, 1] }),
    "without bias": call({ padding: [2, 1] }),
  });
});
