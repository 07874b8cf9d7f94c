/**
 * CutOut, CutMix, Joint CutOut and Joint Cut-Occlusion as tables of patches, and the one pass over the images that draws
 * the table of a whole run of steps.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel, linearGrid } from "../gpu/kernel.ts";
import type { ImageShape } from "./augment.ts";
import { laneGrid } from "./span.ts";

const TABLE = { batch: "u32", width: "u32", height: "u32", scale: "f32", site: "u32", count: "u32", patches: "u32", first: "u32", step: "u32" } as const;
const DRAWING = ["augment/draws.wgsl", "augment/patches.wgsl", "lib/grid.wgsl", "lib/rng.wgsl"];

const cutoutKernel = defineKernel({
  name: "augment/cutout_patches",
  fragments: ["augment/cutout_patches.wgsl", ...DRAWING],
  buffers: { keys: "read", patches: "read_write" },
  uniforms: TABLE,
});
const JOINT_BUFFERS = { keys: "read", peaks: "read", pool: "read", patches: "read_write" } as const;
const JOINT_UNIFORMS = { ...TABLE, joints: "u32", pool_size: "u32" } as const;
const jointCutoutKernel = defineKernel({
  name: "augment/joint_cutout_patches",
  fragments: ["augment/joint_cutout_patches.wgsl", "augment/joints.wgsl", ...DRAWING],
  buffers: JOINT_BUFFERS,
  uniforms: JOINT_UNIFORMS,
});
const jointOcclusionKernel = defineKernel({
  name: "augment/joint_occlusion_patches",
  fragments: ["augment/joint_occlusion_patches.wgsl", "augment/joints.wgsl", ...DRAWING],
  buffers: JOINT_BUFFERS,
  uniforms: JOINT_UNIFORMS,
});
const applyKernel = defineKernel({
  name: "augment/apply_patches",
  fragments: ["augment/apply_patches.wgsl", "lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"],
  buffers: { x: "read", patches: "read", y: "read_write" },
  uniforms: { batch: "u32", height: "u32", width: "u32", channels: "u32", patches: "u32", lanes: "u32" },
});

/** Bytes of a patch: two rows of four i32, see shaders/augment/patches.wgsl. */
export const PATCH_BYTES = 32;

/** The patches of one step: `count` for each sample, from entry `first` on of a table [batch, patches, 2, 4] i32. */
export interface PatchStep {
  table: BufferRange;
  /** Entries per sample of the whole table. */
  patches: number;
  first: number;
  count: number;
  /** Place of the step in its chain; steps of a table ascend. */
  step: number;
  /** u32 seed, stream, epoch, index of the first sample; data, so that a replay draws anew. */
  keys: BufferRange;
  /** Tells the draws of steps and views apart. */
  site: number;
  batch: number;
  /** Image size, px. */
  size: readonly [width: number, height: number];
  /** Multiplies the 10..19 px half sides and the 10 px jitter. */
  scale: number;
}

/** Where a step finds joints: peaks [batch, joints, 3] px, pool [poolSize] u32 joints to draw from, with replacement. */
export interface JointSource {
  peaks: BufferRange;
  joints: number;
  pool: BufferRange;
  poolSize: number;
}

function tableUniforms({ batch, size: [width, height], scale, site, count, patches, first, step }: PatchStep) {
  return { batch, width, height, scale, site, count, patches, first, step };
}

/**
 * Patches of CutOut or, with `mix`, of CutMix. `swapLimits`: PARITY D-1, width and height confused. Source: multiaugs 3.1,
 * 3.3.
 */
export function cutoutPatches(gpu: Gpu, call: PatchStep & { mix: boolean; swapLimits: boolean }): void {
  gpu.run(cutoutKernel, {
    buffers: { keys: call.keys, patches: call.table },
    uniforms: tableUniforms(call),
    spec: { MIX: call.mix, SWAP_LIMITS: call.swapLimits },
    workgroups: linearGrid(call.batch * call.count, 64),
  });
}

function jointDispatch(call: PatchStep & JointSource) {
  return {
    buffers: { keys: call.keys, peaks: call.peaks, pool: call.pool, patches: call.table },
    uniforms: { ...tableUniforms(call), joints: call.joints, pool_size: call.poolSize },
    workgroups: linearGrid(call.batch * call.count, 64),
  };
}

/** Patches of Joint CutOut. `swapLimits`: PARITY D-1. Source: multiaugs 3.4. */
export function jointCutoutPatches(gpu: Gpu, call: PatchStep & JointSource & { swapLimits: boolean }): void {
  gpu.run(jointCutoutKernel, { ...jointDispatch(call), spec: { SWAP_LIMITS: call.swapLimits } });
}

/** Patches of Joint Cut-Occlusion. `swapAxes`: PARITY D-2, a joint's x is taken for its row. Source: multiaugs 3.5. */
export function jointOcclusionPatches(gpu: Gpu, call: PatchStep & JointSource & { swapAxes: boolean }): void {
  gpu.run(jointOcclusionKernel, { ...jointDispatch(call), spec: { SWAP_AXES: call.swapAxes } });
}

/** y = x with all patches of a table, in one pass whatever the number of steps. */
export function applyPatches(gpu: Gpu, { x, table, y, shape, patches }: { x: BufferRange; table: BufferRange; y: BufferRange; shape: ImageShape; patches: number }): void {
  const { batch, height, width, channels } = shape;
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * height, columns: width, each: channels });
  gpu.run(applyKernel, { buffers: { x, patches: table, y }, uniforms: { batch, height, width, channels, patches, lanes }, workgroups });
}
