/**
 * Our steps and layers beside those of PyTorch and TensorFlow.js: the same weights, the same batch, the same shapes; in turns within one run,
 * so that what else the machine does falls on both. A ratio is their time over ours: above 1 we are faster.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AugmentStep } from "../src/augment/chain.ts";
import { type Gpu, openDevice } from "../src/gpu/device.ts";
import { openMatrixCore } from "../src/kernels/matrix_gate.ts";
import { float32Tensor, type StoredTensor, writeSafetensors } from "../src/interop/safetensors.ts";
import { convForward, convGradInput, convGradWeight } from "../src/kernels/conv.ts";
import { viewPlan } from "../src/methods/build.ts";
import { buildModel } from "../src/models/build.ts";
import { readStateDict } from "../src/nn/state_dict.ts";
import { renderTable } from "../src/train/log.ts";
import { chosen } from "./chosen.ts";
import { largestDifference, uploadRandom } from "./case.ts";
import type { Direction } from "./layers.ts";
import { noPython, pythonWith, Twin } from "./peers/twin.ts";
import { poseResnet18 } from "./problems.ts";
import { type Failure, openReport, tellFailure } from "./report.ts";
import { buildStep, DUAL_MULTI_4, LEARNING_RATE, poseResnet, QUICKSTART, type StepProblem, stepProblem, SUPERVISED } from "./step.ts";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "peers");

/** How each side's time was spent; both have the same keys. */
export interface PeerSide {
  /** Best and median of the rounds. */
  ms: number;
  medianMs: number;
  imagesPerSecond: number;
  /** Loss of labels and of consistency in the first step; a layer has none. */
  lossPose?: number;
  lossCons?: number;
  /** Peak of device memory, where the side can tell. */
  bytes?: number;
}

/** One line: ours, theirs, and how they compare. */
export interface PeerRow {
  name: string;
  peer: string;
  ours: PeerSide;
  theirs: PeerSide;
  /** Their best time over our best. */
  ratio: number;
  medianRatio: number;
  floor?: number;
  aim?: number;
  /** Our peak of device memory over theirs, where both can tell. */
  memoryRatio?: number;
  /** Difference of the results on both sides, relative. */
  error: number;
  allowedError: number;
}

/** Rounds after one that counts for nothing: at least, at most, and the time that more than the least may take, ms. */
const [LEAST_ROUNDS, MOST_ROUNDS, ROUNDS_MS] = [3, 9, 15_000];

interface Race {
  batch: number;
  rounds?: number | undefined;
  ours: () => Promise<number>;
  theirs: () => Promise<number>;
}

function summary(times: readonly number[], images: number): PeerSide {
  const sorted = times.toSorted((a, b) => a - b);
  const ms = sorted[0] as number;
  return { ms, medianMs: sorted[Math.floor(sorted.length / 2)] as number, imagesPerSecond: (1000 * images) / ms };
}

/** Runs both in turns; the first turns were taken by the caller. */
async function race({ batch, rounds = MOST_ROUNDS, ours, theirs }: Race): Promise<{ ours: PeerSide; theirs: PeerSide; ratio: number; medianRatio: number }> {
  const [own, other]: [number[], number[]] = [[], []];
  const began = performance.now();
  for (let round = 0; round < rounds && (round < LEAST_ROUNDS || performance.now() - began < ROUNDS_MS); round++) {
    own.push(await ours());
    other.push(await theirs());
  }
  const sides = { ours: summary(own, batch), theirs: summary(other, batch) };
  return { ...sides, ratio: sides.theirs.ms / sides.ours.ms, medianRatio: sides.theirs.medianMs / sides.ours.medianMs };
}

function figure(answer: Readonly<Record<string, unknown>>, name: string): number {
  const value = answer[name];
  if (typeof value !== "number") throw new Error(`a twin's answer has no number ${name}: ${JSON.stringify(answer)}`);
  return value;
}

/** A step and what is to be reached. */
export interface StepRace {
  problem: StepProblem;
  /** PyTorch's precision; tf32 and amp (channels-last) are a GPU's. */
  precision: "fp32" | "tf32" | "amp";
  floor: number;
  aim: number;
  /** Of PyTorch; absent: what is faster here. */
  threads?: number;
}

const stepRace = (name: string, keys: readonly string[], { precision = "fp32", ...bounds }: Partial<StepRace> & { floor: number; aim: number }): StepRace => ({ problem: stepProblem(name, ...keys), precision, ...bounds });

