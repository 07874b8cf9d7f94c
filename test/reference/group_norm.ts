/** Normalisation of samples by themselves, by its definition, f64: x [batch, pixels, channels], channels in equal groups. */
export interface GroupNormFacts {
  batch: number;
  pixels: number;
  groups: number;
  channels: number;
  epsilon: number;
}

/** (x - mean) / sqrt(var + eps) * gamma + beta; mean and biased variance over all places of a sample and group. */
export function groupNormReference(x: ArrayLike<number>, { batch, pixels, groups, channels, epsilon, gamma, beta }: GroupNormFacts & { gamma: ArrayLike<number>; beta: ArrayLike<number> }): Float64Array {
  const y = new Float64Array(x.length);
  const width = channels / groups;
  for (let n = 0; n < batch; n++)
    for (let g = 0; g < groups; g++) {
      const places: number[] = [];
      for (let p = 0; p < pixels; p++) for (let w = 0; w < width; w++) places.push((n * pixels + p) * channels + g * width + w);
      const mean = places.reduce((sum, at) => sum + (x[at] as number), 0) / places.length;
      const variance = places.reduce((sum, at) => sum + ((x[at] as number) - mean) ** 2, 0) / places.length;
      for (const at of places) y[at] = (((x[at] as number) - mean) / Math.sqrt(variance + epsilon)) * (gamma[at % channels] as number) + (beta[at % channels] as number);
    }
  return y;
}
