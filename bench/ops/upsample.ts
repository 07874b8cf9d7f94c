import { upsampleBilinear, upsampleNearest } from "../../src/ops/upsample.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [HEIGHT, WIDTH, CHANNELS] = [32, 24, 64];
const SHAPE = [8, HEIGHT, WIDTH, CHANNELS];

/** Channel, column, row and image of an element of the output, twice as large as the input. */
function place(at: number): [c: number, j: number, i: number, n: number] {
  const pixel = Math.floor(at / CHANNELS);
  const line = Math.floor(pixel / (2 * WIDTH));
  return [at % CHANNELS, pixel % (2 * WIDTH), line % (2 * HEIGHT), Math.floor(line / (2 * HEIGHT))];
}

/** The two inputs around output i of an axis, with weights. */
function neighbours(i: number, length: number): (readonly [number, number])[] {
  const near = Math.floor(i / 2);
  const far = Math.min(Math.max(near + (i % 2 === 0 ? -1 : 1), 0), length - 1);
  return [[near, 0.75], [far, 0.25]];
}

export const cases: Case[] = [
  ...opCases({
    name: "upsampleNearest by 2 of 8x32x24x64",
    shapes: [SHAPE],
    op: (x) => upsampleNearest(x as Tensor, 2),
    expected: (at, [x]) => {
      const [c, j, i, n] = place(at);
      return x?.[((n * HEIGHT + Math.floor(i / 2)) * WIDTH + Math.floor(j / 2)) * CHANNELS + c] ?? 0;
    },
  }),
  ...opCases({
    name: "upsampleBilinear by 2 of 8x32x24x64",
    shapes: [SHAPE],
    op: (x) => upsampleBilinear(x as Tensor, { height: 2 * HEIGHT, width: 2 * WIDTH }),
    expected: (at, [x]) => {
      const [c, j, i, n] = place(at);
      let sum = 0;
      for (const [row, rowWeight] of neighbours(i, HEIGHT))
        for (const [column, columnWeight] of neighbours(j, WIDTH)) sum += rowWeight * columnWeight * (x?.[((n * HEIGHT + row) * WIDTH + column) * CHANNELS + c] ?? 0);
      return sum;
    },
  }),
];
