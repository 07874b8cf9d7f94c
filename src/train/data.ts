/** The data sets of a configuration, and the batches of its steps. */
import type { CropBatchFacts, PackedCrops } from "../augment/crop_batch.ts";
import { packCrops } from "../augment/crop_batch.ts";
import type { ResolvedConfig } from "../config/config.ts";
import { type CocoPlace, cocoPlace, personRecords, type PersonRecord, readCocoGroundTruth } from "../data/coco.ts";
import type { CocoGroundTruth } from "../data/coco_types.ts";
import { readDataset } from "../data/datasets.ts";
import { ImageCache } from "../data/image.ts";
import { LabelledOrder, MixedOrder } from "../data/mixed.ts";
import { type CropSample, drawGeometry, type Geometry, IDENTITY_GEOMETRY, prepareSample } from "../data/sample.ts";
import { ensureSynthetic } from "../data/synthetic.ts";
import { DataError } from "../error.ts";
import type { TrainingBatch } from "../methods/method.ts";
import { type Skeleton, skeletonFor } from "../pose/skeleton.ts";
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

/** Annotation file and image folder of a set, explicit ones first. */
export function placeOf({ DATASET }: ResolvedConfig, role: "train" | "unlabelled" | "test"): CocoPlace {
  if (role === "test") {
    return DATASET.TEST_ANNOTATIONS ? { annotations: DATASET.TEST_ANNOTATIONS, images: DATASET.TEST_IMAGES } : cocoPlace(DATASET.ROOT, DATASET.TEST_SET);
  }
  if (role === "unlabelled" && DATASET.TRAIN_UNSUP_SET) return cocoPlace(DATASET.ROOT, DATASET.TRAIN_UNSUP_SET);
  return DATASET.TRAIN_ANNOTATIONS ? { annotations: DATASET.TRAIN_ANNOTATIONS, images: DATASET.TRAIN_IMAGES } : cocoPlace(DATASET.ROOT, DATASET.TRAIN_SET);
}

/** A set of persons with its ground truth. */
export interface PersonSet {
  truth: CocoGroundTruth;
  records: PersonRecord[];
}

/** Reads a set. Errors: DataError where it holds no person to crop. */
export async function readPersons(config: ResolvedConfig, role: "train" | "unlabelled" | "test", limit?: number): Promise<PersonSet> {
  const place = placeOf(config, role);
  const { TEST } = config;
  if (role === "test" && !TEST.USE_GT_BBOX) {
    const { truth, records } = await readDataset("coco", {
      root: config.DATASET.ROOT,
      set: config.DATASET.TEST_SET,
      place,
      skeleton: skeletonFor(config.MODEL.NUM_JOINTS),
      inputSize: config.MODEL.IMAGE_SIZE,
      detections: { file: TEST.COCO_BBOX_FILE, threshold: TEST.IMAGE_THRE },
    });
    if (!truth || records.length === 0) {
      throw new DataError({ code: "data/no-persons", where: TEST.COCO_BBOX_FILE, message: `no person with a score of at least ${TEST.IMAGE_THRE}`, fix: "lower TEST.IMAGE_THRE or use another detection file" });
    }
    return { truth, records };
  }
  const truth = await readCocoGroundTruth(place.annotations);
  const records = personRecords(truth, {
    place,
    skeleton: skeletonFor(config.MODEL.NUM_JOINTS),
    inputSize: config.MODEL.IMAGE_SIZE,
    ...(limit ? { limit } : {}),
  });
  if (records.length === 0) {
    throw new DataError({ code: "data/no-persons", where: place.annotations, message: "no person with labelled keypoints and a box inside its image", fix: "use a COCO keypoint file with annotated persons" });
  }
  return { truth, records };
}

/** Decodes and crops persons; keeps decoded images within the configured memory. */
export class SampleSource {
  readonly #cache: ImageCache;
  readonly #config: ResolvedConfig;
  readonly skeleton: Skeleton;
  /** Images that could not be decoded and were passed over. */
  readonly corrupt = new Set<string>();

  constructor(config: ResolvedConfig) {
    this.#config = config;
    this.#cache = new ImageCache(config.DATASET.CACHE_MB * 2 ** 20);
    this.skeleton = skeletonFor(config.MODEL.NUM_JOINTS);
  }

  /** Crop settings of a batch of this run. */
  cropFacts(batch: number): CropBatchFacts {
    const { MODEL, DATASET } = this.#config;
    return { batch, size: MODEL.IMAGE_SIZE, joints: MODEL.NUM_JOINTS, rgb: DATASET.COLOR_RGB };
  }

