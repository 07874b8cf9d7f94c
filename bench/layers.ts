/** Layers of networks: each direction checked against the definition, then timed. */
import type { Gpu } from "../src/gpu/device.ts";
import { SUBGROUP_MATRIX } from "../src/gpu/subgroup_matrix.ts";
import { measureReplay } from "../src/gpu/time_replay.ts";
import { convForward, convFlops, convGradInput, convGradWeight, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "../src/kernels/conv.ts";
import type { GemmCore, GemmForce } from "../src/kernels/gemm_plan.ts";
import { Random } from "../src/random.ts";
import { type Case, uploadRandom } from "./case.ts";
import type { ConvProblem } from "./problems.ts";

const CHECKS = 48;

/** What is timed of a layer. */
export type Direction = "forward" | "gradInput" | "gradWeight";

/** One element of a direction's result by the definition, f64. */
function expectedElement(s: ConvShape, direction: Direction, at: number, { x, w, gy }: { x: Float32Array; w: Float32Array; gy: Float32Array }): number {
  const xAt = (n: number, h: number, v: number, c: number) => (h < 0 || v < 0 || h >= s.inH || v >= s.inW ? 0 : (x[((n * s.inH + h) * s.inW + v) * s.inC + c] as number));
  let sum = 0;
  if (direction === "forward") {
    const [q, j, i, n] = [at % s.outC, Math.floor(at / s.outC) % s.outW, Math.floor(at / s.outC / s.outW) % s.outH, Math.floor(at / s.outC / s.outW / s.outH)];
    for (let a = 0; a < s.kernelH; a++)
      for (let b = 0; b < s.kernelW; b++)
        for (let c = 0; c < s.inC; c++) sum += xAt(n, i * s.strideH - s.padH + a, j * s.strideW - s.padW + b, c) * (w[((a * s.kernelW + b) * s.inC + c) * s.outC + q] as number);
  } else if (direction === "gradInput") {
    const [c, v, h, n] = [at % s.inC, Math.floor(at / s.inC) % s.inW, Math.floor(at / s.inC / s.inW) % s.inH, Math.floor(at / s.inC / s.inW / s.inH)];
    for (let a = 0; a < s.kernelH; a++)
      for (let b = 0; b < s.kernelW; b++) {
        const [i, j] = [(h + s.padH - a) / s.strideH, (v + s.padW - b) / s.strideW];
        if (!Number.isInteger(i) || !Number.isInteger(j) || i < 0 || j < 0 || i >= s.outH || j >= s.outW) continue;
        for (let q = 0; q < s.outC; q++) sum += (gy[((n * s.outH + i) * s.outW + j) * s.outC + q] as number) * (w[((a * s.kernelW + b) * s.inC + c) * s.outC + q] as number);
      }
  } else {
    const [q, c, b, a] = [at % s.outC, Math.floor(at / s.outC) % s.inC, Math.floor(at / s.outC / s.inC) % s.kernelW, Math.floor(at / s.outC / s.inC / s.kernelW)];
    for (let n = 0; n < s.batch; n++)
      for (let i = 0; i < s.outH; i++)
        for (let j = 0; j < s.outW; j++) sum += xAt(n, i * s.strideH - s.padH + a, j * s.strideW - s.padW + b, c) * (gy[((n * s.outH + i) * s.outW + j) * s.outC + q] as number);
  }
  return sum;
}

/** Swaps the channel axes of weights [taps, a, b]: a deconvolution stores them the other way round. */
function swapped(w: Float32Array, { inC, outC }: ConvShape): Float32Array {
  const out = new Float32Array(w.length);
  for (let i = 0; i < w.length; i++) {
    const [q, c, tap] = [i % outC, Math.floor(i / outC) % inC, Math.floor(i / outC / inC)];
    out[(tap * outC + q) * inC + c] = w[i] as number;
  }
  return out;
}

/** An algorithm that is forced where the planner would choose. */
export interface Algorithm {
  name: string;
  force: GemmForce;
  /** Activations are stored as half floats, as in mixed precision; f32 weights are rounded to them. */
  half?: boolean;
}

/** Relative error of results that are rounded to half floats, like the operands of their products. */
const HALF_ERROR = 2e-3;

/** The matrix core as mixed precision uses it, or in words why this adapter cannot. */
export function matrixAlgorithm({ features }: Gpu): Algorithm | string {
  return features.has(SUBGROUP_MATRIX) ? { name: "matrix", force: { core: "matrix" }, half: true } : "the adapter has no subgroup matrices";
}

/** Algorithms that the adapter can run. */
export function algorithms(gpu: Gpu): Algorithm[] {
  const cores: readonly GemmCore[] = ["tile", ...(gpu.info.subgroupSize ? (["lanes"] as const) : []), ...(gpu.info.subgroupSize === 4 ? (["lanes4"] as const) : [])];
  const matrix = matrixAlgorithm(gpu);
  return [...cores.map((core) => ({ name: core, force: { core } })), { name: "winograd", force: { winograd: true } }, ...(typeof matrix === "string" ? [] : [matrix])];
}

/** Whether Winograd's transforms can do it. */
export function takesWinograd({ shape: { kernelH, strideH } }: ConvProblem): boolean {
  return kernelH === 3 * strideH || kernelH === 2 * strideH;
}

/** A layer in one direction by what the planner chooses, or by one algorithm. */
export function convCase({ name, kind, shape }: ConvProblem, direction: Direction, algorithm?: Algorithm): Case {
  const forced = algorithm ? { force: algorithm.force } : {};
  return {
    name: `${name} ${direction}${algorithm ? `, ${algorithm.name}` : ""}`,
    async run(gpu) {
      const s = shape;
      const half = algorithm?.half ?? false;
      const x = uploadRandom(gpu, s.batch * s.inH * s.inW * s.inC, 1, { half });
      const w = uploadRandom(gpu, s.kernelH * s.kernelW * s.inC * s.outC, 2);
      const gy = uploadRandom(gpu, s.batch * s.outH * s.outW * s.outC, 3, { half });
      const deconv = kind === "deconv";
      if (deconv) gpu.write(w.range, swapped(w.values, s));
      // In terms of the convolution: what a deconvolution calls forward is its input gradient, and the other way round.
      const role: Direction = deconv && direction !== "gradWeight" ? (direction === "forward" ? "gradInput" : "forward") : direction;
      const { bytes: outBytes, allocation } = { forward: gy, gradInput: x, gradWeight: w }[role].range;
      const out = gpu.persistent(outBytes, "result", { element: allocation.element });
      const work = () => {
        if (role === "forward") {
          if (deconv) deconvGradInput(gpu, { gradY: x.range, w: w.range, gradX: out, shape, ...forced });
          else convForward(gpu, { x: x.range, w: w.range, y: out, shape, ...forced });
        } else if (role === "gradInput") {
          if (deconv) deconvForward(gpu, { x: gy.range, w: w.range, y: out, shape, ...forced });
          else convGradInput(gpu, { gradY: gy.range, w: w.range, gradX: out, shape, ...forced });
        } else if (deconv) deconvGradWeight(gpu, { x: gy.range, gradY: x.range, gradW: out, shape, ...forced });
        else convGradWeight(gpu, { x: x.range, gradY: gy.range, gradW: out, shape, ...forced });
      };
      gpu.scope(work);
      const stored = await gpu.read(out);
      const result = allocation.element === "f16" ? new Float16Array(stored) : new Float32Array(stored);
      const random = new Random({ seed: 4, stream: 510 });
      let [error, largest] = [0, 1e-9];
      for (let k = 0; k < CHECKS; k++) {
        let at = random.integer(0, result.length);
        const expected = expectedElement(s, role, at, { x: x.values, w: w.values, gy: gy.values });
        if (deconv && role === "gradWeight") {
          const [q, c, tap] = [at % s.outC, Math.floor(at / s.outC) % s.inC, Math.floor(at / s.outC / s.inC)];
          at = (tap * s.outC + q) * s.inC + c;
        }
        error = Math.max(error, Math.abs(expected - (result[at] as number)));
        largest = Math.max(largest, Math.abs(expected));
      }
      const cost = measureReplay(gpu, work);
      const { ms } = cost;
      const moved = x.range.bytes + w.range.bytes + gy.range.bytes;
      for (const range of [x.range, w.range, gy.range, out]) gpu.free(range);
      return { name: this.name, ...cost, images: (1000 * s.batch) / ms, gflops: convFlops(s) / ms / 1e6, gbytes: moved / ms / 1e6, error: error / largest, ...(half ? { allowedError: HALF_ERROR } : {}) };
    },
  };
}
