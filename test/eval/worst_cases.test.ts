import { expect, test } from "bun:test";
import type { PersonRecord } from "../../src/data/coco.ts";
import type { Dataset } from "../../src/data/datasets.ts";
import { worstCases } from "../../src/eval/worst_cases.ts";
import { COCO_JOINTS, MPII16 } from "../../src/pose/joint_sets.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";

const keypoints = (count: number, id: number, px = 0) => Array.from({ length: count }, (_, j) => [10 * j + px, 100 * id + 5 * j, 2]).flat();
const record = (id: number, joints: number): PersonRecord => ({
  imageId: id, annotationId: id, imagePath: `${id}.jpg`, imageSize: [640, 480], center: [0, 0], scale: [1, 1], box: [0, 0, 200, 200], score: 1,
  joints: Float64Array.from(keypoints(joints, id).filter((_, i) => i % 3 !== 2)), visible: new Uint8Array(joints).fill(1),
});
const persons = (count: number, offsets: readonly number[]) => offsets.map((px, i) => ({ imageId: i + 1, keypoints: Float64Array.from(keypoints(count, i + 1, px)), center: [0, 0] as const, scale: [1, 1] as const, boxScore: 1, box: [0, 0, 1, 1] as const }));

test("by the best OKS of the image; persons that nothing was found for are the worst; few labels and crowds do not count", () => {
  const annotation = (id: number, facts = {}) => ({ id, imageId: id, keypoints: keypoints(17, id), bbox: [0, 0, 170, 90] as const, area: 10_000, iscrowd: false, numKeypoints: 17, ...facts });
  const set: Dataset = {
    name: "coco", joints: COCO_JOINTS, file: "", records: [1, 2, 3, 4, 5].map((id) => record(id, 17)),
    truth: { images: [], annotations: [annotation(1), annotation(2), annotation(3), annotation(4, { numKeypoints: 3 }), annotation(5, { iscrowd: true })] },
  };
  const results = [{ imageId: 1, keypoints: keypoints(17, 1, 20), score: 1 }, { imageId: 2, keypoints: keypoints(17, 2, 4), score: 1 }, { imageId: 2, keypoints: keypoints(17, 2, 300), score: 1 }];
  const found = persons(17, [0, 0, 0, 0, 0]);
  const cases = worstCases(set, { persons: found, results, network: COCO17, count: 9 });
  expect(cases.map(({ imagePath, caption }) => [imagePath, caption.slice(0, 5)])).toEqual([["3.jpg", "not f"], ["1.jpg", "OKS 0"], ["2.jpg", "OKS 0"]]);
  expect(cases[0]?.found).toBeUndefined();
  expect(cases[2]?.found).toEqual(keypoints(17, 2, 4));
  expect(worstCases(set, { persons: found, results, network: COCO17, count: 1 })).toHaveLength(1);
  // The third image is corrupt: it cannot be shown.
  expect(worstCases(set, { persons: found.map((person, n) => (n === 2 ? undefined : person)), results, network: COCO17, count: 9 }).map(({ imagePath }) => imagePath)).toEqual(["1.jpg", "2.jpg"]);
});

test("by the mean distance of labelled joints where scores are by PCK; the box is their extent", () => {
  const set: Dataset = { name: "mpii", joints: MPII16, file: "", records: [1, 2].map((id) => record(id, 16)) };
  const cases = worstCases(set, { persons: persons(16, [10, 30]), results: [], network: MPII16, count: 9 });
  expect(cases.map(({ imagePath, caption }) => [imagePath, caption])).toEqual([["2.jpg", "off by 15 % of the box"], ["1.jpg", "off by 5 % of the box"]]);
  expect(cases[1]?.box).toEqual([0, 100, 150, 75]);
});
