import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { PersonRecord } from "../../src/data/coco.ts";
import { DATASET_NAMES, type DatasetFacts, type DatasetName, readDataset } from "../../src/data/datasets.ts";
import { writeMat } from "../../src/data/mat.ts";
import { readPckTruth } from "../../src/data/mpii.ts";
import { decodeImage } from "../../src/data/image.ts";
import { scoreDataset } from "../../src/eval/dataset_score.ts";
import type { PredictedPerson } from "../../src/eval/results.ts";
import { AIC14, COCO_JOINTS, CROWDPOSE14, LSP14, MPII16 } from "../../src/pose/joint_sets.ts";
import { type Skeleton, UNION24 } from "../../src/pose/skeleton.ts";
import { drawOverlay } from "../../src/viz/overlay.ts";

const GOLDEN_TRUTH = join(import.meta.dir, "../golden/readers/gt_valid.mat");
const SHARED = join(import.meta.dir, "../../../shared/data");
const inputSize = [192, 256] as const;
const JOINTS: Record<DatasetName, Skeleton> = { coco: COCO_JOINTS, mpii: MPII16, ai_challenger: AIC14, crowdpose: CROWDPOSE14, lspet: LSP14, lspetmpii: MPII16 };

/** Ground truth as prediction, moved to the right. */
const predicted = (records: readonly PersonRecord[], px = 0): PredictedPerson[] =>
  records.map(({ imageId, joints, visible, center, scale, box }) => ({
    imageId,
    keypoints: Float64Array.from([...visible].flatMap((_, j) => [(joints[2 * j] as number) + px, joints[2 * j + 1] as number, 1])),
    center, scale, box, boxScore: 1,
  }));

const score = async (name: DatasetName, facts: DatasetFacts, px = 0) => {
  const dataset = await readDataset(name, facts);
  return { dataset, ...(await scoreDataset(dataset, predicted(dataset.records, px), { network: facts.skeleton, inVisThreshold: 0.2, oksThreshold: 0.9 })) };
};

