/** Resampling of images: nearest by a whole factor, linear along one axis after the other. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { addInto } from "./elementwise.ts";
import { laneGrid } from "./span.ts";

const LIBRARY = ["lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"];
const NEAREST_UNIFORMS = { lines: "u32", width: "u32", channels: "u32", scale: "u32", lanes: "u32" } as const;
const LINEAR_UNIFORMS = { outer: "u32", in_length: "u32", out_length: "u32", inner: "u32", step: "u32", start: "i32", unit: "u32", lanes: "u32" } as const;

const nearestForwardKernel = defineKernel({
  name: "resample/nearest_forward",
  fragments: ["resample/nearest_forward.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write" },
  uniforms: NEAREST_UNIFORMS,
});
const nearestBackwardKernel = defineKernel({
  name: "resample/nearest_backward",
  fragments: ["resample/nearest_backward.wgsl", ...LIBRARY],
  buffers: { dy: "read", dx: "read_write" },
  uniforms: NEAREST_UNIFORMS,
});
const linearForwardKernel = defineKernel({
  name: "resample/linear_forward",
  fragments: ["resample/linear_forward.wgsl", ...LIBRARY],
  buffers: { x: "read", y: "read_write" },
  uniforms: LINEAR_UNIFORMS,
});
const linearBackwardKernel = defineKernel({
  name: "resample/linear_backward",
  fragments: ["resample/linear_backward.wgsl", ...LIBRARY],
  buffers: { dy: "read", dx: "read_write" },
  uniforms: LINEAR_UNIFORMS,
});

/** Input [batch, height, width, channels], enlarged `scale` times. */
export interface NearestShape {
  batch: number;
  height: number;
  width: number;
  channels: number;
  scale: number;
}

/** y[n, i, j] = x[n, floor(i / scale), floor(j / scale)]. */
export function nearestForward(gpu: Gpu, { x, y, shape: { batch, height, width, channels, scale } }: { x: BufferRange; y: BufferRange; shape: NearestShape }): void {
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * height * width * scale * scale, columns: channels });
  gpu.run(nearestForwardKernel, { buffers: { x, y }, uniforms: { lines: batch * height, width, channels, scale, lanes }, workgroups });
}

/** gradX from gradY. */
export function nearestBackward(gpu: Gpu, { gradY, gradX, shape: { batch, height, width, channels, scale } }: { gradY: BufferRange; gradX: BufferRange; shape: NearestShape }): void {
  const { lanes, workgroups } = laneGrid(gpu, { rows: batch * height * width, columns: channels, each: scale * scale });
  gpu.run(nearestBackwardKernel, { buffers: { dy: gradY, dx: gradX }, uniforms: { lines: batch * height, width, channels, scale, lanes }, workgroups });
}

/** Places that the outputs of an axis read, in units of 1 / unit input pixels: step * i + start. */
export interface LinearPlaces {
  step: number;
  start: number;
  unit: number;
}

/**
 * PyTorch's places as integers. alignCorners: first on first, last on last; otherwise the pixels' outer borders meet:
 * (i + 1/2) in / out - 1/2.
 */
export function linearPlaces(inLength: number, outLength: number, alignCorners: boolean): LinearPlaces {
  if (!alignCorners) return { step: 2 * inLength, start: inLength - outLength, unit: 2 * outLength };
  return outLength === 1 ? { step: 0, start: 0, unit: 1 } : { step: inLength - 1, start: 0, unit: outLength - 1 };
}

/** Sizes of a bilinear resampling of [batch, inH, inW, channels] to outH x outW. */
export interface BilinearShape {
  batch: number;
  inH: number;
  inW: number;
  outH: number;
  outW: number;
  channels: number;
  alignCorners: boolean;
}

interface AxisPass {
  outer: number;
  inLength: number;
  outLength: number;
  inner: number;
}

/** The two passes: columns within every row, then rows. */
function passesOf({ batch, inH, inW, outH, outW, channels }: BilinearShape): AxisPass[] {
  const columns = { outer: batch * inH, inLength: inW, outLength: outW, inner: channels };
  const rows = { outer: batch, inLength: inH, outLength: outH, inner: outW * channels };
  return [columns, rows].filter(({ inLength, outLength }) => inLength !== outLength);
}

/** Runs `pass` along the axes that change, through memory between them; a copy where none does. */
function chain(gpu: Gpu, passes: readonly AxisPass[], { from, to, count, bytesAfter, pass }: { from: BufferRange; to: BufferRange; count: number; bytesAfter: (pass: AxisPass) => number; pass: (axis: AxisPass, from: BufferRange, to: BufferRange) => void }): void {
  if (passes.length === 0) addInto(gpu, { a: from, b: undefined, out: to, count });
  let source = from;
  for (const [i, axis] of passes.entries()) {
    const target = i + 1 === passes.length ? to : gpu.allocate(bytesAfter(axis), "resampled along one axis");
    pass(axis, source, target);
    source = target;
  }
}

/** y = x resampled. */
export function bilinearForward(gpu: Gpu, { x, y, shape }: { x: BufferRange; y: BufferRange; shape: BilinearShape }): void {
  chain(gpu, passesOf(shape), {
    from: x,
    to: y,
    count: shape.batch * shape.inH * shape.inW * shape.channels,
    bytesAfter: ({ outer, outLength, inner }) => 4 * outer * outLength * inner,
    pass({ outer, inLength, outLength, inner }, source, target) {
      const { lanes, workgroups } = laneGrid(gpu, { rows: outer * outLength, columns: inner });
      const uniforms = { outer, in_length: inLength, out_length: outLength, inner, ...linearPlaces(inLength, outLength, shape.alignCorners), lanes };
      gpu.run(linearForwardKernel, { buffers: { x: source, y: target }, uniforms, workgroups });
    },
  });
}

/** gradX from gradY: every input gathers the outputs that read it. */
export function bilinearBackward(gpu: Gpu, { gradY, gradX, shape }: { gradY: BufferRange; gradX: BufferRange; shape: BilinearShape }): void {
  chain(gpu, passesOf(shape).toReversed(), {
    from: gradY,
    to: gradX,
    count: shape.batch * shape.inH * shape.inW * shape.channels,
    bytesAfter: ({ outer, inLength, inner }) => 4 * outer * inLength * inner,
    pass({ outer, inLength, outLength, inner }, source, target) {
      const { lanes, workgroups } = laneGrid(gpu, { rows: outer * inLength, columns: inner, each: Math.max(1, (2 * outLength) / inLength) });
      const uniforms = { outer, in_length: inLength, out_length: outLength, inner, ...linearPlaces(inLength, outLength, shape.alignCorners), lanes };
      gpu.run(linearBackwardKernel, { buffers: { dy: source, dx: target }, uniforms, workgroups });
    },
  });
}
