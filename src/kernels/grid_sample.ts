/** Bilinear sampling at given coordinates, and its two gradients. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { sumScattered } from "./scatter.ts";
import { laneGrid, spanGrid } from "./span.ts";

/** Image [batch, inH, inW, channels], sampled at [batch, pixels, 2] coordinates. */
export interface SampleShape {
  batch: number;
  inH: number;
  inW: number;
  channels: number;
  /** Samples per image. */
  pixels: number;
  alignCorners: boolean;
  /** Coordinates are clamped to the image; otherwise there are zeros around it. */
  border: boolean;
}

const UNIFORMS = { batch: "u32", in_h: "u32", in_w: "u32", channels: "u32", pixels: "u32" } as const;
const LIBRARY = ["warp/sample.wgsl", "warp/coordinates.wgsl", "lib/span.wgsl", "lib/divide.wgsl", "lib/nan.wgsl", "lib/scalar.wgsl"];

const forwardKernel = defineKernel({
  name: "warp/grid_sample_forward",
  fragments: ["warp/grid_sample_forward.wgsl", ...LIBRARY],
  buffers: { x: "read", grid: "read", y: "read_write" },
  uniforms: { ...UNIFORMS, lanes: "u32" },
});
const backwardImageKernel = defineKernel({
  name: "warp/grid_sample_backward_image",
  fragments: ["warp/grid_sample_backward_image.wgsl", "scatter/add.wgsl", "lib/fixed_point.wgsl", ...LIBRARY],
  buffers: { dy: "read", grid: "read", bound: "read", accumulators: "read_write" },
  uniforms: { ...UNIFORMS, lanes: "u32", first_cell: "u32", cells: "u32" },
});
const backwardGridKernel = defineKernel({
  name: "warp/grid_sample_backward_grid",
  fragments: ["warp/grid_sample_backward_grid.wgsl", ...LIBRARY],
  buffers: { x: "read", grid: "read", dy: "read", dgrid: "read_write" },
  uniforms: UNIFORMS,
});

function specOf({ alignCorners, border }: SampleShape): { ALIGN_CORNERS: boolean; BORDER: boolean } {
  return { ALIGN_CORNERS: alignCorners, BORDER: border };
}

function uniformsOf({ batch, inH, inW, channels, pixels }: SampleShape) {
  return { batch, in_h: inH, in_w: inW, channels, pixels };
}

/** y [batch, pixels, channels] = samples of x. */
export function gridSampleForward(gpu: Gpu, { x, grid, y, shape }: { x: BufferRange; grid: BufferRange; y: BufferRange; shape: SampleShape }): void {
  const { lanes, workgroups } = laneGrid(gpu, { rows: shape.batch * shape.pixels, columns: shape.channels, each: 4 });
  gpu.run(forwardKernel, { buffers: { x, grid, y }, uniforms: { ...uniformsOf(shape), lanes }, spec: specOf(shape), workgroups });
}

/** gradX: every sample adds to the four pixels it read; in fixed point, so that the order does not matter. */
export function gridSampleBackwardImage(
  gpu: Gpu,
  { gradY, grid, gradX, shape, accumulatorBytes }: { gradY: BufferRange; grid: BufferRange; gradX: BufferRange; shape: SampleShape; accumulatorBytes?: number },
): void {
  const { batch, inH, inW, channels, pixels } = shape;
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * pixels, columns: channels, each: 8 });
  sumScattered(gpu, {
    values: gradY, // weights are 1 at most
    count: batch * pixels * channels,
    out: gradX,
    cells: batch * inH * inW * channels,
    contributions: pixels, // a sample's four pixels differ
    accumulatorBytes,
    add: ({ accumulators, bound, firstCell, cells, spec }) =>
      gpu.run(backwardImageKernel, {
        buffers: { dy: gradY, grid, bound, accumulators },
        uniforms: { ...uniformsOf(shape), lanes, first_cell: firstCell, cells },
        spec: { ...specOf(shape), ...spec },
        workgroups,
      }),
  });
}

/** gradGrid [batch, pixels, 2]. */
export function gridSampleBackwardGrid(gpu: Gpu, { gradY, x, grid, gradGrid, shape }: { gradY: BufferRange; x: BufferRange; grid: BufferRange; gradGrid: BufferRange; shape: SampleShape }): void {
  gpu.run(backwardGridKernel, {
    buffers: { x, grid, dy: gradY, dgrid: gradGrid },
    uniforms: uniformsOf(shape),
    spec: specOf(shape),
    workgroups: spanGrid(gpu, shape.batch * shape.pixels, 4 * shape.channels),
  });
}
