/** Predicts the persons of a set with networks and scores them. */
import { CropBatch, packCrops, recycleCrops } from "../augment/crop_batch.ts";
import { withoutGradient } from "../autograd/op.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { PersonRecord } from "../data/coco.ts";
import { BatchLoader } from "../data/loader.ts";
import { type CropSample, IDENTITY_GEOMETRY } from "../data/sample.ts";
import type { Dataset } from "../data/datasets.ts";
import { type DatasetScores, scoreDataset } from "../eval/dataset_score.ts";
import { mergeFlipped } from "../eval/flip.ts";
import type { PredictedPerson } from "../eval/results.ts";
import { averageMaps, voteJoints } from "../eval/voting.ts";
import { mirror } from "../kernels/elementwise.ts";
import type { PoseNetwork } from "../models/network.ts";
import { EVALUATION } from "../nn/layers.ts";
import { decodeDark } from "../pose/dark.ts";
import { decodeHeatmaps, heatmapToImage } from "../pose/heatmap.ts";
import { emptyTensor } from "../tensor/tensor.ts";
import { noneDecodes, type SampleSource } from "./data.ts";

/** A predicted person with its record; heatmaps [h, w, joints] where asked for. */
export interface Prediction extends PredictedPerson {
  record: PersonRecord;
  heatmaps?: Float32Array;
}

export interface PredictOptions {
  flipTest: boolean;
  /** How the mirrored heatmaps are aligned (SHIFT_HEATMAP). */
  shiftMirrored: boolean;
  shift: boolean;
  /** DARK in place of the shift. */
  dark: boolean;
  /** Factors of the crops' sizes; of several, joints are voted on. */
  scales: readonly number[];
}

/** How the TEST section of a configuration wants heatmaps read. */
function predictOptions({ TEST }: Pick<ResolvedConfig, "TEST">): PredictOptions {
  return { flipTest: TEST.FLIP_TEST, shiftMirrored: TEST.SHIFT_HEATMAP, shift: TEST.POST_PROCESS, dark: TEST.POST_TYPE === "dark", scales: TEST.SCALES };
}

/** The predictions of a set in the order of its records; undefined where the image is corrupt and was passed over. */
export type Predictions = readonly (Prediction | undefined)[];

/** One prediction per person out of those of several scales; heatmaps are the first scale's. */
function voted([first = [], ...others]: readonly Predictions[]): Predictions {
  if (others.length === 0) return first;
  return first.map((prediction, n) => {
    if (!prediction) return undefined;
    const candidates = [prediction, ...others.flatMap((list) => list[n] ?? [])];
    const { center, scale } = prediction.record;
    return { ...prediction, center, scale, keypoints: voteJoints(candidates.map(({ keypoints }) => keypoints)) };
  });
}

/** What is predicted, and how. */
export interface PredictFacts {
  records: readonly PersonRecord[];
  source: SampleSource;
  config: ResolvedConfig;
  keepHeatmaps?: boolean;
  progress?: (done: number, total: number) => void;
}

/** How many of the networks make the ensemble and the average: of SSPCM's three the two that teach, else all. */
function ensembleSize({ MODEL }: Pick<ResolvedConfig, "MODEL">, networks: number): number {
  return MODEL.NAME === "pose_sspcm" ? Math.min(2, networks) : networks;
}

/**
 * Runs networks in evaluation mode over all records: one list of predictions per network, and behind several of them one of their
 * ensemble, which decodes the mean of their heatmaps. Keypoints come back in image px. Errors: DataError where no image at all can be
 * decoded, or one cannot and SKIP_CORRUPT is not set.
 */
