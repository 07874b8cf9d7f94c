/**
 * Throughput on real shapes: products and layers, what surrounds them, whole training steps. Every row is checked
 * before it is timed. A table on the screen, JSON beside it.
 */
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CropBatch, packCrops } from "../src/augment/crop_batch.ts";
import { openDevice } from "../src/gpu/device.ts";
import { warpAffine } from "../src/kernels/augment.ts";
import { convForward, convFlops, convGradInput, convGradWeight, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "../src/kernels/conv.ts";
import { addInto } from "../src/kernels/elementwise.ts";
import { Batchnorm } from "../src/nn/layers.ts";
import { ParameterStore } from "../src/nn/store.ts";
import { backward } from "../src/autograd/tape.ts";
import { add } from "../src/ops/elementwise.ts";
import { heatmapMse } from "../src/ops/heatmap_mse.ts";
import { Random } from "../src/random.ts";
import { persistentTensor } from "../src/tensor/tensor.ts";
import { renderTable } from "../src/train/log.ts";
import type { CropSample } from "../src/data/sample.ts";
import { type Case, largestDifference, memoryCase, type Row, timeReplay, uploadRandom } from "./case.ts";
import { type ConvProblem, GEMM_1024, poseResnet18 } from "./problems.ts";
import { commit, writeReport } from "./report.ts";
import { buildStep, POSE_CONS, poseResnet, QUICKSTART, type StepProblem, stepProblem, SUPERVISED } from "./step.ts";

const BATCH = 8;
const CHECKS = 48;
const ALLOWED_ERROR = 1e-4;

type Direction = "forward" | "gradInput" | "gradWeight";

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

function convCase({ name, kind, shape }: ConvProblem, direction: Direction): Case {
  return {
    name: `${name} ${direction}`,
    async run(gpu) {
      const s = shape;
      const x = uploadRandom(gpu, s.batch * s.inH * s.inW * s.inC, 1);
      const w = uploadRandom(gpu, s.kernelH * s.kernelW * s.inC * s.outC, 2);
      const gy = uploadRandom(gpu, s.batch * s.outH * s.outW * s.outC, 3);
      const deconv = kind === "deconv";
      if (deconv) gpu.write(w.range, swapped(w.values, s));
      // In terms of the convolution: what a deconvolution calls forward is its input gradient, and the other way round.
      const role: Direction = deconv && direction !== "gradWeight" ? (direction === "forward" ? "gradInput" : "forward") : direction;
      const out = gpu.persistent({ forward: gy, gradInput: x, gradWeight: w }[role].range.bytes, "result");
      const work = () => {
        if (role === "forward") {
          if (deconv) deconvGradInput(gpu, { gradY: x.range, w: w.range, gradX: out, shape });
          else convForward(gpu, { x: x.range, w: w.range, y: out, shape });
        } else if (role === "gradInput") {
          if (deconv) deconvForward(gpu, { x: gy.range, w: w.range, y: out, shape });
          else convGradInput(gpu, { gradY: gy.range, w: w.range, gradX: out, shape });
        } else if (deconv) deconvGradWeight(gpu, { x: gy.range, gradY: x.range, gradW: out, shape });
        else convGradWeight(gpu, { x: x.range, gradY: gy.range, gradW: out, shape });
      };
      gpu.scope(work);
      const result = await gpu.readFloats(out);
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
      const ms = timeReplay(gpu, work);
      const bytes = x.range.bytes + w.range.bytes + gy.range.bytes;
      for (const range of [x.range, w.range, gy.range, out]) gpu.free(range);
      return { name: this.name, ms, gflops: convFlops(s) / ms / 1e6, gbytes: bytes / ms / 1e6, error: error / largest };
    },
  };
}

function memoryCases(): Case[] {
  const [h, w, c] = [64, 48, 64];
  const count = BATCH * h * w * c;
  return [
    memoryCase("copy", (gpu) => {
      const x = uploadRandom(gpu, count, 10);
      const y = gpu.persistent(4 * count, "copy");
      return {
        work: () => addInto(gpu, { a: x.range, b: undefined, out: y, count }),
        bytes: 8 * count,
        check: async () => largestDifference(await gpu.readFloats(y), x.values),
        free: [x.range, y],
      };
    }),
    memoryCase("batchnorm+relu forward 64x48x64", (gpu) => {
      const store = new ParameterStore();
      const norm = new Batchnorm(store, "bn", c);
      store.materialise(gpu, 0);
      const x = uploadRandom(gpu, count, 11);
      const input = persistentTensor(gpu, [BATCH, h, w, c], { data: x.values });
      const out = persistentTensor(gpu, [BATCH, h, w, c]);
      const work = () => {
        const y = norm.forward(input, { training: true, groups: 1, slot: 0 }, { relu: true });
        addInto(gpu, { a: y.range, b: undefined, out: out.range, count: 1 });
      };
      return {
        work,
        bytes: 12 * count,
        check: async () => {
          const mean = x.values.reduce((sum, value, i) => (i % c === 0 ? sum + value : sum), 0) / (count / c);
          const variance = x.values.reduce((sum, value, i) => (i % c === 0 ? sum + (value - mean) ** 2 : sum), 0) / (count / c);
          const [first] = await out.toArray();
          return Math.abs(Math.max(0, ((x.values[0] as number) - mean) / Math.sqrt(variance + 1e-5)) - (first as number));
        },
        free: [x.range, input.range, out.range],
      };
    }),
    memoryCase("batchnorm+relu backward 64x48x64", (gpu) => {
      const store = new ParameterStore();
      const norm = new Batchnorm(store, "bn", c);
      store.materialise(gpu, 0);
      const x = uploadRandom(gpu, count, 12);
      const input = persistentTensor(gpu, [BATCH, h, w, c], { data: x.values, requiresGradient: true });
      const upstream = persistentTensor(gpu, [BATCH, h, w, c], { data: x.values });
      const beta = gpu.persistent(4 * c, "beta gradient");
      const work = () => {
        const y = norm.forward(input, { training: true, groups: 1, slot: 0 }, { relu: true });
        store.zeroGradients();
        backward(y, { gradient: upstream, leaves: [input] });
        addInto(gpu, { a: store.parameter("bn.bias").gradient.range, b: undefined, out: beta, count: c });
      };
      return {
        work,
        bytes: (12 + 28) * count,
        check: async () => {
          const mean = x.values.reduce((sum, value, i) => (i % c === 0 ? sum + value : sum), 0) / (count / c);
          const expected = x.values.reduce((sum, value, i) => (i % c === 0 && value > mean ? sum + value : sum), 0);
          return Math.abs((((await gpu.readFloats(beta))[0] as number) - expected) / expected);
        },
        free: [x.range, input.range, upstream.range, beta],
      };
    }),
    memoryCase("heatmap loss+gradient 64x48x17", (gpu) => {
      const size = BATCH * h * w * 17;
      const [p, t] = [uploadRandom(gpu, size, 13), uploadRandom(gpu, size, 14)];
      const prediction = persistentTensor(gpu, [BATCH, h, w, 17], { data: p.values, requiresGradient: true });
      const target = persistentTensor(gpu, [BATCH, h, w, 17], { data: t.values });
      const weight = persistentTensor(gpu, [BATCH, 17], { data: new Float32Array(BATCH * 17).fill(1) });
      const loss = gpu.persistent(4, "loss");
      const work = () => {
        const value = heatmapMse(prediction, { target, weight });
        addInto(gpu, { a: value.range, b: undefined, out: loss, count: 1 });
      };
      return {
        work,
        bytes: 12 * size,
        check: async () => {
          const expected = p.values.reduce((sum, value, i) => sum + (0.5 * (value - (t.values[i] as number)) ** 2) / size, 0);
          return Math.abs((((await gpu.readFloats(loss))[0] as number) - expected) / expected);
        },
        free: [p.range, t.range, prediction.range, target.range, weight.range, loss],
      };
    }),
    memoryCase("affine warp 256x192x3", (gpu) => {
      const size = BATCH * 256 * 192 * 3;
      const x = uploadRandom(gpu, size, 15);
      const theta = gpu.upload(Float32Array.from({ length: 6 * BATCH }, (_, i) => [1, 0, 0, 0, 1, 0][i % 6] as number), "theta");
      const y = gpu.persistent(4 * size, "warped");
      return {
        work: () => warpAffine(gpu, { x: x.range, theta, y, shape: { batch: BATCH, height: 256, width: 192, channels: 3 } }),
        bytes: 8 * size,
        // The identity leaves an image as it is.
        check: async () => largestDifference(await gpu.readFloats(y), x.values),
        free: [x.range, theta, y],
      };
    }),
  ];
}

const STEPS: StepProblem[] = [
  stepProblem("step supervised quickstart network", ...QUICKSTART, ...SUPERVISED),
  stepProblem("step PoseCons quickstart network", ...QUICKSTART, ...POSE_CONS),
  stepProblem("step supervised PoseResNet-18 256x192", ...poseResnet(18, BATCH), ...SUPERVISED),
];

function stepCase(problem: StepProblem): Case {
  const { BATCH_SIZE: batch } = problem.config.TRAIN;
  return {
    name: `${problem.name}, batch ${batch}`,
    async run(gpu) {
      const { prepare, work, losses: out, free } = buildStep(gpu, problem);
      const losses: number[] = [];
      prepare(0);
      gpu.scope(work);
      prepare(1);
      const recording = gpu.record(work);
      losses.push((await gpu.readFloats(out))[0] as number);
      const before = gpu.counters;
      let [best, host] = [Infinity, 0];
      for (let step = 2; step < 7; step++) {
        prepare(step);
        gpu.fenceBlocking();
        const started = performance.now();
        const hostMs = recording.replay();
        gpu.fenceBlocking();
        const ms = performance.now() - started;
        if (ms < best) [best, host] = [ms, hostMs];
      }
      losses.push((await gpu.readFloats(out))[0] as number);
      const made = gpu.counters.bindGroups - before.bindGroups;
      // Right means: the loss is finite and falls on a batch seen six times, and a replay makes nothing.
      const right = losses.every(Number.isFinite) && (losses[1] as number) < (losses[0] as number) && made === 0;
      const row: Row = { name: this.name, ms: best, gflops: recording.flops / best / 1e6, hostShare: host / best, images: (1000 * batch) / best, bytes: recording.plannedBytes, error: right ? 0 : 1 };
      recording.dispose();
      free();
      return row;
    },
  };
}

const EAGER_CALLS = 2000;
const CALLS_IN_SCOPE = 50;

/** Host time of one eager op with warm caches: what a step costs that is not recorded. */
const eagerCase: Case = {
  name: "eager add of 64 elements, host time of one",
  async run(gpu) {
    const x = persistentTensor(gpu, [4, 16], { data: new Float32Array(64).fill(2), requiresGradient: true });
    const value = (await add(x, x).toArray())[7] as number;
    let best = Infinity;
    for (let round = 0; round < 5; round++) {
      gpu.fenceBlocking();
      const started = performance.now();
      for (let i = 0; i < EAGER_CALLS / CALLS_IN_SCOPE; i++) gpu.scope(() => void Array.from({ length: CALLS_IN_SCOPE }, () => add(x, x)));
      best = Math.min(best, performance.now() - started);
    }
    gpu.fenceBlocking();
    gpu.free(x.range);
    return { name: this.name, ms: best / EAGER_CALLS, error: Math.abs(value - 4) };
  },
};

function allCases(): Case[] {
  const directions: Direction[] = ["forward", "gradInput", "gradWeight"];
  return [
    convCase(GEMM_1024, "forward"),
    ...poseResnet18(BATCH).flatMap((problem) => directions.filter((direction) => !(problem.name.startsWith("stem") && direction === "gradInput")).map((direction) => convCase(problem, direction))),
    ...memoryCases(),
    {
      name: "crop 256x192 from 640x480",
      async run(gpu) {
        const facts = { batch: BATCH, size: [192, 256] as const, joints: 17, rgb: true };
        const crops = new CropBatch(gpu, facts);
        const pixels = new Uint8Array(3 * 640 * 480).fill(128);
        const sample: Omit<CropSample, "record"> = {
          pixels, window: { x: 0, y: 0, width: 640, height: 480 }, imageSize: [640, 480], flip: false, toInput: [0.4, 0, 0, 0, 0.5, 0],
          joints: new Float32Array(34), visible: new Uint8Array(17), center: [0, 0], scale: [1, 1], rotationDegrees: 0,
        };
        crops.write(packCrops(Array.from({ length: BATCH }, () => sample as CropSample), facts));
        const x = persistentTensor(gpu, [BATCH, 256, 192, 3]);
        gpu.scope(() => crops.run(x.range));
        const value = (await x.toArray())[3 * (10 * 192 + 10)] as number;
        const ms = timeReplay(gpu, () => crops.run(x.range));
        return { name: this.name, ms, images: (1000 * BATCH) / ms, error: Math.abs(value - (128 / 255 - 0.485) / 0.229) };
      },
    },
    eagerCase,
    ...STEPS.map(stepCase),
  ];
}

/** Rows of single ops: every file of bench/ops exports `cases`. */
async function opFiles(): Promise<Case[]> {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "ops");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ts")).toSorted();
  const modules: { cases: Case[] }[] = await Promise.all(files.map((name) => import(join(folder, name))));
  return modules.flatMap(({ cases }) => cases);
}

