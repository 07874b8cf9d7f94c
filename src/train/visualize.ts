/**
 * Figures of what a training shows its network: augmentations step by step, heatmaps of hard views beside the teacher's. Files have
 * the names of MultiAugs' plot_AugsPlus.py and plot_MultiHeats.py (multiaugs §9).
 */
import { mkdir, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { chainName } from "../augment/chain.ts";
import { packCrops } from "../augment/crop_batch.ts";
import { backboneOf } from "../config/network.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { augmentationsOf } from "../config/method_checks.ts";
import type { PersonRecord } from "../data/coco.ts";
import { type DecodedImage, readImageSize } from "../data/image.ts";
import { IDENTITY_GEOMETRY } from "../data/sample.ts";
import { ConfigError, DataError } from "../error.ts";
import { systemErrorCode, writeFileAtomic } from "../files.ts";
import { type Gpu, openDevice } from "../gpu/device.ts";
import { buildMethod, viewPlan } from "../methods/build.ts";
import { type ConsistencyTraining, passSlots } from "../methods/semi/consistency.ts";
import type { ViewPlan } from "../methods/semi/plan.ts";
import { buildModel } from "../models/build.ts";
import type { PoseModel } from "../models/network.ts";
import { drawGrid } from "../viz/grid.ts";
import { absoluteDifference, colorMap, meanMap, stretchToBytes } from "../viz/mean_heatmaps.ts";
import { encodeJpeg, encodePng, greyImage } from "../viz/picture.ts";
import { labelledJoints, openTrainingData, personInBox, prepareData, SampleSource, setTitle, type Say, type TrainingData } from "./data.ts";
import { denormalise } from "./figures.ts";
import type { VisualizeRequest } from "./requests.ts";
import { loadModel } from "./state.ts";

/** Samples that are shown where the user does not say. */
const SAMPLES = { augs: 8, heatmaps: 3 } as const;
/** Samples of a batch at least: heatmaps of fewer would hang on the statistics of a handful of images. */
const LEAST_BATCH = 8;
/** Longer sides of tiles, px. */
const SIDES = { augs: 150, heatmaps: 170 } as const;
/** Views of plot_MultiHeats.py, where the configuration turns none on. */
const SCRIPT_VIEWS = { USE_JointCutout_AUG: true, USE_JointCutMix_AUG: true, USE_JointCutMix_CutOut_AUG: true, USE_JointCutout_CutMix_AUG: true } as const;
/** In the place of the teacher's difference to itself. */
const BLANK: DecodedImage = { pixels: Uint8Array.of(255, 255, 255), width: 1, height: 1 };
const IMAGE_NAME = /\.(jpe?g|png)$/i;

/** Draws the figures of a request; prints their paths. Errors of the user's making are LimberErrors. */
export async function runVisualization({ kind, loaded, modelFile, images, out, count: asked = SAMPLES[kind] }: VisualizeRequest): Promise<void> {
  const say: Say = (line) => console.error(line);
  const files = images === undefined ? undefined : await imageFiles(images);
  const count = Math.min(asked, files?.length ?? asked);
  const config = figureConfig(loaded.config, { kind, count });
  const source = new SampleSource(config);
  const data = files ? folderData(files, { config, source }) : await configuredData(config, source, say);
  const plan = viewPlan(config) as ViewPlan;
  const gpu = await openDevice();
  const model = await figureModel(gpu, { config, modelFile, slots: passSlots(plan.mostViews), say });
  const method = buildMethod(model, { config, plan, crop: source.cropFacts(config.TRAIN.BATCH_SIZE), labelledJoints: labelledJoints(config), stepsPerEpoch: data.stepsPerEpoch });
  await mkdir(out, { recursive: true });
  const figure = { config, data, method, out, count, title: images === undefined ? setTitle(config, "unlabelled") : basename(resolve(images)), weights: modelFile === undefined ? " (random weights)" : "" };
  console.log((await (kind === "augs" ? drawAugmentations(figure) : drawMultiHeats(figure))).join("\n"));
}

/** One network that teaches itself, as in the original's scripts; views as the configuration has them, heatmaps with one for each augmentation. */
function figureConfig(config: ResolvedConfig, { kind, count }: { kind: VisualizeRequest["kind"]; count: number }): ResolvedConfig {
  const { MODEL, TRAIN } = config;
  const BACKBONE = backboneOf(MODEL);
  if (BACKBONE === "hourglass") throw new ConfigError({ code: "visualize/network", message: "an hourglass has no teacher and students", fix: "use a configuration of pose_cons, pose_dual, pose_resnet or pose_hrnet" });
  const none = augmentationsOf(config).length === 0;
  return {
    ...config,
    ...(kind === "heatmaps" && none ? SCRIPT_VIEWS : {}),
    MODEL: { ...MODEL, NAME: "pose_cons", BACKBONE },
    TRAIN: { ...TRAIN, BATCH_SIZE: Math.min(Math.max(count, LEAST_BATCH), TRAIN.BATCH_SIZE) },
    MULTI_AUGS: kind === "heatmaps" || ((config.MULTI_AUGS || config.REPEAT_AUG) && !none),
    REPEAT_AUG: false,
    HEAT_FUSION: false,
    PROG_MODE: "",
  };
}

/** The steps of the configuration's training; a purely labelled set stands for unlabelled persons too. */
async function configuredData(config: ResolvedConfig, source: SampleSource, say: Say): Promise<TrainingData> {
  await prepareData(config, say);
  const data = await openTrainingData(config, source, say);
  return {
    ...data,
    async batch(epoch, step, options) {
      const { labelled, unlabelled = labelled } = await data.batch(epoch, step, options);
      return { labelled, unlabelled };
    },
  };
}

/** The images of a folder, by name. Errors: DataError where there are none. */
async function imageFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((cause: unknown) => {
    const message = { ENOTDIR: "is a file, expected a folder of images", EACCES: "this folder may not be read" }[systemErrorCode(cause) ?? ""] ?? "there is no such folder";
    throw new DataError({ code: "data/no-images", where: folder, message, fix: "give --images a folder of JPEG or PNG files" }, { cause });
  });
  const names = entries.filter((name) => IMAGE_NAME.test(name)).sort();
  if (names.length === 0) throw new DataError({ code: "data/no-images", where: folder, message: "no .jpg, .jpeg or .png file in this folder", fix: "give --images a folder of JPEG or PNG files" });
  return names.map((name) => join(folder, name));
}

