/** What a run says of itself when it begins and when it has finished. */
import { backboneOf } from "../config/network.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { isSupervised } from "../config/method_checks.ts";
import { gemmCeiling } from "../kernels/ceilings.ts";
import { networkName } from "../models/build.ts";
import { forwardCost } from "../models/cost.ts";
import { networksOf } from "../models/network.ts";
import { EVALUATION } from "../nn/layers.ts";
import { type Evaluation, mainRow } from "./evaluate.ts";
import { renderTable, showDuration } from "./log.ts";
import type { Trainer } from "./trainer.ts";

/** A run at least this long measures the adapter's ceilings at its end, which takes a second or two on a CPU. */
const CEILING_WORTH_MS = 20_000;

const METHOD_NAMES: Readonly<Record<string, string>> = { pose_cons: "PoseCons", pose_dual: "PoseDual", pose_sspcm: "SSPCM" };

/** How many persons a run has, and where it begins. */
export interface OpeningFacts {
  readonly labelled: number;
  /** Undefined where the run has none. */
  readonly unlabelled: number | undefined;
  readonly validation: number;
  readonly stepsPerEpoch: number;
  readonly folder: string;
  readonly continued: boolean;
}

/** The lines above the first epoch: adapter, network, method, run. */
export function openingLines(trainer: Trainer, config: ResolvedConfig, { labelled, unlabelled, validation, stepsPerEpoch, folder, continued }: OpeningFacts): string[] {
  const { gpu, model, progress } = trainer;
  const { MODEL, TRAIN } = config;
  const width = backboneOf(MODEL) === "resnet" ? `, width ${MODEL.EXTRA.WIDTH}` : "";
  const { gigaMacs } = forwardCost((x) => networksOf(model).map((one) => one.forward(x, EVALUATION)), MODEL.IMAGE_SIZE);
  const epochs = progress.epoch < TRAIN.END_EPOCH ? `epochs ${progress.epoch + 1} to ${TRAIN.END_EPOCH}` : `none left of ${TRAIN.END_EPOCH} epochs`;
  const others = unlabelled === undefined || isSupervised(config) ? "" : `, ${unlabelled} unlabelled`;
  return [
    `adapter   ${gpu.info.description || gpu.info.device} (${gpu.info.kind})`,
    `network   ${networkName(config)}${width}, ${model.store.parameterCount.toLocaleString("en")} parameters, input ${MODEL.IMAGE_SIZE.join("x")}, ${gigaMacs.toPrecision(3)} x 10^9 multiplications`,
    `method    ${METHOD_NAMES[MODEL.NAME] ?? "supervised"}: ${labelled} labelled${others} persons, ${validation} for validation`,
    `run       ${folder}, ${epochs} of ${stepsPerEpoch} steps of ${TRAIN.BATCH_SIZE}${continued ? `, continued behind step ${progress.step}` : ""}`,
  ];
}

/** What of a trainer its end tells of. */
export type ClosingTrainer = Pick<Trainer, "gpu" | "scaler" | "progress" | "flops"> & { readonly runner: Pick<Trainer["runner"], "host" | "recording"> };

/** What the end of a run tells besides the trainer. */
export interface ClosingFacts {
  readonly evaluation: Evaluation;
  /** Persons of a step over all its batches. */
  readonly imagesPerStep: number;
  /** Of the whole run; of its epochs without their validations; of these, what steps waited for data. */
  readonly ms: { readonly run: number; readonly epochs: number; readonly waited: number };
  /** Images that could not be decoded. */
  readonly corrupt: number;
  /** Paths of the figures. */
  readonly figures: readonly string[];
}

/** The lines below the last epoch: scores, the best, time, speed, memory, figures. Measures the adapter's ceiling where the run was long enough. */
export async function closingLines(trainer: ClosingTrainer, { evaluation, imagesPerStep, ms, corrupt, figures }: ClosingFacts): Promise<string[]> {
  const { gpu, runner, scaler, progress } = trainer;
  const { rows, primaryName } = evaluation;
  const { host, recording } = runner;
  const lines = ["", await renderTable(["", ...mainRow(evaluation).map(([name]) => name)], rows.map(({ name, figures: values }) => [name || "final", ...values.map(([, value]) => value.toFixed(4))])), ""];
  if (scaler) {
    const { scale, skippedSteps } = await scaler.read();
    lines.push(`precision mixed: loss scale ${scale}, ${skippedSteps} of ${progress.step} steps left out because a gradient overflowed`);
  }
  if (progress.best) lines.push(`best      ${primaryName} ${progress.best.score.toFixed(4)} at epoch ${progress.best.epoch}`);
  const share = (part: number) => `${((100 * part) / Math.max(1, ms.epochs)).toFixed(1)} %`;
  lines.push(`time      ${showDuration(ms.run / 1000)}; host ${share(host.ms)} of the steps' time; waited ${(ms.waited / 1000).toFixed(1)} s for data (${share(ms.waited)})`);
  if (host.steps > 0) {
    const gflops = trainer.flops / ms.epochs / 1e6;
    const reached = ms.epochs < CEILING_WORTH_MS ? "" : `, ${((100 * gflops) / gemmCeiling(gpu)).toFixed(0)} % of a plain product's on this adapter`;
    lines.push(`speed     ${(ms.epochs / host.steps).toFixed(1)} ms a step of ${imagesPerStep} images, ${((1000 * host.steps * imagesPerStep) / ms.epochs).toFixed(1)} images/s, ${gflops.toFixed(1)} GFLOP/s by direct count${reached}`);
  }
  if (recording) lines.push(`memory    ${(gpu.memory.peakBytes / 2 ** 20).toFixed(0)} MiB on the device at most; a step's tensors share ${(recording.plannedBytes / 2 ** 20).toFixed(0)} MiB (${(recording.plan.unsharedBytes / 2 ** 20).toFixed(0)} without reuse)`);
  if (corrupt > 0) lines.push(`passed over ${corrupt} images that could not be decoded`);
  lines.push(`figures   ${figures.join("  ")}`);
  return lines;
}
