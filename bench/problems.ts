/** Named problems with real shapes: PoseResNet-18 at 256x192, the layers with how often they occur. */
import type { ConvShape } from "../src/kernels/conv.ts";

/** A convolution-like layer. */
export interface ConvProblem {
  name: string;
  kind: "conv" | "deconv";
  /** Of the convolution; for a deconvolution of the one that maps its output to its input. */
  shape: ConvShape;
  /** How often the layer occurs in the network. */
  count: number;
}

function layer(name: string, facts: { n: number; h: number; w: number; ci: number; co: number; k: number; s: number; p: number; count?: number; kind?: "conv" | "deconv" }): ConvProblem {
  const { n, h, w, ci, co, k, s, p } = facts;
  const side = (size: number) => Math.floor((size + 2 * p - k) / s) + 1;
  return {
    name,
    kind: facts.kind ?? "conv",
    count: facts.count ?? 1,
    shape: { batch: n, inH: h, inW: w, inC: ci, outH: side(h), outW: side(w), outC: co, kernelH: k, kernelW: k, strideH: s, strideW: s, padH: p, padW: p, dilationH: 1, dilationW: 1 },
  };
}

/** Layers of PoseResNet-18, input 256x192, 17 joints. */
export function poseResnet18(n: number): ConvProblem[] {
  return [
    layer("stem 7x7/2 3-64", { n, h: 256, w: 192, ci: 3, co: 64, k: 7, s: 2, p: 3 }),
    layer("layer1 3x3 64-64", { n, h: 64, w: 48, ci: 64, co: 64, k: 3, s: 1, p: 1, count: 4 }),
    layer("layer2 3x3/2 64-128", { n, h: 64, w: 48, ci: 64, co: 128, k: 3, s: 2, p: 1 }),
    layer("layer2 1x1/2 64-128", { n, h: 64, w: 48, ci: 64, co: 128, k: 1, s: 2, p: 0 }),
    layer("layer2 3x3 128-128", { n, h: 32, w: 24, ci: 128, co: 128, k: 3, s: 1, p: 1, count: 3 }),
    layer("layer3 3x3/2 128-256", { n, h: 32, w: 24, ci: 128, co: 256, k: 3, s: 2, p: 1 }),
    layer("layer3 1x1/2 128-256", { n, h: 32, w: 24, ci: 128, co: 256, k: 1, s: 2, p: 0 }),
    layer("layer3 3x3 256-256", { n, h: 16, w: 12, ci: 256, co: 256, k: 3, s: 1, p: 1, count: 3 }),
    layer("layer4 3x3/2 256-512", { n, h: 16, w: 12, ci: 256, co: 512, k: 3, s: 2, p: 1 }),
    layer("layer4 1x1/2 256-512", { n, h: 16, w: 12, ci: 256, co: 512, k: 1, s: 2, p: 0 }),
    layer("layer4 3x3 512-512", { n, h: 8, w: 6, ci: 512, co: 512, k: 3, s: 1, p: 1, count: 3 }),
    layer("deconv1 4x4/2 512-256", { n, h: 16, w: 12, ci: 256, co: 512, k: 4, s: 2, p: 1, kind: "deconv" }),
    layer("deconv2 4x4/2 256-256", { n, h: 32, w: 24, ci: 256, co: 256, k: 4, s: 2, p: 1, kind: "deconv" }),
    layer("deconv3 4x4/2 256-256", { n, h: 64, w: 48, ci: 256, co: 256, k: 4, s: 2, p: 1, kind: "deconv" }),
    layer("head 1x1 256-17", { n, h: 64, w: 48, ci: 256, co: 17, k: 1, s: 1, p: 0 }),
  ];
}

/** The plain product that drivers are compared by. */
export const GEMM_1024: ConvProblem = layer("gemm 1024x1024x1024", { n: 1, h: 1024, w: 1, ci: 1024, co: 1024, k: 1, s: 1, p: 0 });
