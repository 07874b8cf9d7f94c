/**
 * Measures what the planner of the GEMM family chooses by, and writes src/kernels/tuned.ts. Every candidate is held against
 * the definition before it is timed; a wrong one is named and left out. Never runs inside training.
 */
import { fileURLToPath } from "node:url";
import { errorText } from "../src/error.ts";
import { writeFileAtomic } from "../src/files.ts";
import { type BufferRange, type Gpu, openDevice, type Recording } from "../src/gpu/device.ts";
import { adapterClass, tuningClass } from "../src/kernels/gemm.ts";
import { type GemmCore, planGemm, type TransformCosts, type TunedAdapter, type TunedProduct } from "../src/kernels/gemm_plan.ts";
import { repeatsOf } from "../src/gpu/time_replay.ts";
import { matmul } from "../src/kernels/matmul.ts";
import { openMatrixCore } from "../src/kernels/matrix_gate.ts";
import { TUNED } from "../src/kernels/tuned.ts";
import { transformInput, transformOutput, transformWeights } from "../src/kernels/winograd.ts";
import { phasesOf, POSITIONS, tilesOf, type WinogradPhase, type WinogradShape } from "../src/kernels/winograd_plan.ts";
import { Random } from "../src/random.ts";
import { uploadRandom } from "./case.ts";
import { matrixAlgorithm } from "./layers.ts";

const TABLE = fileURLToPath(new URL("../src/kernels/tuned.ts", import.meta.url));
const ROUNDS = 12;
const CHECKS = 64;
const ALLOWED_ERROR = 1e-4;
/** The matrix core rounds operands to half floats. */
const ALLOWED_MATRIX_ERROR = 2e-3;

/** Rows by column vectors of the lanes core: beyond 192 accumulators lavapipe stops unrolling, at a fifth of the speed. */
const LANES_TILES = [[24, 8], [16, 8], [8, 8], [24, 6], [16, 6], [32, 4], [24, 4], [16, 4], [32, 3], [24, 3], [32, 2], [24, 2], [16, 2], [32, 1], [16, 1]] as const;

/** Tiles of rows, columns, depth, and rows and columns a thread, of the tile core. */
const TILES = [[64, 64, 16, 4, 4], [64, 32, 16, 4, 4], [128, 64, 16, 8, 4], [64, 128, 16, 4, 8], [128, 128, 8, 8, 8], [128, 128, 16, 8, 8], [128, 32, 16, 8, 4], [32, 32, 16, 4, 4]] as const;

/** Tiles of rows, columns, depth, and rows and columns a subgroup, of the matrix core: 32 KiB of workgroup memory at most. */
const MATRIX_TILES = [[128, 128, 32, 64, 32], [128, 128, 32, 32, 64], [128, 128, 32, 64, 64], [128, 64, 32, 32, 32], [64, 128, 32, 32, 32], [128, 64, 32, 64, 32], [64, 64, 32, 32, 32], [64, 64, 64, 32, 32], [64, 64, 32, 32, 16]] as const;

/** A core with tile sizes that is not measured yet. */
type Candidate = Omit<TunedProduct, "gflops">;

function candidatesOf(core: GemmCore): Candidate[] {
  if (core === "matrix") return MATRIX_TILES.map(([TILE_ROWS, TILE_COLUMNS, TILE_DEPTH, REGION_ROWS, REGION_COLUMNS]) => ({ core, spec: { TILE_ROWS, TILE_COLUMNS, TILE_DEPTH, REGION_ROWS, REGION_COLUMNS } }));
  if (core === "lanes4") return [{ core, spec: {} }];
  if (core === "lanes") return LANES_TILES.map(([ROWS, COLUMNS]) => ({ core, spec: { ROWS, COLUMNS } }));
  return TILES.map(([TILE_ROWS, TILE_COLUMNS, TILE_DEPTH, THREAD_ROWS, THREAD_COLUMNS]) => ({ core, spec: { TILE_ROWS, TILE_COLUMNS, TILE_DEPTH, THREAD_ROWS, THREAD_COLUMNS } }));
}

/**
 * Shortest times of several replays in ms, interleaved so that what else runs meets all alike. A software driver computes in
 * this process: its CPU time, over the cores that it has, does not depend on what else runs.
 */
function shortest(gpu: Gpu, recordings: readonly Recording[]): number[] {
  const best = recordings.map(() => Infinity);
  const repeats = recordings.map((recording) => repeatsOf(gpu, recording));
  for (let round = 0; round <= ROUNDS; round++) {
    recordings.forEach((recording, i) => {
      const times = repeats[i] as number;
      const cpu = process.cpuUsage();
      const started = performance.now();
      for (let k = 0; k < times; k++) recording.replay();
      gpu.fenceBlocking();
      const used = process.cpuUsage(cpu);
      const ms = gpu.info.kind === "hardware" ? performance.now() - started : (used.user + used.system) / 1000 / navigator.hardwareConcurrency;
      if (round > 0) best[i] = Math.min(best[i] as number, ms / times);
    });
  }
  for (const recording of recordings) recording.dispose();
  return best;
}

