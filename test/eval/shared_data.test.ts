import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readAicGroundTruth } from "../../src/data/aic.ts";
import { type CocoPlace, type PersonRecord, personRecords, readCocoGroundTruth } from "../../src/data/coco.ts";
import type { CocoGroundTruth } from "../../src/data/coco_types.ts";
import { readCrowdPoseGroundTruth, unswapSizes } from "../../src/data/crowdpose.ts";
import { detectionRecords, readDetections } from "../../src/data/detections.ts";
import { decodeImage, readImageSize } from "../../src/data/image.ts";
import { lspRecords, readLspPersons } from "../../src/data/lsp.ts";
import { mpiiRecords, readMpiiPersons } from "../../src/data/mpii.ts";
import { IDENTITY_GEOMETRY, prepareSample } from "../../src/data/sample.ts";
import { evaluateAic } from "../../src/eval/aic_eval.ts";
import { evaluateKeypoints, type KeypointDetection } from "../../src/eval/coco_eval.ts";
import { evaluateCrowdPose } from "../../src/eval/crowdpose_eval.ts";
import { boxDiagonals, pckTruthOf, scoreMpii, scorePck } from "../../src/eval/pck.ts";
import { AIC14, COCO_JOINTS, CROWDPOSE14, type JointSet, LSP14, MPII16 } from "../../src/pose/joint_sets.ts";
import type { Size } from "../../src/pose/types.ts";

const SHARED = join(import.meta.dir, "../../../shared/data");
const there = (folder: string) => existsSync(join(SHARED, folder));
const inputSize: Size = [192, 256];

const perfect = (truth: CocoGroundTruth, shift = 0): KeypointDetection[] =>
  truth.annotations
    .filter(({ iscrowd, numKeypoints }) => !iscrowd && numKeypoints > 0)
    .map(({ imageId, keypoints }) => ({ imageId, keypoints: keypoints.map((value, i) => (i % 3 === 0 ? value + shift : value)), score: 1 }));

/** Every record's image decodes, and its visible joints come out inside the crop that is made of it. */
async function expectCrops(records: readonly PersonRecord[], set: JointSet): Promise<void> {
  expect(records.length).toBeGreaterThan(0);
  let [inside, all] = [0, 0];
  for (const record of records) {
    const image = await decodeImage(record.imagePath);
    if (record.imageSize) expect(record.imageSize).toEqual([image.width, image.height]);
    const sample = prepareSample(record, { image, geometry: IDENTITY_GEOMETRY, skeleton: set, inputSize });
    sample.visible.forEach((flag, j) => {
      if (flag === 0) return;
      const [x = 0, y = 0] = sample.joints.subarray(2 * j);
      all++;
      if (x >= 0 && y >= 0 && x < inputSize[0] && y < inputSize[1]) inside++;
    });
  }
  expect(inside / all).toBeGreaterThan(0.95);
}

test.skipIf(!there("coco_sample"))("shared/data: COCO is read, cropped, and ground truth scores 1; detections lie on its images", async () => {
  const folder = join(SHARED, "coco_sample");
  const place: CocoPlace = { annotations: join(folder, "test_coco.json"), images: folder };
  const truth = await readCocoGroundTruth(place.annotations);
  await expectCrops(personRecords(truth, { place, skeleton: COCO_JOINTS, inputSize }), COCO_JOINTS);
  const scores = evaluateKeypoints(truth, perfect(truth));
  expect([scores.ap, scores.ar]).toEqual([1, 1]);
  expect(evaluateKeypoints(truth, perfect(truth, 5)).ap).toBeLessThan(0.9);
  expect(evaluateKeypoints(truth, perfect(truth, 1000)).ap).toBe(0);
  const file = join(folder, "test_coco_det_AP_H_56.json");
  const records = detectionRecords(await readDetections(file), { file, truth, images: folder, skeleton: COCO_JOINTS, inputSize });
  expect(records).toHaveLength(118);
  expect(await readDetections(file, 0.9)).toHaveLength(records.filter(({ score }) => score >= 0.9).length);
});

