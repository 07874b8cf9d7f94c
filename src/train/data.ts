/** The data sets of a configuration, and the batches of its steps. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { CropBatchFacts, PackedCrops } from "../augment/crop_batch.ts";
import { packCrops } from "../augment/crop_batch.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { isSupervised } from "../config/method_checks.ts";
import { agreesWithBox, type PersonRecord } from "../data/coco.ts";
import { type Dataset, type DatasetFacts, type DatasetName, jointsOf, readDataset } from "../data/datasets.ts";
import { ImageCache } from "../data/image.ts";
import { LabelledOrder, MixedOrder } from "../data/mixed.ts";
import { type CropSample, drawGeometry, type Geometry, IDENTITY_GEOMETRY, prepareSample } from "../data/sample.ts";
import { ensureSynthetic } from "../data/synthetic.ts";
import { DataError } from "../error.ts";
import type { TrainingBatch } from "../methods/method.ts";
import { boxToCenterScale } from "../pose/box.ts";
import { jointMap, skeletonFor } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box, Size } from "../pose/types.ts";
import { Random, STREAM } from "../random.ts";

/** Where a run's messages go. */
export type Say = (line: string) => void;

/** Makes the synthetic people of the configuration, if it asks for them and they are not there. */
export async function prepareData({ DATASET }: ResolvedConfig, say: Say): Promise<void> {
  const facts = DATASET.SYNTHETIC;
  if (!facts) return;
  const started = performance.now();
  const made = await ensureSynthetic({
    root: DATASET.ROOT,
    seed: facts.SEED,
    trainImages: facts.TRAIN_IMAGES,
    valImages: facts.VAL_IMAGES,
    imageSize: facts.IMAGE_SIZE,
    persons: facts.PERSONS,
  });
  if (made) say(`made ${facts.TRAIN_IMAGES} + ${facts.VAL_IMAGES} synthetic images in ${DATASET.ROOT} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

/** The sets of a run. */
export type SetRole = "train" | "unlabelled" | "test";

/** The joints of a run's network. */
export function networkSkeleton({ MODEL, DATASET }: Pick<ResolvedConfig, "MODEL" | "DATASET">): Skeleton {
  return skeletonFor(MODEL.NUM_JOINTS, [DATASET.TRAIN_DATASET, DATASET.TEST_DATASET]);
}

/** The data sets that a mixed one is made of: labelled, unlabelled. Source: MultiAugs' mix_coco_coco and mix_mpii_ai; LSP Extended with itself is ours. */
const MIXED: Readonly<Record<string, readonly [labelled: DatasetName, unlabelled: DatasetName]>> = {
  mix_coco_coco: ["coco", "coco"],
  mix_mpii_ai: ["mpii", "ai_challenger"],
  mix_lspet_lspet: ["lspet", "lspet"],
};

/** Data set, image set and files of a role, explicit files first. */
function choiceOf({ DATASET, TEST }: ResolvedConfig, role: SetRole): Pick<DatasetFacts, "set" | "place" | "detections"> & { name: DatasetName } {
  const files = (annotations: string, images: string) => (annotations ? { place: { annotations, images } } : {});
  if (role === "test") {
    // Unlabelled image sets have no persons of their own, whatever USE_GT_BBOX says.
    const annotated = TEST.USE_GT_BBOX && !(DATASET.TEST_SET.includes("unlabel") && TEST.COCO_BBOX_FILE);
    const detections = annotated ? {} : { detections: { file: TEST.COCO_BBOX_FILE, threshold: TEST.IMAGE_THRE } };
    return { name: DATASET.TEST_DATASET, set: DATASET.TEST_SET, ...files(DATASET.TEST_ANNOTATIONS, DATASET.TEST_IMAGES), ...detections };
  }
  const [labelled, unlabelled] = MIXED[DATASET.TRAIN_DATASET] ?? [DATASET.TRAIN_DATASET as DatasetName, DATASET.TRAIN_DATASET as DatasetName];
  if (role === "unlabelled" && (DATASET.TRAIN_UNSUP_SET || unlabelled !== labelled)) {
    const set = DATASET.TRAIN_UNSUP_SET || DATASET.TRAIN_SET;
    // Unlabelled image sets have no persons of their own: their boxes are detected ones.
    return { name: unlabelled, set, ...(set.includes("unlabel") ? { detections: { file: DATASET.UNSUP_BBOX_FILE, threshold: TEST.IMAGE_THRE } } : {}) };
  }
  return { name: labelled, set: DATASET.TRAIN_SET, ...files(DATASET.TRAIN_ANNOTATIONS, DATASET.TRAIN_IMAGES) };
}

/** Joints that the labelled set annotates, as the network numbers them. */
export function labelledJoints(config: ResolvedConfig): readonly number[] {
  return jointMap(jointsOf(choiceOf(config, "train").name), networkSkeleton(config));
}

/** Data set and image set of a role, for names of files: "coco_train2017". */
export function setTitle(config: ResolvedConfig, role: SetRole): string {
  const { name, set } = choiceOf(config, role);
  return `${name}_${set}`;
}

/** A person of whom nothing is known but a box, in px of an image. */
export function personInBox(imagePath: string, { box, imageSize, config }: { box: Box; imageSize: Size; config: ResolvedConfig }): PersonRecord {
  const joints = config.MODEL.NUM_JOINTS;
  return {
    imageId: 0,
    annotationId: 0,
    imagePath,
    imageSize,
    ...boxToCenterScale(box, config.MODEL.IMAGE_SIZE),
    joints: new Float64Array(2 * joints),
    visible: new Uint8Array(joints),
    box,
    score: 1,
  };
}

/** Messages about single persons that are shown before the rest is counted. */
const SHOWN_REPORTS = 5;

/** Reads a set; persons that are left out are told. Errors: DataError where it holds no person to crop, or its images are not there. */
export async function readSet(config: ResolvedConfig, role: SetRole, say?: Say): Promise<Dataset> {
  const { DATASET, MODEL } = config;
  const { name, ...choice } = choiceOf(config, role);
  const reports: string[] = [];
  const dataset = await readDataset(name, {
    ...choice,
    root: DATASET.ROOT,
    skeleton: networkSkeleton(config),
    inputSize: MODEL.IMAGE_SIZE,
    zip: DATASET.DATA_FORMAT === "zip",
    report: (line) => reports.push(line),
  });
  for (const line of reports.slice(0, SHOWN_REPORTS)) say?.(line);
  if (reports.length > SHOWN_REPORTS) say?.(`${dataset.file}: ${reports.length - SHOWN_REPORTS} more persons left out for their boxes`);
  const [first] = dataset.records;
  if (first) {
    const images = dirname(first.imagePath);
    if (DATASET.DATA_FORMAT === "zip" || existsSync(images)) return dataset;
    throw new DataError({ code: "data/no-images", where: images, message: `folder not found; it should hold the images of ${dataset.file}`, fix: "check DATASET.ROOT, or name the folder with DATASET.TRAIN_IMAGES or TEST_IMAGES" });
  }
  const { detections } = choice;
  throw detections
    ? new DataError({ code: "data/no-persons", where: detections.file, message: `no person with a score of at least ${detections.threshold}`, fix: "lower TEST.IMAGE_THRE or use another detection file" })
    : new DataError({ code: "data/no-persons", where: dataset.file, message: "no person with labelled keypoints and a box inside its image", fix: "use an annotation file with annotated persons" });
}

/** The persons whose labels are used: with SELECT_DATA those whose joints agree with their box, and of them the first TRAIN_LEN. */
export function chooseLabelled({ DATASET }: Pick<ResolvedConfig, "DATASET">, { records, file }: Dataset, say?: Say): PersonRecord[] {
  const agreeing = DATASET.SELECT_DATA ? records.filter(agreesWithBox) : records;
  if (agreeing.length === 0) throw new DataError({ code: "data/no-persons", where: file, message: `no person of ${records.length} whose joints agree with its box`, fix: "set DATASET.SELECT_DATA: false" });
  if (DATASET.TRAIN_LEN <= 0) return agreeing;
  if (agreeing.length < DATASET.TRAIN_LEN) say?.(`note      DATASET.TRAIN_LEN is ${DATASET.TRAIN_LEN}, the set has ${agreeing.length} persons: all of them are used`);
  return agreeing.slice(0, DATASET.TRAIN_LEN);
}

/** Where corrupt images are passed over, one at least must be sound. */
export function noneDecodes(records: readonly PersonRecord[]): DataError {
  return new DataError({ code: "data/image-corrupt", where: records[0]?.imagePath ?? "", message: `this image cannot be decoded, nor that of any other of ${records.length} persons`, fix: "replace the files; DATASET.SKIP_CORRUPT passes over single ones" });
}

/** Decodes and crops persons; keeps decoded images within the configured memory. */
export class SampleSource {
  readonly #cache: ImageCache;
  readonly #config: ResolvedConfig;
  readonly skeleton: Skeleton;
  /** Images that could not be decoded and were passed over. */
  readonly corrupt = new Set<string>();
  /** Told of each of them, once. */
  report: Say = () => {};

  constructor(config: ResolvedConfig) {
    this.#config = config;
    this.#cache = new ImageCache(config.DATASET.CACHE_MB * 2 ** 20);
    this.skeleton = networkSkeleton(config);
  }

  /** Crop settings of a batch of this run. */
  cropFacts(batch: number): CropBatchFacts {
    const { MODEL, DATASET } = this.#config;
    return { batch, size: MODEL.IMAGE_SIZE, joints: MODEL.NUM_JOINTS, rgb: DATASET.COLOR_RGB };
  }

  /** The geometry of the sample at a place of an epoch; a pure function of the seed. Sets without labels know no half bodies. */
  geometry(epoch: number, index: number, role: "labelled" | "unlabelled" = "labelled"): Geometry {
    const { DATASET, SEED } = this.#config;
    // Even and odd indices keep the draws of labelled and unlabelled samples apart.
    const random = new Random({ seed: SEED, stream: STREAM.sampleGeometry, epoch, index: 2 * index + (role === "labelled" ? 0 : 1) });
    const probHalfBody = role === "unlabelled" && DATASET.TRAIN_UNSUP_SET.includes("unlabel") ? 0 : DATASET.PROB_HALF_BODY;
    return drawGeometry(random, { scaleFactor: DATASET.SCALE_FACTOR, rotationFactor: DATASET.ROT_FACTOR, flip: DATASET.FLIP, probHalfBody });
  }

  /** The crop of a person; undefined where the image is corrupt and the configuration allows that. */
  async crop(record: PersonRecord, geometry: Geometry = IDENTITY_GEOMETRY): Promise<CropSample | undefined> {
    const { DATASET, MODEL } = this.#config;
    try {
      const image = await this.#cache.get(record.imagePath);
      return prepareSample(record, { image, geometry, skeleton: this.skeleton, inputSize: MODEL.IMAGE_SIZE, numJointsHalfBody: DATASET.NUM_JOINTS_HALF_BODY });
    } catch (error) {
      if (!(error instanceof DataError && error.code === "data/image-corrupt" && DATASET.SKIP_CORRUPT)) throw error;
      if (!this.corrupt.has(record.imagePath)) this.report(`passed over ${record.imagePath}: ${error.message}`);
      this.corrupt.add(record.imagePath);
      return undefined;
    }
  }

  /** A sample to learn from: in place of a corrupt image, where the configuration allows that, the next record's. */
  async sample(records: readonly PersonRecord[], i: number, geometry: Geometry = IDENTITY_GEOMETRY): Promise<CropSample> {
    for (let tries = 0; tries < records.length; tries++) {
      const sample = await this.crop(records[(i + tries) % records.length] as PersonRecord, geometry);
      if (sample) return sample;
    }
    throw noneDecodes(records);
  }
}

/** The steps of a training run as functions of their position. */
export interface TrainingData {
  stepsPerEpoch: number;
  labelled: readonly PersonRecord[];
  unlabelled: readonly PersonRecord[] | undefined;
  /** The samples of a step; `still` crops them without the loader's random scale, rotation and flip. */
  batch(epoch: number, step: number, options?: { still?: boolean }): Promise<TrainingBatch>;
}

/** Reads the training sets and says which samples make which step. */
export async function openTrainingData(config: ResolvedConfig, source: SampleSource, say?: Say): Promise<TrainingData> {
  if (say) source.report = say;
  const { DATASET, TRAIN, SEED } = config;
  const batchSize = TRAIN.BATCH_SIZE;
  const facts = source.cropFacts(batchSize);
  const annotated = await readSet(config, "train", say);
  const labelled = chooseLabelled(config, annotated, say);
  const pack = async (samples: Promise<CropSample>[]): Promise<PackedCrops> => packCrops(await Promise.all(samples), facts);
  const capped = (steps: number) => (TRAIN.STEPS_PER_EPOCH > 0 ? Math.min(TRAIN.STEPS_PER_EPOCH, steps) : steps);

  if (!MIXED[DATASET.TRAIN_DATASET]) {
    const order = new LabelledOrder({ seed: SEED, count: labelled.length, batchSize });
    return {
      stepsPerEpoch: capped(order.stepsPerEpoch),
      labelled,
      unlabelled: undefined,
      batch: async (epoch, step, { still } = {}) => ({
        labelled: await pack(order.batch(epoch, step).map(({ sample, index }) => source.sample(labelled, sample, still ? IDENTITY_GEOMETRY : source.geometry(epoch, index)))),
      }),
    };
  }
  const shared = Bun.deepEquals(choiceOf(config, "train"), choiceOf(config, "unlabelled"));
  const unlabelled = (shared ? annotated : await readSet(config, "unlabelled", say)).records;
  const order = new MixedOrder({ seed: SEED, labelled: labelled.length, unlabelled: unlabelled.length, batchSize });
  // The supervised run on a mixed set sees the same labelled samples in the same steps, and nothing else.
  const needsUnlabelled = !isSupervised(config);
  return {
    stepsPerEpoch: capped(order.stepsPerEpoch),
    labelled,
    unlabelled,
    async batch(epoch, step, { still = false } = {}) {
      const pairs = order.batch(epoch, step);
      const supervised = pack(pairs.map((pair) => source.sample(labelled, pair.labelled, still ? IDENTITY_GEOMETRY : source.geometry(epoch, pair.index))));
      if (!needsUnlabelled) return { labelled: await supervised };
      const geometry = (index: number) => (still || config.RAW_INPUT ? IDENTITY_GEOMETRY : source.geometry(epoch, index, "unlabelled"));
      const easy = pack(pairs.map((pair) => source.sample(unlabelled, pair.unlabelled, geometry(pair.index))));
      const [own, others] = await Promise.all([supervised, easy]); // at once: whichever fails first is then handled
      return { labelled: own, unlabelled: others };
    },
  };
}
