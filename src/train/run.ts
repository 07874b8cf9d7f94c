/** A training run from its configuration to its results table and figures. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { withRecompute } from "../autograd/op.ts";
import { backboneOf, configDigest, renderConfig, type ResolvedConfig, restoreConfig, resumeConflicts, runFolder } from "../config/config.ts";
import { isSupervised } from "../config/method_checks.ts";
import { BatchLoader } from "../data/loader.ts";
import { ConfigError, DataError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";
import { openDevice } from "../gpu/device.ts";
import { gemmCeiling } from "../kernels/ceilings.ts";
import { buildMethod, viewPlan } from "../methods/build.ts";
import { passSlots } from "../methods/semi/consistency.ts";
import { buildModel, buildPrevious, networkName } from "../models/build.ts";
import { forwardCost } from "../models/cost.ts";
import { networksOf } from "../models/network.ts";
import { EVALUATION } from "../nn/layers.ts";
import { LossScaler } from "../optim/loss_scaler.ts";
import { hasCheckpoint, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { CollapseWatch } from "./collapse.ts";
import { debugModes, StepDebugger } from "./debug.ts";
import { gridsDue, writeTrainingGrids, writeValidationGrids } from "./debug_grids.ts";
import { labelledJoints, openTrainingData, prepareData, readSet, SampleSource } from "./data.ts";
import { type Evaluation, evaluateNetworks, mainPrediction, mainRow } from "./evaluate.ts";
import { drawPredictionGrid, drawRunCurves, drawViews, type ScoreRecord } from "./figures.ts";
import { logName, minuteName, renderTable, RunLog, showDuration, StepLog } from "./log.ts";
import { LossLog } from "./loss_log.ts";
import { buildOptimiser, learningRateAt } from "./optimiser.ts";
import { writeOriginalCheckpoint, writeOriginalPredictions, writeOriginalWeights } from "./original_files.ts";
import { findPretrained } from "./pretrained.ts";
import { writePredictions } from "./report.ts";
import type { TrainOutcome, TrainRequest } from "./requests.ts";
import { collectTensors, restoreScaler, restoreTensors, scalerCounters } from "./state.ts";
import { StepRunner } from "./step_runner.ts";
import { EventFile } from "./tensorboard.ts";
import { loadModelWeights } from "./weights_file.ts";

/** A run at least this long measures the adapter's ceiling at its end, which takes a second on a CPU. */
const CEILING_WORTH_MS = 60_000;

/** How often a run shows its predictions and views, about. */
const PICTURES = 5;

const METHOD_NAMES: Readonly<Record<string, string>> = { pose_cons: "PoseCons", pose_dual: "PoseDual", pose_sspcm: "SSPCM" };

function methodName({ MODEL }: ResolvedConfig): string {
  return METHOD_NAMES[MODEL.NAME] ?? "supervised";
}

/** The scores of the epochs before; a file that is absent has none. Errors: DataError where it is no such file. */
async function readScores(path: string, epochs: number): Promise<ScoreRecord[]> {
  const file = Bun.file(path);
  if (!(await file.exists())) return [];
  try {
    return ((await file.json()) as ScoreRecord[]).filter(({ epoch }) => epoch <= epochs);
  } catch (cause) {
    throw new DataError({ code: "log/damaged", where: path, message: "is not a list of scores", fix: "remove or rename the file; it is only a record and is not needed to continue" }, { cause });
  }
}

function diverged(name: string, value: number, { step, mixed }: { step: number; mixed: boolean }): ConfigError {
  const fix = `lower TRAIN.LR${mixed ? " or set PRECISION=fp32 (a feature beyond 65504 is infinite as f16)" : ""}; the last checkpoint is from before`;
  return new ConfigError({ code: "train/diverged", message: `the training has diverged: ${name} is ${value} at step ${step}`, fix });
}

