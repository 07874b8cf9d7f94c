/**
 * Data and scores: images decoded and cropped a second, COCO's evaluation, an annotation file of COCO's size. Each stands beside its
 * Python twin (bench/peers/data_peer.py, run by a python3 that has what it needs, or by what PYTHON names) in the same run, where that is installed.
 */
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CropBatch, packCrops, recycleCrops } from "../src/augment/crop_batch.ts";
import type { PersonRecord } from "../src/data/coco.ts";
import type { CocoGroundTruth } from "../src/data/coco_types.ts";
import { decodeImage, sharpModule } from "../src/data/image.ts";
import { BatchLoader } from "../src/data/loader.ts";
import { IDENTITY_GEOMETRY, prepareSample } from "../src/data/sample.ts";
import { evaluateKeypoints, type KeypointDetection, scoreRows } from "../src/eval/coco_eval.ts";
import { writeChunksAtomic, writeFileAtomic } from "../src/files.ts";
import { type Gpu, openDevice } from "../src/gpu/device.ts";
import { applyAffine, cropAffine, invertAffine } from "../src/pose/affine.ts";
import { boxToCenterScale } from "../src/pose/box.ts";
import type { Affine } from "../src/pose/types.ts";
import { COCO17 } from "../src/pose/skeleton.ts";
import { Random } from "../src/random.ts";
import { persistentTensor } from "../src/tensor/tensor.ts";
import { renderTable } from "../src/train/log.ts";
import { chosen } from "./chosen.ts";
import { noPython, pythonWith } from "./peers/twin.ts";
import { openReport } from "./report.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** One line of the table. */
interface DataRow {
  name: string;
  unit: string;
  /** What must be reached. */
  bound: string;
  value: number;
  peer?: number;
  peerName: string;
  note: string;
}

/** Python's side; undefined where it is not installed. */
function peer(module: string, ...args: string[]): Record<string, number | number[]> | undefined {
  const python = pythonWith(module);
  if (!python) {
    console.error(`no Python twin: ${noPython(module)}`);
    return undefined;
  }
  const { exitCode, stdout, stderr } = Bun.spawnSync([python, join(HERE, "peers", "data_peer.py"), ...args]);
  if (exitCode === 0) return JSON.parse(stdout.toString());
  console.error(`no Python twin: ${stderr.toString().trim().split("\n").at(-1)}`);
  return undefined;
}

const IMAGE = [640, 480] as const;
const INPUT = [192, 256] as const;
/** Different images; those of a round, and rounds of which the best counts. */
const [IMAGES, ROUND, ROUNDS] = [64, 512, 4];
const BATCH = 32;
/** Batches ahead: WORKERS' default. */
const DEPTH = 4;

/** JPEG files as large as photographs of this size: noise at all scales. */
async function writeImages(folder: string): Promise<string[]> {
  const sharp = await sharpModule();
  const [width, height] = IMAGE;
  const raw = { width, height, channels: 3 as const };
  const octaves = await Promise.all(
    [4, 16, 64, 160, 320].map(async (cells, i) => {
      const rows = Math.ceil((cells * height) / width);
      const random = new Random({ seed: 1, stream: 900, index: i });
      const noise = Uint8Array.from({ length: 3 * cells * rows }, () => random.integer(0, 256));
      const pixels = await sharp(noise, { raw: { width: cells, height: rows, channels: 3 } }).resize(width, height, { kernel: "cubic", fit: "fill" }).raw().toBuffer();
      return { pixels, gain: 1.5 / Math.sqrt(cells) };
    }),
  );
  const paths: string[] = [];
  for (let n = 0; n < IMAGES; n++) {
    const shift = 3 * 7919 * n; // the same noise in other places: other images at no cost
    const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => Math.min(255, Math.max(0, 128 + octaves.reduce((sum, { pixels: of, gain }, k) => sum + gain * ((of[(i + (k + 1) * shift) % of.length] as number) - 128), 0))));
    const path = join(folder, `${String(n).padStart(3, "0")}.jpg`);
    await sharp(pixels, { raw }).jpeg({ quality: 92 }).toFile(path);
    paths.push(path);
  }
  return paths;
}

