/** The weighted heatmap loss in plain loops, f64. */

export interface HeatmapCase {
  n: number;
  pixels: number;
  joints: number;
  groups: number;
}

/**
 * Per group g of n / groups samples: (1/J) sum over joints of half the mean over (sample, pixel) of (w p - w t)², and the
 * gradient of the sum of all groups' losses with respect to p. Arrays [n, pixels, joints] and [n, joints].
 */
export function heatmapMseReference(
  { prediction, target, weight }: Record<"prediction" | "target" | "weight", ArrayLike<number>>,
  { n, pixels, joints, groups }: HeatmapCase,
): { loss: Float64Array; gradient: Float64Array } {
  const perGroup = n / groups;
  const loss = new Float64Array(groups);
  const gradient = new Float64Array(n * pixels * joints);
  for (let group = 0; group < groups; group++)
    for (let joint = 0; joint < joints; joint++) {
      let sum = 0;
      for (let sample = group * perGroup; sample < (group + 1) * perGroup; sample++) {
        const w = weight[sample * joints + joint] as number;
        for (let pixel = 0; pixel < pixels; pixel++) {
          const at = (sample * pixels + pixel) * joints + joint;
          const difference = w * (prediction[at] as number) - w * (target[at] as number);
          sum += difference ** 2;
          gradient[at] = (w * difference) / (perGroup * pixels * joints);
        }
      }
      loss[group] = (loss[group] as number) + (0.5 * (sum / (perGroup * pixels))) / joints;
    }
  return { loss, gradient };
}
