/** Predicts the persons of a set with a network and scores them. */
import { CropBatch, packCrops } from "../augment/crop_batch.ts";
import { withoutGradient } from "../autograd/op.ts";
import type { ResolvedConfig } from "../config/config.ts";
import type { PersonRecord } from "../data/coco.ts";
import { BatchLoader } from "../data/loader.ts";
import type { CropSample } from "../data/sample.ts";
import { evaluateKeypoints, type KeypointScores } from "../eval/coco_eval.ts";
import { mergeFlipped } from "../eval/flip.ts";
import { type CocoResult, type PredictedPerson, toResults } from "../eval/results.ts";
import { mirror } from "../kernels/elementwise.ts";
import type { PoseNetwork } from "../models/network.ts";
import { EVALUATION } from "../nn/layers.ts";
import { decodeDark } from "../pose/dark.ts";
import { decodeHeatmaps, heatmapToImage } from "../pose/heatmap.ts";
import { emptyTensor } from "../tensor/tensor.ts";
import type { PersonSet, SampleSource } from "./data.ts";

/** A predicted person with its record; heatmaps [h, w, joints] where asked for. */
export interface Prediction extends PredictedPerson {
  record: PersonRecord;
  heatmaps?: Float32Array;
}

export interface PredictOptions {
  flipTest: boolean;
  shift: boolean;
  /** DARK in place of the shift. */
  dark?: boolean;
  keepHeatmaps?: boolean;
  progress?: (done: number, total: number) => void;
}

/** Runs the network in evaluation mode over all records. Keypoints come back in image px. */
export async function predictRecords(
  network: PoseNetwork,
  { records, source, config, options }: { records: readonly PersonRecord[]; source: SampleSource; config: ResolvedConfig; options: PredictOptions },
): Promise<Prediction[]> {
  const { gpu } = network.store;
  const batch = Math.min(config.TEST.BATCH_SIZE, records.length);
  const facts = source.cropFacts(batch);
  const crops = new CropBatch(gpu, facts);
  const [width, height] = config.MODEL.IMAGE_SIZE;
  const [mapW, mapH] = config.MODEL.EXTRA.HEATMAP_SIZE;
  const joints = network.joints;
  const total = Math.ceil(records.length / batch);
  const loader = new BatchLoader(
    async (position): Promise<CropSample[]> =>
      Promise.all(records.slice(position * batch, (position + 1) * batch).map((_, i) => source.sample(records, position * batch + i))),
    { depth: config.WORKERS, begin: 0, end: total },
  );
  const predictions: Prediction[] = [];
  const forward = (mirrored: boolean) =>
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
  const run = async (mirrored: boolean) => {
    const maps = forward(mirrored);
    const values = await maps.toArray();
    gpu.free(maps.range);
    return values;
  };
  for (let position = 0; ; position++) {
    const samples = await loader.next();
    if (!samples) break;
    crops.write(packCrops(samples, facts));
    let maps = await run(false);
    if (options.flipTest) {
      maps = mergeFlipped(maps, await run(true), { count: batch, height: mapH, width: mapW, joints, skeleton: source.skeleton, shift: true });
    }
    const sizes = { count: samples.length, height: mapH, width: mapW, joints };
    const { coordinates, scores } = options.dark ? decodeDark(maps, sizes) : decodeHeatmaps(maps, { ...sizes, shift: options.shift });
    samples.forEach((sample, n) => {
      const keypoints = new Float64Array(3 * joints);
      for (let joint = 0; joint < joints; joint++) {
        const k = n * joints + joint;
        const [x, y] = heatmapToImage([coordinates[2 * k] as number, coordinates[2 * k + 1] as number], { center: sample.center, scale: sample.scale, size: [mapW, mapH] });
        keypoints.set([x, y, scores[k] as number], 3 * joint);
      }
      const { record } = sample;
      predictions.push({
        imageId: record.imageId,
        keypoints,
        center: sample.center,
        scale: sample.scale,
        boxScore: record.score,
        box: record.box,
        record,
        ...(options.keepHeatmaps ? { heatmaps: maps.slice(n * mapH * mapW * joints, (n + 1) * mapH * mapW * joints) } : {}),
      });
    });
    options.progress?.(position + 1, total);
  }
  crops.free();
  return predictions;
}

/** Scores and what they were made of. */
export interface Evaluation {
  scores: KeypointScores;
  results: CocoResult[];
  predictions: Prediction[];
}

/** Predicts and scores a set as the configuration's TEST section says. */
export async function evaluateNetwork(
  network: PoseNetwork,
  { set, source, config, progress }: { set: PersonSet; source: SampleSource; config: ResolvedConfig; progress?: (done: number, total: number) => void },
): Promise<Evaluation> {
  const { TEST } = config;
  const predictions = await predictRecords(network, {
    records: set.records,
    source,
    config,
    options: { flipTest: TEST.FLIP_TEST, shift: TEST.POST_PROCESS, dark: TEST.POST_TYPE === "dark", ...(progress ? { progress } : {}) },
  });
  const results = toResults(predictions, { skeleton: source.skeleton, inVisThreshold: TEST.IN_VIS_THRE, oksThreshold: TEST.OKS_THRE, soft: TEST.SOFT_NMS });
  return { scores: evaluateKeypoints(set.truth, results), results, predictions };
}