/** How far the green of the first crop is from linear interpolation in f64, on the mean: the kernel counts in 1/32 px, as OpenCV does. */
async function levelsOff(crop: Float32Array, path: string, toInput: Affine): Promise<number> {
  const { pixels, width } = await decodeImage(path);
  const toImage = invertAffine(toInput);
  const green = (x: number, y: number) => pixels[3 * (y * width + x) + 1] as number;
  let sum = 0;
  for (let v = 0; v < INPUT[1]; v++) {
    for (let u = 0; u < INPUT[0]; u++) {
      const [x, y] = applyAffine(toImage, [u, v]);
      const [column, row] = [Math.floor(x), Math.floor(y)];
      const along = (line: number) => green(column, line) + (x - column) * (green(column + 1, line) - green(column, line));
      const expected = along(row) + (y - row) * (along(row + 1) - along(row));
      sum += Math.abs(expected - 255 * ((crop[3 * (v * INPUT[0] + u) + 1] as number) * 0.224 + 0.456));
    }
  }
  return sum / (INPUT[0] * INPUT[1]);
}

async function cropRow(gpu: Gpu, folder: string): Promise<DataRow> {
  const paths = await writeImages(folder);
  const facts = { batch: BATCH, size: INPUT, joints: 17, rgb: false };
  const crops = new CropBatch(gpu, facts);
  const x = persistentTensor(gpu, [BATCH, INPUT[1], INPUT[0], 3]);
  const box = [160, 60, 240, 360] as const;
  const record = (imagePath: string): PersonRecord => ({
    imageId: 1, annotationId: 1, imagePath, imageSize: IMAGE, ...boxToCenterScale(box, INPUT), joints: new Float64Array(34), visible: new Uint8Array(17), box, score: 1,
  });
  const batch = async (position: number) =>
    packCrops(
      await Promise.all(
        Array.from({ length: BATCH }, async (_, i) => {
          const path = paths[(position * BATCH + i) % IMAGES] as string;
          return prepareSample(record(path), { image: await decodeImage(path), geometry: IDENTITY_GEOMETRY, skeleton: COCO17, inputSize: INPUT });
        }),
      ),
      facts,
    );
  const [path, first] = [paths[0] as string, await batch(0)];
  crops.write(first);
  gpu.scope(() => crops.run(x.range));
  const { center, scale } = record(path);
  const off = await levelsOff(await gpu.readFloats(x.range), path, cropAffine({ center, scale, size: INPUT }));
  if (!(off < 1)) throw new Error(`the first crop is off by ${off.toFixed(2)} levels of 255 on the mean`);
  recycleCrops(first);
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const loader = new BatchLoader(batch, { depth: DEPTH, begin: 0, end: ROUND / BATCH });
    const started = performance.now();
    let previous: (() => Promise<void>) | undefined;
    for (let packed = await loader.next(); packed; packed = await loader.next()) {
      crops.write(packed);
      recycleCrops(packed);
      gpu.scope(() => crops.run(x.range));
      const done = gpu.mark();
      await previous?.();
      previous = done;
    }
    await previous?.();
    best = Math.max(best, (1000 * ROUND) / (performance.now() - started));
  }
  crops.free();
  const opencv = peer("cv2", "crops", folder, String(ROUND / IMAGES), String(ROUNDS))?.["imagesPerSecond"];
  const bytes = (await Promise.all(paths.map((path) => stat(path)))).reduce((sum, { size }) => sum + size, 0) / IMAGES;
  return {
    name: "images of 640x480 decoded and cropped", unit: "images/s", bound: "500", value: best, peerName: "OpenCV", ...(typeof opencv === "number" ? { peer: opencv } : {}),
    note: `${(bytes / 1000).toFixed(0)} kB each`,
  };
}

