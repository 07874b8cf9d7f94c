import { indexSelect } from "../../src/ops/gather.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const ROWS = 24576;
const CHOSEN = 8192;
const place = (i: number) => (i * 7919) % ROWS;
let index: Tensor | undefined;

export const cases: Case[] = opCases({
  name: "indexSelect 8192 of 24576 rows of 64",
  shapes: [[ROWS, 64]],
  op: (x) => {
    index ??= persistentTensor((x as Tensor).gpu, [CHOSEN], { data: Uint32Array.from({ length: CHOSEN }, (_, i) => place(i)), dtype: "u32" });
    return indexSelect(x as Tensor, index, 0);
  },
  expected: (i, [x]) => x?.[place(Math.floor(i / 64)) * 64 + (i % 64)] ?? 0,
});
