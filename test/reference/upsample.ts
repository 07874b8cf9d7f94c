/** Resampling in plain loops, f64: both directions from one list of (output, input, weight). */

export interface ResampleCase {
  n: number;
  h: number;
  w: number;
  c: number;
  outH: number;
  outW: number;
}

/** Inputs that output i of an axis reads, with weights. */
export type AxisTaps = (i: number, inLength: number, outLength: number) => [input: number, weight: number][];

/** Taps of nearest resampling by a whole factor. */
export const nearestTaps: AxisTaps = (i, inLength, outLength) => [[Math.floor((i * inLength) / outLength), 1]];

/** Taps of linear resampling. */
export function linearTaps(alignCorners: boolean): AxisTaps {
  return (i, inLength, outLength) => {
    const ratio = alignCorners ? (outLength > 1 ? (inLength - 1) / (outLength - 1) : 0) : inLength / outLength;
    const place = alignCorners ? ratio * i : Math.max(0, ratio * (i + 0.5) - 0.5);
    const low = Math.min(Math.floor(place), inLength - 1);
    return [[low, 1 - (place - low)], [Math.min(low + 1, inLength - 1), place - low]];
  };
}

/** Output for x, and input gradient for gradY. */
export function resampleReference(x: ArrayLike<number>, gradY: ArrayLike<number>, { n, h, w, c, outH, outW }: ResampleCase, taps: AxisTaps): { y: Float64Array; gradX: Float64Array } {
  const y = new Float64Array(n * outH * outW * c);
  const gradX = new Float64Array(n * h * w * c);
  for (let image = 0; image < n; image++)
    for (let i = 0; i < outH; i++)
      for (let j = 0; j < outW; j++)
        for (const [row, rowWeight] of taps(i, h, outH))
          for (const [column, columnWeight] of taps(j, w, outW))
            for (let channel = 0; channel < c; channel++) {
              const from = channel + c * (column + w * (row + h * image));
              const to = channel + c * (j + outW * (i + outH * image));
              const weight = rowWeight * columnWeight;
              y[to] = (y[to] as number) + weight * (x[from] as number);
              gradX[from] = (gradX[from] as number) + weight * (gradY[to] as number);
            }
  return { y, gradX };
}