/** Trains as the request says. Errors of the user's making are LimberErrors; the last checkpoint survives every end. */
export async function runTraining({ loaded, folder, resume, stop }: TrainRequest): Promise<TrainOutcome> {
  const { config } = loaded;
  const { TRAIN, TEST, MODEL } = config;
  const started = minuteName(new Date());
  const debug = debugModes(process.env["LIMBER_DEBUG"]);
  const log = new RunLog({ linePeriod: config.PRINT_FREQ, files: [join(folder, "train.log"), join(folder, logName(loaded.path, "train", started))] });
  const say = (text: string) => log.line(text);
  await prepareData(config, say);

  const source = new SampleSource(config);
  const data = await openTrainingData(config, source, say);
  const test = await readSet(config, "test", { say });
  await mkdir(folder, { recursive: true });
  for (const note of loaded.notes) say(`note      ${note}`);
  const gpu = await openDevice();
  if (config.PRECISION === "mixed") gpu.requireHalf();
  const model = buildModel(config);
  const { store } = model;
  const plan = viewPlan(config);
  store.materialise(gpu, config.SEED, { slots: passSlots(plan?.mostViews ?? 0) });
  const scaler = config.PRECISION === "mixed" ? new LossScaler(gpu, store.gradientArena) : undefined;
  const arenas = { parameters: store.parameterArena, gradients: store.gradientArena, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) };
  const optimiser = buildOptimiser(gpu, arenas, config);
  const { stepsPerEpoch } = data;
  const method = buildMethod(model, { config, plan, crop: source.cropFacts(TRAIN.BATCH_SIZE), labelledJoints: labelledJoints(config), stepsPerEpoch, previous: buildPrevious(config, gpu), scaler });
  const trainingState = { optimiser, companions: method.companions };
  const losses = new LossLog(gpu, [...method.lossNames, ...method.watchNames]);
  const runner = new StepRunner(gpu, (mode) => {
    const encode = () => method.encode(mode);
    losses.encode(MODEL.EXTRA.RECOMPUTE ? withRecompute(encode) : encode());
    scaler?.update();
    optimiser.step();
  }, { eager: debug.nonfinite });
  const inspector = debug.nonfinite || debug.graph ? new StepDebugger(debug, { gpu, store, folder }) : undefined;

  let epoch = TRAIN.BEGIN_EPOCH;
  let stepInEpoch = 0;
  let step = 0;
  let best: { score: number; epoch: number } | null = null;
  const continued = resume && (await hasCheckpoint(folder, "latest"));
  if (continued) {
    const checkpoint = await loadCheckpoint(folder, "latest");
    const where = join(folder, "latest.json");
    const conflicts = resumeConflicts(restoreConfig(checkpoint.state.config, where), config);
    if (conflicts.length > 0) {
      const list = conflicts.map(({ key, before, after }) => `${key} was ${before}, is ${after}`).join("; ");
      throw new ConfigError({ code: "config/resume", where, message: `the run was begun with another configuration: ${list}`, fix: "restore these values, or start anew in another OUTPUT_DIR" });
    }
    restoreTensors(checkpoint.tensors, where, store, trainingState);
    ({ epoch, stepInEpoch, step, best } = checkpoint.state);
    const { counters } = checkpoint.state;
    optimiser.steps = counters["optimiserSteps"] ?? step;
    if (scaler) restoreScaler(scaler, counters, where);
  } else if (MODEL.PRETRAINED !== "") {
    const layers = backboneOf(MODEL) === "hrnet" ? MODEL.EXTRA.PRETRAINED_LAYERS : undefined;
    await loadModelWeights(model, await findPretrained(MODEL.PRETRAINED, say), { need: "backbone", layers, say });
  }
  if (resume && !continued) say(`resume    nothing in ${folder} to go on from: the run begins`);
  if (!continued) method.endEpoch();
  const steps = await StepLog.open(join(folder, "steps.jsonl"), continued ? { resumedStep: step } : {});
  const board = EventFile.open(config.LOG_DIR === "" ? join(folder, "tensorboard") : `${runFolder(loaded, config.LOG_DIR)}_${started}`, continued ? { resumedStep: step } : {});
  const scores = continued ? await readScores(join(folder, "scores.json"), epoch) : [];
  await writeFileAtomic(join(folder, "config.yaml"), renderConfig(loaded));

  const supervised = isSupervised(config);
  say(`adapter   ${gpu.info.description || gpu.info.device} (${gpu.info.kind})`);
  const width = backboneOf(MODEL) === "resnet" ? `, width ${MODEL.EXTRA.WIDTH}` : "";
  const { gigaMacs } = forwardCost((x) => networksOf(model).map((one) => one.forward(x, EVALUATION)), MODEL.IMAGE_SIZE);
  say(`network   ${networkName(config)}${width}, ${store.parameterCount.toLocaleString("en")} parameters, input ${MODEL.IMAGE_SIZE.join("x")}, ${gigaMacs.toPrecision(3)} x 10^9 multiplications`);
  say(`method    ${methodName(config)}: ${data.labelled.length} labelled${data.unlabelled && !supervised ? `, ${data.unlabelled.length} unlabelled` : ""} persons, ${test.records.length} for validation`);
  say(`run       ${folder}, epochs ${epoch + 1} to ${TRAIN.END_EPOCH} of ${stepsPerEpoch} steps of ${TRAIN.BATCH_SIZE}${continued ? `, continued behind step ${step}` : ""}`);

  const position = epoch * stepsPerEpoch + stepInEpoch;
  const loader = new BatchLoader((at: number) => data.batch(Math.floor(at / stepsPerEpoch), at % stepsPerEpoch), {
    depth: config.WORKERS,
    begin: position,
    end: TRAIN.END_EPOCH * stepsPerEpoch,
  });
  const began = performance.now();
  /** Of the epochs without their validations, ms; operations of their steps by direct count. */
  const trained = { ms: 0, flops: 0 };
  let latestLosses: Record<string, number> = {};
  const collapse = new CollapseWatch();
  const shown = [...method.lossNames, "accuracy"];

  const drainLosses = async () => {
    const rows = await losses.read();
    for (const row of rows) {
      latestLosses = row.losses;
      const at = Math.floor((row.step - 1) / stepsPerEpoch);
      const numbers = { lr: learningRateAt(config, at), ...row.losses };
      steps.write({ step: row.step, epoch: at + 1, ...numbers });
      board.scalars(row.step, numbers);
      const warning = collapse.see(row.losses);
      if (warning) say(`warning   step ${row.step}: ${warning}`);
    }
    steps.flush();
    board.flush();
    // Nothing mends weights that are no numbers; no checkpoint is written behind this step.
    for (const row of rows) for (const [name, value] of Object.entries(row.losses)) if (!Number.isFinite(value)) throw diverged(name, value, { step: row.step, mixed: scaler !== undefined });
  };
  const save = async (name: "latest" | "best", place: { epoch: number; stepInEpoch: number }) => {
    await drainLosses();
    await saveCheckpoint(folder, name, {
      tensors: await collectTensors(store, name === "latest" ? trainingState : undefined),
      state: {
        ...place,
        step,
        best,
        seed: config.SEED,
        learningRate: learningRateAt(config, place.epoch),
        configDigest: configDigest(config),
        config,
        counters: { optimiserSteps: optimiser.steps, ...(scaler ? await scalerCounters(scaler) : {}) },
      },
    });
  };

  let evaluation: Evaluation | undefined;
  const validate = async (finished: number) => {
    evaluation = await evaluateNetworks(networksOf(model), { set: test, source, config });
    await writeValidationGrids(folder, networksOf(model), { set: test, source, config });
    await gpu.trim(); // the eager passes of a validation need far more memory than a recorded step
    const { primary, primaryName } = evaluation;
    if (scores.at(-1)?.epoch === finished) scores.pop(); // a finished run that was resumed
    scores.push({ epoch: finished, score: primary, figures: Object.fromEntries(mainRow(evaluation)) });
    await writeFileAtomic(join(folder, "scores.json"), `${JSON.stringify(scores)}\n`);
    const better = best === null || primary > best.score;
    const weights = { store, config };
    if (better) {
      best = { score: primary, epoch: finished };
      await save("best", { epoch: finished, stepInEpoch: 0 });
      await writeOriginalWeights(join(folder, "model_best.pth.tar"), weights);
    }
    const learningRate = learningRateAt(config, finished);
    await writeOriginalCheckpoint(join(folder, "checkpoint.pth.tar"), weights, { optimiser, learningRate, epoch: finished, best: best?.score ?? primary });
    if (config.SAVE_INTER > 0 && finished % config.SAVE_INTER === 0) await writeOriginalWeights(join(folder, `State_epoch${finished}.pth.tar`), weights);
    await writeOriginalPredictions(folder, { evaluation, set: test, config });
    await showValidation(evaluation, finished);
    say(`epoch ${finished}/${TRAIN.END_EPOCH}  ${primaryName} ${primary.toFixed(4)}${better ? "  (best)" : ""}`);
  };

  try {
    for (; epoch < TRAIN.END_EPOCH; epoch++, stepInEpoch = 0) {
      await log.begin(`epoch ${epoch + 1}/${TRAIN.END_EPOCH}`, stepsPerEpoch);
      const learningRate = learningRateAt(config, epoch);
      const epochBegan = performance.now();
      let previous: (() => Promise<void>) | undefined;
      for (; stepInEpoch < stepsPerEpoch; ) {
        const batch = await loader.next();
        if (!batch) throw new Error("the loader ended before the run");
        const place = { epoch, stepInEpoch, step };
        const mode = method.mode(place);
        method.prepare(batch, place);
        if (gridsDue(config, stepInEpoch)) await writeTrainingGrids(folder, { inspection: await method.inspect(mode), labelled: batch.labelled, stepInEpoch, config });
        optimiser.prepare(learningRate);
        losses.prepare(step + 1);
        const run = () => runner.run(method.generation, mode);
        if (inspector) await inspector.run(run, step + 1);
        else run();
        await runner.firstRun((kernels, of) => log.status(`compiling: ${kernels} of ${of} kernels`));
        const finished = gpu.mark();
        trained.flops += runner.recording?.flops ?? 0;
        store.batchesTracked += method.passes(mode);
        step++;
        stepInEpoch++;
        // One step may run while the next is prepared; more would only hold memory.
        await previous?.();
        previous = finished;
        if (losses.full || step % config.PRINT_FREQ === 0 || stepInEpoch === stepsPerEpoch) await drainLosses();
        log.advance(stepInEpoch, { ...Object.fromEntries(shown.flatMap((name) => (latestLosses[name] === undefined ? [] : [[name, latestLosses[name]]]))), lr: learningRate });
        const due = TRAIN.CHECKPOINT_STEPS > 0 && step % TRAIN.CHECKPOINT_STEPS === 0 && stepInEpoch < stepsPerEpoch;
        if (due || (stop.aborted && stepInEpoch < stepsPerEpoch)) await save("latest", { epoch, stepInEpoch });
        if (stop.aborted && stepInEpoch < stepsPerEpoch) return "stopped";
      }
      await previous?.();
      trained.ms += performance.now() - epochBegan;
      log.end();
      method.endEpoch();
      const finished = epoch + 1;
      if (finished % TEST.INTERVAL === 0 || finished === TRAIN.END_EPOCH) await validate(finished);
      await save("latest", { epoch: finished, stepInEpoch: 0 });
      if (stop.aborted && finished < TRAIN.END_EPOCH) return "stopped";
    }
    if (!evaluation) await validate(epoch); // resumed behind the last epoch
    await finish();
    return "finished";
  } finally {
    log.end();
    loader.close();
    steps.close();
    board.close();
    runner.dispose();
  }

  /** Scores into TensorBoard; a few times in a run, and in the end, predictions and views as figures and there. */
  async function showValidation(evaluated: Evaluation, finished: number): Promise<void> {
    for (const { name, figures } of evaluated.rows) board.scalars(step, Object.fromEntries(figures.map(([figure, value]) => [["valid", name, figure].filter((part) => part !== "").join("/"), value])));
    board.flush();
    const validations = (TRAIN.END_EPOCH - TRAIN.BEGIN_EPOCH) / TEST.INTERVAL;
    if (finished < TRAIN.END_EPOCH && scores.length % Math.max(2, Math.ceil(validations / PICTURES)) !== 0) return;
    const predictions = join(folder, "predictions.png");
    await drawPredictionGrid(predictions, mainPrediction(evaluated).predictions, source.skeleton);
    const views = join(folder, "views.png");
    await drawViews(views, {
      inspection: await method.inspect(runner.mode),
      size: MODEL.IMAGE_SIZE,
      heatmapSize: MODEL.EXTRA.HEATMAP_SIZE,
      joints: MODEL.NUM_JOINTS,
      rgb: config.DATASET.COLOR_RGB,
    });
    board.image(step, "predictions", await readFile(predictions));
    board.image(step, "views", await readFile(views));
    board.flush();
  }

  /** Time of a step, images and operations a second; of a run that is worth the measuring also the share of what a plain product reaches. */
  function describeSpeed(): string {
    const { steps: count } = runner.host;
    const images = TRAIN.BATCH_SIZE * (plan ? 2 : 1);
    const gflops = trained.flops / trained.ms / 1e6;
    const reached = trained.ms < CEILING_WORTH_MS ? "" : `, ${((100 * gflops) / gemmCeiling(gpu)).toFixed(0)} % of a plain product's on this adapter`;
    return `${(trained.ms / count).toFixed(1)} ms a step of ${images} images, ${((1000 * count * images) / trained.ms).toFixed(1)} images/s, ${gflops.toFixed(1)} GFLOP/s by direct count${reached}`;
  }

  /** Results table, results files, curves. */
  async function finish(): Promise<void> {
    if (!evaluation) return;
    const { rows, primaryName } = evaluation;
    if (TEST.SAVE_RESULT) await writePredictions(folder, { evaluation, set: test });
    await writeFileAtomic(join(folder, "results.json"), `${JSON.stringify({ epoch, best, scores: Object.fromEntries(mainRow(evaluation)) }, undefined, 2)}\n`);
    const curves = await drawRunCurves(folder, { scores, scoreName: primaryName, lossNames: method.lossNames, watchNames: method.watchNames, stepsPerEpoch });
    await writeOriginalWeights(join(folder, "final_state.pth.tar"), { store, config });
    const seconds = (performance.now() - began) / 1000;
    const { host } = runner;
    say("");
    say(await renderTable(["", ...mainRow(evaluation).map(([name]) => name)], rows.map(({ name, figures }) => [name || "final", ...figures.map(([, value]) => value.toFixed(4))])));
    say("");
    if (scaler) {
      const { scale, skippedSteps } = await scaler.read();
      say(`precision mixed: loss scale ${scale}, ${skippedSteps} of ${step} steps left out because a gradient overflowed`);
    }
    if (best) say(`best      ${primaryName} ${best.score.toFixed(4)} at epoch ${best.epoch}`);
    const share = (ms: number) => `${((100 * ms) / Math.max(1, trained.ms)).toFixed(1)} %`;
    const { waitedMs } = loader.statistics;
    say(`time      ${showDuration(seconds)}; host ${share(host.ms)} of the steps' time; waited ${(waitedMs / 1000).toFixed(1)} s for data (${share(waitedMs)})`);
    if (host.steps > 0) say(`speed     ${describeSpeed()}`);
    const recording = runner.recording;
    if (recording) say(`memory    ${(gpu.memory.peakBytes / 2 ** 20).toFixed(0)} MiB on the device at most; a step's tensors share ${(recording.plannedBytes / 2 ** 20).toFixed(0)} MiB (${(recording.plan.unsharedBytes / 2 ** 20).toFixed(0)} without reuse)`);
    if (source.corrupt.size > 0) say(`passed over ${source.corrupt.size} images that could not be decoded`);
    say(`figures   ${[...curves, ...["predictions.png", "views.png"].map((name) => join(folder, name))].join("  ")}`);
  }
}
