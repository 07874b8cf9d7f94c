/** Convolution by its definition, f64, NHWC, weights [kh, kw, ci, co]. Shares no code with src. */
export interface Conv {
  n: number; h: number; w: number; ci: number; co: number;
  kh: number; kw: number; sh: number; sw: number; ph: number; pw: number;
}

export function outputSize({ h, w, kh, kw, sh, sw, ph, pw }: Conv): [number, number] {
  return [Math.floor((h + 2 * ph - kh) / sh) + 1, Math.floor((w + 2 * pw - kw) / sw) + 1];
}

/** Calls back with flat indices of x, weight and y for every product of the convolution. */
function products(c: Conv, visit: (x: number, weight: number, y: number) => void): void {
  const [oh, ow] = outputSize(c);
  for (let n = 0; n < c.n; n++)
    for (let i = 0; i < oh; i++)
      for (let j = 0; j < ow; j++)
        for (let a = 0; a < c.kh; a++)
          for (let b = 0; b < c.kw; b++) {
            const y = i * c.sh - c.ph + a;
            const x = j * c.sw - c.pw + b;
            if (y < 0 || x < 0 || y >= c.h || x >= c.w) continue;
            for (let p = 0; p < c.ci; p++)
              for (let q = 0; q < c.co; q++)
                visit(((n * c.h + y) * c.w + x) * c.ci + p, ((a * c.kw + b) * c.ci + p) * c.co + q, ((n * oh + i) * ow + j) * c.co + q);
          }
}

export function conv2d(c: Conv, x: ArrayLike<number>, weight: ArrayLike<number>, bias?: ArrayLike<number>): Float64Array {
  const [oh, ow] = outputSize(c);
  const y = Float64Array.from({ length: c.n * oh * ow * c.co }, (_, i) => bias?.[i % c.co] ?? 0);
  products(c, (xi, wi, yi) => { y[yi]! += x[xi]! * weight[wi]!; });
  return y;
}

export function conv2dGradients(c: Conv, x: ArrayLike<number>, weight: ArrayLike<number>, gy: ArrayLike<number>) {
  const gx = new Float64Array(x.length);
  const gw = new Float64Array(weight.length);
  const gb = new Float64Array(c.co);
  products(c, (xi, wi, yi) => {
    gx[xi]! += gy[yi]! * weight[wi]!;
    gw[wi]! += gy[yi]! * x[xi]!;
  });
  for (let i = 0; i < gy.length; i++) gb[i % c.co]! += gy[i]!;
  return { gx, gw, gb };
}

/** Swaps the two channel axes of weights [taps, a, b]. */
export function swapChannels(weight: ArrayLike<number>, { taps, a, b }: { taps: number; a: number; b: number }): Float64Array {
  const out = new Float64Array(weight.length);
  for (let t = 0; t < taps; t++) for (let i = 0; i < a; i++) for (let j = 0; j < b; j++) out[(t * b + j) * a + i] = weight[(t * a + i) * b + j]!;
  return out;
}
