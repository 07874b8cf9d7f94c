/** Pooling of whole images in plain loops, f64. */

interface ImageCase {
  n: number;
  pixels: number;
  c: number;
}

/** Mean per image and channel; and the input gradient for an output gradient. */
export function globalAverageReference(x: ArrayLike<number>, gradY: ArrayLike<number>, { n, pixels, c }: ImageCase): { y: Float64Array; gradX: Float64Array } {
  const y = new Float64Array(n * c);
  const gradX = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const to = Math.floor(i / (pixels * c)) * c + (i % c);
    y[to] = (y[to] as number) + (x[i] as number) / pixels;
    gradX[i] = (gradY[to] as number) / pixels;
  }
  return { y, gradX };
}

/** Largest value per image and channel; its first place takes the gradient. */
export function globalMaxReference(x: ArrayLike<number>, gradY: ArrayLike<number>, { n, pixels, c }: ImageCase): { y: Float64Array; gradX: Float64Array } {
  const y = new Float64Array(n * c);
  const gradX = new Float64Array(x.length);
  for (let image = 0; image < n; image++)
    for (let channel = 0; channel < c; channel++) {
      const column = Array.from({ length: pixels }, (_, p) => x[(image * pixels + p) * c + channel] as number);
      const best = column.reduce((a, b) => Math.max(a, b));
      y[image * c + channel] = best;
      gradX[(image * pixels + column.indexOf(best)) * c + channel] = gradY[image * c + channel] as number;
    }
  return { y, gradX };
}
