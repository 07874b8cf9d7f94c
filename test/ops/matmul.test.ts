import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { matmul, type MatmulOptions } from "../../src/ops/matmul.ts";
import { elementCount, persistentTensor, type Shape, type Tensor } from "../../src/tensor/tensor.ts";
import { type Matrices, matmulGradients, matmulReference } from "../reference/matmul.ts";
import type { ToleranceName } from "../tolerances.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { gemmAlgorithms } from "../support/gemm_algorithms.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";

const gpu = await testDevice();

/** Batch axes of a and b, and the three sizes. */
interface Case {
  a: Shape;
  b: Shape;
  m: number;
  k: number;
  n: number;
}

const random = testRandom(110);
const CASES: Case[] = [
  { a: [], b: [], m: 1, k: 1, n: 1 },
  { a: [], b: [], m: 37, k: 53, n: 19 },
  { a: [3], b: [3], m: 16, k: 3, n: 16 },
  { a: [2, 3], b: [2, 3], m: 5, k: 33, n: 17 },
  { a: [4, 2], b: [], m: 7, k: 11, n: 13 },
  { a: [], b: [5], m: 17, k: 16, n: 3 },
  ...Array.from({ length: 4 }, (_, i): Case => {
    const batch = [random.integer(1, 5)];
    return { a: i === 1 ? [] : batch, b: i === 2 ? [] : batch, m: random.integer(1, 70), k: random.integer(1, 70), n: random.integer(1, 70) };
  }),
];
const TRANSPOSES = [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ transposeA, transposeB })));

function shapesOf({ a, b, m, k, n }: Case, { transposeA, transposeB }: MatmulOptions): { a: Shape; b: Shape } {
  return { a: [...a, ...(transposeA ? [k, m] : [m, k])], b: [...b, ...(transposeB ? [n, k] : [k, n])] };
}

async function checkProduct({ a: aShape, b: bShape }: { a: Shape; b: Shape }, options: MatmulOptions & { gradientTolerance?: ToleranceName }, label: string): Promise<void> {
  const matrices: Matrices = { a: aShape, b: bShape, transposeA: options.transposeA ?? false, transposeB: options.transposeB ?? false };
  const [aValues, bValues] = [randomValues(elementCount(aShape), 1), randomValues(elementCount(bShape), 2)];
  const a = persistentTensor(gpu, aShape, { data: aValues, requiresGradient: true });
  const b = persistentTensor(gpu, bShape, { data: bValues, requiresGradient: true });
  const c = matmul(a, b, options);
  expectClose(await c.toArray(), matmulReference(matrices, aValues, bValues), "kernel", label);
  const gc = randomValues(c.size, 3);
  const gradients = backward(c, { gradient: persistentTensor(gpu, c.shape, { data: gc }), leaves: [a, b] });
  const expected = matmulGradients(matrices, { a: aValues, b: bValues, gc });
  expectClose(await (gradients.get(a) as Tensor).toArray(), expected.ga, options.gradientTolerance ?? "kernel", `gradient of a, ${label}`);
  expectClose(await (gradients.get(b) as Tensor).toArray(), expected.gb, options.gradientTolerance ?? "kernel", `gradient of b, ${label}`);
}

for (const [name, force] of Object.entries(gemmAlgorithms(gpu))) {
  test(`products and gradients with all transposes and batches, ${name}`, async () => {
    for (const subject of CASES) {
      for (const transposes of TRANSPOSES) {
        await checkProduct(shapesOf(subject, transposes), { ...transposes, force }, `${name} ${JSON.stringify({ ...subject, ...transposes })} seed ${TEST_SEED}`);
      }
    }
  });
}

