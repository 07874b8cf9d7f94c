/** Grouped batch normalisation by its definition, f64, rows by channels. */
export interface Norm { groups: number; rows: number; channels: number; epsilon: number }

/** Mean and biased variance of every group and channel. */
export function statistics(s: Norm, x: ArrayLike<number>): { mean: Float64Array; variance: Float64Array } {
  const mean = new Float64Array(s.groups * s.channels);
  const variance = new Float64Array(s.groups * s.channels);
  for (let g = 0; g < s.groups; g++)
    for (let c = 0; c < s.channels; c++) {
      const column = Array.from({ length: s.rows }, (_, r) => x[(g * s.rows + r) * s.channels + c]!);
      const m = column.reduce((sum, v) => sum + v, 0) / s.rows;
      mean[g * s.channels + c] = m;
      variance[g * s.channels + c] = column.reduce((sum, v) => sum + (v - m) ** 2, 0) / s.rows;
    }
  return { mean, variance };
}

/** y = relu?(xhat * gamma + beta + residual). */
export function normalise(s: Norm, f: { x: ArrayLike<number>; mean: ArrayLike<number>; variance: ArrayLike<number>; gamma: ArrayLike<number>; beta: ArrayLike<number>; residual?: ArrayLike<number> | undefined; relu: boolean }): Float64Array {
  return Float64Array.from({ length: f.x.length }, (_, i) => {
    const c = i % s.channels;
    const k = (f.mean.length === s.channels ? 0 : Math.floor(i / s.channels / s.rows) * s.channels) + c;
    const value = ((f.x[i]! - f.mean[k]!) / Math.sqrt(f.variance[k]! + s.epsilon)) * f.gamma[c]! + f.beta[c]! + (f.residual?.[i] ?? 0);
    return f.relu ? Math.max(0, value) : value;
  });
}
