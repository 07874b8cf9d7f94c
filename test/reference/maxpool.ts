/** Max pooling in plain loops, f64. */

/** Sizes of a pooling of [n, h, w, c]; padding counts as minus infinity. */
export interface PoolCase {
  n: number;
  h: number;
  w: number;
  c: number;
  kernel: number;
  stride: number;
  padding: number;
}

/** Output [n, oh, ow, c] and, for every output, the flat index of the input that it took: the first of equal maxima. */
export function maxpoolReference(x: ArrayLike<number>, { n, h, w, c, kernel, stride, padding }: PoolCase): { y: Float64Array; from: Int32Array; shape: number[] } {
  const side = (size: number) => 1 + Math.trunc((size + 2 * padding - kernel) / stride);
  const [oh, ow] = [side(h), side(w)];
  const y = new Float64Array(n * oh * ow * c);
  const from = new Int32Array(y.length);
  let out = 0;
  for (let image = 0; image < n; image++)
    for (let i = 0; i < oh; i++)
      for (let j = 0; j < ow; j++)
        for (let channel = 0; channel < c; channel++, out++) {
          let best = Number.NEGATIVE_INFINITY;
          let index = -1;
          for (let row = i * stride - padding; row < i * stride - padding + kernel; row++)
            for (let column = j * stride - padding; column < j * stride - padding + kernel; column++) {
              if (row < 0 || column < 0 || row >= h || column >= w) continue;
              const at = channel + c * (column + w * (row + h * image));
              if (index < 0 || (x[at] as number) > best) {
                best = x[at] as number;
                index = at;
              }
            }
          y[out] = best;
          from[out] = index;
        }
  return { y, from, shape: [n, oh, ow, c] };
}

/** Gradient of the input: every output hands its gradient to the input it took. */
export function maxpoolGradientReference(gradY: ArrayLike<number>, from: Int32Array, count: number): Float64Array {
  const gradX = new Float64Array(count);
  from.forEach((at, i) => {
    gradX[at] = (gradX[at] as number) + (gradY[i] as number);
  });
  return gradX;
}
