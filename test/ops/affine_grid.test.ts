import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { affineGrid } from "../../src/ops/affine_grid.ts";
import { add } from "../../src/ops/elementwise.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { affineGridReference } from "../reference/grid_sample.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

const CASES = [[2, 4, 6], [1, 13, 7], [3, 1, 1], [1, 1, 5], [5, 3, 1], [2, 127, 131]] as const;
for (const [n, h, w] of CASES)
  for (const alignCorners of [false, true]) {
    const label = `affineGrid of ${n} maps onto ${h}x${w}${alignCorners ? ", corners aligned" : ""}`;
    const op = (theta?: Tensor) => affineGrid(theta as Tensor, { height: h, width: w, alignCorners });
    test(`${label}: output and gradient as in f64, the same bits again`, async () => {
      const data = randomValues(6 * n, 1);
      const gradGrid = randomValues(n * h * w * 2, 2);
      const theta = persistentTensor(gpu, [n, 2, 3], { data, requiresGradient: true });
      const grid = op(theta);
      expect([...grid.shape]).toEqual([n, h, w, 2]);
      const expected = affineGridReference(data, gradGrid, { n, h, w, alignCorners });
      expectClose(await grid.toArray(), expected.grid, "kernel", `${label}: output`);
      const upstream = persistentTensor(gpu, grid.shape, { data: gradGrid });
      const gradient = async () => (backward(op(theta), { gradient: upstream, leaves: [theta] }).get(theta) as Tensor).toArray();
      const gradTheta = await gradient();
      expectClose(gradTheta, expected.gradTheta, "longSum", `${label}: gradient`);
      expect(await gradient()).toEqual(gradTheta);
      await checkGradient(gpu, { label, inputs: [{ shape: theta.shape }], op: (x) => op(add(x as Tensor, 0.5)) });
      await checkAdjoint(gpu, { label, inputs: [{ shape: theta.shape }], op });
    });
  }

test("affineGrid names the argument that is wrong", () => {
  const theta = persistentTensor(gpu, [2, 2, 3]);
  expect(() => affineGrid(persistentTensor(gpu, [2, 6]), { height: 2, width: 2 })).toThrow("affineGrid: theta must be [n, 2, 3], got [2, 6]");
  expect(() => affineGrid(persistentTensor(gpu, [2, 3, 3]), { height: 2, width: 2 })).toThrow("affineGrid: theta must be [n, 2, 3], got [2, 3, 3]");
  expect(() => affineGrid(theta, { height: 0, width: 2 })).toThrow("affineGrid: height must be an integer of at least 1, got 0");
  expect(() => affineGrid(theta, { height: 3, width: 2.5 })).toThrow("affineGrid: width must be an integer of at least 1, got 2.5");
});

test("equals PyTorch, with all gradients", async () => {
  const onto = (height: number, width: number, alignCorners: boolean) => (theta?: Tensor) => affineGrid(theta as Tensor, { height, width, alignCorners });
  await checkGolden(gpu, "affine_grid", {
    "onto 5x7": onto(5, 7, false),
    "onto 5x7, corners aligned": onto(5, 7, true),
    "onto one row": onto(1, 6, false),
    "onto one row, corners aligned": onto(1, 6, true),
  });
});