const [SCORED_IMAGES, DETECTIONS, PERSONS] = [5000, 20, 4];

/** Persons at random places, each found well once, and badly by the other detections. */
function scoreCase(): { truth: CocoGroundTruth; detections: KeypointDetection[] } {
  const random = new Random({ seed: 2, stream: 901 });
  const images = Array.from({ length: SCORED_IMAGES }, (_, i) => ({ id: i + 1, width: 640, height: 480, fileName: `${i + 1}.jpg` }));
  const annotations: CocoGroundTruth["annotations"][number][] = [];
  const detections: KeypointDetection[] = [];
  for (const { id } of images) {
    const persons = Array.from({ length: PERSONS }, () => {
      const [x, y, side] = [random.range(0, 400), random.range(0, 250), random.range(30, 230)];
      const keypoints = Array.from({ length: 51 }, (_, k) => (k % 3 === 2 ? 2 : Math.round((k % 3 === 0 ? x : y) + random.range(0, side))));
      annotations.push({ id: annotations.length + 1, imageId: id, keypoints, bbox: [x, y, side, side], area: side * side * 0.6, iscrowd: false, numKeypoints: 17 });
      return { keypoints, side };
    });
    for (let d = 0; d < DETECTIONS; d++) {
      const { keypoints, side } = persons[d % PERSONS] as { keypoints: number[]; side: number };
      const spread = side * (d < PERSONS ? 0.06 : 0.3);
      detections.push({ imageId: id, score: random.range(0, 1), keypoints: keypoints.map((value, k) => (k % 3 === 2 ? 1 : value + random.range(-spread, spread))) });
    }
  }
  return { truth: { images, annotations }, detections };
}

async function scoreRow(folder: string): Promise<DataRow> {
  const { truth, detections } = scoreCase();
  const [truthFile, resultsFile] = [join(folder, "truth.json"), join(folder, "results.json")];
  await writeFileAtomic(truthFile, JSON.stringify({
    images: truth.images.map(({ id, width, height, fileName }) => ({ id, width, height, file_name: fileName })),
    annotations: truth.annotations.map(({ id, imageId, keypoints, bbox, area, numKeypoints }) => ({ id, image_id: imageId, category_id: 1, keypoints, bbox, area, iscrowd: 0, num_keypoints: numKeypoints })),
    categories: [{ id: 1, name: "person" }],
  }));
  await writeFileAtomic(resultsFile, JSON.stringify(detections.map(({ imageId, keypoints, score }) => ({ image_id: imageId, category_id: 1, keypoints, score }))));
  const started = performance.now();
  const figures = scoreRows(evaluateKeypoints(truth, detections)).map(([, value]) => value);
  const seconds = (performance.now() - started) / 1000;
  const reference = peer("pycocotools", "score", truthFile, resultsFile);
  const wanted = reference?.["figures"];
  const [peerSeconds, error] = [reference?.["seconds"], Array.isArray(wanted) ? Math.max(...wanted.map((value, i) => Math.abs(value - (figures[i] as number)))) : undefined];
  if (error !== undefined && error > 1e-9) throw new Error(`the figures differ from pycocotools' by ${error}`);
  const faster = typeof peerSeconds === "number" ? `${(peerSeconds / seconds).toFixed(1)} times as fast, the same figures to ${error?.toExponential(0)}` : `AP ${figures[0]?.toFixed(4)}`;
  return { name: `COCO AP of ${SCORED_IMAGES} images x ${DETECTIONS} detections`, unit: "s", bound: "a fifth of pycocotools'", value: seconds, peerName: "pycocotools", ...(typeof peerSeconds === "number" ? { peer: peerSeconds } : {}), note: faster };
}

const COCO_PERSONS = 250_000;

