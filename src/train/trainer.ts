/** What learns in a run: model, optimiser, method and losses on the device, and how far they have come. */
import { join } from "node:path";
import { withRecompute } from "../autograd/op.ts";
import { backboneOf } from "../config/network.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { configDigest, restoreConfig, resumeConflicts } from "../config/resume.ts";
import type { CropBatchFacts } from "../augment/crop_batch.ts";
import { ConfigError } from "../error.ts";
import { type Gpu, openDevice } from "../gpu/device.ts";
import { openMatrixCore } from "../kernels/matrix_gate.ts";
import { buildMethod, viewPlan } from "../methods/build.ts";
import type { Inspection, TrainingBatch, TrainingMethod } from "../methods/method.ts";
import { passSlots } from "../methods/semi/consistency.ts";
import { buildModel, buildPrevious } from "../models/build.ts";
import type { PoseModel } from "../models/network.ts";
import { LossScaler } from "../optim/loss_scaler.ts";
import type { Optimiser } from "../optim/optimiser.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { type DebugModes, StepDebugger } from "./debug.ts";
import { labelledJoints } from "./data.ts";
import { LossLog } from "./loss_log.ts";
import { buildOptimiser, learningRateAt } from "./optimiser.ts";
import { findPretrained } from "./pretrained.ts";
import { collectTensors, restoreScaler, restoreTensors, scalerCounters, type TrainingState } from "./state.ts";
import { StepRunner } from "./step_runner.ts";
import { loadModelWeights } from "./weights_file.ts";

/** How far a run has come; all count what is finished. */
export interface Progress {
  epoch: number;
  stepInEpoch: number;
  /** Steps since the beginning of the run. */
  step: number;
  best: { score: number; epoch: number } | null;
}

/** What a trainer takes besides the configuration. */
export interface TrainerFacts {
  /** Shapes of a step's crops. */
  readonly crop: CropBatchFacts;
  readonly stepsPerEpoch: number;
  /** Folder of the run, for checkpoints. */
  readonly folder: string;
  readonly debug: DebugModes;
}

/** The device's side of a run. */
export class Trainer {
  readonly gpu: Gpu;
  readonly model: PoseModel;
  readonly method: TrainingMethod;
  readonly optimiser: Optimiser;
  readonly losses: LossLog;
  readonly runner: StepRunner;
  readonly scaler: LossScaler | undefined;
  readonly progress: Progress;
  /** Operations of the steps so far by direct count. */
  flops = 0;
  readonly #config: ResolvedConfig;
  readonly #folder: string;
  readonly #state: TrainingState;
  readonly #inspector: StepDebugger | undefined;

  /** Opens the device and builds everything, with initial weights; says what of the device stays unused. Errors: GpuError, ConfigError. */
  static async open(config: ResolvedConfig, facts: TrainerFacts, say: (line: string) => void): Promise<Trainer> {
    const gpu = await openDevice();
    if (config.PRECISION === "mixed") await openMatrixCore(gpu, say);
    return new Trainer(gpu, config, facts);
  }

