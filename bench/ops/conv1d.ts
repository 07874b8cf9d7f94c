import { conv1d, type Conv1dOptions } from "../../src/ops/conv1d.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

function sequenceCases(name: string, { x, weight, dilation }: { x: readonly [n: number, l: number, ci: number]; weight: readonly [k: number, ci: number, co: number]; dilation: number }): Case[] {
  const [[n, l, ci], [k, , co]] = [x, weight];
  const out = l - dilation * (k - 1);
  const options: Conv1dOptions = { dilation };
  return opCases({
    name: `conv1d ${name}`,
    shapes: [x, weight],
    op: (a, w) => conv1d(a as Tensor, w as Tensor, options),
    expected(at, [a, w]) {
      const [q, i, image] = [at % co, Math.floor(at / co) % out, Math.floor(at / co / out)];
      let sum = 0;
      for (let u = 0; u < k; u++) for (let c = 0; c < ci; c++) sum += (a?.[(image * l + i + u * dilation) * ci + c] ?? 0) * (w?.[(u * ci + c) * co + q] ?? 0);
      return sum;
    },
    flops: 2 * n * out * co * k * ci,
  });
}

export const cases: Case[] = [
  ...sequenceCases("1 tap 1024x1x32-1024", { x: [1024, 1, 32], weight: [1, 32, 1024], dilation: 1 }),
  ...sequenceCases("3 taps dilated by 3 16x243x128-128", { x: [16, 243, 128], weight: [3, 128, 128], dilation: 3 }),
];
