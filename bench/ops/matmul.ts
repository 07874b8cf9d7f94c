import { matmul } from "../../src/ops/matmul.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

interface Product {
  batch: number;
  m: number;
  k: number;
  n: number;
  transposeA?: boolean;
  transposeB?: boolean;
  /** One a for the whole batch. */
  shared?: boolean;
}

function matmulCases(name: string, { batch, m, k, n, transposeA = false, transposeB = false, shared = false }: Product): Case[] {
  const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
  return opCases({
    name: `matmul ${name}`,
    shapes: [shared ? a : [batch, ...a], [batch, ...b]],
    op: (x, y) => matmul(x as Tensor, y as Tensor, { transposeA, transposeB }),
    expected(at, [x, y]) {
      const [j, i, t] = [at % n, Math.floor(at / n) % m, Math.floor(at / n / m)];
      const [left, right] = [shared ? 0 : t * m * k, t * k * n];
      let sum = 0;
      for (let d = 0; d < k; d++) sum += (x?.[left + (transposeA ? d * m + i : i * k + d)] ?? 0) * (y?.[right + (transposeB ? j * k + d : d * n + j)] ?? 0);
      return sum;
    },
    flops: 2 * batch * m * n * k,
  });
}

export const cases: Case[] = [
  ...matmulCases("512x512x512", { batch: 1, m: 512, k: 512, n: 512 }),
  ...matmulCases("512x512x512 transposed b", { batch: 1, m: 512, k: 512, n: 512, transposeB: true }),
  ...matmulCases("affinity of pixels 8x768x64x768", { batch: 8, m: 768, k: 64, n: 768, transposeB: true }),
  ...matmulCases("bone products 1024x3x15x3", { batch: 1024, m: 3, k: 15, n: 3, transposeA: true }),
  ...matmulCases("graph over joints 256x16x16x128", { batch: 256, m: 16, k: 16, n: 128, shared: true }),
];
