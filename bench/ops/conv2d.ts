import { conv2d, type Conv2dOptions } from "../../src/ops/conv2d.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

interface Layer {
  x: readonly [n: number, h: number, w: number, ci: number];
  weight: readonly [kh: number, kw: number, ci: number, co: number];
  stride?: number;
  padding?: number;
  dilation?: number;
  groups?: number;
}

/** Layers that bench/run.ts has not: dilated and grouped ones. */
function layerCases(name: string, { x, weight, stride = 1, padding = 0, dilation = 1, groups = 1 }: Layer): Case[] {
  const [[n, h, w, ci], [kh, kw, own, co]] = [x, weight];
  const side = (size: number, kernel: number) => Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  const [oh, ow] = [side(h, kh), side(w, kw)];
  const options: Conv2dOptions = { stride, padding, dilation, groups };
  return opCases({
    name: `conv2d ${name}`,
    shapes: [x, weight],
    op: (a, k) => conv2d(a as Tensor, k as Tensor, options),
    expected(at, [a, k]) {
      const [q, j, i, image] = [at % co, Math.floor(at / co) % ow, Math.floor(at / co / ow) % oh, Math.floor(at / co / ow / oh)];
      const first = Math.floor(q / (co / groups)) * own;
      let sum = 0;
      for (let u = 0; u < kh; u++)
        for (let v = 0; v < kw; v++) {
          const [row, column] = [i * stride - padding + u * dilation, j * stride - padding + v * dilation];
          if (row < 0 || column < 0 || row >= h || column >= w) continue;
          for (let c = 0; c < own; c++) sum += (a?.[((image * h + row) * w + column) * ci + first + c] ?? 0) * (k?.[((u * kw + v) * own + c) * co + q] ?? 0);
        }
      return sum;
    },
    flops: 2 * n * oh * ow * co * kh * kw * own,
  });
}

export const cases: Case[] = [
  ...layerCases("dilated 3x3 64-64 of 8x32x24", { x: [8, 32, 24, 64], weight: [3, 3, 64, 64], padding: 2, dilation: 2 }),
  ...layerCases("depthwise 3x3 64 of 8x64x48", { x: [8, 64, 48, 64], weight: [3, 3, 1, 64], padding: 1, groups: 64 }),
  ...layerCases("depthwise 3x3/2 64 of 8x64x48", { x: [8, 64, 48, 64], weight: [3, 3, 1, 64], stride: 2, padding: 1, groups: 64 }),
  ...layerCases("grouped 3x3 136-136 in 17 of 4x64x48", { x: [4, 64, 48, 136], weight: [3, 3, 8, 136], padding: 1, groups: 17 }),
  ...layerCases("grouped 1x1 3200-75 in 25 of 32x1x1", { x: [32, 1, 1, 3200], weight: [1, 1, 128, 75], groups: 25 }),
];
