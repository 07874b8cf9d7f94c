/**
 * Batches as pictures, as the keys of DEBUG ask for them: in heatmap/ of the run's folder, under MultiAugs' names. Numbers of
 * steps count from the beginning of the epoch, so that every epoch writes over the one before it.
 */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CropBatch, packCrops } from "../augment/crop_batch.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { Dataset } from "../data/datasets.ts";
import type { DecodedImage } from "../data/image.ts";
import { writeFileAtomic } from "../files.ts";
import type { Inspection, TrainingBatch } from "../methods/method.ts";
import type { PoseNetwork } from "../models/network.ts";
import { decodeHeatmaps, encodeHeatmaps } from "../pose/heatmap.ts";
import { emptyTensor } from "../tensor/tensor.ts";
import { heatmapGrid, jointGrid } from "../viz/batch_grids.ts";
import { encodeJpeg } from "../viz/picture.ts";
import type { SampleSource } from "./data.ts";
import { predictRecords } from "./evaluate.ts";
import { denormalise } from "./figures.ts";

const KINDS = ["SAVE_BATCH_IMAGES_GT", "SAVE_BATCH_IMAGES_PRED", "SAVE_HEATMAPS_GT", "SAVE_HEATMAPS_PRED"] as const;

/** Whether grids are to be written of the step or batch at a place, from 0. */
export function gridsDue({ DEBUG, PRINT_FREQ }: ResolvedConfig, place: number): boolean {
  return DEBUG.DEBUG && KINDS.some((kind) => DEBUG[kind]) && place % PRINT_FREQ === 0;
}

/** A batch with its targets and predictions [n, h, w, joints]. */
interface ShownBatch {
  /** Network inputs [n, height, width, 3]. */
  images: Float32Array;
  targets: Float32Array;
  predictions: Float32Array;
  /** True joints [n, joints, 2] in input px, and which to draw [n, joints]; without labels all joints, where the targets are highest. */
  labels?: { joints: ArrayLike<number>; visible: ArrayLike<number> } | undefined;
}

/** Writes those of <prefix>_gt.jpg, _pred.jpg, _hm_gt.jpg and _hm_pred.jpg that are asked for. */
async function writeGrids(prefix: string, { images, targets, predictions, labels }: ShownBatch, { MODEL, DATASET, DEBUG }: ResolvedConfig): Promise<void> {
  const [width, height] = MODEL.IMAGE_SIZE;
  const [mapW, mapH] = MODEL.EXTRA.HEATMAP_SIZE;
  const joints = MODEL.NUM_JOINTS;
  const pixels = 3 * width * height;
  const count = images.length / pixels;
  const pictures = Array.from({ length: count }, (_, n) => denormalise(images.subarray(n * pixels, (n + 1) * pixels), MODEL.IMAGE_SIZE, DATASET.COLOR_RGB));
  const peaksOf = (maps: Float32Array) => decodeHeatmaps(maps, { count, height: mapH, width: mapW, joints, shift: false }).coordinates;
  const inImage = (peaks: Float32Array) => peaks.map((value, i) => value * (i % 2 === 0 ? width / mapW : height / mapH));
  const visible = labels?.visible ?? new Uint8Array(count * joints).fill(1);
  const maps = (shown: Float32Array) => heatmapGrid({ images: pictures, maps: shown, size: [mapW, mapH], joints, peaks: peaksOf(shown) });
  const write = async (name: string, picture: DecodedImage) => writeFileAtomic(`${prefix}_${name}.jpg`, await encodeJpeg(picture));
  await mkdir(dirname(prefix), { recursive: true });
  if (DEBUG.SAVE_BATCH_IMAGES_GT) await write("gt", jointGrid({ images: pictures, joints: labels?.joints ?? inImage(peaksOf(targets)), visible }));
  if (DEBUG.SAVE_BATCH_IMAGES_PRED) await write("pred", jointGrid({ images: pictures, joints: inImage(peaksOf(predictions)), visible }));
  if (DEBUG.SAVE_HEATMAPS_GT) await write("hm_gt", await maps(targets));
  if (DEBUG.SAVE_HEATMAPS_PRED) await write("hm_pred", await maps(predictions));
}

/** A training step: the labelled batch as train_<step>, every hard view, with the teacher for truth, as train_<step>_view<k>_<name>. */
export async function writeTrainingGrids(folder: string, { inspection, labelled, stepInEpoch, config }: { inspection: Inspection; labelled: TrainingBatch["labelled"]; stepInEpoch: number; config: ResolvedConfig }): Promise<void> {
  const { slices } = inspection;
  for (const [group, name] of slices.entries()) {
    const part = (values: Float32Array) => values.subarray((group * values.length) / slices.length, ((group + 1) * values.length) / slices.length);
    const batch = { images: part(inspection.images), targets: part(inspection.targets), predictions: part(inspection.predictions), labels: group === 0 ? labelled : undefined };
    await writeGrids(join(folder, "heatmap", `train_${stepInEpoch}${group === 0 ? "" : `_view${group}_${name}`}`), batch, config);
  }
}

/** Batches of a validation as val_<batch>; a second network's in sup_2/ beside heatmap/, and so on. */
export async function writeValidationGrids(folder: string, networks: readonly [PoseNetwork, ...PoseNetwork[]], { set, source, config }: { set: Dataset; source: SampleSource; config: ResolvedConfig }): Promise<void> {
  const { MODEL, TEST } = config;
  const { gpu } = networks[0].store;
  const [width, height] = MODEL.IMAGE_SIZE;
  for (let batch = 0; batch * TEST.BATCH_SIZE < set.records.length; batch++) {
    if (!gridsDue(config, batch)) continue;
    const persons = set.records.slice(batch * TEST.BATCH_SIZE, (batch + 1) * TEST.BATCH_SIZE);
    const samples = (await Promise.all(persons.map((record) => source.crop(record)))).filter((sample) => sample !== undefined);
    if (samples.length === 0) continue;
    const records = samples.map(({ record }) => record);
    const packed = packCrops(samples, source.cropFacts(records.length));
    const crops = new CropBatch(gpu, source.cropFacts(records.length));
    crops.write(packed);
    const input = gpu.scope((keep) => {
      const x = emptyTensor(gpu, [records.length, height, width, 3], { label: "crops" });
      crops.run(x.range);
      keep(x.range);
      return x;
    });
    const images = await input.toArray();
    gpu.free(input.range);
    crops.free();
    const { heatmaps: targets } = encodeHeatmaps({ joints: packed.joints, visible: packed.visible, jointCount: MODEL.NUM_JOINTS, inputSize: MODEL.IMAGE_SIZE, heatmapSize: MODEL.EXTRA.HEATMAP_SIZE, sigma: MODEL.EXTRA.SIGMA });
    const predicted = await predictRecords(networks, { records, source, config, keepHeatmaps: true });
    for (const n of networks.keys()) {
      const maps = (predicted[n] ?? []).flatMap((prediction) => prediction?.heatmaps ?? []);
      const predictions = new Float32Array(targets.length);
      let at = 0;
      for (const own of maps) {
        predictions.set(own, at);
        at += own.length;
      }
      await writeGrids(join(folder, n === 0 ? "heatmap" : `sup_${n + 1}`, `val_${batch}`), { images, targets, predictions, labels: packed }, config);
    }
  }
}
