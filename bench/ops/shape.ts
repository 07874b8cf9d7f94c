import { concat, permute, slice } from "../../src/ops/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const SHAPE = [8, 64, 48, 64];

export const cases: Case[] = [
  ...opCases({
    name: "permute to channels first 8x64x48x64",
    shapes: [SHAPE],
    op: (x) => permute(x as Tensor, [0, 3, 1, 2]),
    expected: (i, [x]) => {
      const [pixel, channel, n] = [i % 3072, Math.floor(i / 3072) % 64, Math.floor(i / 3072 / 64)];
      return x?.[(n * 3072 + pixel) * 64 + channel] ?? 0;
    },
  }),
  ...opCases({ name: "slice of channels 8x64x48x64", shapes: [SHAPE], op: (x) => slice(x as Tensor, [{}, {}, {}, { start: 16, end: 48 }]), expected: (i, [x]) => x?.[Math.floor(i / 32) * 64 + 16 + (i % 32)] ?? 0 }),
  ...opCases({
    name: "concat of channels 8x64x48x64",
    shapes: [SHAPE, SHAPE],
    op: (a, b) => concat([a as Tensor, b as Tensor], 3),
    expected: (i, values) => values[i % 128 < 64 ? 0 : 1]?.[Math.floor(i / 128) * 64 + (i % 64)] ?? 0,
  }),
];
