import { globalAveragePool, globalMaxPool } from "../../src/ops/global_pool.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [PIXELS, CHANNELS] = [64 * 48, 64];
const SHAPE = [8, 64, 48, CHANNELS];

/** The values of one channel of one image. */
function column(at: number, x: Float32Array | undefined): number[] {
  const first = Math.floor(at / CHANNELS) * PIXELS * CHANNELS + (at % CHANNELS);
  return Array.from({ length: PIXELS }, (_, p) => x?.[first + p * CHANNELS] ?? 0);
}

export const cases: Case[] = [
  ...opCases({ name: "globalAveragePool 8x64x48x64", shapes: [SHAPE], op: (x) => globalAveragePool(x as Tensor), expected: (at, [x]) => column(at, x).reduce((a, b) => a + b) / PIXELS }),
  ...opCases({ name: "globalMaxPool 8x64x48x64", shapes: [SHAPE], op: (x) => globalMaxPool(x as Tensor), expected: (at, [x]) => Math.max(...column(at, x)) }),
];
