import { avgPool } from "../../src/ops/avgpool.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [HEIGHT, WIDTH, CHANNELS] = [64, 48, 64];

export const cases: Case[] = opCases({
  name: "avgPool 2x2 8x64x48x64",
  shapes: [[8, HEIGHT, WIDTH, CHANNELS]],
  op: (x) => avgPool(x as Tensor, { kernel: 2 }),
  expected: (at, [x]) => {
    const [c, j, line] = [at % CHANNELS, Math.floor(at / CHANNELS) % (WIDTH / 2), Math.floor(at / CHANNELS / (WIDTH / 2))];
    let sum = 0;
    // Rows of all images one after the other: two per output row.
    for (const h of [2 * line, 2 * line + 1]) for (const w of [2 * j, 2 * j + 1]) sum += x?.[(h * WIDTH + w) * CHANNELS + c] ?? 0;
    return sum / 4;
  },
});
