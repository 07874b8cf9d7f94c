/** What an evaluation leaves on the disk: results in the official formats, tables, figures. */
import { basename, join } from "node:path";
import { ImageCache } from "../data/image.ts";
import type { Dataset } from "../data/datasets.ts";
import { OKS_THRESHOLDS } from "../eval/coco_eval.ts";
import { breakDownErrors, ERROR_KINDS, type ErrorBreakdown, type ErrorKind } from "../eval/error_kinds.ts";
import { PCK_THRESHOLDS, writePredMat } from "../eval/pck.ts";
import { writeDatasetResults } from "../eval/results.ts";
import { worstCases } from "../eval/worst_cases.ts";
import { writeFileAtomic } from "../files.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import { renderBars } from "../viz/bars.ts";
import { drawCurves } from "../viz/curves.ts";
import { drawGrid, type Tile } from "../viz/grid.ts";
import { drawPersonTile } from "../viz/person_tiles.ts";
import { type Evaluation, mainPrediction, mainRow, type NetworkScores } from "./evaluate.ts";
import { drawPredictionGrid } from "./figures.ts";

/**
 * Writes the predictions of every network in the official form of the data set: COCO's or AI Challenger's JSON
 * (keypoints_results.json), MPII's pred.mat where scores are by PCK alone. Of several networks the files end in _1, _2, ... and _ensemble.
 * Returns the paths.
 */
export async function writePredictions(folder: string, { evaluation, set, prefix = "" }: { evaluation: Evaluation; set: Dataset; prefix?: string }): Promise<string[]> {
  const paths: string[] = [];
  for (const { name, scores } of evaluation.scored) {
    const suffix = name === "" ? "" : `_${name.replace(/^net /, "")}`;
    const path = join(folder, set.truth ? `${prefix}keypoints_results${suffix}.json` : `${prefix}pred${suffix}.mat`);
    if (set.truth) await writeDatasetResults(path, set, scores.results);
    else await writePredMat(path, scores.predictions, { joints: set.joints.jointNames.length, columns: 3 });
    paths.push(path);
  }
  return paths;
}

