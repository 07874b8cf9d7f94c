import { test } from "bun:test";
import { abs, add, clamp, cos, div, mul, sin, square, sub } from "../../src/ops/elementwise.ts";
import { indexSelect, scatterAdd } from "../../src/ops/gather.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { mean, norm } from "../../src/ops/reduce.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { permute, slice, stack } from "../../src/ops/shape.ts";
import { softmax } from "../../src/ops/softmax.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";

const gpu = await testDevice();
const indices = (list: readonly number[]) => persistentTensor(gpu, [list.length], { data: Uint32Array.from(list), dtype: "u32" });

const PARENTS = [0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14];
const CHILDREN = PARENTS.keys().drop(1).toArray();
const [children, parents] = [indices(CHILDREN), indices(CHILDREN.map((child) => PARENTS[child] as number))];
const PLACES = Array.from({ length: 36 }, (_, i) => i).filter((i) => Math.abs(Math.floor(i / 6) - (i % 6)) <= 1);
const places = indices(PLACES);
const masked = persistentTensor(gpu, [36], { data: Float32Array.from({ length: 36 }, (_, i) => (PLACES.includes(i) ? 0 : -9e15)) });

/** Vectors from each joint's parent to it. */
function bones(pose: Tensor): Tensor {
  return sub(indexSelect(pose, children, 1), indexSelect(pose, parents, 1));
}

/** One column of the last axis, kept. */
function column(x: Tensor, start: number, end = start + 1): Tensor {
  return slice(x, x.shape.map((_, axis) => (axis === x.shape.length - 1 ? { start, end } : {})));
}

test("PoseAug's networks and losses from single ops equal PyTorch, with all gradients", async () => {
  await checkGolden(
    gpu,
    "compositions",
    {
      "cosines between bones": (pose) => {
        const vectors = bones(pose as Tensor);
        const unit = div(vectors, norm(vectors, { axes: 2, keepAxes: true }));
        return matmul(unit, unit, { transposeB: true });
      },
      "bone lengths": (pose) => norm(bones(pose as Tensor), { axes: 2, keepAxes: true }),
      "graph contraction": (g, a) => {
        // The sum over k and v is one product over their common axis.
        const [b = 0, k = 0, c = 0, v = 0] = (g as Tensor).shape;
        const rows = reshape(permute(g as Tensor, [0, 2, 1, 3]), [b * c, k * v]);
        return reshape(matmul(rows, reshape(a as Tensor, [k * v, -1])), [b, c, -1]);
      },
      "semantic adjacency": (parameters, x) => {
        const matrix = reshape(scatterAdd(masked, places, { values: parameters as Tensor, axis: 0 }), [6, 6]);
        return matmul(softmax(matrix, { axis: 1 }), x as Tensor);
      },
      projection: (pose, camera) => {
        const depth = add(abs(column(pose as Tensor, 2)), 2);
        const xy = clamp(div(column(pose as Tensor, 0, 2), depth), { low: -1, high: 1 });
        const facts = reshape(camera as Tensor, [-1, 1, 4]);
        return add(mul(column(facts, 0, 2), xy), column(facts, 2, 4));
      },
      attention: (theta, phi, g) => matmul(softmax(matmul(theta as Tensor, phi as Tensor, { transposeA: true }), { axis: 2 }), g as Tensor),
      rotation: (angle, pose) => {
        const [c, s] = [cos, sin].map((f) => reshape(f(angle as Tensor), [-1, 1])) as [Tensor, Tensor];
        const [x, y, z] = [0, 1, 2].map((axis) => reshape(column(pose as Tensor, axis), (pose as Tensor).shape.slice(0, 2))) as [Tensor, Tensor, Tensor];
        return stack([sub(mul(c, x), mul(s, y)), add(mul(s, x), mul(c, y)), square(z)], 2);
      },
      "least squares discriminator": (x) => mean(square(sub(x as Tensor, 1))),
    },
    "transcendental",
  );
});