test.skipIf(!there("crowdpose_sample"))("shared/data: CrowdPose is read, cropped, and ground truth scores 1", async () => {
  const folder = join(SHARED, "crowdpose_sample");
  const place: CocoPlace = { annotations: join(folder, "test_crowdpose.json"), images: folder };
  const truth = await readCrowdPoseGroundTruth(place.annotations);
  expect((await unswapSizes(truth, folder)).images).toEqual([...truth.images]);
  const swapped = { ...truth, images: truth.images.map((image) => ({ ...image, width: image.height, height: image.width })) };
  expect((await unswapSizes(swapped, folder)).images).toEqual([...truth.images]);
  await expectCrops(personRecords(truth, { place, annotated: CROWDPOSE14, skeleton: CROWDPOSE14, inputSize }), CROWDPOSE14);
  const scores = evaluateCrowdPose(truth, perfect(truth));
  expect(scores.ap).toBeCloseTo(1, 12);
  expect([scores.apEasy, scores.apMedium, scores.apHard]).toEqual([-1, 1, -1]); // both images have indices between 0.2 and 0.8
  expect(evaluateCrowdPose(truth, perfect(truth, 1000)).ap).toBe(0);
  const file = join(folder, "test_crowdpose_det_AP_40.json");
  expect(detectionRecords(await readDetections(file), { file, truth, images: folder, skeleton: CROWDPOSE14, inputSize })).toHaveLength(6);
});

test.skipIf(!there("aic_sample"))("shared/data: AI Challenger is read, cropped, and ground truth scores 1", async () => {
  const folder = join(SHARED, "aic_sample");
  const place: CocoPlace = { annotations: join(folder, "test_aic.json"), images: folder };
  const truth = await readAicGroundTruth(place.annotations);
  expect(truth.annotations).toHaveLength(9);
  await expectCrops(personRecords(truth, { place, annotated: AIC14, skeleton: AIC14, inputSize, clip: false }), AIC14);
  expect(evaluateAic(truth, perfect(truth)).score).toBe(1);
  expect(evaluateKeypoints(truth, perfect(truth), { sigmas: AIC14.sigmas }).ap).toBe(1);
  expect(evaluateAic(truth, perfect(truth, 1000)).score).toBe(0);
});

test.skipIf(!there("mpii_sample"))("shared/data: MPII is read, cropped, and ground truth has a PCKh of 100", async () => {
  const folder = join(SHARED, "mpii_sample");
  const persons = await readMpiiPersons(join(folder, "test_mpii.json"));
  const records = mpiiRecords(persons, { images: folder, skeleton: MPII16 });
  expect(records).toHaveLength(5);
  await expectCrops(records, MPII16);
  const truth = pckTruthOf(records, { network: MPII16, joints: MPII16, segment: ["upper_neck", "head_top"] });
  expect(scoreMpii(truth, truth.positions).mean).toBe(100);
  // Half of 0.6 of a head: just right, and just wrong.
  const moved = (share: number) => truth.positions.map((value, i) => (i % 2 === 0 ? value + share * (boxDiagonals(truth)[Math.floor(i / 32)] as number) : value));
  expect(scoreMpii(truth, moved(0.2999)).mean).toBe(100);
  expect(scoreMpii(truth, moved(0.3001)).mean).toBe(0);
});

test.skipIf(!there("lspet"))("shared/data: LSP Extended is read, cropped, and ground truth has a PCK of 100", async () => {
  const folder = join(SHARED, "lspet");
  const persons = await readLspPersons(join(folder, "joints.mat"));
  expect(persons).toHaveLength(10_000);
  const records = lspRecords(persons, { images: join(folder, "images"), skeleton: LSP14, inputSize }).slice(0, 2000);
  await expectCrops(records.slice(0, 40), LSP14);
  const truth = pckTruthOf(records, { network: LSP14, joints: LSP14, segment: ["left_shoulder", "right_hip"] });
  const lengths = boxDiagonals(truth).map((length) => Math.max(length, 1));
  expect(scorePck(truth, truth.positions, { lengths, threshold: 0.2 }).mean).toBe(100);
  expect(scorePck(truth, truth.positions.map((value) => value + 1e4), { lengths, threshold: 0.2 }).mean).toBe(0);
  expect(await readImageSize(records[0]?.imagePath ?? "")).toHaveLength(2);
});
