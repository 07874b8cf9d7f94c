import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { maxPool } from "../../src/ops/maxpool.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { maxpoolGradientReference, maxpoolReference, type PoolCase } from "../reference/maxpool.ts";
import { expectClose } from "../support/compare.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const CASES: Record<string, PoolCase> = {
  "the pool of ResNet": { n: 2, h: 16, w: 12, c: 24, kernel: 3, stride: 2, padding: 1 },
  "primes": { n: 1, h: 13, w: 7, c: 5, kernel: 3, stride: 2, padding: 1 },
  "windows apart": { n: 3, h: 11, w: 9, c: 3, kernel: 2, stride: 3, padding: 1 },
  "windows without padding": { n: 1, h: 8, w: 6, c: 7, kernel: 2, stride: 2, padding: 0 },
  "every pixel": { n: 2, h: 5, w: 4, c: 2, kernel: 5, stride: 1, padding: 2 },
  "one pixel": { n: 1, h: 1, w: 1, c: 1, kernel: 3, stride: 2, padding: 1 },
  "more padding than pixels": { n: 2, h: 1, w: 1, c: 3, kernel: 5, stride: 1, padding: 2 },
  "rows that no window reaches": { n: 3, h: 10, w: 10, c: 4, kernel: 3, stride: 4, padding: 0 },
};

async function compare(label: string, sizes: PoolCase, data: Float32Array): Promise<void> {
  const { n, h, w, c, kernel, stride, padding } = sizes;
  const x = persistentTensor(gpu, [n, h, w, c], { data, requiresGradient: true });
  const expected = maxpoolReference(data, sizes);
  const y = maxPool(x, { kernel, stride, padding });
  expect(y.shape).toEqual(expected.shape);
  expectClose(await y.toArray(), expected.y, "exact", `${label}: output`);
  const gradY = randomValues(y.size, 3);
  const leaves = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: gradY }), leaves: [x] });
  const gradX = await (leaves.get(x) as Tensor).toArray();
  expectClose(gradX, maxpoolGradientReference(gradY, expected.from, data.length), "kernel", `${label}: gradient`);
}

for (const [label, sizes] of Object.entries(CASES)) {
  const count = sizes.n * sizes.h * sizes.w * sizes.c;
  test(`maxPool over ${label} equals the reference, ties and negative maxima included`, async () => {
    await compare(label, sizes, randomValues(count, 1));
    const random = testRandom(2);
    // Four values only: most windows have several maxima, and the first must win.
    await compare(`${label}, ties`, sizes, Float32Array.from({ length: count }, () => random.integer(-4, 0)));
  });
}

test("maxPool passes the gradient check", async () => {
  for (const [label, { n, h, w, c, kernel, stride, padding }] of Object.entries(CASES)) {
    const count = n * h * w * c;
    // All values further apart than the check moves them, so that no maximum changes hands.
    const values = Float32Array.from(testRandom(4).permutation(count), (rank) => rank / 20);
    await checkGradient(gpu, { label: `maxPool over ${label}`, inputs: [{ shape: [n, h, w, c], values }], op: (x) => maxPool(x as Tensor, { kernel, stride, padding }) });
  }
});

test("a NaN is not hidden by the pool", async () => {
  const x = persistentTensor(gpu, [1, 2, 2, 1], { data: Float32Array.of(3, Number.NaN, 5, 1) });
  expect([...(await maxPool(x, { kernel: 2 }).toArray())]).toEqual([Number.NaN]);
});

test("the stride is the kernel where it is not given", () => {
  expect(maxPool(persistentTensor(gpu, [1, 9, 6, 1]), { kernel: 3 }).shape).toEqual([1, 3, 2, 1]);
});

test("maxPool names the argument that is wrong", () => {
  const x = persistentTensor(gpu, [1, 4, 4, 2]);
  expect(() => maxPool(persistentTensor(gpu, [4, 4]), { kernel: 2 })).toThrow("maxPool: x must be [n, h, w, c], got [4, 4]");
  expect(() => maxPool(x, { kernel: 0 })).toThrow("maxPool: kernel must be an integer of at least 1, got 0");
  expect(() => maxPool(x, { kernel: 2, stride: 1.5 })).toThrow("maxPool: stride must be an integer of at least 1, got 1.5");
  expect(() => maxPool(x, { kernel: 3, padding: 2 })).toThrow("maxPool: padding must be an integer from 0 to half the kernel 3, got 2");
  expect(() => maxPool(x, { kernel: 5 })).toThrow("maxPool: x [1, 4, 4, 2] is smaller than the kernel 5");
});

test("equals PyTorch, with all gradients", async () => {
  await checkGolden(gpu, "maxpool", {
    "of ResNet": (x) => maxPool(x as Tensor, { kernel: 3, stride: 2, padding: 1 }),
    halves: (x) => maxPool(x as Tensor, { kernel: 2 }),
    ties: (x) => maxPool(x as Tensor, { kernel: 3, stride: 1, padding: 1 }),
  });
});