/** A table of text. */
export interface TextTable {
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

function markdown({ head, rows }: TextTable): string {
  return [head, head.map((_, i) => (i === 0 ? "---" : "--:")), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The scores: a row per network, and of several their average and ensemble. `label` names a single network, `title` stands in the head. */
export function scoreTable(evaluation: Evaluation, { label, title = "" }: { label: string; title?: string }): TextTable {
  return {
    head: [title, ...mainRow(evaluation).map(([name]) => name)],
    rows: evaluation.rows.map(({ name, figures }) => [name || label, ...figures.map(([, value]) => value.toFixed(4))]),
  };
}

const percent = (value: number) => (Number.isFinite(value) ? (100 * value).toFixed(1) : "-");
const sumOf = (counts: Readonly<Record<ErrorKind, number>>) => ERROR_KINDS.reduce((sum, kind) => sum + counts[kind], 0);

/** Every joint: how many are labelled, how like them the found ones are, and what goes wrong with the others. */
function jointTable(set: Dataset, { scores }: NetworkScores, errors: ErrorBreakdown | undefined): TextTable | undefined {
  const names = set.joints.jointNames;
  if (errors) {
    const row = (name: string, counts: Readonly<Record<ErrorKind, number>>, similarity: string) => [name, String(sumOf(counts)), similarity, ...ERROR_KINDS.map((kind) => percent(counts[kind] / sumOf(counts)))];
    return {
      head: ["joint", "labelled", "similarity", ...ERROR_KINDS.map((kind) => `${kind} %`)],
      rows: [...names.map((name, joint) => row(name, errors.joints[joint] as Record<ErrorKind, number>, (errors.similarity[joint] as number).toFixed(3))), row("all", errors.total, "")],
    };
  }
  const { pck } = scores;
  return pck && { head: ["joint", "labelled", "PCK %"], rows: names.map((name, joint) => [name, String(pck.counts[joint]), (pck.joints[joint] as number).toFixed(1)]) };
}

/** From violet to yellow (viridis), which stays readable without colours. */
const SEQUENCE = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
const SHOWN_OKS = [0, 2, 4, 5, 6, 7, 8, 9];
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function drawPrecisionRecall(path: string, precision: readonly (readonly number[])[], name: string): Promise<void> {
  const series = SHOWN_OKS.map((t) => {
    const values = precision[t] ?? [];
    return { name: `OKS ${(OKS_THRESHOLDS[t] as number).toFixed(2)}   AP ${meanOf(values).toFixed(3)}`, points: values.map((value, i): [number, number] => [i / 100, value]), symbols: false };
  });
  await drawCurves({ title: `Precision and recall, ${name}`, xLabel: "recall", yLabels: ["precision"], series, colors: SEQUENCE, xRange: [0, 1], yRange: [0, 1], legend: "right", size: [720, 460] }, path);
}

async function drawPck(path: string, scored: readonly NetworkScores[], name: string): Promise<void> {
  const series = scored.map(({ name: network, scores }) => ({
    name: network || scores.primaryName,
    points: [...(scores.pck?.curve ?? [])].map((value, i): [number, number] => [PCK_THRESHOLDS[i] as number, value]),
    symbols: false,
  }));
  await drawCurves({ title: `Share of right joints, ${name}`, xLabel: "allowed distance, as a share of the set's reference length", yLabels: ["right joints, %"], series, xRange: [0, 0.5], yRange: [0, 100], size: [640, 420] }, path);
}

const KIND_COLORS: Readonly<Record<ErrorKind, string>> = { good: "#009e73", jitter: "#56b4e9", inversion: "#e69f00", swap: "#cc79a7", miss: "#d55e00" };

async function drawErrors(path: string, { joints, total }: ErrorBreakdown, set: Dataset): Promise<void> {
  const counts = [total, ...joints];
  const kinds = ERROR_KINDS.map((kind) => ({ name: kind, color: KIND_COLORS[kind], values: counts.map((one) => (100 * one[kind]) / Math.max(1, sumOf(one))) }));
  const rows = ["all joints", ...set.joints.jointNames.map((name) => name.replace("_", " "))];
  await writeFileAtomic(path, await renderBars({ title: "Joints of detected persons", xLabel: "share of the labelled joints, %", rows, kinds, limit: 100 }));
}

const WORST = { count: 9, pairsInARow: 3, side: 230 } as const;

async function drawWorstCases(path: string, { set, main, network }: { set: Dataset; main: NetworkScores; network: Skeleton }): Promise<void> {
  const cases = worstCases(set, { persons: main.predictions, results: main.scores.results, network, count: WORST.count });
  const images = new ImageCache(2 ** 28);
  const tiles: Tile[] = [];
  for (const { imagePath, box, truth, found, caption } of cases) {
    const image = await images.get(imagePath);
    const tile = (keypoints: readonly number[] | undefined) => drawPersonTile(image, { box, keypoints, skeleton: set.joints, side: WORST.side });
    tiles.push({ image: await tile(truth), caption: basename(imagePath) }, { image: await tile(found), caption });
  }
  await writeFileAtomic(path, await drawGrid(tiles, { columns: 2 * WORST.pairsInARow, side: WORST.side, title: "Worst cases: each image with its labels, beside what was found" }));
}

/** What valid has measured. */
export interface ReportFacts {
  evaluation: Evaluation;
  set: Dataset;
  network: Skeleton;
  /** Names the network in tables. */
  label: string;
  /** Weights, for the JSON file. */
  modelFiles: readonly string[];
  /** Name of the image set, for titles. */
  setName: string;
  /** Head of the table, as the source systems have it. */
  tableTitle: string;
  /** Write the results files (TEST.SAVE_RESULT). */
  saveResults: boolean;
}

/**
 * Writes valid_results.json, valid_tables.md, the results files and the figures into a folder: precision and recall by OKS
 * threshold and the errors of joints, or PCK by threshold; the worst cases; some predictions. Sets without ground truth get results
 * and predictions only. Returns the paths of the figures.
 */
export async function writeReport(folder: string, { evaluation, set, network, label, modelFiles, setName, tableTitle, saveResults }: ReportFacts): Promise<string[]> {
  const main = mainPrediction(evaluation);
  const { keypoints, pck, results } = main.scores;
  const at = (name: string) => join(folder, `valid_${name}`);
  const errors = keypoints && set.truth ? breakDownErrors(set.truth, results, { joints: set.joints }) : undefined;
  const joints = jointTable(set, main, errors);
  const title = `${label}, ${set.name} ${setName}`;
  const figures: string[] = [];
  const figure = async (name: string, draw: (path: string) => Promise<void>) => {
    await draw(at(name));
    figures.push(at(name));
  };

  if (saveResults) await writePredictions(folder, { evaluation, set, prefix: "valid_" });
  const content = {
    modelFile: modelFiles.length === 1 ? modelFiles[0] : modelFiles,
    dataset: set.name,
    annotations: set.file,
    persons: set.records.length,
    scores: Object.fromEntries(mainRow(evaluation)),
    ...(evaluation.rows.length > 1 ? { networks: Object.fromEntries(evaluation.rows.map(({ name, figures: row }) => [name, Object.fromEntries(row)])) } : {}),
    ...(joints ? { joints: joints.rows.map((row) => Object.fromEntries(joints.head.map((name, i) => [name, i === 0 || row[i] === "" ? row[i] : Number(row[i])]))) } : {}),
    ...(errors ? { errors: { ...errors.total, missedPersons: errors.missedPersons, spareDetections: errors.spareDetections } } : {}),
  };
  await writeFileAtomic(at("results.json"), `${JSON.stringify(content, undefined, 2)}\n`);
  const lines = errors ? [`Persons that nothing was found for: ${errors.missedPersons}; detections of nobody: ${errors.spareDetections}.`] : [];
  const tables = [`# ${title}`, markdown(scoreTable(evaluation, { label, title: tableTitle })), ...(joints ? ["## Joints", markdown(joints), ...lines] : [])];
  await writeFileAtomic(at("tables.md"), `${tables.join("\n\n")}\n`);

  if (keypoints) await figure("precision_recall.png", (path) => drawPrecisionRecall(path, keypoints.precision, title));
  if (errors) await figure("errors.png", (path) => drawErrors(path, errors, set));
  if (pck) await figure("pck.png", (path) => drawPck(path, evaluation.scored, title));
  if (keypoints || pck) await figure("worst_cases.png", (path) => drawWorstCases(path, { set, main, network }));
  await figure("predictions.png", (path) => drawPredictionGrid(path, main.predictions, network));
  return figures;
}