/** Runs all rows whose name contains `only`; returns whether every check passed. */
export async function runBench({ only, out }: { only?: string | undefined; out?: string | undefined }): Promise<boolean> {
  const gpu = await openDevice();
  console.error(`adapter  ${gpu.info.description || gpu.info.device} (${gpu.info.kind}), commit ${commit()}`);
  const rows: Row[] = [];
  for (const item of [...allCases(), ...(await opFiles())].filter(({ name }) => !only || name.includes(only))) {
    const row = await item.run(gpu);
    rows.push(row);
    console.error(`${row.name}  ${row.ms.toFixed(2)} ms${row.gflops === undefined ? "" : `  ${row.gflops.toFixed(1)} GFLOP/s`}`);
    await gpu.trim();
  }
  const digits = (value: number | undefined, count: number) => (value === undefined ? "" : value.toFixed(count));
  console.log(
    await renderTable(
      ["", "ms", "GFLOP/s", "GB/s", "images/s", "host %", "MiB", "check"],
      rows.map(({ name, ms, gflops, gbytes, images, hostShare, bytes, error }) => [
        name,
        ms.toFixed(ms < 0.1 ? 4 : 2),
        digits(gflops, 1),
        digits(gbytes, 2),
        digits(images, 1),
        digits(hostShare === undefined ? undefined : 100 * hostShare, 2),
        digits(bytes === undefined ? undefined : bytes / 2 ** 20, 0),
        error !== undefined && error > ALLOWED_ERROR ? `WRONG ${error.toExponential(1)}` : "right",
      ]),
    ),
  );
  await writeReport(gpu, { name: "", out, content: { rows } });
  return rows.every(({ error }) => error === undefined || error <= ALLOWED_ERROR);
}
