/** Products of matrices by their definition, f64. Shares no code with src. */
export interface Matrices {
  a: readonly number[];
  b: readonly number[];
  transposeA: boolean;
  transposeB: boolean;
}

export interface Sizes {
  batch: number;
  m: number;
  n: number;
  k: number;
}

export function sizesOf({ a, b, transposeA, transposeB }: Matrices): Sizes {
  const axes = (a.length > b.length ? a : b).slice(0, -2);
  return { batch: axes.reduce((x, y) => x * y, 1), m: a.at(transposeA ? -1 : -2) ?? 0, n: b.at(transposeB ? -2 : -1) ?? 0, k: a.at(transposeA ? -2 : -1) ?? 0 };
}

/** Calls back with flat indices of a, b and c for every multiplication. */
function products(matrices: Matrices, visit: (a: number, b: number, c: number) => void): void {
  const { batch, m, n, k } = sizesOf(matrices);
  for (let t = 0; t < batch; t++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++)
        for (let d = 0; d < k; d++) {
          const left = (matrices.a.length > 2 ? t * m * k : 0) + (matrices.transposeA ? d * m + i : i * k + d);
          const right = (matrices.b.length > 2 ? t * k * n : 0) + (matrices.transposeB ? j * k + d : d * n + j);
          visit(left, right, (t * m + i) * n + j);
        }
}

export function matmulReference(matrices: Matrices, a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const { batch, m, n } = sizesOf(matrices);
  const c = new Float64Array(batch * m * n);
  products(matrices, (ai, bi, ci) => { c[ci]! += a[ai]! * b[bi]!; });
  return c;
}

export function matmulGradients(matrices: Matrices, { a, b, gc }: { a: ArrayLike<number>; b: ArrayLike<number>; gc: ArrayLike<number> }) {
  const ga = new Float64Array(a.length);
  const gb = new Float64Array(b.length);
  products(matrices, (ai, bi, ci) => {
    ga[ai]! += gc[ci]! * b[bi]!;
    gb[bi]! += gc[ci]! * a[ai]!;
  });
  return { ga, gb };
}
