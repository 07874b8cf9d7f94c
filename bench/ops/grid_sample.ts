import { gridSample } from "../../src/ops/grid_sample.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

/** One element of the result by the definition. */
function expected(at: number, [x, grid]: readonly Float32Array[], [height, width, channels]: readonly [number, number, number]): number {
  const sample = Math.floor(at / channels);
  const u = (((grid?.[2 * sample] ?? 0) + 1) * width - 1) / 2;
  const v = (((grid?.[2 * sample + 1] ?? 0) + 1) * height - 1) / 2;
  const image = Math.floor(sample / (height * width)) * height * width;
  let sum = 0;
  for (const row of [Math.floor(v), Math.floor(v) + 1])
    for (const column of [Math.floor(u), Math.floor(u) + 1]) {
      if (row < 0 || column < 0 || row >= height || column >= width) continue;
      sum += (1 - Math.abs(u - column)) * (1 - Math.abs(v - row)) * (x?.[(image + row * width + column) * channels + (at % channels)] ?? 0);
    }
  return sum;
}

const SHAPES = [[8, 256, 192, 3], [8, 64, 48, 17]] as const;

export const cases: Case[] = SHAPES.flatMap(([n, height, width, channels]) =>
  opCases({
    name: `gridSample of ${n}x${height}x${width}x${channels}`,
    shapes: [[n, height, width, channels], [n, height, width, 2]],
    op: (x, grid) => gridSample(x as Tensor, grid as Tensor),
    expected: (at, values) => expected(at, values, [height, width, channels]),
  }),
);
