/** Sampling coordinates of affine maps, and the gradient of the maps. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { reduceAxis } from "./reduce.ts";
import { spanGrid } from "./span.ts";

/** Coordinates [batch, height, width, 2]. */
export interface GridShape {
  batch: number;
  height: number;
  width: number;
}

const UNIFORMS = { batch: "u32", height: "u32", width: "u32" } as const;
const LIBRARY = ["warp/coordinates.wgsl", "lib/span.wgsl", "lib/divide.wgsl"];

const forwardKernel = defineKernel({
  name: "warp/affine_grid_forward",
  fragments: ["warp/affine_grid_forward.wgsl", ...LIBRARY],
  buffers: { theta: "read", grid: "read_write" },
  uniforms: UNIFORMS,
});
const backwardKernel = defineKernel({
  name: "warp/affine_grid_backward",
  fragments: ["warp/affine_grid_backward.wgsl", ...LIBRARY],
  buffers: { dy: "read", rows: "read_write" },
  uniforms: UNIFORMS,
});

/** grid = theta [batch, 2, 3] applied to the normalised coordinates of every pixel. */
export function affineGridForward(gpu: Gpu, { theta, grid, shape, alignCorners }: { theta: BufferRange; grid: BufferRange; shape: GridShape; alignCorners: boolean }): void {
  const { batch, height, width } = shape;
  gpu.run(forwardKernel, { buffers: { theta, grid }, uniforms: { batch, height, width }, spec: { ALIGN_CORNERS: alignCorners }, workgroups: spanGrid(gpu, batch * height * width) });
}

/** gradTheta [batch, 2, 3] from gradGrid: within every row of pixels, then over rows, both in a fixed order. */
export function affineGridBackward(gpu: Gpu, { gradGrid, gradTheta, shape, alignCorners }: { gradGrid: BufferRange; gradTheta: BufferRange; shape: GridShape; alignCorners: boolean }): void {
  const { batch, height, width } = shape;
  const rows = gpu.allocate(24 * batch * height, "theta gradient by rows");
  gpu.run(backwardKernel, {
    buffers: { dy: gradGrid, rows },
    uniforms: { batch, height, width },
    spec: { ALIGN_CORNERS: alignCorners },
    workgroups: spanGrid(gpu, 2 * batch * height, width),
  });
  reduceAxis(gpu, "sum", { x: rows, y: gradTheta, outer: batch, length: height, inner: 6 });
}
