/** One prediction out of several of the same joints: scales, stages or networks. Source: ASDA's multi-scale voting. */

/**
 * Per joint: the mean of the candidates, then of those no farther from it (L1) than the mean distance; scores alike. Candidates
 * are arrays [3 * joints], x, y, score, all of one length.
 */
export function voteJoints(candidates: readonly ArrayLike<number>[]): Float64Array {
  const out = new Float64Array(candidates[0]?.length ?? 0);
  for (let i = 0; i < out.length; i += 3) {
    const points = candidates.map((values) => [values[i] as number, values[i + 1] as number, values[i + 2] as number] as const);
    const mean = (k: 0 | 1 | 2, of: readonly (readonly [number, number, number])[]) => of.reduce((sum, point) => sum + point[k], 0) / of.length;
    const [x, y] = [mean(0, points), mean(1, points)];
    const distances = points.map((point) => Math.abs(point[0] - x) + Math.abs(point[1] - y));
    const limit = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
    const within = points.filter((_, n) => (distances[n] as number) <= limit);
    // Rounding can leave none where all are equally far: the nearest then stands alone.
    const kept = within.length > 0 ? within : points.filter((_, n) => n === distances.indexOf(Math.min(...distances)));
    out[i] = mean(0, kept);
    out[i + 1] = mean(1, kept);
    out[i + 2] = mean(2, kept);
  }
  return out;
}

/** The mean of the heatmaps of several networks, which is what an ensemble decodes. */
export function averageMaps(maps: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = maps;
  return first.map((_, i) => maps.reduce((sum, map) => sum + (map[i] as number), 0) / maps.length);
}
