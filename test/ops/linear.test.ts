import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { linear } from "../../src/ops/linear.ts";
import { elementCount, persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { matmulGradients, matmulReference } from "../reference/matmul.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { gemmAlgorithms } from "../support/gemm_algorithms.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

const CASES = [
  { x: [1], n: 1 },
  { x: [7], n: 3 },
  { x: [129, 32], n: 45 },
  { x: [3, 5, 16], n: 67 },
  { x: [2600, 5], n: 7 },
];

for (const [name, force] of Object.entries(gemmAlgorithms(gpu))) {
  test(`linear layers and their gradients, ${name}`, async () => {
    for (const { x: shape, n } of CASES) {
      const k = shape.at(-1) as number;
      const rows = elementCount(shape) / k;
      const label = `${name} x [${shape}], n ${n}`;
      const [xs, ws, bs] = [randomValues(rows * k, 1), randomValues(k * n, 2), randomValues(n, 3)];
      const [x, weight, bias] = [[shape, xs], [[k, n], ws], [[n], bs]].map(([own, data]) => persistentTensor(gpu, own as number[], { data: data as Float32Array, requiresGradient: true })) as [Tensor, Tensor, Tensor];
      const y = linear(x, weight, { bias, force });
      expect(y.shape).toEqual([...shape.slice(0, -1), n]);
      const matrices = { a: [rows, k], b: [k, n], transposeA: false, transposeB: false };
      const product = matmulReference(matrices, xs, ws);
      expectClose(await y.toArray(), product.map((value, i) => value + (bs[i % n] as number)), "kernel", label);
      expectClose(await linear(x, weight, { force }).toArray(), product, "kernel", `${label} without bias`);
      const gy = randomValues(rows * n, 4);
      const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gy }), leaves: [x, weight, bias] });
      const { ga, gb } = matmulGradients(matrices, { a: xs, b: ws, gc: gy });
      const sums = Float64Array.from({ length: n }, (_, j) => gy.reduce((sum, value, i) => (i % n === j ? sum + value : sum), 0));
      expectClose(await (gradients.get(x) as Tensor).toArray(), ga, "kernel", `gradient of x, ${label}`);
      expectClose(await (gradients.get(weight) as Tensor).toArray(), gb, "longSum", `gradient of weight, ${label}`);
      expectClose(await (gradients.get(bias) as Tensor).toArray(), sums, "longSum", `gradient of bias, ${label}`);
    }
  });
}

test("passes the gradient check and is adjoint to its gradient", async () => {
  const inputs = [{ shape: [2, 3, 5] }, { shape: [5, 4] }, { shape: [4] }];
  await checkGradient(gpu, { label: "linear", inputs, op: (x, w, bias) => linear(x as Tensor, w as Tensor, { bias }) });
  const weight = persistentTensor(gpu, [5, 4], { data: randomValues(20, 5) });
  await checkAdjoint(gpu, { label: "linear", inputs: inputs.slice(0, 1), op: (x) => linear(x as Tensor, weight) });
});

test("shapes that do not fit are refused by name", () => {
  const tensor = (...shape: number[]) => persistentTensor(gpu, shape);
  expect(() => linear(tensor(), tensor(1, 2))).toThrow("linear: x must be [.., k], got []");
  expect(() => linear(tensor(2, 3), tensor(3))).toThrow("linear: weight must be [k, n], got [3]");
  expect(() => linear(tensor(2, 3), tensor(4, 5))).toThrow("linear: weight[0] must be 3 (the last axis of x [2, 3]), got 4");
  expect(() => linear(tensor(2, 3), tensor(3, 5), { bias: tensor(4) })).toThrow("linear: bias must be [5], got [4]");
});

test("equals PyTorch, with all gradients", async () => {
  const call = (x?: Tensor, w?: Tensor, bias?: Tensor) => linear(x as Tensor, w as Tensor, { bias });
  await checkGolden(gpu, "linear", { "rows": call, "without bias": call, "of a sequence": call });
});
