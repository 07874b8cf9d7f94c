/** The pictures of a run: curves, predictions over images, teacher and student heatmaps. */
import { join } from "node:path";
import { type DecodedImage, decodeImage } from "../data/image.ts";
import { writeFileAtomic } from "../files.ts";
import type { Inspection } from "../methods/method.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Size } from "../pose/types.ts";
import { drawCurves } from "../viz/curves.ts";
import { drawGrid, type Tile } from "../viz/grid.ts";
import { drawHeatmap, maximumMap } from "../viz/heatmaps.ts";
import { drawOverlay } from "../viz/overlay.ts";
import { encodePng } from "../viz/picture.ts";
import type { Predictions } from "./evaluate.ts";
import { readStepLog } from "./log.ts";

/** One validation. */
export interface ScoreRecord {
  epoch: number;
  /** The figure by which the best weights are chosen. */
  score: number;
  /** All figures by their names in the table. */
  figures: Readonly<Record<string, number>>;
}

/** Joints with a lower score are not drawn. */
const MIN_SCORE = 0.2;

/** What the curves of a run are drawn from. */
export interface CurveFacts {
  scores: readonly ScoreRecord[];
  scoreName: string;
  lossNames: readonly string[];
  /** Those of peaks are drawn, if there are any. */
  watchNames: readonly string[];
  /** Epochs before the first step. */
  beginEpoch: number;
  stepsPerEpoch: number;
}

/** Colours of peaks: labelled, teacher's, flat maps; of each network in a shade of its own. */
const PEAK_COLORS: Readonly<Record<string, readonly string[]>> = { labelled_peak: ["#009e73", "#7fcdb6"], teacher_peak: ["#0072b2", "#8cbfe0"], teacher_flat: ["#d55e00", "#efb58c"] };

/**
 * curves.png: losses and score over the run; peaks.png, of a run with a teacher: how high heatmaps peak on labelled and on unlabelled
 * images, and how many of the latter are next to empty. Numbers of steps are means over stretches of the run, so that lines can be
 * read. Returns the paths.
 */
export async function drawRunCurves(folder: string, { scores, scoreName, lossNames, watchNames, beginEpoch, stepsPerEpoch }: CurveFacts): Promise<string[]> {
  const records = await readStepLog(join(folder, "steps.jsonl"));
  const stretch = Math.max(1, Math.ceil(records.length / 150));
  const curve = (name: string) => ({
    name,
    points: Array.from({ length: Math.floor(records.length / stretch) }, (_, i): [number, number] => {
      const part = records.slice(i * stretch, (i + 1) * stretch);
      const mean = part.reduce((sum, record) => sum + Number(record[name]), 0) / part.length;
      return [beginEpoch + (part.at(-1)?.step ?? 0) / stepsPerEpoch, mean];
    }),
    symbols: false,
  });
  const path = join(folder, "curves.png");
  const score = { name: scoreName, axis: 1 as const, points: scores.map(({ epoch, score: value }): [number, number] => [epoch, value]), symbols: true };
  await drawCurves({ title: "Training", xLabel: "epoch", yLabels: ["loss", scoreName], series: [...lossNames.map(curve), score], logY: true }, path);
  const peaks = watchNames.filter((name) => Object.keys(PEAK_COLORS).some((kind) => name.startsWith(kind)));
  if (peaks.length === 0) return [path];
  const colors = peaks.map((name) => PEAK_COLORS[name.replace(/_\d+$/, "")]?.[name.endsWith("_2") ? 1 : 0] as string);
  const named = peaks.map((name) => ({ ...curve(name), name: name.replaceAll("_", " ") }));
  await drawCurves({ title: "Peaks of heatmaps", xLabel: "epoch", yLabels: ["mean peak, share of flat maps"], series: named, colors, yRange: [0, 1], legend: peaks.length > 3 ? "right" : "top" }, join(folder, "peaks.png"));
  return [path, join(folder, "peaks.png")];
}

/** Predicted skeletons over the first validation images. */
export async function drawPredictionGrid(path: string, predicted: Predictions, skeleton: Skeleton, count = 18): Promise<void> {
  const predictions = predicted.filter((prediction) => prediction !== undefined);
  const images = [...new Set(predictions.map(({ record }) => record.imagePath))].slice(0, count);
  const tiles = await Promise.all(
    images.map(async (file): Promise<Tile> => {
      const persons = predictions.filter(({ record }) => record.imagePath === file).map(({ keypoints, box }) => ({ keypoints, box }));
      return { image: await drawOverlay(await decodeImage(file), persons, { skeleton, minScore: MIN_SCORE, minSide: 256 }) };
    }),
  );
  await writeFileAtomic(path, await drawGrid(tiles, { columns: Math.min(6, Math.max(1, tiles.length)), side: 210, title: "Predictions on validation images" }));
}

const MEAN = [0.485, 0.456, 0.406] as const;
const DEVIATION = [0.229, 0.224, 0.225] as const;

/** Normalised network input back to RGB bytes. */
export function denormalise(values: Float32Array, [width, height]: Size, rgb: boolean): DecodedImage {
  const pixels = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const channel = i % 3;
    const grey = Math.round(255 * ((values[i] as number) * (DEVIATION[channel] as number) + (MEAN[channel] as number)));
    pixels[rgb ? i : i - channel + 2 - channel] = Math.min(255, Math.max(0, grey));
  }
  return { pixels, width, height };
}

/** For each view of a step: input, target (labels, or the teacher's warped heatmaps) and the student's heatmaps. */
export async function drawViews(path: string, { inspection, size, heatmapSize, joints, rgb, columns = 6 }: { inspection: Inspection; size: Size; heatmapSize: Size; joints: number; rgb: boolean; columns?: number }): Promise<void> {
  const { slices, images, targets, predictions, batch } = inspection;
  const pixels = 3 * size[0] * size[1];
  const cells = heatmapSize[0] * heatmapSize[1] * joints;
  const count = Math.min(columns, batch);
  const tiles: Tile[] = [];
  for (const [group, name] of slices.entries()) {
    const picture = (n: number) => denormalise(images.subarray((group * batch + n) * pixels, (group * batch + n + 1) * pixels), size, rgb);
    const map = (maps: Float32Array, n: number) => {
      const data = maps.subarray((group * batch + n) * cells, (group * batch + n + 1) * cells);
      return { data: maximumMap({ data, width: heatmapSize[0], height: heatmapSize[1], joints }), width: heatmapSize[0], height: heatmapSize[1] };
    };
    for (let n = 0; n < count; n++) {
      tiles.push({ image: await encodePng(picture(n)), caption: name });
    }
    const target = group === 0 ? "labels" : "teacher, warped";
    for (let n = 0; n < count; n++) tiles.push({ image: await drawHeatmap(picture(n), map(targets, n)), caption: target });
    for (let n = 0; n < count; n++) tiles.push({ image: await drawHeatmap(picture(n), map(predictions, n)), caption: group === 0 ? "network" : "student" });
  }
  await writeFileAtomic(path, await drawGrid(tiles, { columns: count, side: 180, title: "Views, targets and heatmaps" }));
}