/** The steps that are compared on this kind of adapter. */
function stepRaces(hardware: boolean): StepRace[] {
  if (!hardware) {
    return [
      stepRace("PoseDual MULTI K=4 quickstart network", [...QUICKSTART, ...DUAL_MULTI_4], { floor: 0.1, aim: 0.3 }),
      stepRace("supervised PoseResNet-18 256x192", [...poseResnet(18, 8), ...SUPERVISED], { floor: 0.08, aim: 0.2 }),
    ];
  }
  const dual = [...poseResnet(18, 32), ...DUAL_MULTI_4];
  return [
    stepRace("PoseDual MULTI K=4 PoseResNet-18 256x192", dual, { precision: "tf32", floor: 0.5, aim: 1 }),
    stepRace("PoseDual MULTI K=4 PoseResNet-18 256x192, mixed", [...dual, "PRECISION=mixed"], { precision: "amp", floor: 0.4, aim: 1 }),
  ];
}

const ALLOWED_LOSS_ERROR = { fp32: 1e-3, tf32: 1e-2, amp: 2e-2 } as const;

/** How many times an augmentation cuts or pastes. @throws Error for one that the twin does not have */
function twinAugmentation(step: AugmentStep): [string, number] {
  if ("holes" in step) return [step.kind, step.holes];
  if ("patches" in step) return [step.kind, step.patches];
  throw new Error(`bench/peers/step_peer.py has no ${step.kind}`);
}

/** What PoseResNet of the configuration is made of, as test/golden/make_golden.py names it. */
function twinNetwork({ MODEL: { EXTRA } }: StepProblem["config"]): object {
  const blocks = { 8: [1, 1, 1], 18: [2, 2, 2, 2], 50: [3, 4, 6, 3] }[EXTRA.NUM_LAYERS as 8 | 18 | 50];
  if (!blocks) throw new Error(`bench/peers/step_peer.py has no PoseResNet-${EXTRA.NUM_LAYERS}`);
  return { block: EXTRA.NUM_LAYERS < 50 ? "basic" : "bottleneck", blocks, width: EXTRA.WIDTH, filters: EXTRA.NUM_DECONV_FILTERS };
}

/** A step and its twin. @throws Error with what PyTorch said where it fails */
export async function raceStep(gpu: Gpu, { problem, precision, floor, aim, threads: fixed }: StepRace, { python, folder, rounds }: { python: string; folder: string; rounds?: number }): Promise<PeerRow> {
  const { config } = problem;
  const { MODEL, TRAIN } = config;
  const batch = TRAIN.BATCH_SIZE;
  const [width, height] = MODEL.IMAGE_SIZE;
  await gpu.trim();
  const { bytes: others } = gpu.memory;
  const { prepare, work, losses, store, samples, imagesPerStep, free } = buildStep(gpu, problem);
  const file = join(folder, "step.safetensors");
  const tensors = new Map<string, StoredTensor>(await readStateDict(store));
  tensors.set("pixels", { dtype: "U8", shape: [batch, height, width, 3], data: Uint8Array.from(samples.flatMap(({ pixels }) => [...pixels])) });
  tensors.set("joints", float32Tensor(Float32Array.from(samples.flatMap(({ joints }) => [...joints])), [batch, MODEL.NUM_JOINTS, 2]));
  await writeSafetensors(file, tensors);

  const twin = new Twin([python, join(FOLDER, "step_peer.py")]);
  try {
    const about = await twin.ask({
      file,
      precision,
      threads: fixed ?? 1,
      network: twinNetwork(config),
      prefixes: buildModel(config).networks.map(({ prefix }) => prefix),
      joints: MODEL.NUM_JOINTS,
      size: MODEL.IMAGE_SIZE,
      heatmap: MODEL.EXTRA.HEATMAP_SIZE,
      sigma: MODEL.EXTRA.SIGMA,
      learningRate: LEARNING_RATE,
      views: (viewPlan(config)?.stages[0]?.views ?? []).map((chain) => chain.map(twinAugmentation)),
    });
    let step = 0;
    prepare(step++);
    const recording = gpu.record(work, { execute: false });
    const replay = (): number => {
      gpu.fenceBlocking();
      const started = performance.now();
      recording.replay();
      gpu.fenceBlocking();
      return performance.now() - started;
    };
    replay();
    const [lossPose = Number.NaN, lossCons = 0] = await gpu.readFloats(losses);
    const first = await twin.ask("step");
    const { threads } = fixed === undefined ? await twin.ask("settle") : { threads: fixed };
    let theirBytes: unknown;
    const result = await race({
      batch: imagesPerStep,
      rounds,
      ours: async () => {
        prepare(step++);
        return replay();
      },
      theirs: async () => {
        const answer = await twin.ask("step");
        theirBytes = answer["bytes"];
        return figure(answer, "ms");
      },
    });
    const bytes = gpu.memory.bytes - others;
    const bothBytes = typeof theirBytes === "number" ? { bytes: theirBytes } : undefined;
    const wanted = figure(first, "lossPose");
    const semi = viewPlan(config) !== undefined;
    const row: PeerRow = {
      name: `${problem.name}, batch ${batch}`,
      peer: `PyTorch ${String(about["torch"])} ${precision}, ${String(about["device"])}, ${String(threads)} threads`,
      ...result,
      ours: { ...result.ours, lossPose, ...(semi ? { lossCons } : {}), bytes },
      theirs: { ...result.theirs, lossPose: wanted, ...(semi ? { lossCons: figure(first, "lossCons") } : {}), ...bothBytes },
      floor,
      aim,
      ...(bothBytes ? { memoryRatio: bytes / bothBytes.bytes } : {}),
      error: Math.abs(lossPose - wanted) / wanted,
      allowedError: ALLOWED_LOSS_ERROR[precision],
    };
    recording.dispose();
    return row;
  } finally {
    free();
    await twin.end();
  }
}