/** Every image is one person who fills it. Errors of a batch: DataError for a file that is no image. */
function folderData(files: readonly string[], { config, source }: { config: ResolvedConfig; source: SampleSource }): TrainingData {
  const size = config.TRAIN.BATCH_SIZE;
  const record = async (path: string): Promise<PersonRecord> => {
    const imageSize = await readImageSize(path);
    if (!imageSize) throw new DataError({ code: "data/no-images", where: path, message: "the file has gone", fix: "leave the folder as it is meanwhile" });
    return personInBox(path, { box: [0, 0, ...imageSize], imageSize, config });
  };
  return {
    stepsPerEpoch: Math.ceil(files.length / size),
    labelled: [],
    unlabelled: undefined,
    async batch(epoch, step, { still = false } = {}) {
      // Behind the last image the first come again, as in the last batch of an epoch.
      const places = Array.from({ length: size }, (_, i) => step * size + i);
      const records = await Promise.all(places.map((place) => record(files[place % files.length] as string)));
      const crops = packCrops(
        await Promise.all(records.map((_, i) => source.sample(records, i, still ? IDENTITY_GEOMETRY : source.geometry(epoch, places[i] as number, "unlabelled")))),
        source.cropFacts(size),
      );
      return { labelled: crops, unlabelled: crops };
    },
  };
}