/** Largest difference of sampled elements from `expected`, relative to the largest of them. */
async function sampledError(gpu: Gpu, out: BufferRange, expected: (at: number) => number): Promise<number> {
  const stored = await gpu.read(out);
  const result = out.allocation.element === "f16" ? new Float16Array(stored) : new Float32Array(stored);
  const random = new Random({ seed: 8, stream: 540 });
  let [error, largest] = [0, 1e-9];
  for (let k = 0; k < CHECKS; k++) {
    const at = random.integer(0, result.length);
    error = Math.max(error, Math.abs(expected(at) - (result[at] as number)));
    largest = Math.max(largest, Math.abs(expected(at)));
  }
  return error / largest;
}

/** What is wrong with work that has never run here: the driver refuses it, or its result is off; undefined where nothing is. */
async function faultOf(gpu: Gpu, { work, error, allowed }: { work: () => void; error: () => Promise<number>; allowed: number }): Promise<string | undefined> {
  try {
    gpu.scope(work);
    const off = await error();
    return off <= allowed ? undefined : `WRONG by ${off.toExponential(1)}`;
  } catch (problem) {
    return errorText(problem).split("\n", 1)[0];
  }
}

/** Rates of the f32 core, and of the matrix core where its gate opens, fastest first. */
async function tuneCores(gpu: Gpu): Promise<TunedProduct[]> {
  const { core } = planGemm({ rows: 1024, columns: 1024, depth: 1024, batch: 1 }, adapterClass(gpu));
  const products = await tuneProducts(gpu, core);
  const matrix = matrixAlgorithm(gpu);
  if (typeof matrix === "string") console.error(`matrix   skipped: ${matrix}`);
  else if (await openMatrixCore(gpu, console.error)) products.push(...(await tuneProducts(gpu, "matrix")));
  return products.toSorted((x, y) => y.gflops - x.gflops);
}

/** Rates of a core's candidates on a product that fills all of their tiles, fastest first; those that are wrong are told and left out. */
export async function tuneProducts(gpu: Gpu, core: GemmCore, candidates: readonly Candidate[] = candidatesOf(core)): Promise<TunedProduct[]> {
  const adapter = adapterClass(gpu);
  const large = !adapter.software;
  // Whole numbers of all tiles; on hardware large enough to fill it.
  const [rows, columns, depth] = large ? [3072, 3072, 1024] : [768, 192, 512];
  const half = core === "matrix"; // as mixed precision stores its features
  const [a, b] = [uploadRandom(gpu, rows * depth, 1, { half }), uploadRandom(gpu, depth * columns, 2)];
  const c = gpu.persistent((half ? 2 : 4) * rows * columns, "c", { element: half ? "f16" : "f32" });
  const expected = (at: number) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += (a.values[row * depth + k] as number) * (b.values[k * columns + column] as number);
    return sum;
  };
  const product = { rows, columns, depth, batch: 1, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false };
  const right: Candidate[] = [];
  const recordings: Recording[] = [];
  for (const candidate of candidates) {
    gpu.write(c, new Uint8Array(c.bytes)); // else one that writes nothing would show the results of the one before
    const work = () => matmul(gpu, { a: a.range, b: b.range, c, product, force: { core, spec: candidate.spec, splits: 1 } });
    const fault = await faultOf(gpu, { work, error: () => sampledError(gpu, c, expected), allowed: half ? ALLOWED_MATRIX_ERROR : ALLOWED_ERROR });
    if (fault !== undefined) {
      console.error(`${core} ${JSON.stringify(candidate.spec)}  ${fault}, left out`);
      continue;
    }
    right.push(candidate);
    recordings.push(gpu.record(work));
  }
  const times = shortest(gpu, recordings);
  for (const range of [a.range, b.range, c]) gpu.free(range);
  const tuned = right.map((candidate, i) => ({ ...candidate, gflops: Number(((2 * rows * columns * depth) / (times[i] as number) / 1e6).toFixed(1)) }));
  return tuned.toSorted((x, y) => y.gflops - x.gflops);
}