async function inRoot(files: Record<string, unknown>, work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), JSON.stringify(content));
    }
    await work(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const cocoFile = (joints: number) => ({
  images: [1, 2].map((id) => ({ id, width: 640, height: 480, file_name: `${id}.jpg`, crowdIndex: 0.5 })),
  annotations: [1, 2, 3].map((id) => ({
    id, image_id: 1 + (id % 2), category_id: 1, bbox: [20 + 150 * id, 30, 100, 200], num_keypoints: joints, iscrowd: 0, area: 12_000,
    keypoints: Array.from({ length: joints }, (_, k) => [30 + 150 * id + 20 * (k % 4), 40 + 15 * k, 2]).flat(),
  })),
});

test("every data set by name: ground truth as prediction is perfect, far off is 0, also through the union skeleton", async () => {
  const truth = await readPckTruth(GOLDEN_TRUTH);
  const person = (n: number) => ({
    image: `${n}.jpg`, center: [150, 160], scale: 1, joints_vis: Array.from({ length: 16 }, (_, j) => 1 - (truth.missing[16 * n + j] as number)),
    joints: Array.from({ length: 16 }, (_, j) => [...truth.positions.subarray(2 * (16 * n + j), 2 * (16 * n + j) + 2)]),
  });
  const files = {
    "coco/annotations/person_keypoints_val2017.json": cocoFile(17),
    "crowdpose/json/crowdpose_val.json": cocoFile(14),
    "aic/annotations/aic_val.json": cocoFile(14),
    "mpii/annot/validation.json": [0, 1].map(person),
    "lsp/annot/val.json": [0, 1].map(person),
  };
  await inRoot(files, async (root) => {
    await copyFile(GOLDEN_TRUTH, join(root, "mpii/annot/gt_validation.mat"));
    await copyFile(GOLDEN_TRUTH, join(root, "lsp/annot/gt_val.mat"));
    await mkdir(join(root, "lspet"));
    const data = Float64Array.from({ length: 14 * 3 }, (_, i) => (i < 14 ? 20 + 7 * i : i < 28 ? 100 - 5 * (i - 14) : 1));
    await writeMat(join(root, "lspet/joints.mat"), { joints: { shape: [14, 3, 1], data } });
    for (const name of DATASET_NAMES) {
      const percent = ["mpii", "lspet", "lspetmpii", "ai_challenger"].includes(name) ? 100 : 1;
      const facts = { root, set: "val", skeleton: JOINTS[name], inputSize };
      const { primary, rows, predictions, dataset } = await score(name, facts);
      expect(primary, name).toBeCloseTo(percent, 9);
      if (percent === 1 || name === "ai_challenger") expect(Object.fromEntries(rows)["AP"], name).toBeCloseTo(1, 9);
      expect(rows.length, name).toBeGreaterThan(8);
      expect(predictions, name).toHaveLength(3 * dataset.joints.jointNames.length * dataset.records.length);
      expect((await score(name, facts, 3000)).primary, name).toBeCloseTo(0, 9);
      if (!["coco", "mpii", "ai_challenger"].includes(name)) continue;
      expect((await score(name, { ...facts, skeleton: UNION24 })).primary, name).toBeCloseTo(percent, 9);
    }
    for (const set of ["1-2", "2-1", "0-1", "1..1"]) {
      await expect(readDataset("lspet", { root, set, skeleton: LSP14, inputSize })).rejects.toThrow(`the set "${set}" is no range of its images, which are 1 to 1`);
    }
    // The truth has two persons: one record less is a mistake, not a score.
    await writeFile(join(root, "mpii/annot/validation.json"), JSON.stringify([person(0)]));
    await expect(score("mpii", { root, set: "val", skeleton: MPII16, inputSize })).rejects.toThrow(`ground truth of 2 persons; ${join(root, "mpii/annot/validation.json")} gives 1`);
    await expect(readDataset("crowdpose", { root, set: "val", skeleton: UNION24, inputSize })).rejects.toThrow("no places among the 24");
  });
});

test("detections replace annotated boxes; a test set without persons needs them, and gives results without a score", async () => {
  const { images } = cocoFile(17);
  await inRoot({ "coco/annotations/image_info_test-dev2017.json": { images }, "boxes.json": [{ image_id: 2, category_id: 1, bbox: [5, 6, 40, 80], score: 0.7 }] }, async (root) => {
    const facts = { root, set: "test-dev2017", skeleton: UNION24, inputSize };
    await expect(readDataset("coco", facts)).rejects.toThrow("test-dev2017 lists images without persons");
    const { dataset, rows, results } = await score("coco", { ...facts, detections: { file: join(root, "boxes.json"), threshold: 0 } });
    expect(dataset.records.map(({ imageId, score: box }) => [imageId, box])).toEqual([[2, 0.7]]);
    expect(dataset.records[0]?.imagePath).toBe(join(root, "coco/images/test2017/2.jpg"));
    expect(rows).toEqual([]);
    expect(results[0]?.keypoints).toHaveLength(51);
    await expect(readDataset("mpii", { ...facts, detections: { file: "", threshold: 0 } })).rejects.toThrow("mpii has no detection files");
  });
});

const SAMPLES = {
  coco: ["coco_sample", "test_coco.json"],
  mpii: ["mpii_sample", "test_mpii.json"],
  ai_challenger: ["aic_sample", "test_aic.json"],
  crowdpose: ["crowdpose_sample", "test_crowdpose.json"],
  lspet: ["lspet", "joints.mat"],
} as const;

/** Figures with all joints 10 px to the right: pycocotools' (of equal scores the later first, as NMS leaves them) and the rules in NumPy. */
const AT_10_PX = { coco: 0.2707197862643407, mpii: 100, ai_challenger: 0.37777777777777777, crowdpose: 0.806930693069307, lspet: 54.717440529814226 };

for (const [name, [folder, file]] of Object.entries(SAMPLES) as [keyof typeof SAMPLES, readonly [string, string]][]) {
  test.skipIf(!existsSync(join(SHARED, folder)))(`shared/data: ${folder} by name, drawn, and scored with its ground truth`, async () => {
    const images = join(SHARED, folder, ...(name === "lspet" ? ["images"] : []));
    const facts = { root: SHARED, set: "val", skeleton: JOINTS[name], inputSize, place: { annotations: join(SHARED, folder, file), images } };
    const figure = async (px: number) => {
      const { rows, primary } = await score(name, facts, px);
      return Object.fromEntries(rows)["AP"] ?? primary;
    };
    expect(await figure(0)).toBeCloseTo(name === "lspet" || name === "mpii" ? 100 : 1, 9);
    expect(await figure(1e4)).toBeCloseTo(0, 9);
    // All joints moved to the right by 10 px: what that costs is known.
    expect(await figure(10)).toBeCloseTo(AT_10_PX[name], 9);
    const { records } = await readDataset(name, facts);
    const [first] = records;
    if (!first) throw new Error("no person");
    const image = await decodeImage(first.imagePath);
    const keypoints = [...first.visible].flatMap((flag, j) => [first.joints[2 * j] as number, first.joints[2 * j + 1] as number, flag]);
    const drawn = await drawOverlay(image, [{ keypoints, box: first.box }], { skeleton: JOINTS[name], minSide: 320 });
    const plain = await drawOverlay(image, [], { skeleton: JOINTS[name], minSide: 320 });
    const kept = process.env["LIMBER_OVERLAYS"]; // a folder to look at them in
    if (kept) await writeFile(join(kept, `${folder}.png`), drawn);
    expect([...drawn.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
    expect(Buffer.compare(drawn, plain)).not.toBe(0);
  }, 30_000);
}