/** Layers that are compared with TensorFlow.js, whose gradients are slow: a small batch on a CPU. */
const [CONV_BATCH, HARDWARE_CONV_BATCH] = [2, 32];
const CONVS = ["layer1 3x3 64-64", "layer2 3x3/2 64-128", "layer3 3x3 256-256"];
const SAMPLES = 64;
const ALLOWED_ERROR = 1e-4;

/** A layer in all directions and its twin. */
async function raceConv(gpu: Gpu, name: string, { folder, batch }: { folder: string; batch: number }): Promise<PeerRow> {
  const shape = poseResnet18(batch).find((problem) => problem.name === name)?.shape;
  if (!shape) throw new Error(`no layer ${name}`);
  const shapes = {
    x: [shape.batch, shape.inH, shape.inW, shape.inC],
    w: [shape.kernelH, shape.kernelW, shape.inC, shape.outC],
    gy: [shape.batch, shape.outH, shape.outW, shape.outC],
  } as const;
  const upload = (of: readonly number[], stream: number) => uploadRandom(gpu, of.reduce((a, b) => a * b), stream);
  const [x, w, gy] = [upload(shapes.x, 1), upload(shapes.w, 2), upload(shapes.gy, 3)];
  const out = { forward: gpu.persistent(gy.range.bytes, "y"), gradInput: gpu.persistent(x.range.bytes, "gradient of x"), gradWeight: gpu.persistent(w.range.bytes, "gradient of w") };
  const file = join(folder, "conv.safetensors");
  await writeSafetensors(file, new Map([["x", float32Tensor(x.values, shapes.x)], ["w", float32Tensor(w.values, shapes.w)], ["gy", float32Tensor(gy.values, shapes.gy)]]));
  const works: Record<Direction, () => void> = {
    forward: () => convForward(gpu, { x: x.range, w: w.range, y: out.forward, shape }),
    gradInput: () => convGradInput(gpu, { gradY: gy.range, w: w.range, gradX: out.gradInput, shape }),
    gradWeight: () => convGradWeight(gpu, { x: x.range, gradY: gy.range, gradW: out.gradWeight, shape }),
  };
  const directions = ["forward", "gradInput", "gradWeight"] as const;
  const samples = Object.fromEntries(directions.map((direction) => [direction, Array.from({ length: SAMPLES }, (_, i) => (i * 7919) % (out[direction].bytes / 4))])) as Record<Direction, number[]>;
  const twin = new Twin([process.execPath, join(FOLDER, "tfjs", "conv_peer.mjs")], { cwd: join(FOLDER, "tfjs") });
  try {
    const about = await twin.ask({ input: shapes.x, weights: shapes.w, output: shapes.gy, stride: shape.strideH, pad: shape.padH, file, samples });
    const recording = gpu.record(() => directions.forEach((direction) => works[direction]()), { execute: false });
    const ours = async (): Promise<number> => {
      const started = performance.now();
      recording.replay();
      gpu.fenceBlocking();
      return performance.now() - started;
    };
    await ours();
    let error = 0;
    for (const direction of directions) {
      const { values } = await twin.ask(direction);
      if (!Array.isArray(values)) throw new Error(`TensorFlow.js gave no ${direction}`);
      const own = await gpu.readFloats(out[direction]);
      error = Math.max(error, largestDifference(samples[direction].map((at) => own[at] as number), values.map(Number)));
    }
    const theirs = async (): Promise<number> => {
      let ms = 0;
      for (const direction of directions) ms += figure(await twin.ask(direction), "ms");
      return ms;
    };
    const result = await race({ batch, ours, theirs });
    recording.dispose();
    return { name: `${name} forward and both gradients, batch ${batch}`, peer: `TensorFlow.js ${String(about["version"])}, same adapter`, ...result, floor: 2, aim: 10, error, allowedError: ALLOWED_ERROR };
  } finally {
    for (const range of [x.range, w.range, gy.range, ...Object.values(out)]) gpu.free(range);
    await twin.end();
  }
}

