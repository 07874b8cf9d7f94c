import { expect, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cocoGroundTruth, cocoPlace, cocoSetName, personRecords } from "../../src/data/coco.ts";
import type { CocoAnnotation, CocoGroundTruth } from "../../src/data/coco_types.ts";
import { COCO17, UNION24 } from "../../src/pose/skeleton.ts";

const place = { annotations: "a.json", images: "images" };
const keypoints = Array.from({ length: 17 }, (_, k) => [10 + k, 20 + k, k % 3]).flat();

const person = (id: number, facts: Partial<CocoAnnotation> = {}): CocoAnnotation => ({
  id, imageId: 7, keypoints, bbox: [5, 6, 41, 81], area: 100, iscrowd: false, numKeypoints: 11, ...facts,
});

const truthOf = (annotations: CocoAnnotation[]): CocoGroundTruth => ({
  images: [{ id: 9, width: 200, height: 100, fileName: "000000000009.jpg" }, { id: 7, width: 64, height: 128, fileName: "train2017/000000000007.jpg" }],
  annotations,
});

test("records keep the persons that HRNet keeps, in the order of the image list", () => {
  const truth = truthOf([
    person(1),
    person(2, { iscrowd: true }),
    person(3, { area: 0 }),
    person(4, { keypoints: keypoints.map(() => 0) }),
    person(5, { bbox: [64, 5, 10, 10] }),
    person(6, { bbox: [8, 8, 1, 1] }),
    person(7, { imageId: 9 }),
    person(8, { bbox: [8, 8, 1, 30] }),
  ]);
  const records = personRecords(truth, { place, skeleton: COCO17, inputSize: [48, 64] });
  expect(records.map(({ annotationId }) => annotationId)).toEqual([7, 1, 8]);
  const record = records[1];
  expect(record).toMatchObject({ imageId: 7, imageSize: [64, 128], imagePath: join("images", "000000000007.jpg"), box: [5, 6, 41, 81], center: [25, 46], score: 1 });
  expect(record?.scale[0]).toBeCloseTo((60 / 200) * 1.25, 12);
  expect(record?.scale[1]).toBeCloseTo((80 / 200) * 1.25, 12);
});

test("labelled joints count whether visible or occluded; joints that COCO lacks have weight zero", () => {
  const [coco] = personRecords(truthOf([person(1)]), { place, skeleton: COCO17, inputSize: [48, 64] });
  expect([...(coco?.visible ?? [])]).toEqual(Array.from({ length: 17 }, (_, k) => (k % 3 > 0 ? 1 : 0)));
  const [union] = personRecords(truthOf([person(1)]), { place, skeleton: UNION24, inputSize: [48, 64] });
  // multiaugs §1.3, union index to COCO index.
  const table: Record<number, number> = { 1: 12, 2: 14, 3: 16, 4: 11, 5: 13, 6: 15, 11: 0, 14: 5, 15: 7, 16: 9, 17: 6, 18: 8, 19: 10, 20: 2, 21: 1, 22: 4, 23: 3 };
  for (let joint = 0; joint < 24; joint++) {
    const k = table[joint];
    expect(union?.visible[joint]).toBe(k !== undefined && k % 3 > 0 ? 1 : 0);
    expect([union?.joints[2 * joint], union?.joints[2 * joint + 1]]).toEqual(k === undefined ? [0, 0] : [10 + k, 20 + k]);
  }
});

test("a data root is the folder above coco or the coco folder itself, images with or without an images folder", async () => {
  expect([cocoSetName("train"), cocoSetName("val"), cocoSetName("validation"), cocoSetName("unlabeled2017")]).toEqual(["train2017", "val2017", "val2017", "unlabeled2017"]);
  const root = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    // Nothing there: the names that the message about a missing data set shows.
    expect(cocoPlace(root, "val")).toEqual({ annotations: join(root, "coco/annotations/person_keypoints_val2017.json"), images: join(root, "coco/images/val2017") });
    await mkdir(join(root, "annotations"));
    await mkdir(join(root, "train2017"));
    expect(cocoPlace(root, "train")).toEqual({ annotations: join(root, "annotations/person_keypoints_train2017.json"), images: join(root, "train2017") });
    await mkdir(join(root, "images/train2017"), { recursive: true });
    expect(cocoPlace(root, "train").images).toBe(join(root, "images/train2017"));
    await mkdir(join(root, "coco/annotations"), { recursive: true });
    expect(cocoPlace(root, "train").annotations).toBe(join(root, "coco/annotations/person_keypoints_train2017.json"));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test("an annotation file of COCO's size would be read in seconds: 20 000 persons in well under one", async () => {
  const entry = (id: number) => ({ id, image_id: 1, category_id: 1, keypoints, bbox: [1, 2, 30, 40], area: 900, num_keypoints: 11, iscrowd: 0, segmentation: [[1, 2, 3, 4]] });
  const parsed: unknown = { images: [{ id: 1, width: 64, height: 64, file_name: "1.jpg" }], annotations: Array.from({ length: 20_000 }, (_, i) => entry(i + 1)) };
  const started = performance.now();
  expect(cocoGroundTruth(parsed, "a.json").annotations).toHaveLength(20_000);
  expect(performance.now() - started).toBeLessThan(1000);
});

test("what passes without the schema is what the schema gives", () => {
  const image = { id: 7, width: 64, height: 64, file_name: "7.jpg" };
  const entry = { id: 1, image_id: 7, keypoints, bbox: [1, 2, 30, 40] };
  const read = (annotation: object) => cocoGroundTruth({ images: [image], annotations: [annotation] }, "a.json").annotations;
  expect(read(entry)).toEqual([{ id: 1, imageId: 7, keypoints, bbox: [1, 2, 30, 40], area: 1200, iscrowd: false, numKeypoints: keypoints.filter((flag, k) => k % 3 === 2 && flag > 0).length }]);
  expect(read({ ...entry, category_id: 2 })).toEqual([]);
  expect(read({ ...entry, iscrowd: true })[0]?.iscrowd).toBe(true);
  expect(() => read({ ...entry, area: -1 })).toThrow("annotation 1: area");
  expect(() => read({ ...entry, category_id: "1" })).toThrow("annotation 1: category_id");
});
