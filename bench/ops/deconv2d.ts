import { deconv2d, type Deconv2dOptions } from "../../src/ops/deconv2d.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

interface Layer {
  x: readonly [n: number, h: number, w: number, ci: number];
  weight: readonly [kh: number, kw: number, ci: number, co: number];
  stride: number;
  padding: number;
  outputPadding: number;
}

/** Layers that bench/run.ts has not: kernels that their stride does not divide, output padding. */
function layerCases(name: string, { x, weight, stride, padding, outputPadding }: Layer): Case[] {
  const [[n, h, w, ci], [kh, kw, , co]] = [x, weight];
  const side = (size: number, kernel: number) => (size - 1) * stride - 2 * padding + kernel + outputPadding;
  const [oh, ow] = [side(h, kh), side(w, kw)];
  const options: Deconv2dOptions = { stride, padding, outputPadding };
  return opCases({
    name: `deconv2d ${name}`,
    shapes: [x, weight],
    op: (a, k) => deconv2d(a as Tensor, k as Tensor, options),
    expected(at, [a, k]) {
      const [q, column, row, image] = [at % co, Math.floor(at / co) % ow, Math.floor(at / co / ow) % oh, Math.floor(at / co / ow / oh)];
      let sum = 0;
      for (let u = 0; u < kh; u++)
        for (let v = 0; v < kw; v++) {
          const [i, j] = [(row + padding - u) / stride, (column + padding - v) / stride];
          if (!Number.isInteger(i) || !Number.isInteger(j) || i < 0 || j < 0 || i >= h || j >= w) continue;
          for (let c = 0; c < ci; c++) sum += (a?.[((image * h + i) * w + j) * ci + c] ?? 0) * (k?.[((u * kw + v) * ci + c) * co + q] ?? 0);
        }
      return sum;
    },
    flops: 2 * n * h * w * ci * kh * kw * co,
  });
}

export const cases: Case[] = [
  ...layerCases("3x3/2 64-64 of 8x16x12", { x: [8, 16, 12, 64], weight: [3, 3, 64, 64], stride: 2, padding: 1, outputPadding: 1 }),
  ...layerCases("5x5/3 64-32 of 8x16x12", { x: [8, 16, 12, 64], weight: [5, 5, 64, 32], stride: 3, padding: 1, outputPadding: 2 }),
];