/** Installs TensorFlow.js where it is not; says in words why it cannot. */
function lackOfTensorflow(): string | undefined {
  if (existsSync(join(FOLDER, "tfjs", "node_modules", "@tensorflow", "tfjs-backend-webgpu"))) return undefined;
  const install = Bun.spawnSync([process.execPath, "install", "--no-save"], { cwd: join(FOLDER, "tfjs") });
  return install.exitCode === 0 ? undefined : `no TensorFlow.js: ${install.stderr.toString().trim().split("\n").at(-1)}`;
}

/**
 * Runs the races whose name contains `only`, also behind one that fails; returns whether both sides computed the same. A twin that is
 * not installed is told in the report, and no failure; one that fails is.
 */
export async function runPeerBench({ only, out }: { only?: string | undefined; out?: string | undefined }): Promise<boolean> {
  const gpu = await openDevice();
  const hardware = gpu.info.kind === "hardware";
  const report = await openReport(gpu, { name: "peers", out });
  await openMatrixCore(gpu, console.error); // for steps in mixed precision
  const folder = await mkdtemp(join(tmpdir(), "limber-peers-"));
  const python = pythonWith("torch");
  const races = [
    ...stepRaces(hardware).map((step) => ({ name: step.problem.name, lack: () => (python ? undefined : noPython("torch")), run: () => raceStep(gpu, step, { python: python as string, folder }) })),
    ...CONVS.map((name) => ({ name: `${name} forward and both gradients`, lack: lackOfTensorflow, run: () => raceConv(gpu, name, { folder, batch: hardware ? HARDWARE_CONV_BATCH : CONV_BATCH }) })),
  ];
  const [rows, skipped, failed]: [PeerRow[], Failure[], Failure[]] = [[], [], []];
  console.error(`adapter  ${gpu.info.description || gpu.info.device} (${gpu.info.kind}), commit ${report.commit}`);
  try {
    for (const { name, lack, run } of chosen(races, only, (race) => race.name)) {
      const missing = lack();
      if (missing !== undefined) {
        skipped.push({ name, error: missing });
        console.error(`${name}  skipped: ${missing}`);
      } else {
        try {
          const row = await run();
          rows.push(row);
          console.error(`${row.name}  ${row.ours.ms.toFixed(1)} ms, theirs ${row.theirs.ms.toFixed(1)} ms`);
        } catch (error) {
          failed.push(tellFailure(name, error));
        }
      }
      await report.write({ rows, skipped, failed });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const wrong = ({ error, allowedError }: PeerRow) => !(error <= allowedError);
  const mib = (bytes: number | undefined) => (bytes === undefined ? "" : (bytes / 2 ** 20).toFixed(0));
  console.log(
    await renderTable(
      ["", "peer", "ms", "their ms", "ratio", "of medians", "floor", "aim", "MiB", "their MiB", "memory", "check"],
      rows.map((row) => [
        row.name,
        row.peer,
        row.ours.ms.toFixed(1),
        row.theirs.ms.toFixed(1),
        row.ratio.toFixed(3),
        row.medianRatio.toFixed(3),
        String(row.floor ?? ""),
        String(row.aim ?? ""),
        mib(row.ours.bytes),
        mib(row.theirs.bytes),
        row.memoryRatio?.toFixed(2) ?? "",
        wrong(row) ? `WRONG ${row.error.toExponential(1)}` : "the same",
      ]),
    ),
  );
  for (const { name, error } of [...skipped, ...failed]) console.log(`${name}: ${error}`);
  console.error(`written  ${report.path}`);
  return failed.length === 0 && !rows.some(wrong);
}
