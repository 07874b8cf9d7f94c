/** Pointwise losses and their derivatives in plain f64. */

export interface PointwiseReference {
  value: (x: number, t: number) => number;
  /** Derivative by x, and by t. */
  slopes: (x: number, t: number) => [number, number];
}

const odd = (slope: number): [number, number] => [slope, -slope];

export const POINTWISE = {
  mse: { value: (x, t) => (x - t) ** 2, slopes: (x, t) => odd(2 * (x - t)) },
  l1: { value: (x, t) => Math.abs(x - t), slopes: (x, t) => odd(Math.sign(x - t)) },
  // beta 0.7
  smoothL1: {
    value: (x, t) => (Math.abs(x - t) < 0.7 ? (x - t) ** 2 / 1.4 : Math.abs(x - t) - 0.35),
    slopes: (x, t) => odd(Math.max(-1, Math.min(1, (x - t) / 0.7))),
  },
  bceWithLogits: {
    value: (x, t) => (x > 0 ? (1 - t) * x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)) - t * x),
    slopes: (x, t) => [1 / (1 + Math.exp(-x)) - t, -x],
  },
} as const satisfies Record<string, PointwiseReference>;