async function figureModel(gpu: Gpu, { config, modelFile, slots, say }: { config: ResolvedConfig; modelFile: string | undefined; slots: number; say: Say }): Promise<PoseModel> {
  if (modelFile !== undefined) return (await loadModel(gpu, { modelFile, config, allowPartial: false, say, slots })).model;
  say("no --model-file: the network's weights are random, so its joints and heatmaps mean nothing");
  const model = buildModel(config);
  model.store.materialise(gpu, config.SEED, { gradients: false, slots });
  return model;
}

/** What figures are drawn from. */
interface FigureFacts {
  config: ResolvedConfig;
  data: TrainingData;
  method: ConsistencyTraining;
  out: string;
  count: number;
  /** Begins the names of files. */
  title: string;
  /** Ends the title of the composed figure. */
  weights: string;
}

/** A sample of a step: its place in the names of files, and how to cut its image out of a batch of images. */
interface Shown {
  label: string;
  index: number;
  picture(images: Float32Array, group?: number): DecodedImage;
}

/** Runs `draw` on the first `count` samples of training, step by step: the step as the loader has it is prepared; `original` are the crops without its geometry. */
async function eachStep({ config, data, method, count }: FigureFacts, draw: (samples: readonly Shown[], crops: { original: Float32Array; easy: Float32Array }) => Promise<void>): Promise<void> {
  const { MODEL, TRAIN, DATASET } = config;
  const [width, height] = MODEL.IMAGE_SIZE;
  const pixels = 3 * width * height;
  const size = TRAIN.BATCH_SIZE;
  const steps = Math.min(data.stepsPerEpoch, Math.ceil(count / size));
  for (let step = 0; step < steps; step++) {
    const place = { epoch: 0, stepInEpoch: step, step };
    method.prepare(await data.batch(0, step, { still: true }), place);
    const original = await method.readEasy();
    method.prepare(await data.batch(0, step), place);
    const easy = await method.readEasy();
    const samples = Array.from({ length: Math.min(size, count - step * size) }, (_, index): Shown => ({
      label: `${step}_${index}`,
      index,
      picture: (images, group = 0) => denormalise(images.subarray((group * size + index) * pixels, (group * size + index + 1) * pixels), MODEL.IMAGE_SIZE, DATASET.COLOR_RGB),
    }));
    await draw(samples, { original, easy });
  }
}

/** A row of a composed figure. */
interface Row {
  name: string;
  images: DecodedImage[];
}

/** Original, loader's view, every step of each chain, and the view behind the second affine: a file each, and all in one figure. */
async function drawAugmentations(facts: FigureFacts): Promise<string[]> {
  const { config, method, out, title } = facts;
  const rows: Row[] = [];
  const paths: string[] = [];
  const several = config.MULTI_AUGS;
  await eachStep(facts, async (samples, { original, easy }) => {
    const { views } = await method.unfold();
    const second = config.UNSUP_TRANSFORM ? "A60" : "A30";
    const lines: { name: string; file: string; images: Float32Array }[] = [
      { name: "original", file: "A0", images: original },
      { name: "A30", file: "A30", images: easy },
    ];
    for (const { name, chain, steps, end } of views) {
      const codes = chain.map((step) => chainName([step]));
      const view = several ? `${name}_` : "";
      steps.forEach((images, k) => lines.push({ name: `${k > 0 ? "+ " : name === chainName(chain) ? "" : `${name}: `}${codes[k]}`, file: `${view}H${k + 1}`, images }));
      lines.push({ name: `+ ${second}`, file: `${view}H${steps.length + 1}`, images: end });
    }
    for (const [i, { name, file, images }] of lines.entries()) {
      const row = (rows[i] ??= { name, images: [] });
      for (const sample of samples) {
        const picture = sample.picture(images);
        row.images.push(picture);
        const path = join(out, `${title}_AugsPlus_${sample.label}_${file}.jpg`);
        await writeFileAtomic(path, await encodeJpeg(picture));
        paths.push(path);
      }
    }
  });
  return [await compose(rows, { facts, path: join(out, `${title}_AugsPlus.png`), title: "Augmentations step by step", side: SIDES.augs }), ...paths];
}

