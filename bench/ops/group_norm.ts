import { groupNorm, layerNorm } from "../../src/ops/group_norm.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [BATCH, PIXELS, CHANNELS] = [8, 64 * 48, 64];
const SHAPES = [[BATCH, 64, 48, CHANNELS], [CHANNELS], [CHANNELS]];

/** Element `at` normalised over `pixels` rows of `width` channels, which begin at `first`. */
function normalised([x, gamma, beta]: readonly Float32Array[], { at, first, pixels, width }: { at: number; first: number; pixels: number; width: number }): number {
  const count = pixels * width;
  const value = (k: number) => x?.[first + Math.floor(k / width) * CHANNELS + (k % width)] ?? 0;
  let [mean, variance] = [0, 0];
  for (let k = 0; k < count; k++) mean += value(k) / count;
  for (let k = 0; k < count; k++) variance += (value(k) - mean) ** 2 / count;
  return (((x?.[at] ?? 0) - mean) / Math.sqrt(variance + 1e-5)) * (gamma?.[at % CHANNELS] ?? 0) + (beta?.[at % CHANNELS] ?? 0);
}

export const cases: Case[] = [
  ...opCases({
    name: "groupNorm of 8 8x64x48x64",
    shapes: SHAPES,
    op: (...inputs) => {
      const [x, gamma, beta] = inputs as [Tensor, Tensor, Tensor];
      return groupNorm(x, { groups: 8, gamma, beta });
    },
    expected: (at, values) => normalised(values, { at, first: Math.floor(at / (PIXELS * CHANNELS)) * PIXELS * CHANNELS + 8 * Math.floor((at % CHANNELS) / 8), pixels: PIXELS, width: 8 }),
  }),
  ...opCases({
    name: "layerNorm over channels 8x64x48x64",
    shapes: SHAPES,
    op: (...inputs) => {
      const [x, gamma, beta] = inputs as [Tensor, Tensor, Tensor];
      return layerNorm(x, { gamma, beta });
    },
    expected: (at, values) => normalised(values, { at, first: Math.floor(at / CHANNELS) * CHANNELS, pixels: 1, width: CHANNELS }),
  }),
];