test("a gradient is one sum over a long batch and deep products are cut into slices, the same bits every time", async () => {
  // The gradient of the single matrix sums 700 products; with 4100 of depth and one tile the planner cuts.
  await checkProduct({ a: [5, 3], b: [700, 3, 4] }, {}, "one matrix for 700");
  await checkProduct({ a: [700, 5, 3], b: [3, 4] }, {}, "700 matrices with one");
  const [a, b] = [4100, 4100].map((k, i) => persistentTensor(gpu, [k, 3], { data: randomValues(3 * k, 4 + i) }));
  const product = () => matmul(a as Tensor, b as Tensor, { transposeA: true }).toArray();
  const first = await product();
  expectClose(first, matmulReference({ a: [4100, 3], b: [4100, 3], transposeA: true, transposeB: false }, randomValues(12300, 4), randomValues(12300, 5)), "longSum", "deep product");
  expect(await product()).toEqual(first);
});

test("more matrices and more row tiles than a grid axis carries", async () => {
  await checkProduct({ a: [70_001, 2, 3], b: [70_001, 3, 1] }, {}, "70 001 matrices");
  await checkProduct({ a: [1_050_001, 1], b: [1, 2] }, { gradientTolerance: "longSum" }, "1 050 001 rows");
});

test("rows of b that alias in the cache are copied to wider ones, packed or not", async () => {
  const [m, k, n] = [256, 256, 1024];
  const [aValues, bValues] = [randomValues(m * k, 7), randomValues(k * n, 8)];
  const a = persistentTensor(gpu, [m, k], { data: aValues });
  const plain = await matmul(a, persistentTensor(gpu, [k, n], { data: bValues })).toArray();
  expectClose(plain, matmulReference({ a: [m, k], b: [k, n], transposeA: false, transposeB: false }, aValues, bValues), "kernel", "plain b");
  const turned = Float32Array.from(bValues, (_, i) => bValues[(i % k) * n + Math.floor(i / k)] as number);
  expect(await matmul(a, persistentTensor(gpu, [n, k], { data: turned }), { transposeB: true }).toArray()).toEqual(plain);
});

test("passes the gradient check and is adjoint to its gradient", async () => {
  for (const transposes of TRANSPOSES) {
    const shapes = shapesOf({ a: [2], b: [2], m: 3, k: 5, n: 4 }, transposes);
    const label = JSON.stringify(transposes);
    await checkGradient(gpu, { label, inputs: [{ shape: shapes.a }, { shape: shapes.b }], op: (a, b) => matmul(a as Tensor, b as Tensor, transposes) });
    const fixed = persistentTensor(gpu, shapes.b, { data: randomValues(elementCount(shapes.b), 6) });
    await checkAdjoint(gpu, { label, inputs: [{ shape: shapes.a }], op: (a) => matmul(a as Tensor, fixed, transposes) });
  }
});

test("shapes that do not fit are refused by name", () => {
  const tensor = (...shape: number[]) => persistentTensor(gpu, shape);
  expect(() => matmul(tensor(3), tensor(3, 2))).toThrow("matmul: a must have at least two axes, got [3]");
  expect(() => matmul(tensor(2, 3), tensor(3))).toThrow("matmul: b must have at least two axes, got [3]");
  expect(() => matmul(tensor(2, 3), tensor(4, 2))).toThrow("matmul: b must have 3 along axis 0 (axis 1 of a [2, 3]), got [4, 2]");
  expect(() => matmul(tensor(5, 2, 3), tensor(5, 4, 3), { transposeA: true, transposeB: true })).toThrow("matmul: b must have 2 along axis 2 (axis 1 of a [5, 2, 3]), got [5, 4, 3]");
  expect(() => matmul(tensor(2, 2, 3), tensor(4, 3, 2))).toThrow("matmul: batch axes of a and b must be equal, or one of them a single matrix, got [2, 2, 3] and [4, 3, 2]");
});

test("equals PyTorch, with all gradients", async () => {
  const call = (options: MatmulOptions) => (a?: Tensor, b?: Tensor) => matmul(a as Tensor, b as Tensor, options);
  await checkGolden(gpu, "matmul", {
    "plain": call({}),
    "both transposed": call({ transposeA: true, transposeB: true }),
    "batched": call({}),
    "batched transposed a": call({ transposeA: true }),
    "batched transposed b": call({ transposeB: true }),
    "one a": call({}),
    "one b": call({}),
  });
});
