import { logSumExp } from "../../src/ops/log_sum_exp.ts";
import { max, sum } from "../../src/ops/reduce.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const SHAPE = [8, 64, 48, 64];
const MAP = 64 * 48;

function reduced(values: Float32Array | undefined, { start, step, count }: { start: number; step: number; count: number }, f: (a: number, b: number) => number): number {
  let result = values?.[start] ?? 0;
  for (let k = 1; k < count; k++) result = f(result, values?.[start + k * step] ?? 0);
  return result;
}

export const cases: Case[] = [
  ...opCases({ name: "sum over pixels 8x64x48x64", shapes: [SHAPE], op: (x) => sum(x as Tensor, { axes: [1, 2] }), expected: (i, [x]) => reduced(x, { start: Math.floor(i / 64) * MAP * 64 + (i % 64), step: 64, count: MAP }, (a, b) => a + b) }),
  ...opCases({ name: "sum over channels 8x64x48x64", shapes: [SHAPE], op: (x) => sum(x as Tensor, { axes: 3 }), expected: (i, [x]) => reduced(x, { start: 64 * i, step: 1, count: 64 }, (a, b) => a + b) }),
  ...opCases({ name: "max over pixels 8x64x48x64", shapes: [SHAPE], op: (x) => max(x as Tensor, { axes: [1, 2] }), expected: (i, [x]) => reduced(x, { start: Math.floor(i / 64) * MAP * 64 + (i % 64), step: 64, count: MAP }, Math.max) }),
  ...opCases({
    name: "logSumExp over channels 8x64x48x64",
    shapes: [SHAPE],
    op: (x) => logSumExp(x as Tensor, { axes: 3 }),
    expected: (i, [x]) => Math.log((x ?? new Float32Array()).slice(64 * i, 64 * i + 64).reduce((total, value) => total + Math.exp(value), 0)),
  }),
];
