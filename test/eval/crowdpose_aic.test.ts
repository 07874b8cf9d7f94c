import { expect, test } from "bun:test";
import type { CocoGroundTruth } from "../../src/data/coco_types.ts";
import { aicOks, evaluateAic } from "../../src/eval/aic_eval.ts";
import type { KeypointDetection } from "../../src/eval/coco_eval.ts";
import { crowdPoseRows, evaluateCrowdPose } from "../../src/eval/crowdpose_eval.ts";
import { softOksNms } from "../../src/eval/nms.ts";

const grid = (x: number, y: number, flag = 2) => Array.from({ length: 14 }, (_, i) => [x + 10 * (i % 4), y + 20 * Math.floor(i / 4), flag]).flat();
const crowd: CocoGroundTruth = {
  images: [0.1, 0.5, 0.85].map((crowdIndex, i) => ({ id: i + 1, width: 640, height: 480, fileName: `${i + 1}.jpg`, crowdIndex })),
  annotations: [1, 2, 3].map((id) => ({ id, imageId: id, keypoints: grid(100, 100), bbox: [95, 95, 40, 75], area: 0.53 * 40 * 75, iscrowd: false, numKeypoints: 14 })),
};
const moved: KeypointDetection[] = [1, 4, 6].map((px, i) => ({ imageId: i + 1, keypoints: grid(100 + px, 100), score: 0.9 - 0.1 * i }));

test("the worked example of CrowdPose, overall and by crowdedness", () => {
  const scores = evaluateCrowdPose(crowd, moved);
  const expected = { ap: 0.666337, ap50: 1, ap75: 0.663366, ar: 0.666667, apEasy: 1, apMedium: 0.7, apHard: 0.3 };
  for (const [name, value] of Object.entries(expected)) expect(scores[name as keyof typeof expected], name).toBeCloseTo(value, 5);
  expect(crowdPoseRows(scores)).toHaveLength(9);
});

test("CrowdPose: ground truth scores 1, a split without persons -1", () => {
  const perfect = crowd.annotations.map(({ imageId, keypoints }) => ({ imageId, keypoints, score: 1 }));
  const scores = evaluateCrowdPose(crowd, perfect);
  expect([scores.ap, scores.ar, scores.apEasy, scores.apMedium, scores.apHard]).toEqual([1, 1, 1, 1, 1]);
  const easyOnly = { images: crowd.images, annotations: crowd.annotations.slice(0, 1) };
  const easy = evaluateCrowdPose(easyOnly, perfect.slice(0, 1));
  expect(easy.ap).toBeCloseTo(1, 12);
  expect([easy.apEasy, easy.apMedium, easy.apHard]).toEqual([1, -1, -1]);
});

test("AI Challenger: OKS over visible joints alone, every person its best detection, the larger number per image", () => {
  const keypoints = grid(100, 100).map((value, i) => (i === 5 ? 1 : i === 8 ? 0 : value));
  const person = { keypoints, area: 10_000 };
  const far = keypoints.map((value, i) => (i >= 3 && i < 9 ? value + 1000 : value));
  expect(aicOks(far, person)).toBe(1); // joints 1 and 2 are occluded and unlabelled
  const shifted = keypoints.map((value, i) => (i === 0 ? value + 4 : value));
  expect(aicOks(shifted, person)).toBeCloseTo((11 + Math.exp(-16 / (2 * (2 * 0.01388152) ** 2 * 10_001))) / 12, 12);
  expect(aicOks(keypoints, { keypoints: grid(0, 0, 0), area: 5 })).toBe(0);
  const truth: CocoGroundTruth = {
    images: [1, 2].map((id) => ({ id, width: 0, height: 0, fileName: `${id}.jpg` })),
    annotations: [1, 2].map((id) => ({ id, imageId: 1, keypoints, bbox: [0, 0, 100, 100] as const, area: 10_000, iscrowd: false, numKeypoints: 13 })),
  };
  const one = { imageId: 1, keypoints, score: 1 };
  expect(evaluateAic(truth, [one]).score).toBe(1); // both persons take the one detection
  expect(evaluateAic(truth, [one, one, one]).score).toBeCloseTo(2 / 3, 12);
  expect(evaluateAic(truth, [one, one, { imageId: 2, keypoints, score: 1 }]).score).toBeCloseTo(2 / 3, 12);
  expect(evaluateAic(truth, []).score).toBe(0);
});

test("soft suppression keeps all up to twenty, near-duplicates of the best last", () => {
  const person = (shift: number, score: number) => ({ keypoints: Array.from({ length: 17 }, (_, i) => [3 * i + shift, 5 * i, 1]).flat(), area: 40000, score });
  // The factor for an OKS of 0.994 at 0.9 is 0.3336: 0.8 becomes 0.267, below the far one's 0.4 * 0.885.
  expect(softOksNms([person(0, 0.9), person(2, 0.8), person(40, 0.4)], 0.9)).toEqual([0, 2, 1]);
  expect(softOksNms([person(0, 0.9), person(2, 0.8), person(40, 0.2)], 0.9)).toEqual([0, 1, 2]);
  expect(softOksNms(Array.from({ length: 30 }, (_, i) => person(1000 * i, i)), 0.9)).toEqual(Array.from({ length: 20 }, (_, i) => 29 - i));
});