/** Times of Winograd's three transforms for kernels of `taps` a side, whose result is checked as a whole: a convolution with its products. */
async function tuneWinograd(gpu: Gpu, taps: WinogradShape["taps"]): Promise<TransformCosts> {
  // Whole numbers of tiles of either side.
  const [batch, outH, outW, channels] = [gpu.info.kind === "hardware" ? 64 : 4, 36, 24, 128];
  const [inH, inW] = [outH + taps - 3, outW + taps - 3];
  const shape: WinogradShape = { batch, inH, inW, fromC: channels, outH, outW, toC: channels, taps, stride: 1, padH: 1, padW: 1, transposed: false };
  const phases = phasesOf(shape);
  const { tilesH, tilesW } = tilesOf(shape);
  const tiles = batch * tilesH * tilesW;
  const [x, w] = [uploadRandom(gpu, batch * inH * inW * channels, 3), uploadRandom(gpu, taps * taps * channels * channels, 4)];
  const y = gpu.persistent(4 * batch * outH * outW * channels, "y");
  const [v, u, m] = [tiles * channels, channels * channels, tiles * channels].map((count) => gpu.persistent(4 * POSITIONS * count, "transformed")) as [BufferRange, BufferRange, BufferRange];
  const piece = { shape, first: 0, images: batch };
  const product = { rows: tiles, columns: channels, depth: channels, batch: POSITIONS, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false };
  const steps = [
    () => transformInput(gpu, { ...piece, x: x.range, v, phases }),
    () => transformWeights(gpu, { w: w.range, u, shape, phases, swapped: false }),
    () => matmul(gpu, { a: v, b: u, c: m, product }),
    () => transformOutput(gpu, { ...piece, m, y, phase: phases[0] as WinogradPhase }),
  ];
  gpu.scope(() => steps.forEach((step) => step()));
  const error = await sampledError(gpu, y, (at) => {
    const [q, j, i, n] = [at % channels, Math.floor(at / channels) % outW, Math.floor(at / channels / outW) % outH, Math.floor(at / channels / outW / outH)];
    let sum = 0;
    for (let a = 0; a < taps; a++)
      for (let b = 0; b < taps; b++) {
        const [h, k] = [i - 1 + a, j - 1 + b];
        if (h < 0 || k < 0 || h >= inH || k >= inW) continue;
        for (let c = 0; c < channels; c++) sum += (x.values[((n * inH + h) * inW + k) * channels + c] as number) * (w.values[((taps * a + b) * channels + c) * channels + q] as number);
      }
    return sum;
  });
  if (error > ALLOWED_ERROR) throw new Error(`Winograd's way with ${taps}x${taps} taps is wrong by ${error.toExponential(1)} on this adapter: nothing is written`);
  const [inputMs = 0, weightMs = 0, , outputMs = 0] = shortest(gpu, steps.map((step) => gpu.record(step)));
  for (const range of [x.range, w.range, y, v, u, m]) gpu.free(range);
  const ns = (ms: number, count: number) => Number(((1e6 * ms) / count).toFixed(gpu.info.kind === "hardware" ? 4 : 1));
  return { inputNs: ns(inputMs, tiles * channels), outputNs: ns(outputMs, tiles * channels), weightNs: ns(weightMs, channels * channels) };
}

/** Measures this adapter and writes its table beside those of others, to `out` or to where the planner reads it; with `missing` only where it has none. */
export async function runTune({ out = TABLE, missing }: { out?: string | undefined; missing: boolean }): Promise<void> {
  const gpu = await openDevice();
  const name = tuningClass(gpu);
  if (missing && TUNED[name]) {
    console.error(`table "${name}" is there, of ${TUNED[name].date}: ${TUNED[name].adapter}`);
    return;
  }
  console.error(`adapter  ${gpu.info.description || gpu.info.device}, table "${name}"`);
  const products = await tuneCores(gpu);
  for (const { core, spec, gflops } of products) console.error(`${core} ${JSON.stringify(spec)}  ${gflops} GFLOP/s`);
  const winograd = { 2: await tuneWinograd(gpu, 2), 3: await tuneWinograd(gpu, 3) };
  for (const [taps, { inputNs, outputNs, weightNs }] of Object.entries(winograd)) {
    console.error(`transforms of ${taps}x${taps} taps: ${inputNs} ns a tile and channel of input, ${outputNs} of output, ${weightNs} a pair of channels`);
  }
  const own: TunedAdapter = { adapter: gpu.info.description || gpu.info.device, date: new Date().toISOString().slice(0, 10), tuning: { products, winograd } };
  const tables = Object.entries({ ...TUNED, [name]: own }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const head = '/** Written by `bun run tune`: what was measured, by class of adapter (the driver where it is software, else the vendor). */\nimport type { TunedAdapter } from "./gemm_plan.ts";\n';
  await writeFileAtomic(out, `${head}\nexport const TUNED: Readonly<Record<string, TunedAdapter>> = ${JSON.stringify(Object.fromEntries(tables), undefined, 2)};\n`);
  console.error(`written  ${out}`);
  await gpu.close();
}
