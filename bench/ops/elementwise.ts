import { add, mul, relu, sigmoid, where } from "../../src/ops/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const SHAPE = [8, 64, 48, 64];
const at = (values: readonly Float32Array[], input: number, place: number) => values[input]?.[place] ?? 0;

export const cases: Case[] = [
  ...opCases({ name: "add 8x64x48x64", shapes: [SHAPE, SHAPE], op: (a, b) => add(a as Tensor, b as Tensor), expected: (i, values) => at(values, 0, i) + at(values, 1, i) }),
  ...opCases({ name: "mul by a channel's factor", shapes: [SHAPE, [64]], op: (a, b) => mul(a as Tensor, b as Tensor), expected: (i, values) => at(values, 0, i) * at(values, 1, i % 64) }),
  ...opCases({ name: "mul by a pixel's factor", shapes: [SHAPE, [8, 64, 48, 1]], op: (a, b) => mul(a as Tensor, b as Tensor), expected: (i, values) => at(values, 0, i) * at(values, 1, Math.floor(i / 64)) }),
  ...opCases({ name: "relu 8x64x48x64", shapes: [SHAPE], op: (x) => relu(x as Tensor), expected: (i, values) => Math.max(0, at(values, 0, i)) }),
  ...opCases({ name: "sigmoid 8x64x48x64", shapes: [SHAPE], op: (x) => sigmoid(x as Tensor), expected: (i, values) => 1 / (1 + Math.exp(-at(values, 0, i))) }),
  ...opCases({
    name: "where 8x64x48x64",
    shapes: [SHAPE, SHAPE, SHAPE],
    op: (c, a, b) => where(c as Tensor, a as Tensor, b as Tensor),
    expected: (i, values) => at(values, at(values, 0, i) === 0 ? 2 : 1, i),
  }),
];