  /** The geometry of the sample at a place of an epoch; a pure function of the seed. */
  geometry(epoch: number, index: number): Geometry {
    const { DATASET, SEED } = this.#config;
    const random = new Random({ seed: SEED, stream: STREAM.sampleGeometry, epoch, index });
    return drawGeometry(random, { scaleFactor: DATASET.SCALE_FACTOR, rotationFactor: DATASET.ROT_FACTOR, flip: DATASET.FLIP, probHalfBody: DATASET.PROB_HALF_BODY });
  }

  /** One sample; a corrupt image is replaced by the next record's where the configuration allows it. */
  async sample(records: readonly PersonRecord[], i: number, geometry: Geometry = IDENTITY_GEOMETRY): Promise<CropSample> {
    const { DATASET, MODEL } = this.#config;
    for (let tries = 0; ; tries++) {
      const record = records[(i + tries) % records.length] as PersonRecord;
      try {
        const image = await this.#cache.get(record.imagePath);
        return prepareSample(record, { image, geometry, skeleton: this.skeleton, inputSize: MODEL.IMAGE_SIZE, numJointsHalfBody: DATASET.NUM_JOINTS_HALF_BODY });
      } catch (error) {
        const passOver = error instanceof DataError && error.code === "data/image-corrupt" && DATASET.SKIP_CORRUPT && tries < records.length - 1;
        if (!passOver) throw error;
        this.corrupt.add(record.imagePath);
      }
    }
  }
}

/** The steps of a training run as functions of their position. */
export interface TrainingData {
  stepsPerEpoch: number;
  labelled: readonly PersonRecord[];
  unlabelled: readonly PersonRecord[] | undefined;
  batch(epoch: number, step: number): Promise<TrainingBatch>;
}

/** Odd and even geometry indices keep the draws of labelled and unlabelled samples apart. */
const geometryIndex = (index: number, role: "labelled" | "unlabelled") => 2 * index + (role === "labelled" ? 0 : 1);

/** Reads the training sets and says which samples make which step. */
export async function openTrainingData(config: ResolvedConfig, source: SampleSource): Promise<TrainingData> {
  const { DATASET, TRAIN, SEED, MODEL } = config;
  const batchSize = TRAIN.BATCH_SIZE;
  const facts = source.cropFacts(batchSize);
  const labelled = (await readPersons(config, "train", DATASET.TRAIN_LEN > 0 ? DATASET.TRAIN_LEN : undefined)).records;
  const pack = async (samples: Promise<CropSample>[]): Promise<PackedCrops> => packCrops(await Promise.all(samples), facts);
  const capped = (steps: number) => (TRAIN.STEPS_PER_EPOCH > 0 ? Math.min(TRAIN.STEPS_PER_EPOCH, steps) : steps);

  if (DATASET.TRAIN_DATASET === "coco" && MODEL.NAME !== "pose_cons") {
    const order = new LabelledOrder({ seed: SEED, count: labelled.length, batchSize });
    return {
      stepsPerEpoch: capped(order.stepsPerEpoch),
      labelled,
      unlabelled: undefined,
      batch: async (epoch, step) => ({
        labelled: await pack(order.batch(epoch, step).map(({ sample, index }) => source.sample(labelled, sample, source.geometry(epoch, geometryIndex(index, "labelled"))))),
      }),
    };
  }
  const unlabelled = (await readPersons(config, "unlabelled")).records;
  const order = new MixedOrder({ seed: SEED, labelled: labelled.length, unlabelled: unlabelled.length, batchSize });
  // The supervised run on a mixed set sees the same labelled samples in the same steps, and nothing else.
  const needsUnlabelled = MODEL.NAME === "pose_cons";
  return {
    stepsPerEpoch: capped(order.stepsPerEpoch),
    labelled,
    unlabelled,
    async batch(epoch, step) {
      const pairs = order.batch(epoch, step);
      const supervised = pack(pairs.map((pair) => source.sample(labelled, pair.labelled, source.geometry(epoch, geometryIndex(pair.index, "labelled")))));
      if (!needsUnlabelled) return { labelled: await supervised };
      const easy = pack(pairs.map((pair) => source.sample(unlabelled, pair.unlabelled, source.geometry(epoch, geometryIndex(pair.index, "unlabelled")))));
      return { labelled: await supervised, unlabelled: await easy };
    },
  };
}