/** An annotation file of the size of COCO's train2017: polygons too, which nobody reads. */
async function writeLargeAnnotations(path: string): Promise<void> {
  const random = new Random({ seed: 3, stream: 902 });
  const polygon = Array.from({ length: 84 }, () => random.range(0, 640).toFixed(2)).join(",");
  const encoder = new TextEncoder();
  const images = Array.from({ length: COCO_PERSONS / 4 }, (_, i) => `{"license":3,"file_name":"${String(i).padStart(12, "0")}.jpg","coco_url":"http://images.cocodataset.org/train2017/${String(i).padStart(12, "0")}.jpg","height":480,"width":640,"date_captured":"2013-11-14 17:02:52","id":${i}}`);
  const chunks = [encoder.encode(`{"info":{"description":"as COCO 2017"},"licenses":[],"images":[${images.join(",")}],"annotations":[`)];
  for (let from = 0; from < COCO_PERSONS; from += 5000) {
    const lines = Array.from({ length: 5000 }, (_, k) => {
      const keypoints = Array.from({ length: 17 }, () => `${random.integer(0, 640)},${random.integer(0, 480)},${random.integer(0, 3)}`).join(",");
      return `{"segmentation":[[${polygon}]],"num_keypoints":12,"area":${random.range(100, 90_000).toFixed(4)},"iscrowd":0,"keypoints":[${keypoints}],"image_id":${(from + k) % images.length},"bbox":[${random.range(0, 300).toFixed(2)},${random.range(0, 200).toFixed(2)},120.5,${random.range(20, 220).toFixed(2)}],"category_id":1,"id":${from + k}}`;
    });
    chunks.push(encoder.encode(`${from > 0 ? "," : ""}${lines.join(",")}`));
  }
  chunks.push(encoder.encode('],"categories":[{"id":1,"name":"person"}]}'));
  await writeChunksAtomic(path, chunks);
}

async function annotationRows(folder: string): Promise<DataRow[]> {
  const path = join(folder, "person_keypoints_train2017.json");
  await writeLargeAnnotations(path);
  const { size } = await stat(path);
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, join(HERE, "read_annotations.ts"), path]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  const { seconds, peakBytes, annotations } = JSON.parse(stdout.toString()) as { seconds: number; peakBytes: number; annotations: number };
  const note = `${annotations} persons, ${(size / 1e6).toFixed(0)} MB`;
  return [
    { name: "annotation file of COCO's size, read and made records of", unit: "s", bound: "6", value: seconds, peerName: "", note },
    { name: "the same, most memory of the process", unit: "GB", bound: "1.5", value: peakBytes / 1e9, peerName: "", note },
  ];
}

/** Prints and writes the table. */
export async function runDataBench({ only, out }: { only?: string | undefined; out?: string | undefined }): Promise<void> {
  const gpu = await openDevice();
  const report = await openReport(gpu, { name: "data", out });
  const folder = await mkdtemp(join(tmpdir(), "limber-bench-"));
  const rows: DataRow[] = [];
  try {
    const images = join(folder, "images");
    await mkdir(images);
    const all: [string, () => Promise<DataRow[]>][] = [
      ["images", async () => [await cropRow(gpu, images)]],
      ["score", async () => [await scoreRow(folder)]],
      ["annotations", () => annotationRows(folder)],
    ];
    for (const [, measure] of chosen(all, only, ([name]) => name)) rows.push(...(await measure()));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const show = (value: number | undefined) => (value === undefined ? "" : value.toFixed(value < 100 ? 2 : 0));
  console.log(await renderTable(["", "", "here", "must be", "twin", "", ""], rows.map(({ name, unit, value, bound, peer: twin, peerName, note }) => [name, unit, show(value), bound, show(twin), peerName, note])));
  await report.write({ cores: navigator.hardwareConcurrency, rows });
  console.error(`written  ${report.path}`);
}
