/** Heatmap targets, peaks and warps by their definitions, f64. Shares no code with src. */

/** Targets [n, h, w, j] and weights [n, j]: SimpleBaseline's Gaussian with a quantised centre. */
export function render(f: { joints: ArrayLike<number>; visible: ArrayLike<number>; n: number; j: number; width: number; height: number; stride: [number, number]; sigma: number }) {
  const maps = new Float64Array(f.n * f.height * f.width * f.j);
  const weights = new Float64Array(f.n * f.j);
  const side = 6 * f.sigma + 1;
  const x0 = Math.floor(side / 2);
  for (let s = 0; s < f.n; s++)
    for (let k = 0; k < f.j; k++) {
      const i = s * f.j + k;
      const mu = [Math.trunc(f.joints[2 * i]! / f.stride[0] + 0.5), Math.trunc(f.joints[2 * i + 1]! / f.stride[1] + 0.5)] as const;
      const ul = [Math.trunc(mu[0] - 3 * f.sigma), Math.trunc(mu[1] - 3 * f.sigma)] as const;
      const br = [Math.trunc(mu[0] + 3 * f.sigma + 1), Math.trunc(mu[1] + 3 * f.sigma + 1)] as const;
      if (ul[0] >= f.width || ul[1] >= f.height || br[0] < 0 || br[1] < 0) continue;
      weights[i] = f.visible[i]!;
      if (f.visible[i]! <= 0.5) continue;
      // Paste the patch, clipped on both sides.
      for (let py = 0; py < side; py++)
        for (let px = 0; px < side; px++) {
          const [u, v] = [ul[0] + px, ul[1] + py];
          if (u < 0 || v < 0 || u >= f.width || v >= f.height) continue;
          maps[((s * f.height + v) * f.width + u) * f.j + k] = Math.exp(-((px - x0) ** 2 + (py - x0) ** 2) / (2 * f.sigma ** 2));
        }
    }
  return { maps, weights };
}

/** First maximum of each map in row-major order: [n, j, 3]. */
export function peaks(maps: ArrayLike<number>, f: { n: number; height: number; width: number; j: number }): Float64Array {
  const out = new Float64Array(f.n * f.j * 3);
  for (let s = 0; s < f.n; s++)
    for (let k = 0; k < f.j; k++) {
      let best = -Infinity;
      for (let y = 0; y < f.height; y++)
        for (let x = 0; x < f.width; x++) {
          const value = maps[((s * f.height + y) * f.width + x) * f.j + k]!;
          if (value > best) {
            best = value;
            out.set([x, y, value], 3 * (s * f.j + k));
          }
        }
    }
  return out;
}

/** Where output (row, column) samples the input under theta, in px (align_corners = false). */
export function sourceOf(theta: ArrayLike<number>, f: { row: number; column: number; height: number; width: number }): [number, number] {
  const x = (2 * f.column + 1) / f.width - 1;
  const y = (2 * f.row + 1) / f.height - 1;
  const u = theta[0]! * x + theta[1]! * y + theta[2]!;
  const v = theta[3]! * x + theta[4]! * y + theta[5]!;
  return [((u + 1) * f.width - 1) / 2, ((v + 1) * f.height - 1) / 2];
}

/** Bilinear warp with zeros outside, [n, h, w, c]. */
export function warp(x: ArrayLike<number>, theta: ArrayLike<number>, f: { n: number; height: number; width: number; c: number }): Float64Array {
  const out = new Float64Array(x.length);
  for (let s = 0; s < f.n; s++)
    for (let row = 0; row < f.height; row++)
      for (let column = 0; column < f.width; column++) {
        const [u, v] = sourceOf(Array.from({ length: 6 }, (_, i) => theta[6 * s + i]!), { row, column, ...f });
        for (const dv of [0, 1])
          for (const du of [0, 1]) {
            const [p, q] = [Math.floor(u) + du, Math.floor(v) + dv];
            if (p < 0 || q < 0 || p >= f.width || q >= f.height) continue;
            const weight = (1 - Math.abs(u - p)) * (1 - Math.abs(v - q));
            for (let c = 0; c < f.c; c++) out[((s * f.height + row) * f.width + column) * f.c + c]! += weight * x[((s * f.height + q) * f.width + p) * f.c + c]!;
          }
      }
  return out;
}
