/** Losses that are a function of each element of prediction and target, added up in a fixed order. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { reduceAxis } from "./reduce.ts";
import { spanGrid } from "./span.ts";

/** Rows of shaders/loss/functions.wgsl. */
const KINDS = { mse: 0, l1: 1, smoothL1: 2, bceWithLogits: 3 } as const;
export type LossKind = keyof typeof KINDS;

const LIBRARY = ["loss/functions.wgsl", "elementwise/functions.wgsl", "lib/nan.wgsl", "lib/span.wgsl"];
const UNIFORMS = { count: "u32", target_number: "f32", beta: "f32", scale: "f32" } as const;

const forwardKernel = defineKernel({
  name: "loss/pointwise",
  fragments: ["loss/pointwise.wgsl", ...LIBRARY],
  buffers: { x: "read", target_values: "read", weight: "read", y: "read_write", gradient: "read_write" },
  uniforms: UNIFORMS,
});
const gradientKernel = defineKernel({
  name: "loss/pointwise_gradient",
  fragments: ["loss/pointwise_gradient.wgsl", ...LIBRARY],
  buffers: { x: "read", target_values: "read", weight: "read", dy: "read", dx: "read_write" },
  uniforms: UNIFORMS,
});

const WORKGROUP = 64;

/** A loss of `count` elements. */
export interface PointwiseLoss {
  kind: LossKind;
  prediction: BufferRange;
  /** [count], or one number for all. */
  target: BufferRange | number;
  /** [count]; 1 where absent. */
  weight?: BufferRange | undefined;
  count: number;
  /** Width of smoothL1's parabola. */
  beta: number;
  /** Factor of the sum: 1, or 1 / count for a mean. */
  scale: number;
}

function launch({ kind, prediction, target, weight, count, beta, scale }: PointwiseLoss) {
  return {
    buffers: { x: prediction, target_values: typeof target === "number" ? prediction : target, weight: weight ?? prediction },
    uniforms: { count, target_number: typeof target === "number" ? target : 0, beta, scale },
    spec: { KIND: KINDS[kind], TARGET_NUMBER: typeof target === "number", WEIGHTED: weight !== undefined },
  };
}

/** y [count] = every element's loss. */
export function pointwiseLossEach(gpu: Gpu, loss: PointwiseLoss, y: BufferRange): void {
  const { buffers, uniforms, spec } = launch(loss);
  const gradient = gpu.allocate(4, "no gradient");
  gpu.run(forwardKernel, { buffers: { ...buffers, y, gradient }, uniforms, spec: { ...spec, EACH: true }, workgroups: spanGrid(gpu, loss.count), flops: loss.count });
}

/** y [1] = scale times the sum; `gradient` [count], where given, of y with respect to the prediction, in the same pass. */
export function pointwiseLossSum(gpu: Gpu, loss: PointwiseLoss, { y, gradient }: { y: BufferRange; gradient?: BufferRange | undefined }): void {
  const { buffers, uniforms, spec } = launch(loss);
  const workgroups = spanGrid(gpu, loss.count);
  const sums = workgroups[0] * WORKGROUP;
  const partials = gpu.allocate(4 * sums, "loss sums");
  gpu.run(forwardKernel, {
    buffers: { ...buffers, y: partials, gradient: gradient ?? gpu.allocate(4, "no gradient") },
    uniforms,
    spec: { ...spec, STORE: gradient !== undefined },
    workgroups,
    flops: loss.count,
  });
  reduceAxis(gpu, "sum", { x: partials, y, outer: 1, length: sums, inner: 1, scale: loss.scale });
}

/** dx [count] = dy times the derivative by prediction or target; dy [count] with `each`, else [1]. */
export function pointwiseLossGradient(gpu: Gpu, loss: PointwiseLoss, { dy, dx, each, of }: { dy: BufferRange; dx: BufferRange; each: boolean; of: "prediction" | "target" }): void {
  const { buffers, uniforms, spec } = launch(loss);
  gpu.run(gradientKernel, { buffers: { ...buffers, dy, dx }, uniforms, spec: { ...spec, EACH: each, OF_TARGET: of === "target" }, workgroups: spanGrid(gpu, loss.count), flops: loss.count });
}
