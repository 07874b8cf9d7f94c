import { maxPool } from "../../src/ops/maxpool.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [HEIGHT, WIDTH, CHANNELS] = [128, 96, 64];

export const cases: Case[] = opCases({
  name: "maxpool 3x3 stride 2 8x128x96x64",
  shapes: [[8, HEIGHT, WIDTH, CHANNELS]],
  op: (x) => maxPool(x as Tensor, { kernel: 3, stride: 2, padding: 1 }),
  expected: (at, [x]) => {
    const [c, j, line] = [at % CHANNELS, Math.floor(at / CHANNELS) % (WIDTH / 2), Math.floor(at / CHANNELS / (WIDTH / 2))];
    const [i, n] = [line % (HEIGHT / 2), Math.floor(line / (HEIGHT / 2))];
    let best = Number.NEGATIVE_INFINITY;
    for (let h = Math.max(2 * i - 1, 0); h <= 2 * i + 1; h++)
      for (let w = Math.max(2 * j - 1, 0); w <= 2 * j + 1; w++) best = Math.max(best, x?.[((n * HEIGHT + h) * WIDTH + w) * CHANNELS + c] ?? 0);
    return best;
  },
});
