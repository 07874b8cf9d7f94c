/** Convolution by its definition, f64, NHWC, weights [kh, kw, ci / groups, co]. Shares no code with src. */
export interface Conv {
  n: number; h: number; w: number; ci: number; co: number;
  kh: number; kw: number; sh: number; sw: number; ph: number; pw: number;
  /** Dilation along h and w, and groups; 1 where absent. */
  dh?: number; dw?: number; groups?: number;
}

export function outputSize({ h, w, kh, kw, sh, sw, ph, pw, dh = 1, dw = 1 }: Conv): [number, number] {
  return [Math.floor((h + 2 * ph - (kh - 1) * dh - 1) / sh) + 1, Math.floor((w + 2 * pw - (kw - 1) * dw - 1) / sw) + 1];
}

/** Calls back with flat indices of x, weight and y for every product of the convolution. */
function products(c: Conv, visit: (x: number, weight: number, y: number) => void): void {
  const [oh, ow] = outputSize(c);
  const { dh = 1, dw = 1, groups = 1 } = c;
  const [groupIn, groupOut] = [c.ci / groups, c.co / groups];
  for (let n = 0; n < c.n; n++)
    for (let i = 0; i < oh; i++)
      for (let j = 0; j < ow; j++)
        for (let a = 0; a < c.kh; a++)
          for (let b = 0; b < c.kw; b++) {
            const y = i * c.sh - c.ph + a * dh;
            const x = j * c.sw - c.pw + b * dw;
            if (y < 0 || x < 0 || y >= c.h || x >= c.w) continue;
            for (let p = 0; p < groupIn; p++)
              for (let q = 0; q < c.co; q++) {
                const channel = Math.floor(q / groupOut) * groupIn + p;
                visit(((n * c.h + y) * c.w + x) * c.ci + channel, ((a * c.kw + b) * groupIn + p) * c.co + q, ((n * oh + i) * ow + j) * c.co + q);
              }
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

/** A transposed convolution: x [n, h, w, ci], weights [kh, kw, ci, co]; oph and opw are added at the far sides of y. */
export interface Deconv {
  n: number; h: number; w: number; ci: number; co: number;
  kh: number; kw: number; sh: number; sw: number; ph: number; pw: number; oph: number; opw: number;
}

/** Calls back with flat indices of x, weight and y for every product that lands inside of y. */
function spread(d: Deconv, visit: (x: number, weight: number, y: number) => void): number {
  const oh = (d.h - 1) * d.sh - 2 * d.ph + d.kh + d.oph;
  const ow = (d.w - 1) * d.sw - 2 * d.pw + d.kw + d.opw;
  for (let n = 0; n < d.n; n++)
    for (let i = 0; i < d.h; i++)
      for (let j = 0; j < d.w; j++)
        for (let a = 0; a < d.kh; a++)
          for (let b = 0; b < d.kw; b++) {
            const [y, x] = [i * d.sh - d.ph + a, j * d.sw - d.pw + b];
            if (y < 0 || x < 0 || y >= oh || x >= ow) continue;
            for (let p = 0; p < d.ci; p++)
              for (let q = 0; q < d.co; q++) visit(((n * d.h + i) * d.w + j) * d.ci + p, ((a * d.kw + b) * d.ci + p) * d.co + q, ((n * oh + y) * ow + x) * d.co + q);
          }
  return d.n * oh * ow * d.co;
}

export function deconv2d(d: Deconv, x: ArrayLike<number>, weight: ArrayLike<number>, bias?: ArrayLike<number>): Float64Array {
  const y = Float64Array.from({ length: spread(d, () => undefined) }, (_, i) => bias?.[i % d.co] ?? 0);
  spread(d, (xi, wi, yi) => { y[yi]! += x[xi]! * weight[wi]!; });
  return y;
}

export function deconv2dGradients(d: Deconv, x: ArrayLike<number>, weight: ArrayLike<number>, gy: ArrayLike<number>) {
  const [gx, gw, gb] = [new Float64Array(x.length), new Float64Array(weight.length), new Float64Array(d.co)];
  spread(d, (xi, wi, yi) => {
    gx[xi]! += gy[yi]! * weight[wi]!;
    gw[wi]! += gy[yi]! * x[xi]!;
  });
  for (let i = 0; i < gy.length; i++) gb[i % d.co]! += gy[i]!;
  return { gx, gw, gb };
}
