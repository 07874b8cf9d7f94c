/** Average pooling in plain loops, f64. */
import type { PoolCase } from "./maxpool.ts";

/** Calls `visit` for every input that an output has in its window, with their flat indices. */
function eachTap({ n, h, w, c, kernel, stride, padding }: PoolCase, visit: (output: number, input: number) => void): number[] {
  const side = (size: number) => 1 + Math.trunc((size + 2 * padding - kernel) / stride);
  const shape = [n, side(h), side(w), c];
  let out = 0;
  for (let image = 0; image < n; image++)
    for (let i = 0; i < side(h); i++)
      for (let j = 0; j < side(w); j++)
        for (let channel = 0; channel < c; channel++, out++)
          for (let a = 0; a < kernel; a++)
            for (let b = 0; b < kernel; b++) {
              const [row, column] = [i * stride + a - padding, j * stride + b - padding];
              if (row >= 0 && column >= 0 && row < h && column < w) visit(out, channel + c * (column + w * (row + h * image)));
            }
  return shape;
}

/** Output and, for an output gradient, the input gradient. */
export function avgpoolReference(x: ArrayLike<number>, gradY: ArrayLike<number>, sizes: PoolCase): { y: Float64Array; gradX: Float64Array; shape: number[] } {
  const y = new Float64Array(gradY.length);
  const gradX = new Float64Array(x.length);
  const weight = 1 / (sizes.kernel * sizes.kernel);
  const shape = eachTap(sizes, (output, input) => {
    y[output] = (y[output] as number) + weight * (x[input] as number);
    gradX[input] = (gradX[input] as number) + weight * (gradY[output] as number);
  });
  return { y, gradX, shape };
}
