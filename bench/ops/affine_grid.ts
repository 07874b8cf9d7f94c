import { affineGrid } from "../../src/ops/affine_grid.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [HEIGHT, WIDTH] = [256, 192];

export const cases: Case[] = opCases({
  name: "affineGrid of 32 maps onto 256x192",
  shapes: [[32, 2, 3]],
  op: (theta) => affineGrid(theta as Tensor, { height: HEIGHT, width: WIDTH }),
  expected: (at, [theta]) => {
    const pixel = Math.floor(at / 2);
    const [j, i, n] = [pixel % WIDTH, Math.floor(pixel / WIDTH) % HEIGHT, Math.floor(pixel / WIDTH / HEIGHT)];
    const [a = 0, b = 0, c = 0] = theta?.subarray(6 * n + 3 * (at % 2)) ?? [];
    return a * ((2 * j + 1) / WIDTH - 1) + b * ((2 * i + 1) / HEIGHT - 1) + c;
  },
});
