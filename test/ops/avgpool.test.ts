import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { avgPool } from "../../src/ops/avgpool.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { avgpoolReference } from "../reference/avgpool.ts";
import type { PoolCase } from "../reference/maxpool.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { checkHalf } from "../support/half.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

const CASES: Record<string, PoolCase> = {
  "halves": { n: 2, h: 16, w: 12, c: 24, kernel: 2, stride: 2, padding: 0 },
  "primes": { n: 1, h: 13, w: 7, c: 5, kernel: 3, stride: 2, padding: 1 },
  "windows apart": { n: 3, h: 11, w: 9, c: 3, kernel: 2, stride: 3, padding: 1 },
  "every pixel, with a border": { n: 2, h: 5, w: 4, c: 2, kernel: 5, stride: 1, padding: 2 },
  "one pixel": { n: 1, h: 1, w: 1, c: 1, kernel: 3, stride: 2, padding: 1 },
  "rows that no window reaches": { n: 3, h: 10, w: 10, c: 4, kernel: 3, stride: 4, padding: 0 },
  "many pixels of one channel": { n: 3, h: 151, w: 149, c: 1, kernel: 2, stride: 1, padding: 1 },
  "one pixel of many channels": { n: 1, h: 4, w: 4, c: 1031, kernel: 4, stride: 4, padding: 0 },
};

for (const [label, sizes] of Object.entries(CASES)) {
  const { n, h, w, c, kernel, stride, padding } = sizes;
  const op = (x: Tensor | undefined) => avgPool(x as Tensor, { kernel, stride, padding });
  test(`avgPool over ${label}: output and gradient as in f64`, async () => {
    const data = randomValues(n * h * w * c, 1);
    const x = persistentTensor(gpu, [n, h, w, c], { data, requiresGradient: true });
    const y = op(x);
    const gradY = randomValues(y.size, 2);
    const expected = avgpoolReference(data, gradY, sizes);
    expect([...y.shape]).toEqual(expected.shape);
    expectClose(await y.toArray(), expected.y, "kernel", `${label}: output`);
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gradY }), leaves: [x] });
    expectClose(await (gradients.get(x) as Tensor).toArray(), expected.gradX, "kernel", `${label}: gradient`);
    await checkGradient(gpu, { label: `avgPool over ${label}`, inputs: [{ shape: x.shape }], op });
    await checkAdjoint(gpu, { label: `avgPool over ${label}`, inputs: [{ shape: x.shape }], op });
  });
}

test("the stride is the kernel where it is not given", () => {
  expect(avgPool(persistentTensor(gpu, [1, 9, 6, 1]), { kernel: 3 }).shape).toEqual([1, 3, 2, 1]);
});

test("avgPool names the argument that is wrong", () => {
  const x = persistentTensor(gpu, [1, 4, 4, 2]);
  expect(() => avgPool(persistentTensor(gpu, [4, 4]), { kernel: 2 })).toThrow("avgPool: x must be [n, h, w, c], got [4, 4]");
  expect(() => avgPool(x, { kernel: 0 })).toThrow("avgPool: kernel must be an integer of at least 1, got 0");
  expect(() => avgPool(x, { kernel: 2, stride: 0 })).toThrow("avgPool: stride must be an integer of at least 1, got 0");
  expect(() => avgPool(x, { kernel: 3, padding: 2 })).toThrow("avgPool: padding must be an integer from 0 to half the kernel 3, got 2");
  expect(() => avgPool(x, { kernel: 5 })).toThrow("avgPool: x [1, 4, 4, 2] is smaller than the kernel 5");
});

test.skipIf(!gpu.features.has("shader-f16"))("in f16 the results are those of f32, rounded", async () => {
  await checkHalf(gpu, { label: "avgPool", shape: [2, 7, 5, 3], op: (x) => avgPool(x, { kernel: 3, stride: 2, padding: 1 }) });
});

test("equals PyTorch, with all gradients", async () => {
  await checkGolden(gpu, "avgpool", {
    halves: (x) => avgPool(x as Tensor, { kernel: 2 }),
    "with a border": (x) => avgPool(x as Tensor, { kernel: 3, stride: 2, padding: 1 }),
    "windows apart": (x) => avgPool(x as Tensor, { kernel: 2, stride: 3, padding: 1 }),
  });
});