export async function predictRecords(networks: readonly [PoseNetwork, ...PoseNetwork[]], { records, source, config, keepHeatmaps = false, progress }: PredictFacts): Promise<Predictions[]> {
  const options = predictOptions(config);
  const { gpu } = networks[0].store;
  const batch = Math.min(config.TEST.BATCH_SIZE, records.length);
  const facts = source.cropFacts(batch);
  const crops = new CropBatch(gpu, facts);
  const [width, height] = config.MODEL.IMAGE_SIZE;
  const [mapW, mapH] = config.MODEL.EXTRA.HEATMAP_SIZE;
  const { joints } = networks[0];
  const total = Math.ceil(records.length / batch);
  const loader = new BatchLoader(
    (position): Promise<(CropSample | undefined)[][]> => {
      const persons = records.slice(position * batch, (position + 1) * batch);
      return Promise.all(options.scales.map((scale) => Promise.all(persons.map((record) => source.crop(record, { ...IDENTITY_GEOMETRY, scale })))));
    },
    { depth: config.WORKERS, begin: 0, end: total },
  );
  const forward = (network: PoseNetwork, mirrored: boolean) =>
    gpu.scope((keep) => {
      let x = emptyTensor(gpu, [batch, height, width, 3], { label: "crops" });
      crops.run(x.range);
      if (mirrored) {
        const straight = x;
        x = emptyTensor(gpu, straight.shape, { label: "mirrored crops" });
        mirror(gpu, { x: straight.range, y: x.range, lines: batch * height, width, channels: 3 });
      }
      const maps = withoutGradient(() => network.forward(x, EVALUATION));
      keep(maps.range);
      return maps;
    });
  const run = async (network: PoseNetwork, mirrored: boolean) => {
    const maps = forward(network, mirrored);
    const values = await maps.toArray();
    gpu.free(maps.range);
    return values;
  };
  const mapsOf = async (network: PoseNetwork) => {
    const maps = await run(network, false);
    if (!options.flipTest) return maps;
    return mergeFlipped(maps, await run(network, true), { count: batch, height: mapH, width: mapW, joints, skeleton: source.skeleton, shift: options.shiftMirrored });
  };
  const decode = (maps: Float32Array, samples: readonly CropSample[]): Prediction[] => {
    const sizes = { count: samples.length, height: mapH, width: mapW, joints };
    const { coordinates, scores } = options.dark ? decodeDark(maps, sizes) : decodeHeatmaps(maps, { ...sizes, shift: options.shift });
    return samples.map((sample, n) => {
      const keypoints = new Float64Array(3 * joints);
      for (let joint = 0; joint < joints; joint++) {
        const k = n * joints + joint;
        const [x, y] = heatmapToImage([coordinates[2 * k] as number, coordinates[2 * k + 1] as number], { center: sample.center, scale: sample.scale, size: [mapW, mapH] });
        keypoints.set([x, y, scores[k] as number], 3 * joint);
      }
      const { record } = sample;
      return {
        imageId: record.imageId,
        keypoints,
        center: sample.center,
        scale: sample.scale,
        boxScore: record.score,
        box: record.box,
        record,
        ...(keepHeatmaps ? { heatmaps: maps.slice(n * mapH * mapW * joints, (n + 1) * mapH * mapW * joints) } : {}),
      };
    });
  };
  const lists = networks.length > 1 ? networks.length + 1 : 1;
  const predictions: (Prediction | undefined)[][] = Array.from({ length: lists }, () => []);
  for (let position = 0; ; position++) {
    const sized = await loader.next();
    if (!sized) break;
    /** Per scale: the predictions of every network, and of their ensemble. */
    const found: Predictions[][] = [];
    for (const places of sized) {
      const samples = places.filter((sample) => sample !== undefined);
      if (samples.length === 0) {
        found.push(Array.from({ length: lists }, () => places.map(() => undefined)));
        continue;
      }
      const packed = packCrops(samples, facts);
      crops.write(packed);
      recycleCrops(packed);
      const maps: Float32Array[] = [];
      for (const network of networks) maps.push(await mapsOf(network));
      if (networks.length > 1) maps.push(averageMaps(maps.slice(0, ensembleSize(config, networks.length))));
      found.push(
        maps.map((values) => {
          const decoded = decode(values, samples).values();
          return places.map((sample) => sample && decoded.next().value);
        }),
      );
    }
    predictions.forEach((list, i) => list.push(...voted(found.map((scale) => scale[i] ?? []))));
    progress?.(position + 1, total);
  }
  crops.free();
  if (records.length > 0 && predictions[0]?.every((prediction) => prediction === undefined)) throw noneDecodes(records);
  return predictions;
}

/** What one network, or an ensemble, gave. */
export interface NetworkScores {
  /** "net 1", "net 2", ..., "ensemble"; "" where there is one network only. */
  name: string;
  scores: DatasetScores;
  predictions: Predictions;
}

/** Scores and what they were made of. */
export interface Evaluation {
  /** Every network's, and behind several their ensemble's. */
  scored: readonly NetworkScores[];
  /** The table: a row per network; behind several, the average of their figures and the ensemble's. */
  rows: readonly { name: string; figures: readonly [name: string, value: number][] }[];
  /** By which the best weights are chosen: the mean over the networks, as MultiAugs does. */
  primary: number;
  primaryName: string;
}

const AVERAGE = "average";

/** The row that stands for an evaluation: of one network its own, of several their average. */
export function mainRow({ rows }: Evaluation): readonly [name: string, value: number][] {
  return (rows.find(({ name }) => name === AVERAGE) ?? rows[0])?.figures ?? [];
}

/** The prediction that is the best that an evaluation has: the only one, or the ensemble's. */
export function mainPrediction({ scored }: Evaluation): NetworkScores {
  return scored.at(-1) as NetworkScores;
}

/** Predicts a set with one network or several, and scores it as its benchmark does, with the thresholds of the configuration's TEST section. */
export async function evaluateNetworks(
  networks: readonly [PoseNetwork, ...PoseNetwork[]],
  { set, source, config, progress }: { set: Dataset; source: SampleSource; config: ResolvedConfig; progress?: (done: number, total: number) => void },
): Promise<Evaluation> {
  const { TEST } = config;
  const lists = await predictRecords(networks, { records: set.records, source, config, ...(progress ? { progress } : {}) });
  const scored: NetworkScores[] = [];
  for (const [i, predictions] of lists.entries()) {
    const name = networks.length === 1 ? "" : i < networks.length ? `net ${i + 1}` : "ensemble";
    const scores = await scoreDataset(set, predictions, { network: source.skeleton, inVisThreshold: TEST.IN_VIS_THRE, oksThreshold: TEST.OKS_THRE, soft: TEST.SOFT_NMS, pck: { length: TEST.PCK_LENGTH, threshold: TEST.PCK_THRE } });
    scored.push({ name, scores, predictions });
  }
  const single = scored.slice(0, ensembleSize(config, networks.length));
  const rows = scored.map(({ name, scores }) => ({ name, figures: scores.rows }));
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  if (networks.length > 1) {
    const figures = (single[0]?.scores.rows ?? []).map(([name], k): [string, number] => [name, meanOf(single.map(({ scores }) => scores.rows[k]?.[1] as number))]);
    rows.splice(networks.length, 0, { name: AVERAGE, figures });
  }
  return { scored, rows, primary: meanOf(single.map(({ scores }) => scores.primary)), primaryName: single[0]?.scores.primaryName ?? "" };
}
