import { expect, test } from "bun:test";
import { oksNms, rescore } from "../../src/eval/nms.ts";
import { detectionOks } from "../../src/pose/oks.ts";
import { COCO_SIGMAS } from "../../src/pose/skeleton.ts";

const person = (shift: number, score: number) => ({
  keypoints: Array.from({ length: 17 }, (_, i) => [3 * i + shift, 5 * i, 1]).flat(),
  area: 40000,
  score,
});

test("the published similarities of shifted copies", () => {
  const [a, b, c] = [person(0, 1), person(2, 1), person(40, 1)];
  expect(detectionOks(a, b, COCO_SIGMAS)).toBeCloseTo(0.9939896, 6);
  expect(detectionOks(a, c, COCO_SIGMAS)).toBeCloseTo(0.3311144, 6);
  expect(detectionOks(b, c, COCO_SIGMAS)).toBeCloseTo(0.3565357, 6);
});

test("suppression keeps the best of near-duplicates; of equal scores the later one leads, as in NumPy", () => {
  expect(oksNms([person(0, 0.5), person(2, 0.9), person(40, 0.1)], 0.9)).toEqual([1, 2]);
  expect(oksNms([person(0, 0.5), person(2, 0.5)], 0.9)).toEqual([1]);
  expect(oksNms([], 0.9)).toEqual([]);
});

test("a person's score is the mean of joints above the threshold, times the box's", () => {
  expect(rescore([0, 0, 0.1, 0, 0, 0.5, 0, 0, 0.9], { boxScore: 0.5, threshold: 0.2 })).toBeCloseTo(0.35, 12);
  expect(rescore([0, 0, 0.1], { boxScore: 1, threshold: 0.2 })).toBe(0);
});
