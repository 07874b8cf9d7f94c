/** Convolutions in groups (depthwise too) by their definition, any stride, padding and dilation. NHWC, weights [kh, kw, ci / groups, co]. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { type ConvShape, convFlops } from "./conv.ts";
import { sumSlices } from "./gemm.ts";
import { spanGrid } from "./span.ts";

/** A convolution whose channels fall into `groups` that do not see each other; both channel counts are multiples of it. */
export interface GroupedConvShape extends ConvShape {
  groups: number;
}

const UNIFORMS = {
  batch: "u32",
  in_h: "u32",
  in_w: "u32",
  in_c: "u32",
  out_h: "u32",
  out_w: "u32",
  out_c: "u32",
  group_in: "u32",
  group_out: "u32",
  kernel_h: "u32",
  kernel_w: "u32",
  stride_h: "u32",
  stride_w: "u32",
  pad_h: "u32",
  pad_w: "u32",
  dilation_h: "u32",
  dilation_w: "u32",
  chunks: "u32",
} as const;

const SHARED = ["conv/grouped_params.wgsl", "lib/span.wgsl", "lib/divide.wgsl", "lib/scalar.wgsl"];

const forwardKernel = defineKernel({
  name: "conv/grouped_forward",
  fragments: ["conv/grouped_forward.wgsl", ...SHARED, "gemm/epilogue_none.wgsl"],
  buffers: { x: "read", w: "read", y: "read_write" },
  uniforms: UNIFORMS,
});

const forwardBiasKernel = defineKernel({
  name: "conv/grouped_forward_bias",
  fragments: ["conv/grouped_forward.wgsl", ...SHARED, "gemm/epilogue_bias.wgsl"],
  buffers: { x: "read", w: "read", y: "read_write", bias: "read" },
  uniforms: UNIFORMS,
});

const gradInputKernel = defineKernel({
  name: "conv/grouped_grad_input",
  fragments: ["conv/grouped_grad_input.wgsl", ...SHARED],
  buffers: { grad_y: "read", w: "read", grad_x: "read_write" },
  uniforms: UNIFORMS,
});

const gradWeightKernel = defineKernel({
  name: "conv/grouped_grad_weight",
  fragments: ["conv/grouped_grad_weight.wgsl", ...SHARED],
  buffers: { x: "read", grad_y: "read", partials: "read_write" },
  uniforms: UNIFORMS,
});

function callOf(shape: GroupedConvShape, chunks = 1) {
  const { groups } = shape;
  const uniforms = {
    batch: shape.batch,
    in_h: shape.inH,
    in_w: shape.inW,
    in_c: shape.inC,
    out_h: shape.outH,
    out_w: shape.outW,
    out_c: shape.outC,
    group_in: shape.inC / groups,
    group_out: shape.outC / groups,
    kernel_h: shape.kernelH,
    kernel_w: shape.kernelW,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    pad_h: shape.padH,
    pad_w: shape.padW,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    chunks,
  };
  return { uniforms, flops: convFlops(shape) / groups };
}

/** y = conv(x, w) + bias, group by group. */
export function groupedConvForward(
  gpu: Gpu,
  { x, w, bias, y, shape }: { x: BufferRange; w: BufferRange; bias?: BufferRange | undefined; y: BufferRange; shape: GroupedConvShape },
): void {
  const { batch, outH, outW, outC, kernelH, kernelW, inC, groups } = shape;
  const workgroups = spanGrid(gpu, batch * outH * Math.ceil(outW / 4) * outC, 4 * kernelH * kernelW * (inC / groups));
  const call = { ...callOf(shape), workgroups };
  if (bias) gpu.run(forwardBiasKernel, { ...call, buffers: { x, w, y, bias } });
  else gpu.run(forwardKernel, { ...call, buffers: { x, w, y } });
}

/** gradX of groupedConvForward. */
export function groupedConvGradInput(gpu: Gpu, { gradY, w, gradX, shape }: { gradY: BufferRange; w: BufferRange; gradX: BufferRange; shape: GroupedConvShape }): void {
  const { batch, inH, inW, inC, kernelH, kernelW, outC, groups } = shape;
  const workgroups = spanGrid(gpu, batch * inH * Math.ceil(inW / 4) * inC, 4 * kernelH * kernelW * (outC / groups));
  gpu.run(gradInputKernel, { ...callOf(shape), workgroups, buffers: { grad_y: gradY, w, grad_x: gradX } });
}

/** Invocations that fill a device. */
const SOFTWARE_INVOCATIONS = 4096;
const HARDWARE_INVOCATIONS = 262_144;
/** Pixels of a chunk: fewer make too little work, more lose digits in one f32 sum. */
const LEAST_PIXELS = 64;
const MOST_PIXELS = 4096;

/** gradW of groupedConvForward: partial sums over chunks of pixels, then their sum, both in a fixed order. */
export function groupedConvGradWeight(
  gpu: Gpu,
  { x, gradY, gradW, shape, chunks }: { x: BufferRange; gradY: BufferRange; gradW: BufferRange; shape: GroupedConvShape; chunks?: number },
): void {
  const weights = (shape.kernelH * shape.kernelW * shape.inC * shape.outC) / shape.groups;
  const pixels = shape.batch * shape.outH * shape.outW;
  const wanted = Math.ceil((gpu.info.kind === "hardware" ? HARDWARE_INVOCATIONS : SOFTWARE_INVOCATIONS) / weights);
  const count = chunks ?? Math.max(1, Math.ceil(pixels / MOST_PIXELS), Math.min(wanted, Math.floor(pixels / LEAST_PIXELS)));
  const partials = count > 1 ? gpu.allocate(4 * count * weights, "weight gradient chunks") : gradW;
  const workgroups = spanGrid(gpu, count * weights, Math.ceil(pixels / count));
  gpu.run(gradWeightKernel, { ...callOf(shape, count), workgroups, buffers: { x, grad_y: gradY, partials } });
  if (count > 1) sumSlices(gpu, { x: partials, out: gradW, count: weights, slices: count });
}