  private constructor(gpu: Gpu, config: ResolvedConfig, { crop, stepsPerEpoch, folder, debug }: TrainerFacts) {
    const mixed = config.PRECISION === "mixed";
    if (mixed) gpu.requireHalf();
    const model = buildModel(config);
    const { store } = model;
    const plan = viewPlan(config);
    store.materialise(gpu, config.SEED, { slots: passSlots(plan?.mostViews ?? 0) });
    const scaler = mixed ? new LossScaler(gpu, store.gradientArena) : undefined;
    const arenas = { parameters: store.parameterArena, gradients: store.gradientArena, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) };
    const optimiser = buildOptimiser(gpu, arenas, config);
    const method = buildMethod(model, { config, plan, crop, labelledJoints: labelledJoints(config), stepsPerEpoch, previous: buildPrevious(config, gpu), scaler });
    const losses = new LossLog(gpu, [...method.lossNames, ...method.watchNames]);
    const work = (mode: string) => {
      const encode = () => method.encode(mode);
      losses.encode(config.MODEL.EXTRA.RECOMPUTE ? withRecompute(encode) : encode());
      scaler?.update();
      optimiser.step();
    };
    this.gpu = gpu;
    this.model = model;
    this.method = method;
    this.optimiser = optimiser;
    this.losses = losses;
    this.scaler = scaler;
    this.runner = new StepRunner(gpu, work, { eager: debug.nonfinite });
    this.progress = { epoch: config.TRAIN.BEGIN_EPOCH, stepInEpoch: 0, step: 0, best: null };
    this.#config = config;
    this.#folder = folder;
    this.#state = { optimiser, companions: method.companions };
    this.#inspector = debug.nonfinite || debug.graph ? new StepDebugger(debug, { gpu, store, folder }) : undefined;
  }

  /** Begins a new run: with pretrained weights where the configuration names any. Errors: DataError, ConfigError. */
  async begin(say: (line: string) => void): Promise<void> {
    const { MODEL } = this.#config;
    if (MODEL.PRETRAINED !== "") {
      const layers = backboneOf(MODEL) === "hrnet" ? MODEL.EXTRA.PRETRAINED_LAYERS : undefined;
      await loadModelWeights(this.model, await findPretrained(MODEL.PRETRAINED, say), { need: "backbone", layers, say });
    }
    this.method.endEpoch();
  }

  /** Goes on from the newest checkpoint of the folder. Errors: ConfigError where the configuration is another one; DataError where the file is damaged. */
  async resume(): Promise<void> {
    const { tensors, state } = await loadCheckpoint(this.#folder, "latest");
    const where = join(this.#folder, "latest.json");
    const conflicts = resumeConflicts(restoreConfig(state.config, where), this.#config);
    if (conflicts.length > 0) {
      const list = conflicts.map(({ key, before, after }) => `${key} was ${before}, is ${after}`).join("; ");
      throw new ConfigError({ code: "config/resume", where, message: `the run was begun with another configuration: ${list}`, fix: "restore these values, or start anew in another OUTPUT_DIR" });
    }
    restoreTensors(tensors, where, this.model.store, this.#state);
    const { epoch, stepInEpoch, step, best, counters } = state;
    Object.assign(this.progress, { epoch, stepInEpoch, step, best });
    this.optimiser.steps = counters["optimiserSteps"] ?? step;
    if (this.scaler) restoreScaler(this.scaler, counters, where);
  }

  /** Uploads the next step's data. */
  prepare(batch: TrainingBatch, learningRate: number): void {
    const started = performance.now();
    this.method.prepare(batch, { ...this.progress });
    this.optimiser.prepare(learningRate);
    this.losses.prepare(this.progress.step + 1);
    this.runner.host.ms += performance.now() - started;
  }

  /** The views of the prepared step, for figures. */
  inspect(): Promise<Inspection> {
    return this.method.inspect(this.method.mode(this.progress));
  }

  /**
   * Submits the prepared step. Returns what waits for the device to finish it.
   * @param compiling is told how many kernels of how many are compiled, where the step is the first of its kind.
   */
  async step(compiling: (kernels: number, of: number) => void): Promise<() => Promise<void>> {
    const { runner, method, progress, model } = this;
    const mode = method.mode(progress);
    const run = () => runner.run(method.generation, mode);
    if (this.#inspector) await this.#inspector.run(run, progress.step + 1);
    else run();
    await runner.firstRun(compiling);
    const finished = this.gpu.mark();
    this.flops += runner.recording?.flops ?? 0;
    model.store.batchesTracked += method.passes(mode);
    progress.step++;
    progress.stepInEpoch++;
    return finished;
  }

  /** Ends an epoch: the next step is the first of the one behind it. */
  endEpoch(): void {
    this.method.endEpoch();
    this.progress.epoch++;
    this.progress.stepInEpoch = 0;
  }

  /** Writes a checkpoint: "latest" with all that a run goes on from, "best" with the weights alone. */
  async save(name: "latest" | "best"): Promise<void> {
    const { scaler } = this;
    await saveCheckpoint(this.#folder, name, {
      tensors: await collectTensors(this.model.store, name === "latest" ? this.#state : undefined),
      state: {
        ...this.progress,
        seed: this.#config.SEED,
        learningRate: learningRateAt(this.#config, this.progress.epoch),
        configDigest: configDigest(this.#config),
        config: this.#config,
        counters: { optimiserSteps: this.optimiser.steps, ...(scaler ? await scalerCounters(scaler) : {}) },
      },
    });
  }
}
