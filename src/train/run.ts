/** A training run from its configuration to its results table and figures. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { recycleCrops } from "../augment/crop_batch.ts";
import { renderConfig } from "../config/render.ts";
import { runFolder } from "../config/run_folder.ts";
import { isSupervised } from "../config/method_checks.ts";
import { BatchLoader } from "../data/loader.ts";
import { ConfigError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";
import { networksOf } from "../models/network.ts";
import { hasCheckpoint } from "./checkpoint.ts";
import { CollapseWatch } from "./collapse.ts";
import { openTrainingData, prepareData, readSet, SampleSource } from "./data.ts";
import { debugModes } from "./debug.ts";
import { gridsDue, writeTrainingGrids, writeValidationGrids } from "./debug_grids.ts";
import { type Evaluation, evaluateNetworks, mainPrediction, mainRow } from "./evaluate.ts";
import { drawPredictionGrid, drawRunCurves, drawViews } from "./figures.ts";
import { holdFolder } from "./folder_lock.ts";
import { logName, minuteName, RunLog } from "./log.ts";
import type { LossRow } from "./loss_log.ts";
import { learningRateAt } from "./optimiser.ts";
import { writeOriginalCheckpoint, writeOriginalPredictions, writeOriginalWeights } from "./original_files.ts";
import { RunRecords } from "./records.ts";
import { writePredictions } from "./report.ts";
import type { TrainOutcome, TrainRequest } from "./requests.ts";
import { closingLines, openingLines } from "./summary.ts";
import { Trainer } from "./trainer.ts";

/** How often a run shows its predictions and views, about. */
const PICTURES = 5;

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
  const test = await readSet(config, "test", say);
  await mkdir(folder, { recursive: true });
  using _held = holdFolder(folder);
  for (const note of loaded.notes) say(`note      ${note}`);
  const { stepsPerEpoch } = data;
  const trainer = await Trainer.open(config, { crop: source.cropFacts(TRAIN.BATCH_SIZE), stepsPerEpoch, folder, debug }, say);
  const { gpu, model, method, losses, progress } = trainer;
  const networks = networksOf(model);

  const continued = resume && (await hasCheckpoint(folder, "latest"));
  if (resume && !continued) say(`resume    nothing in ${folder} to go on from: the run begins`);
  if (continued) await trainer.resume();
  else await trainer.begin(say);
  const eventFolder = config.LOG_DIR === "" ? join(folder, "tensorboard") : `${runFolder(loaded, config.LOG_DIR)}_${started}`;
  const records = await RunRecords.open(folder, { eventFolder, resumed: continued ? progress : undefined });
  await writeFileAtomic(join(folder, "config.yaml"), renderConfig(loaded));
  const persons = { labelled: data.labelled.length, unlabelled: data.unlabelled?.length, validation: test.records.length };
  for (const line of openingLines(trainer, config, { ...persons, stepsPerEpoch, folder, continued })) say(line);

  const loader = new BatchLoader((at: number) => data.batch(Math.floor(at / stepsPerEpoch), at % stepsPerEpoch), {
    depth: config.WORKERS,
    begin: progress.epoch * stepsPerEpoch + progress.stepInEpoch,
    end: TRAIN.END_EPOCH * stepsPerEpoch,
  });
  const began = performance.now();
  /** Of the epochs without their validations. */
  let trainedMs = 0;
  let latestLosses: Readonly<Record<string, number>> = {};
  let fetched: ReturnType<typeof losses.fetch> | undefined;
  const shown = [...method.lossNames, "accuracy"];
  const collapse = new CollapseWatch();
  let evaluation: Evaluation | undefined;
  try {
    while (progress.epoch < TRAIN.END_EPOCH) {
      if ((await trainEpoch()) === "stopped") return "stopped";
      if (progress.epoch % TEST.INTERVAL === 0 || progress.epoch === TRAIN.END_EPOCH) evaluation = await validate();
      await save("latest");
      if (stop.aborted && progress.epoch < TRAIN.END_EPOCH) return "stopped";
    }
    await finish(evaluation ?? (await validate())); // none where the run was resumed behind its last epoch
    return "finished";
  } finally {
    log.end();
    loader.close();
    records.close();
    trainer.runner.dispose();
  }

  /** Trains to the end of the epoch; where the user stops it before, a checkpoint is written. */
  async function trainEpoch(): Promise<TrainOutcome> {
    const { epoch } = progress;
    await log.begin(`epoch ${epoch + 1}/${TRAIN.END_EPOCH}`, stepsPerEpoch);
    const learningRate = learningRateAt(config, epoch);
    const epochBegan = performance.now();
    let previous: (() => Promise<void>) | undefined;
    while (progress.stepInEpoch < stepsPerEpoch) {
      const batch = await loader.next();
      if (!batch) throw new Error("the loader ended before the run");
      const { stepInEpoch } = progress;
      trainer.prepare(batch, learningRate);
      if (gridsDue(config, stepInEpoch)) await writeTrainingGrids(folder, { inspection: await trainer.inspect(), labelled: batch.labelled, stepInEpoch, config });
      for (const crops of [batch.labelled, batch.unlabelled]) if (crops) recycleCrops(crops);
      const finished = await trainer.step((kernels, of) => log.status(`compiling: ${kernels} of ${of} kernels`));
      // One step may run while the next is prepared; more would only hold memory.
      await previous?.();
      previous = finished;
      const last = progress.stepInEpoch === stepsPerEpoch;
      // Losses come one step late, so that reading them waits for no step that was submitted just now.
      await noteFetched();
      if (last) await noteLosses();
      else if (losses.full || (progress.step + 1) % config.PRINT_FREQ === 0) fetched = losses.fetch();
      log.advance(progress.stepInEpoch, { ...Object.fromEntries(shown.flatMap((name) => (latestLosses[name] === undefined ? [] : [[name, latestLosses[name]]]))), lr: learningRate });
      if (last) continue;
      const due = TRAIN.CHECKPOINT_STEPS > 0 && progress.step % TRAIN.CHECKPOINT_STEPS === 0;
      if (due || stop.aborted) await save("latest");
      if (stop.aborted) return "stopped";
    }
    await previous?.();
    trainedMs += performance.now() - epochBegan;
    log.end();
    trainer.endEpoch();
    return "finished";
  }

  /** Reads the losses up to the last step into the records. Errors: ConfigError where one is no number. */
  async function noteLosses(): Promise<void> {
    await noteFetched();
    note(await losses.read());
  }

  /** The same for those that are on their way. */
  async function noteFetched(): Promise<void> {
    if (!fetched) return;
    const rows = await fetched();
    fetched = undefined;
    note(rows);
  }

  function note(rows: readonly LossRow[]): void {
    for (const row of rows) {
      latestLosses = row.losses;
      const epoch = TRAIN.BEGIN_EPOCH + Math.floor((row.step - 1) / stepsPerEpoch);
      records.step(row.step, epoch + 1, { lr: learningRateAt(config, epoch), ...row.losses });
      const warning = collapse.see(row.losses);
      if (warning) say(`warning   step ${row.step}: ${warning}`);
    }
    records.flush();
    // Nothing mends weights that are no numbers; no checkpoint is written behind this step.
    for (const row of rows) for (const [name, value] of Object.entries(row.losses)) if (!Number.isFinite(value)) throw diverged(name, value, { step: row.step, mixed: trainer.scaler !== undefined });
  }

  /** Writes a checkpoint, unless a loss behind the last one is no number. */
  async function save(name: "latest" | "best"): Promise<void> {
    await noteLosses();
    await trainer.save(name);
  }

  /** Validates behind an epoch; keeps the weights if they are the best, and the files that MultiAugs leaves. */
  async function validate(): Promise<Evaluation> {
    const { epoch } = progress;
    const evaluated = await evaluateNetworks(networks, { set: test, source, config });
    await writeValidationGrids(folder, networks, { set: test, source, config });
    await gpu.trim(); // the eager passes of a validation need far more memory than a recorded step
    const { primary, primaryName } = evaluated;
    await records.score({ epoch, score: primary, figures: Object.fromEntries(mainRow(evaluated)) });
    const better = primary > (progress.best?.score ?? -Infinity); // never where nothing counted and the score is NaN
    const weights = { store: model.store, config };
    if (better) {
      progress.best = { score: primary, epoch };
      await save("best");
      await writeOriginalWeights(join(folder, "model_best.pth.tar"), weights);
    }
    await writeOriginalCheckpoint(join(folder, "checkpoint.pth.tar"), weights, { optimiser: trainer.optimiser, learningRate: learningRateAt(config, epoch), epoch, best: progress.best?.score ?? primary });
    if (config.SAVE_INTER > 0 && epoch % config.SAVE_INTER === 0) await writeOriginalWeights(join(folder, `State_epoch${epoch}.pth.tar`), weights);
    await writeOriginalPredictions(folder, { evaluation: evaluated, set: test, config });
    await showValidation(evaluated);
    say(`epoch ${epoch}/${TRAIN.END_EPOCH}  ${primaryName} ${primary.toFixed(4)}${better ? "  (best)" : ""}`);
    return evaluated;
  }

  /** Scores into TensorBoard; a few times in a run, and in the end, predictions and views as figures and there. */
  async function showValidation(evaluated: Evaluation): Promise<void> {
    const { epoch, step } = progress;
    for (const { name, figures } of evaluated.rows) records.scalars(step, Object.fromEntries(figures.map(([figure, value]) => [["valid", name, figure].filter((part) => part !== "").join("/"), value])));
    records.flush();
    const validations = (TRAIN.END_EPOCH - TRAIN.BEGIN_EPOCH) / TEST.INTERVAL;
    if (epoch < TRAIN.END_EPOCH && records.scores.length % Math.max(2, Math.ceil(validations / PICTURES)) !== 0) return;
    const predictions = join(folder, "predictions.png");
    await drawPredictionGrid(predictions, mainPrediction(evaluated).predictions, source.skeleton);
    records.image(step, "predictions", await readFile(predictions));
    if (trainer.runner.host.steps > 0) await showViews(); // a finished run that was resumed has prepared no batch: its views stay
    records.flush();
  }

  /** The views of the last step. */
  async function showViews(): Promise<void> {
    const path = join(folder, "views.png");
    await drawViews(path, {
      inspection: await method.inspect(trainer.runner.mode),
      size: MODEL.IMAGE_SIZE,
      heatmapSize: MODEL.EXTRA.HEATMAP_SIZE,
      joints: MODEL.NUM_JOINTS,
      rgb: config.DATASET.COLOR_RGB,
    });
    records.image(progress.step, "views", await readFile(path));
  }

  /** Results files, curves, the closing lines. */
  async function finish(final: Evaluation): Promise<void> {
    if (TEST.SAVE_RESULT) await writePredictions(folder, { evaluation: final, set: test });
    const { epoch, best } = progress;
    await writeFileAtomic(join(folder, "results.json"), `${JSON.stringify({ epoch, best, scores: Object.fromEntries(mainRow(final)) }, undefined, 2)}\n`);
    const curves = await drawRunCurves(folder, { scores: records.scores, scoreName: final.primaryName, lossNames: method.lossNames, watchNames: method.watchNames, beginEpoch: TRAIN.BEGIN_EPOCH, stepsPerEpoch });
    await writeOriginalWeights(join(folder, "final_state.pth.tar"), { store: model.store, config });
    const figures = [...curves, ...["predictions.png", "views.png"].map((name) => join(folder, name))];
    const ms = { run: performance.now() - began, epochs: trainedMs, waited: loader.statistics.waitedMs };
    const lines = await closingLines(trainer, { evaluation: final, imagesPerStep: TRAIN.BATCH_SIZE * (isSupervised(config) ? 1 : 2), ms, corrupt: source.corrupt.size, figures });
    for (const line of lines) say(line);
  }
}