/** Warped image, hard views, channel means of the teacher's and the students' heatmaps, and differences to the teacher's. */
async function drawMultiHeats(facts: FigureFacts): Promise<string[]> {
  const { config, method, out, title } = facts;
  const { HEATMAP_SIZE } = config.MODEL.EXTRA;
  const joints = config.MODEL.NUM_JOINTS;
  const cells = HEATMAP_SIZE[0] * HEATMAP_SIZE[1] * joints;
  const shown: { pictures: DecodedImage[]; means: Uint8Array[]; differences: Uint8Array[] }[] = [];
  const paths: string[] = [];
  let columns: string[] = [];
  await eachStep(facts, async (samples, { original }) => {
    const { warped } = await method.unfold();
    const { slices: [, ...names], images, targets, predictions, batch } = await method.inspect();
    columns = [config.UNSUP_TRANSFORM ? "A60" : "A30", ...names];
    for (const sample of samples) {
      const write = async (name: string, picture: DecodedImage) => {
        const path = join(out, `${title}_MA_${sample.label}_${name}.jpg`);
        await writeFileAtomic(path, await encodeJpeg(picture));
        paths.push(path);
      };
      const mean = (maps: Float32Array, group: number) => {
        const at = (group * batch + sample.index) * cells;
        return stretchToBytes(meanMap(maps.subarray(at, at + cells), joints));
      };
      const taught = mean(targets, 1);
      const students = names.map((_, view) => mean(predictions, view + 1));
      const differences = students.map((own) => absoluteDifference(own, taught));
      const pictures = [sample.picture(warped), ...names.map((_, view) => sample.picture(images, view + 1))];
      await write("A0", sample.picture(original));
      for (const [i, column] of ["A60", ...names].entries()) {
        await write(column, pictures[i] as DecodedImage);
        await write(`${column}_kps`, greyImage((i === 0 ? taught : students[i - 1]) as Uint8Array, HEATMAP_SIZE));
        if (i > 0) await write(`${column}_kpsDiff`, greyImage(differences[i - 1] as Uint8Array, HEATMAP_SIZE));
      }
      shown.push({ pictures, means: [taught, ...students], differences });
    }
  });
  // One factor for the whole figure, by which the largest difference is the brightest.
  const largest = shown.flatMap(({ differences }) => differences).reduce((most, own) => own.reduce((larger, value) => Math.max(larger, value), most), 1);
  const coloured = (bytes: readonly Uint8Array[], gain = 1) => bytes.map((own) => colorMap(own.map((value) => Math.round(gain * value)), HEATMAP_SIZE));
  const rows = shown.flatMap(({ pictures, means, differences }): Row[] => [
    { name: "image", images: pictures },
    { name: "mean heatmap", images: coloured(means) },
    { name: `difference × ${(255 / largest).toFixed(1)}`, images: [BLANK, ...coloured(differences, 255 / largest)] },
  ]);
  return [await compose(rows, { facts, path: join(out, `${title}_MA.png`), title: "Mean heatmaps of the teacher and of students on hard views", side: SIDES.heatmaps, columns, groupRows: 3 }), ...paths];
}

/** All rows as one figure, written to `path`. */
async function compose(rows: readonly Row[], { facts, path, title, side, columns = [], ...grouping }: { facts: FigureFacts; path: string; title: string; side: number; columns?: readonly string[]; groupRows?: number }): Promise<string> {
  const [width, height] = facts.config.MODEL.IMAGE_SIZE;
  const tiles = await Promise.all(rows.flatMap(({ images }) => images).map(async (image) => ({ image: await encodePng(image) })));
  const grid = await drawGrid(tiles, { columns: rows[0]?.images.length ?? 1, side, aspect: width / height, rowNames: rows.map(({ name }) => name), columnNames: columns, title: title + facts.weights, ...grouping });
  await writeFileAtomic(path, grid);
  return path;
}
