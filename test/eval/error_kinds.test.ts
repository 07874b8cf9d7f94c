import { expect, test } from "bun:test";
import type { CocoAnnotation, CocoGroundTruth } from "../../src/data/coco_types.ts";
import { breakDownErrors } from "../../src/eval/error_kinds.ts";
import { COCO_JOINTS } from "../../src/pose/joint_sets.ts";

/** Joints far apart: 100 px in x by joint, persons 2000 px in y. Area 1e4: similarity of a wrist 0.85 at 7.1 px, 0.5 at 14.6 px. */
const keypoints = (person: number, flag = 2) => Array.from({ length: 17 }, (_, j) => [100 * j, 2000 * person, flag]).flat();
const person = (id: number, facts: Partial<CocoAnnotation> = {}): CocoAnnotation => ({ id, imageId: 1, keypoints: keypoints(id), bbox: [0, 2000 * id, 1700, 100], area: 1e4, iscrowd: false, numKeypoints: 17, ...facts });
const truth: CocoGroundTruth = {
  images: [{ id: 1, width: 4000, height: 9000, fileName: "1.jpg" }],
  annotations: [person(0), person(1), person(2, { iscrowd: true }), person(3, { keypoints: keypoints(3, 0), numKeypoints: 0 })],
};
const [LEFT_WRIST, RIGHT_WRIST] = [9, 10];

function detectionOf(id: number, changes: Record<number, readonly [number, number]>, score = 1) {
  const points = keypoints(id, 1);
  for (const [joint, [x, y]] of Object.entries(changes)) points.splice(3 * Number(joint), 2, x, y);
  return { imageId: 1, keypoints: points, score };
}

test("each joint is sorted by the place that it is in", () => {
  const detections = [
    detectionOf(0, {
      [LEFT_WRIST]: [100 * RIGHT_WRIST + 3, 0], // inversion
      [RIGHT_WRIST]: [100 * RIGHT_WRIST + 10, 0], // jitter
      7: [700, 2000], // swap: the same joint of the other person
      8: [700, 2003], // swap: its mirrored joint
      0: [5000, 5000], // miss
      1: [2, 0], // at another joint that is not its mirror: miss
      2: [202, 0], // good
    }),
  ];
  const { joints, total, missedPersons, spareDetections } = breakDownErrors(truth, detections, { joints: COCO_JOINTS });
  expect(total).toEqual({ good: 11, jitter: 1, inversion: 1, swap: 2, miss: 2 });
  const kindOf = (joint: number) => Object.entries(joints[joint] ?? {}).filter(([, count]) => count > 0).map(([kind]) => kind);
  expect([LEFT_WRIST, RIGHT_WRIST, 7, 8, 0, 1, 2].map(kindOf)).toEqual([["inversion"], ["jitter"], ["swap"], ["swap"], ["miss"], ["miss"], ["good"]]);
  expect([missedPersons, spareDetections]).toEqual([1, 0]);
});

test("the better score matches first; what matches nothing is spare; nothing found is all missed", () => {
  const twice = [detectionOf(0, {}, 0.5), detectionOf(0, { 0: [60, 0] }, 0.9), detectionOf(1, {}, 0.1)];
  const both = breakDownErrors(truth, twice, { joints: COCO_JOINTS });
  expect(both).toMatchObject({ missedPersons: 0, spareDetections: 1, total: { good: 33, miss: 1 } });
  expect(breakDownErrors(truth, [], { joints: COCO_JOINTS })).toMatchObject({ missedPersons: 2, spareDetections: 0, total: { good: 0, miss: 0 } });
});
