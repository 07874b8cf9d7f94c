/** AC-Loss in plain loops, f64. */

export interface AcCase {
  n: number;
  pixels: number;
  joints: number;
  groups: number;
  exponent: number;
  factor: number;
  detachWeight: boolean;
  raw: boolean;
}

/** f, weight and loss of one pixel, and the derivative of the loss by p. */
export function acPixel(p: number, g: number, { exponent, detachWeight, raw }: Pick<AcCase, "exponent" | "detachWeight" | "raw">) {
  const limit = (value: number) => (raw ? value : Math.min(1, value));
  const q = g ** exponent;
  const adjacent = g !== 0 && g !== 1;
  const open = g === 1 ? Math.abs(1 - p) : g === 0 ? Math.abs(p) : Math.abs(q - p) * q;
  const f = limit(open);
  const d = limit(Math.abs(p - g));
  const weight = f + (1 - f) * d;
  const fSlope = f < open ? 0 : adjacent ? q * Math.sign(p - q) : Math.sign(p - g);
  const dSlope = d < Math.abs(p - g) ? 0 : Math.sign(p - g);
  const weightSlope = detachWeight ? 0 : fSlope * (1 - d) + (1 - f) * dSlope;
  return { f, weight, loss: weight * (p - g) ** 2, slope: 2 * (p - g) * weight + (p - g) ** 2 * weightSlope };
}

/**
 * Losses of `groups` contiguous slices, and the gradient of their sum. Arrays [n, pixels, joints]; factorOf(sample, pixel,
 * joint) is what multiplies a pixel's loss: the mask, or the square of a joint's weight.
 */
export function acReference(
  { prediction, target }: Record<"prediction" | "target", ArrayLike<number>>,
  { factorOf, ...facts }: AcCase & { factorOf: (sample: number, pixel: number, joint: number) => number },
): { loss: Float64Array; gradient: Float64Array } {
  const { n, pixels, joints, groups } = facts;
  const loss = new Float64Array(groups);
  const gradient = new Float64Array(n * pixels * joints);
  const share = (facts.factor * groups) / gradient.length;
  for (let i = 0; i < gradient.length; i++) {
    const [joint, pixel, sample] = [i % joints, Math.floor(i / joints) % pixels, Math.floor(i / joints / pixels)];
    const own = acPixel(prediction[i] as number, target[i] as number, facts);
    const factor = share * factorOf(sample, pixel, joint);
    const group = Math.floor((sample * groups) / n);
    loss[group] = (loss[group] as number) + factor * own.loss;
    gradient[i] = factor * own.slope;
  }
  return { loss, gradient };
}
