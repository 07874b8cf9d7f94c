import { linear } from "../../src/ops/linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

function linearCases(rows: number, from: number, to: number): Case[] {
  return opCases({
    name: `linear ${rows}x${from}-${to}`,
    shapes: [[rows, from], [from, to], [to]],
    op: (x, weight, bias) => linear(x as Tensor, weight as Tensor, { bias }),
    expected(at, [x, weight, bias]) {
      const [row, column] = [Math.floor(at / to), at % to];
      let sum = bias?.[column] ?? 0;
      for (let k = 0; k < from; k++) sum += (x?.[row * from + k] ?? 0) * (weight?.[k * to + column] ?? 0);
      return sum;
    },
    flops: 2 * rows * from * to,
  });
}

export const cases: Case[] = [...linearCases(1024, 32, 1024), ...linearCases(256, 1024, 1024), ...linearCases(1024, 1024, 45)];
