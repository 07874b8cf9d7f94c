/** Resampling of images: nearest by a whole factor, linear along one axis after the other. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
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
function linearPlaces(inLength: number, outLength: number, alignCorners: boolean): LinearPlaces {
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

/** The passes along the axes that change: columns within every row, then rows. The identity is one pass. */
function passesOf({ batch, inH, inW, outH, outW, channels }: BilinearShape): AxisPass[] {
  const columns = { outer: batch * inH, inLength: inW, outLength: outW, inner: channels };
  const rows = { outer: batch, inLength: inH, outLength: outH, inner: outW * channels };
  const changing = [columns, rows].filter(({ inLength, outLength }) => inLength !== outLength);
  return changing.length > 0 ? changing : [columns];
}

interface Chain {
  source: BufferRange;
  target: BufferRange;
  /** Elements after a pass. */
  countAfter: (pass: AxisPass) => number;
  run: (pass: AxisPass, source: BufferRange, target: BufferRange) => void;
}

/** Runs passes one after the other, through memory between them that stores numbers as the source does. */
function chain(gpu: Gpu, passes: readonly AxisPass[], { source: first, target: last, countAfter, run }: Chain): void {
  let source = first;
  for (const [i, pass] of passes.entries()) {
    const { element } = source.allocation;
    const count = countAfter(pass);
    const bytes = element === "f16" ? 4 * Math.ceil(count / 2) : 4 * count;
    const target = i + 1 === passes.length ? last : gpu.allocate(bytes, "resampled along one axis", { element });
    run(pass, source, target);
    source = target;
  }
}

/** y = x resampled. */
export function bilinearForward(gpu: Gpu, { x, y, shape }: { x: BufferRange; y: BufferRange; shape: BilinearShape }): void {
  chain(gpu, passesOf(shape), {
    source: x,
    target: y,
    countAfter: ({ outer, outLength, inner }) => outer * outLength * inner,
    run({ outer, inLength, outLength, inner }, source, target) {
      const { lanes, workgroups } = laneGrid(gpu, { rows: outer * outLength, columns: inner });
      const uniforms = { outer, in_length: inLength, out_length: outLength, inner, ...linearPlaces(inLength, outLength, shape.alignCorners), lanes };
      gpu.run(linearForwardKernel, { buffers: { x: source, y: target }, uniforms, workgroups });
    },
  });
}

/** gradX from gradY: every input gathers the outputs that read it. */
export function bilinearBackward(gpu: Gpu, { gradY, gradX, shape }: { gradY: BufferRange; gradX: BufferRange; shape: BilinearShape }): void {
  chain(gpu, passesOf(shape).toReversed(), {
    source: gradY,
    target: gradX,
    countAfter: ({ outer, inLength, inner }) => outer * inLength * inner,
    run({ outer, inLength, outLength, inner }, source, target) {
      const { lanes, workgroups } = laneGrid(gpu, { rows: outer * inLength, columns: inner, each: Math.max(1, (2 * outLength) / inLength) });
      const uniforms = { outer, in_length: inLength, out_length: outLength, inner, ...linearPlaces(inLength, outLength, shape.alignCorners), lanes };
      gpu.run(linearBackwardKernel, { buffers: { dy: source, dx: target }, uniforms, workgroups });
    },
  });
}
