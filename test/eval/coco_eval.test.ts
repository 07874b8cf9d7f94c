import { expect, test } from "bun:test";
import type { CocoAnnotation, CocoGroundTruth } from "../../src/data/coco_types.ts";
import { DataError } from "../../src/error.ts";
import { evaluateKeypoints, type KeypointDetection, keypointSimilarity } from "../../src/eval/coco_eval.ts";

/** 17 joints on a grid, all visible: K(x, y) of the worked example. */
function grid(x: number, y: number): number[] {
  return Array.from({ length: 17 }, (_, i) => [x + 10 * (i % 4), y + 20 * Math.floor(i / 4), 2]).flat();
}

const image = (id: number) => ({ id, width: 640, height: 480, fileName: `${id}.jpg` });
const zeros = Array.from({ length: 51 }, () => 0);
const person = (id: number, imageId: number, facts: Pick<CocoAnnotation, "keypoints" | "bbox" | "area"> & { iscrowd?: boolean }): CocoAnnotation => ({
  id,
  imageId,
  iscrowd: false,
  numKeypoints: facts.keypoints.filter((value, i) => i % 3 === 2 && value > 0).length,
  ...facts,
});
const truth: CocoGroundTruth = {
  images: [image(1), image(2), image(3)],
  annotations: [
    person(1, 1, { keypoints: grid(100, 100), bbox: [95, 95, 45, 95], area: 4000 }),
    person(2, 1, { keypoints: [...grid(300, 100).slice(0, 33), ...zeros.slice(33)], bbox: [290, 90, 120, 200], area: 20000 }),
    person(3, 2, { keypoints: zeros, bbox: [200, 200, 50, 60], area: 2500 }),
    person(4, 2, { keypoints: grid(400, 200), bbox: [395, 195, 45, 95], area: 4000 }),
    person(5, 3, { keypoints: zeros, bbox: [100, 100, 200, 100], area: 15000, iscrowd: true }),
  ],
};
const detection = (imageId: number, x: number, y: number, score: number): KeypointDetection => ({ imageId, keypoints: grid(x, y), score });
const detections = [
  detection(1, 102, 101, 0.9),
  detection(1, 306, 100, 0.8),
  detection(1, 115, 100, 0.4),
  detection(2, 205, 190, 0.7),
  detection(3, 150, 90, 0.6),
  detection(3, 500, 300, 0.5),
];

test("the worked example of the COCO rules, all ten figures", () => {
  const scores = evaluateKeypoints(truth, detections);
  const expected = {
    ap: 0.564356, ap50: 0.663366, ap75: 0.663366, apMedium: 0.454455, apLarge: 0.8,
    ar: 0.566667, ar50: 0.666667, ar75: 0.666667, arMedium: 0.45, arLarge: 0.8,
  };
  for (const [name, value] of Object.entries(expected)) expect(scores[name as keyof typeof expected], name).toBeCloseTo(value, 5);
});

test("the similarities of the worked example", () => {
  const oks = (d: number, g: number) => {
    const annotation = truth.annotations[g] as CocoAnnotation;
    return keypointSimilarity(detections[d] as KeypointDetection, { ...annotation, box: annotation.bbox, labelled: annotation.numKeypoints });
  };
  for (const [d, g, value] of [[0, 0, 0.9304], [1, 1, 0.8643], [2, 0, 0.2463], [3, 2, 1], [4, 4, 1], [5, 4, 0.1591]] as const) {
    expect(oks(d, g)).toBeCloseTo(value, 4);
  }
});

test("ground truth as detections scores 1, and nothing scores 0 or -1", () => {
  const perfect = truth.annotations.filter(({ id }) => id !== 3 && id !== 5).map(({ imageId, keypoints }) => ({ imageId, keypoints, score: 1 }));
  const scores = evaluateKeypoints(truth, perfect);
  expect([scores.ap, scores.ar]).toEqual([1, 1]);
  expect(evaluateKeypoints(truth, []).ap).toBe(0);
  expect(evaluateKeypoints({ images: [image(1)], annotations: [] }, []).ap).toBe(-1);
});

test("more than twenty detections of an image are cut by score, and an unknown image is refused", () => {
  const many = Array.from({ length: 30 }, (_, i) => detection(1, 100, 100, i < 20 ? 0.9 : 0.95)).concat(detection(1, 400, 400, 0.99));
  const scores = evaluateKeypoints(truth, many);
  expect(scores.ar).toBeGreaterThan(0);
  expect(() => evaluateKeypoints(truth, [detection(9, 0, 0, 1)])).toThrow(DataError);
});

test("the order of detections with different scores does not matter", () => {
  expect(evaluateKeypoints(truth, detections.toReversed())).toEqual(evaluateKeypoints(truth, detections));
});
