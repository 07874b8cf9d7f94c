/**
 * Batch normalisation with statistics per contiguous group of the batch, fused with a following relu and a residual add.
 * A tensor is seen as [groups * rows, channels]; rows = images of a group times pixels.
 */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type BufferRecord, defineKernel, linearGrid } from "../gpu/kernel.ts";
import { fill } from "./elementwise.ts";

/** Sizes of a grouped batchnorm. */
export interface BatchnormShape {
  groups: number;
  /** Rows of one group. */
  rows: number;
  channels: number;
}

/** Where a layer's statistics live in its network's arenas ([slots, 2, channels of all layers] and [2, ...]). */
export interface StatisticsPlace {
  running: BufferRange;
  batch: BufferRange;
  /** Channels of all layers together, and where this layer begins. */
  arenaChannels: number;
  arenaOffset: number;
}

/** A fused tail: what follows the normalisation in the same pass over memory. */
export interface BatchnormTail {
  relu: boolean;
  residual?: BufferRange | undefined;
}

const SIZES = { groups: "u32", rows: "u32", channels: "u32", chunks: "u32" } as const;
const LIBRARY = ["lib/grid.wgsl", "lib/scalar.wgsl"];
const WORKGROUP = 64;

const statsKernel = defineKernel({
  name: "batchnorm/stats",
  fragments: ["batchnorm/stats.wgsl", ...LIBRARY],
  buffers: { x: "read", partials: "read_write" },
  uniforms: SIZES,
});
const finishStatsKernel = defineKernel({
  name: "batchnorm/finish_stats",
  fragments: ["batchnorm/finish_stats.wgsl", ...LIBRARY],
  buffers: { x: "read", partials: "read", moments: "read_write", batch_stats: "read_write" },
  uniforms: { ...SIZES, slot: "u32", arena_channels: "u32", arena_offset: "u32", epsilon: "f32" },
});
const runningMomentsKernel = defineKernel({
  name: "batchnorm/running_moments",
  fragments: ["batchnorm/running_moments.wgsl", "lib/grid.wgsl"],
  buffers: { running: "read", moments: "read_write" },
  uniforms: { channels: "u32", arena_channels: "u32", arena_offset: "u32", epsilon: "f32" },
});
const runningUpdateKernel = defineKernel({
  name: "batchnorm/running_update",
  fragments: ["batchnorm/running_update.wgsl", "lib/grid.wgsl"],
  buffers: { batch_stats: "read", running: "read_write" },
  uniforms: { count: "u32", slot: "u32", first: "u32", length: "u32", momentum: "f32" },
});
const APPLY_BUFFERS = { x: "read", moments: "read", gamma: "read", beta: "read", y: "read_write" } as const;
const applyKernel = defineKernel({
  name: "batchnorm/apply",
  fragments: ["batchnorm/apply.wgsl", "batchnorm/residual_none.wgsl", ...LIBRARY],
  buffers: APPLY_BUFFERS,
  uniforms: SIZES,
});
const applyAddKernel = defineKernel({
  name: "batchnorm/apply_add",
  fragments: ["batchnorm/apply.wgsl", "batchnorm/residual_add.wgsl", ...LIBRARY],
  buffers: { ...APPLY_BUFFERS, residual: "read" },
  uniforms: SIZES,
});
/** What lets a gradient through: nothing behind the normalisation, a relu of x alone, a relu behind a residual. */
type Gate = "open" | "input" | "output";
const GATE_BUFFERS = { open: {}, input: { beta: "read" }, output: { y: "read" } } as const satisfies Record<Gate, BufferRecord>;

function backwardSums(gate: Gate) {
  return defineKernel({
    name: "batchnorm/backward_sums",
    fragments: ["batchnorm/backward_sums.wgsl", `batchnorm/gate_${gate}.wgsl`, ...LIBRARY],
    buffers: { x: "read", dy: "read", moments: "read", gamma: "read", ...(GATE_BUFFERS[gate] as BufferRecord), partials: "read_write" },
    uniforms: SIZES,
  });
}

