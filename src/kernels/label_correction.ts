/** Pseudo labels of a third network from two teachers, now and an epoch ago. Source: SSPCM (Huang et al., CVPR 2023), multiaugs §12. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";

const pairKernel = defineKernel({
  name: "heatmap/nearest_pair",
  fragments: ["heatmap/nearest_pair.wgsl", "lib/grid.wgsl"],
  buffers: { first: "read", second: "read", first_old: "read", second_old: "read", pair: "read_write" },
  uniforms: { count: "u32" },
});
const meanKernel = defineKernel({
  name: "heatmap/pair_mean",
  fragments: ["heatmap/pair_mean.wgsl", "lib/grid.wgsl"],
  buffers: { first: "read", second: "read", first_old: "read", second_old: "read", pair: "read", out: "read_write" },
  uniforms: { batch: "u32", pixels: "u32", joints: "u32" },
});
const agreementKernel = defineKernel({
  name: "heatmap/agreement",
  fragments: ["heatmap/agreement.wgsl", "lib/grid.wgsl"],
  buffers: { first: "read", second: "read", base: "read", everyone: "read_write", third: "read_write" },
  uniforms: { count: "u32", score_threshold: "f32", distance_threshold: "f32", inverse_diagonal: "f32" },
});

/** One thing of both teachers, as they are and as they were. */
export interface TeacherPair {
  first: BufferRange;
  second: BufferRange;
  firstOld: BufferRange;
  secondOld: BufferRange;
}

/**
 * out [batch, pixels, joints] = for each sample and joint the mean of one map of each teacher: of the four pairs of old and new
 * maps the one whose peaks are nearest. maps as out; peaks [batch, joints, 3].
 */
export function correctLabels(gpu: Gpu, { maps, peaks, out, batch, pixels, joints }: { maps: TeacherPair; peaks: TeacherPair; out: BufferRange; batch: number; pixels: number; joints: number }): void {
  const pair = gpu.allocate(4 * batch * joints, "nearest pair");
  gpu.run(pairKernel, {
    buffers: { first: peaks.first, second: peaks.second, first_old: peaks.firstOld, second_old: peaks.secondOld, pair },
    uniforms: { count: batch * joints },
    workgroups: linearGrid(batch * joints, 32),
  });
  gpu.run(meanKernel, {
    buffers: { first: maps.first, second: maps.second, first_old: maps.firstOld, second_old: maps.secondOld, pair, out },
    uniforms: { batch, pixels, joints },
    workgroups: linearGrid(batch * pixels * joints, 64),
  });
}

/** How two teachers' agreement weighs joints. */
export interface AgreementRules {
  /** Joints count where the mean of the two peaks is above this; undefined: all. */
  scoreThreshold: number | undefined;
  /** Weigh by 1 less the difference of the peaks. */
  scoreWeight: boolean;
  /** What the distance of the peaks, by the image's diagonal, does: see the shader. */
  distance: "none" | "drop" | "weight" | "mask";
  distanceThreshold: number;
}

const DISTANCES = { none: 0, drop: 1, weight: 2, mask: 3 } as const;

/** Weights [batch, joints] for all three networks and for the third, from base weights and two teachers' peaks [batch, joints, 3]; diagonal in px. */
export function agreementWeights(
  gpu: Gpu,
  call: { first: BufferRange; second: BufferRange; base: BufferRange; everyone: BufferRange; third: BufferRange; count: number; diagonal: number; rules: AgreementRules },
): void {
  const { first, second, base, everyone, third, count, rules } = call;
  gpu.run(agreementKernel, {
    buffers: { first, second, base, everyone, third },
    uniforms: { count, score_threshold: rules.scoreThreshold ?? 0, distance_threshold: rules.distanceThreshold, inverse_diagonal: 1 / call.diagonal },
    spec: { SCORE_FILTER: rules.scoreThreshold !== undefined, SCORE_WEIGHT: rules.scoreWeight, DISTANCE: DISTANCES[rules.distance] },
    workgroups: linearGrid(count, 32),
  });
}
