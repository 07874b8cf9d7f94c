import { relu } from "../../src/ops/relu.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { opCases } from "../case.ts";

export const cases = opCases({
  name: "relu 8x64x48x64",
  shapes: [[8, 64, 48, 64]],
  op: (x) => relu(x as Tensor),
  expected: (at, [x]) => Math.max(0, x?.[at] ?? 0),
});
