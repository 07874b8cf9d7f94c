import { cast } from "../../src/ops/cast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

export const cases: Case[] = opCases({
  name: "cast to f16 and back 8x64x48x64",
  shapes: [[8, 64, 48, 64]],
  op: (x) => cast(cast(x as Tensor, "f16"), "f32"),
  expected: (at, [x]) => Math.f16round(x?.[at] ?? 0),
});
