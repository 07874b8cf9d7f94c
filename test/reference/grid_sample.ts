/** Affine grids and bilinear sampling in plain loops, f64. */

/** Centre of pixel i of a side, from -1 to 1. */
function centre(i: number, size: number, alignCorners: boolean): number {
  if (alignCorners) return size === 1 ? 0 : -1 + (2 * i) / (size - 1);
  return -1 + (i + 0.5) * (2 / size);
}

/** Grid [n, h, w, 2] of theta [n, 2, 3], and theta's gradient for a grid gradient. */
export function affineGridReference(
  theta: ArrayLike<number>,
  gradGrid: ArrayLike<number>,
  { n, h, w, alignCorners }: { n: number; h: number; w: number; alignCorners: boolean },
): { grid: Float64Array; gradTheta: Float64Array } {
  const grid = new Float64Array(n * h * w * 2);
  const gradTheta = new Float64Array(6 * n);
  for (let image = 0; image < n; image++)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        for (let r = 0; r < 2; r++) {
          const at = ((image * h + i) * w + j) * 2 + r;
          [centre(j, w, alignCorners), centre(i, h, alignCorners), 1].forEach((value, k) => {
            const t = 6 * image + 3 * r + k;
            grid[at] = (grid[at] as number) + (theta[t] as number) * value;
            gradTheta[t] = (gradTheta[t] as number) + (gradGrid[at] as number) * value;
          });
        }
  return { grid, gradTheta };
}

export interface SampleCase {
  n: number;
  h: number;
  w: number;
  c: number;
  /** Samples per image. */
  pixels: number;
  alignCorners: boolean;
  padding: "zeros" | "border";
}

/** Place of a coordinate in pixels and its derivative. */
function placeOf(coordinate: number, size: number, { alignCorners, padding }: SampleCase): { place: number; slope: number } {
  const place = alignCorners ? ((coordinate + 1) / 2) * (size - 1) : ((coordinate + 1) * size - 1) / 2;
  const slope = alignCorners ? (size - 1) / 2 : size / 2;
  if (padding === "zeros") return { place, slope };
  if (place <= 0) return { place: 0, slope: 0 };
  if (place >= size - 1) return { place: size - 1, slope: 0 };
  return { place, slope };
}

/** Samples of x, and the gradients of x and of the grid for an output gradient. */
export function gridSampleReference(
  { x, grid, gradY }: Record<"x" | "grid" | "gradY", ArrayLike<number>>,
  sizes: SampleCase,
): { y: Float64Array; gradX: Float64Array; gradGrid: Float64Array } {
  const { n, h, w, c, pixels } = sizes;
  const y = new Float64Array(n * pixels * c);
  const gradX = new Float64Array(n * h * w * c);
  const gradGrid = new Float64Array(n * pixels * 2);
  const hat = (distance: number) => Math.max(0, 1 - Math.abs(distance));
  for (let sample = 0; sample < n * pixels; sample++) {
    const image = Math.floor(sample / pixels);
    const column = placeOf(grid[2 * sample] as number, w, sizes);
    const row = placeOf(grid[2 * sample + 1] as number, h, sizes);
    for (let v = Math.floor(row.place); v <= Math.floor(row.place) + 1; v++)
      for (let u = Math.floor(column.place); u <= Math.floor(column.place) + 1; u++) {
        if (u < 0 || v < 0 || u >= w || v >= h) continue;
        const [wx, wy] = [hat(u - column.place), hat(v - row.place)];
        const [sx, sy] = [u > column.place ? 1 : -1, v > row.place ? 1 : -1];
        for (let channel = 0; channel < c; channel++) {
          const from = channel + c * (u + w * (v + h * image));
          const to = channel + c * sample;
          const [value, gradient] = [x[from] as number, gradY[to] as number];
          y[to] = (y[to] as number) + wx * wy * value;
          gradX[from] = (gradX[from] as number) + wx * wy * gradient;
          gradGrid[2 * sample] = (gradGrid[2 * sample] as number) + sx * column.slope * wy * value * gradient;
          gradGrid[2 * sample + 1] = (gradGrid[2 * sample + 1] as number) + sy * row.slope * wx * value * gradient;
        }
      }
  }
  return { y, gradX, gradGrid };
}