function backwardApply(gate: Gate, { inPlace, residual }: { inPlace: boolean; residual: boolean }) {
  return defineKernel({
    name: residual ? "batchnorm/backward_apply_add" : "batchnorm/backward_apply",
    fragments: [
      "batchnorm/backward_apply.wgsl",
      `batchnorm/gate_${gate}.wgsl`,
      `batchnorm/gradient_${inPlace ? "in_place" : "apart"}.wgsl`,
      `batchnorm/residual_gradient_${residual ? "store" : "none"}.wgsl`,
      ...LIBRARY,
    ],
    buffers: {
      x: "read",
      ...((inPlace ? {} : { dy: "read" }) as BufferRecord),
      moments: "read",
      means: "read",
      gamma: "read",
      ...(GATE_BUFFERS[gate] as BufferRecord),
      dx: "read_write",
      ...((residual ? { dresidual: "read_write" } : {}) as BufferRecord),
    },
    uniforms: SIZES,
  });
}

const GATES = ["open", "input", "output"] as const;
const backwardSumsKernels = { open: backwardSums("open"), input: backwardSums("input"), output: backwardSums("output") };
/** By gate, in place or apart, with or without a residual. */
const backwardApplyKernels = new Map(
  GATES.flatMap((gate) =>
    [false, true].flatMap((inPlace) => [false, true].map((residual) => [`${gate} ${inPlace} ${residual}`, backwardApply(gate, { inPlace, residual })] as const)),
  ),
);
const finishBackwardKernel = defineKernel({
  name: "batchnorm/finish_backward",
  fragments: ["batchnorm/finish_backward.wgsl", "lib/grid.wgsl"],
  buffers: { partials: "read", means: "read_write", dgamma: "read_write", dbeta: "read_write" },
  uniforms: SIZES,
});

/**
 * How many parts the rows of a group are cut into. Few enough that a part amortises its start and the fixed-order sum
 * of the parts stays short, enough to fill a device.
 */
function chunkCount({ groups, rows, channels }: BatchnormShape): number {
  const wanted = Math.ceil(65536 / (groups * channels));
  return Math.max(1, Math.min(wanted, Math.ceil(rows / 32), 256));
}

function launch(shape: BatchnormShape) {
  const chunks = chunkCount(shape);
  return { uniforms: { ...shape, chunks }, workgroups: linearGrid(shape.groups * chunks * shape.channels, WORKGROUP), chunks };
}

/** Mean and 1/sqrt(var + eps) of each group, [groups, channels] pairs; the batch statistics go to slots slot, slot+1, ... */
export function batchMoments(
  gpu: Gpu,
  { x, shape, place, slot, epsilon }: { x: BufferRange; shape: BatchnormShape; place: StatisticsPlace; slot: number; epsilon: number },
): BufferRange {
  const { uniforms, workgroups, chunks } = launch(shape);
  const partials = gpu.allocate(8 * shape.groups * chunks * shape.channels, "batchnorm partials");
  const moments = gpu.allocate(8 * shape.groups * shape.channels, "batchnorm moments");
  gpu.run(statsKernel, { buffers: { x, partials }, uniforms, workgroups });
  gpu.run(finishStatsKernel, {
    buffers: { x, partials, moments, batch_stats: place.batch },
    uniforms: { ...uniforms, slot, arena_channels: place.arenaChannels, arena_offset: place.arenaOffset, epsilon },
    workgroups: linearGrid(shape.groups * shape.channels, WORKGROUP),
  });
  return moments;
}

/** Moments of the running statistics, [channels] pairs: evaluation. */
export function runningMoments(gpu: Gpu, { channels, place, epsilon }: { channels: number; place: StatisticsPlace; epsilon: number }): BufferRange {
  const moments = gpu.allocate(8 * channels, "batchnorm moments");
  gpu.run(runningMomentsKernel, {
    buffers: { running: place.running, moments },
    uniforms: { channels, arena_channels: place.arenaChannels, arena_offset: place.arenaOffset, epsilon },
    workgroups: linearGrid(channels, WORKGROUP),
  });
  return moments;
}

