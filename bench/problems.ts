/** Named problems with real shapes: the layers of three networks at 256x192 with how often they occur. */
import { squareProduct } from "../src/kernels/ceilings.ts";
import { type ConvShape, convFlops } from "../src/kernels/conv.ts";

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

/** Layers of PoseResNet-50, input 256x192, 17 joints, strides in the 3x3 convolutions. */
export function poseResnet50(n: number): ConvProblem[] {
  const bottlenecks = [64, 128, 256, 512].flatMap((planes, stage) => {
    const blocks = [3, 4, 6, 3][stage] as number;
    const strided = stage > 0;
    const from = strided ? 2 * planes : planes;
    const [h, w] = [64 / 2 ** stage, 48 / 2 ** stage];
    const [inH, inW] = strided ? [2 * h, 2 * w] : [h, w];
    const name = (what: string, ci: number, co: number) => `layer${stage + 1} ${what} ${ci}-${co}`;
    const unit = { n, h, w, s: 1 };
    return [
      layer(name("1x1", from, planes), { ...unit, h: inH, w: inW, ci: from, co: planes, k: 1, p: 0 }),
      layer(name("1x1", 4 * planes, planes), { ...unit, ci: 4 * planes, co: planes, k: 1, p: 0, count: blocks - 1 }),
      ...(strided ? [layer(name("3x3/2", planes, planes), { ...unit, h: inH, w: inW, ci: planes, co: planes, k: 3, s: 2, p: 1 })] : []),
      layer(name("3x3", planes, planes), { ...unit, ci: planes, co: planes, k: 3, p: 1, count: strided ? blocks - 1 : blocks }),
      layer(name("1x1", planes, 4 * planes), { ...unit, ci: planes, co: 4 * planes, k: 1, p: 0, count: strided ? blocks : blocks + 1 }),
      ...(strided ? [layer(name("1x1/2", from, 4 * planes), { ...unit, h: inH, w: inW, ci: from, co: 4 * planes, k: 1, s: 2, p: 0 })] : []),
    ];
  });
  const shared = poseResnet18(n).filter(({ name }) => /^(stem|deconv[23]|head)/.test(name));
  return [...bottlenecks, layer("deconv1 4x4/2 2048-256", { n, h: 16, w: 12, ci: 256, co: 2048, k: 4, s: 2, p: 1, kind: "deconv" }), ...shared];
}

/** Layers of HRNet-W32, input 256x192, 17 joints. */
export function hrnetW32(n: number): ConvProblem[] {
  const at = (branch: number) => ({ n, h: 64 / 2 ** branch, w: 48 / 2 ** branch });
  const three = (ci: number, co: number, branch: number, count: number) => layer(`branch${branch + 1} 3x3 ${ci}-${co}`, { ...at(branch), ci, co, k: 3, s: 1, p: 1, count });
  const down = (ci: number, co: number, branch: number, count: number) => layer(`branch${branch + 1} 3x3/2 ${ci}-${co}`, { ...at(branch), ci, co, k: 3, s: 2, p: 1, count });
  const one = (ci: number, co: number, branch: number, count: number) => layer(`branch${branch + 1} 1x1 ${ci}-${co}`, { ...at(branch), ci, co, k: 1, s: 1, p: 0, count });
  return [
    layer("stem 3x3/2 3-64", { n, h: 256, w: 192, ci: 3, co: 64, k: 3, s: 2, p: 1 }),
    layer("stem 3x3/2 64-64", { n, h: 128, w: 96, ci: 64, co: 64, k: 3, s: 2, p: 1 }),
    one(64, 64, 0, 1), one(256, 64, 0, 3), three(64, 64, 0, 4), one(64, 256, 0, 5), // layer1
    three(256, 32, 0, 1), down(256, 64, 0, 1), down(64, 128, 1, 7), down(128, 256, 2, 3), // transitions; the last two also lead downwards
    three(32, 32, 0, 64), three(64, 64, 1, 64), three(128, 128, 2, 56), three(256, 256, 3, 24), // blocks of the stages
    one(64, 32, 1, 8), one(128, 32, 2, 7), one(128, 64, 2, 6), one(256, 32, 3, 3), one(256, 64, 3, 2), one(256, 128, 3, 2), // upwards
    down(32, 64, 0, 7), down(32, 32, 0, 8), down(32, 128, 1, 6), // downwards
    down(32, 32, 1, 2), down(64, 64, 1, 2), down(32, 256, 2, 2), down(64, 256, 2, 2),
    one(32, 17, 0, 1), // head
  ];
}

/** Layers that carry most of a MultiAugs step of PoseResNet-18: S and the K views behind one another, n images in all. */
export function mergedLayers(n: number): ConvProblem[] {
  return poseResnet18(n).filter(({ name }) => /^layer\d 3x3 |^deconv/.test(name));
}

/** Multiplications of one image's pass, 10^9. */
export function gigaMacs(problems: readonly ConvProblem[]): number {
  return problems.reduce((sum, { shape, count }) => sum + (count * convFlops(shape)) / 2 / shape.batch, 0) / 1e9;
}

/** A plain product, as drivers are compared by. */
export function square(side: number): ConvProblem {
  return { name: `gemm ${side}x${side}x${side}`, kind: "conv", count: 1, shape: squareProduct(side) };
}
