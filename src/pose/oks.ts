/** Object keypoint similarity between two detections, as the source systems' NMS uses it. */

/** Similarity of keypoints a and b ([j * 3]: x, y, score) over all joints. */
export function detectionOks(
  a: { keypoints: ArrayLike<number>; area: number },
  b: { keypoints: ArrayLike<number>; area: number },
  sigmas: readonly number[],
): number {
  const area = (a.area + b.area) / 2 + Number.EPSILON;
  let sum = 0;
  sigmas.forEach((sigma, j) => {
    const dx = (a.keypoints[3 * j] as number) - (b.keypoints[3 * j] as number);
    const dy = (a.keypoints[3 * j + 1] as number) - (b.keypoints[3 * j + 1] as number);
    sum += Math.exp(-(dx * dx + dy * dy) / ((2 * sigma) ** 2 * area * 2));
  });
  return sum / sigmas.length;
}