/** Folds the batch statistics of one slot into the running averages of the layers in [first, first + length) of `count`. */
export function updateRunning(
  gpu: Gpu,
  { running, batch, ...uniforms }: { running: BufferRange; batch: BufferRange; count: number; slot: number; first: number; length: number; momentum: number },
): void {
  gpu.run(runningUpdateKernel, {
    buffers: { batch_stats: batch, running },
    uniforms,
    workgroups: linearGrid(uniforms.length, WORKGROUP),
  });
}

/** Normalises, scales, shifts, and applies the tail. */
export function batchnormApply(
  gpu: Gpu,
  call: { x: BufferRange; moments: BufferRange; sharedMoments: boolean; gamma: BufferRange; beta: BufferRange; y: BufferRange; shape: BatchnormShape; tail: BatchnormTail },
): void {
  const { x, moments, gamma, beta, y, shape, tail } = call;
  const { uniforms, workgroups } = launch(shape);
  const spec = { RELU: tail.relu, ADD: tail.residual !== undefined, SHARED_MOMENTS: call.sharedMoments };
  const buffers = { x, moments, gamma, beta, y };
  if (tail.residual) gpu.run(applyAddKernel, { buffers: { ...buffers, residual: tail.residual }, uniforms, spec, workgroups });
  else gpu.run(applyKernel, { buffers, uniforms, spec, workgroups });
}

/**
 * Gradients of batchnormApply, those that are asked for; with `frozen` the moments are constants (running statistics).
 * `y` is read only where a relu follows a residual. gradX may be gradY itself, which is then overwritten.
 */
export function batchnormBackward(
  gpu: Gpu,
  call: {
    x: BufferRange;
    /** The output, of a call with relu and residual. */
    y?: BufferRange | undefined;
    gradY: BufferRange;
    moments: BufferRange;
    gamma: BufferRange;
    beta: BufferRange;
    gradX?: BufferRange | undefined;
    gradGamma?: BufferRange | undefined;
    gradBeta?: BufferRange | undefined;
    gradResidual?: BufferRange | undefined;
    shape: BatchnormShape;
    relu: boolean;
    frozen: boolean;
  },
): void {
  const { x, y, gradY: dy, moments, gamma, beta, shape, relu, frozen } = call;
  const gate: Gate = !relu ? "open" : y ? "output" : "input";
  const gated: Record<string, BufferRange> = { open: {}, input: { beta }, output: y ? { y } : {} }[gate];
  const { uniforms, workgroups, chunks } = launch(shape);
  const means = gpu.allocate(8 * shape.groups * shape.channels, "batchnorm means");
  const spec = { SHARED_MOMENTS: frozen };
  const scratch = (bytes: number) => gpu.allocate(bytes, "unwanted gradient", { element: x.allocation.element });
  const unwanted = () => gpu.allocate(4 * shape.channels, "unwanted gradient");
  if (frozen && !call.gradGamma && !call.gradBeta) fill(gpu, { out: means, count: means.bytes / 4, value: 0 });
  else {
    const partials = gpu.allocate(8 * shape.groups * chunks * shape.channels, "batchnorm partials");
    gpu.run(backwardSumsKernels[gate], { buffers: { x, dy, moments, gamma, ...gated, partials }, uniforms, spec, workgroups });
    gpu.run(finishBackwardKernel, {
      buffers: { partials, means, dgamma: call.gradGamma ?? unwanted(), dbeta: call.gradBeta ?? unwanted() },
      uniforms,
      spec: { FROZEN: frozen },
      workgroups: linearGrid(shape.channels, WORKGROUP),
    });
  }
  if (!call.gradX && !call.gradResidual) return;
  const dx = call.gradX ?? scratch(x.bytes);
  const inPlace = dx.allocation === dy.allocation;
  const { gradResidual: dresidual } = call;
  const kernel = backwardApplyKernels.get(`${gate} ${inPlace} ${dresidual !== undefined}`);
  if (!kernel) throw new Error(`batchnorm: no backward kernel for gate ${gate}`);
  const buffers = { x, ...(inPlace ? {} : { dy }), moments, means, gamma, ...gated, dx, ...(dresidual ? { dresidual } : {}) };
  gpu.run(kernel, { buffers, uniforms, spec, workgroups });
}
