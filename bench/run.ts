/** Throughput on real shapes: products and layers, what surrounds them, single ops. Every row is checked before it is timed. */
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CropBatch, packCrops } from "../src/augment/crop_batch.ts";
import { type Gpu, openDevice } from "../src/gpu/device.ts";
import { measureReplay } from "../src/gpu/time_replay.ts";
import { warpAffine } from "../src/kernels/augment.ts";
import { addInto } from "../src/kernels/elementwise.ts";
import { Batchnorm } from "../src/nn/layers.ts";
import { ParameterStore } from "../src/nn/store.ts";
import { backward } from "../src/autograd/tape.ts";
import { add } from "../src/ops/elementwise.ts";
import { heatmapMse } from "../src/ops/heatmap_mse.ts";
import { persistentTensor } from "../src/tensor/tensor.ts";
import type { CropSample } from "../src/data/sample.ts";
import { type Case, largestDifference, memoryCase, uploadRandom } from "./case.ts";
import { algorithms, convCase, type Direction, matrixAlgorithm, takesWinograd } from "./layers.ts";
import { type ConvProblem, hrnetW32, mergedLayers, poseResnet18, poseResnet50, square } from "./problems.ts";
import { runTable } from "./table.ts";

const BATCH = 8;
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

const DIRECTIONS: readonly Direction[] = ["forward", "gradInput", "gradWeight"];

/** Views of a MultiAugs step that share a launch with the labelled images. */
const VIEWS = 4;

/** Layers that stand for their kind where all by every algorithm would take too long. */
const COMPARED = ["R18 layer1 3x3 64-64", "R18 layer2 3x3/2 64-128", "R18 layer3 3x3 256-256", "R18 deconv2 4x4/2 256-256"];

/** Layers of the networks at a usual batch and those of a merged launch; some, or on a GPU or with `large` all, by every algorithm. */
function layerCases(gpu: Gpu, { large }: { large: boolean }): Case[] {
  const hardware = gpu.info.kind === "hardware";
  const batch = hardware ? 32 : BATCH;
  const named = (prefix: string, problems: readonly ConvProblem[]) => problems.map((problem) => ({ ...problem, name: `${prefix} ${problem.name}` }));
  const known = new Set<string>();
  // A shape that several networks have is timed once, under the first of them.
  const problems = [...named("R18", poseResnet18(batch)), ...named("R50", poseResnet50(batch)), ...named("W32", hrnetW32(batch)), ...named(`merged ${(1 + VIEWS) * batch}`, mergedLayers((1 + VIEWS) * batch))].filter(({ kind, shape }) => {
    const key = JSON.stringify([kind, shape]);
    return !known.has(key) && known.add(key);
  });
  // Nobody asks for the gradient of the images.
  const directionsOf = ({ name }: ConvProblem) => DIRECTIONS.filter((direction) => direction !== "gradInput" || !name.endsWith(" 3-64"));
  const planned = problems.flatMap((problem) => directionsOf(problem).map((direction) => convCase(problem, direction)));
  const compared = large || hardware ? problems : problems.filter(({ name }) => COMPARED.includes(name));
  const byAlgorithm = compared.flatMap((problem) =>
    directionsOf(problem).flatMap((direction) => algorithms(gpu).filter(({ name }) => name !== "winograd" || takesWinograd(problem)).map((algorithm) => convCase(problem, direction, algorithm))),
  );
  const matrix = matrixAlgorithm(gpu);
  if (typeof matrix === "string") console.error(`skipped  rows by the matrix core: ${matrix}`);
  return [convCase(square(1024), "forward"), ...planned, ...byAlgorithm];
}

/** What surrounds the layers. */
function surroundings(): Case[] {
  return [
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
        const cost = measureReplay(gpu, () => crops.run(x.range));
        return { name: this.name, ...cost, images: (1000 * BATCH) / cost.ms, error: Math.abs(value - (128 / 255 - 0.485) / 0.229) };
      },
    },
    eagerCase,
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
export async function runBench({ only, out, large }: { only?: string | undefined; out?: string | undefined; large: boolean }): Promise<boolean> {
  const gpu = await openDevice();
  return runTable(gpu, { name: "", cases: [...layerCases(gpu, { large }), ...surroundings(), ...(await opFiles())], only, out });
}
