import { expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aicGroundTruth, aicPlace } from "../../src/data/aic.ts";
import { cocoGroundTruth, cocoPlace, personRecords, readCocoGroundTruth } from "../../src/data/coco.ts";
import { crowdPosePlace, readCrowdPoseGroundTruth, unswapSizes } from "../../src/data/crowdpose.ts";
import { detectionRecords, personDetections } from "../../src/data/detections.ts";
import { lspRecords } from "../../src/data/lsp.ts";
import { encodeMat, writeMat } from "../../src/data/mat.ts";
import { lspetMpiiRecords, mpiiPersons, mpiiPlace, mpiiRecords, readPckTruth } from "../../src/data/mpii.ts";
import { readLspPersons } from "../../src/data/lsp.ts";
import { AIC14, COCO_JOINTS, CROWDPOSE14, gatherJoints, jointMap, LSP14, MPII16 } from "../../src/pose/joint_sets.ts";
import { COCO17, UNION24 } from "../../src/pose/skeleton.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const triples = (joints: number, flag: (k: number) => number) => Array.from({ length: joints }, (_, k) => [10 + k, 20 + 2 * k, flag(k)]).flat();

test("joint sets are consistent: names once, mirror pairs of left and right, limbs inside, one deviation per joint", () => {
  for (const set of [COCO_JOINTS, MPII16, AIC14, CROWDPOSE14, LSP14]) {
    const count = set.jointNames.length;
    expect(new Set(set.jointNames).size).toBe(count);
    expect(set.sigmas).toHaveLength(count);
    const opposite = (name: string) => (name.startsWith("left") ? name.replace("left", "right") : name.replace("right", "left"));
    for (const [a, b] of set.flipPairs) expect(set.jointNames[b]).toBe(opposite(set.jointNames[a] ?? ""));
    const sided = set.jointNames.filter((name) => /left|right/.test(name));
    expect(set.flipPairs.length).toBe(sided.length / 2);
    for (const joint of [...set.limbs.flat(), ...set.upperBody]) expect(joint).toBeLessThan(count);
  }
});

test("the maps into the union skeleton keep names and mirror pairs; a pair without a map is refused", () => {
  for (const set of [COCO_JOINTS, MPII16, AIC14]) {
    const map = jointMap(set, UNION24);
    expect(new Set(map).size).toBe(set.jointNames.length);
    map.forEach((joint, i) => {
      const name = set.jointNames[i] ?? "";
      expect(UNION24.jointNames[joint]).toBe(name === "pelvis" ? "root" : name);
    });
    for (const [a, b] of set.flipPairs) {
      const mirrored = [map[a] as number, map[b] as number].sort((x, y) => x - y);
      expect(UNION24.flipPairs).toContainEqual(mirrored as [number, number]);
    }
  }
  jointMap(LSP14, MPII16).forEach((joint, i) => expect(MPII16.jointNames[joint]?.replace("upper_", "")).toBe(LSP14.jointNames[i] as string));
  expect(() => jointMap(CROWDPOSE14, UNION24)).toThrow("crowdpose have no places among the 24");
  const values = Float64Array.from({ length: 72 }, (_, i) => i);
  expect([...gatherJoints(values, { network: UNION24, set: MPII16 }).subarray(0, 6)]).toEqual([9, 10, 11, 6, 7, 8]);
  expect([...gatherJoints(values, { network: UNION24, set: AIC14, perJoint: 2 }).subarray(0, 4)]).toEqual([34, 35, 36, 37]);
});

const mpiiPerson = { image: "a.jpg", center: [594, 257], scale: 3.0, joints: Array.from({ length: 16 }, (_, j) => [100 + j, 200 + j]), joints_vis: Array.from({ length: 16 }, (_, j) => j % 2) };

test("MPII: the crop moves down by 15 scale and grows by 1.25 before all coordinates become 0-based", () => {
  const persons = mpiiPersons([mpiiPerson, { ...mpiiPerson, center: [-1, -1] }, { image: "t.jpg", center: [5, 6], scale: 1 }], "a.json");
  const [record, without, hidden] = mpiiRecords(persons, { images: "images", skeleton: MPII16 });
  expect(record).toMatchObject({ imagePath: join("images", "a.jpg"), imageSize: undefined, center: [593, 257 + 45 - 1], scale: [3.75, 3.75], score: 1, annotationId: 0, box: [593 - 375, 301 - 375, 750, 750] });
  expect([...(record?.joints.subarray(0, 4) ?? [])]).toEqual([99, 199, 100, 200]);
  expect([...(record?.visible ?? [])]).toEqual(mpiiPerson.joints_vis);
  expect(without).toMatchObject({ center: [-2, -2], scale: [3, 3] });
  expect(hidden?.visible.includes(1)).toBe(false);
  expect(mpiiRecords(persons, { images: "", skeleton: MPII16, skipInvisible: true }).map(({ annotationId }) => annotationId)).toEqual([0, 1]);
  const union = mpiiRecords(persons, { images: "", skeleton: UNION24 })[0];
  // Right knee of MPII (1) is joint 2 of the union, and joints that MPII lacks are not visible.
  expect([union?.joints[4], union?.joints[5], union?.visible[2], union?.visible[7]]).toEqual([100, 200, 1, 0]);
});

test("AI Challenger's own form: flags 1, 2, 3 become 2, 1, 0, boxes are not clipped, names lead to files", () => {
  const keypoints = triples(14, (k) => 1 + (k % 3));
  const parsed = [{ image_id: "00ff", human_annotations: { human1: [-10, 5, 50, 100] }, keypoint_annotations: { human1: keypoints } }];
  const truth = aicGroundTruth(parsed, "a.json");
  expect(truth.images).toEqual([{ id: 1, width: 0, height: 0, fileName: "00ff.jpg" }]);
  expect(truth.annotations[0]).toMatchObject({ id: 1, bbox: [-10, 5, 60, 95], area: 5700, numKeypoints: 10, keypoints: triples(14, (k) => 2 - (k % 3)) });
  const [record] = personRecords(truth, { place: { annotations: "a.json", images: "i" }, annotated: AIC14, skeleton: AIC14, inputSize: [192, 256], clip: false });
  expect(record).toMatchObject({ imagePath: join("i", "00ff.jpg"), imageSize: undefined, center: [20, 52.5], box: [-10, 5, 60, 95] });
  expect([...(record?.visible ?? [])]).toEqual(Array.from({ length: 14 }, (_, k) => (k % 3 < 2 ? 1 : 0)));
});

const crowdImage = { id: 7, width: 100, height: 200, file_name: "7.jpg", crowdIndex: 0.4 };
const crowdPerson = { id: 3, image_id: 7, category_id: 1, keypoints: triples(14, () => 2), num_keypoints: 14, bbox: [10, 10, 40, 75], iscrowd: 0 };

test("CrowdPose: areas are 0.53 of the box, and sizes swapped in the file are those of the image", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "c.json");
    await writeFile(file, JSON.stringify({ images: [crowdImage, { ...crowdImage, id: 8, file_name: "8.jpg" }], annotations: [crowdPerson, { ...crowdPerson, id: 4, bbox: [120, 10, 40, 75] }] }));
    const truth = await readCrowdPoseGroundTruth(file);
    expect(truth.annotations[0]?.area).toBeCloseTo(0.53 * 40 * 75, 12);
    expect(truth.images[0]?.crowdIndex).toBe(0.4);
    const facts = { place: { annotations: "c.json", images: "i" }, annotated: CROWDPOSE14, skeleton: CROWDPOSE14, inputSize: [192, 256] as const };
    const left: string[] = [];
    expect(personRecords(truth, { ...facts, report: (line) => left.push(line) })).toHaveLength(1);
    expect(left).toEqual(["c.json: annotation 4: its box [120, 10, 40, 75] lies outside image 7 (100x200 px); left out"]);
    const fixed = await unswapSizes(truth, "i", async (path) => (path.endsWith("7.jpg") ? [200, 100] : undefined));
    expect(fixed.images.map(({ width, height }) => [width, height])).toEqual([[200, 100], [100, 200]]);
    expect(personRecords(fixed, facts)).toHaveLength(2);
    const other = await unswapSizes(truth, "i", async () => [300, 100]);
    expect(other.images[0]?.width).toBe(100);
    await writeFile(join(folder, "7.jpg"), "no image"); // the loader stops for it, or passes over it
    expect((await unswapSizes(truth, folder)).images).toEqual([...truth.images]);
  });
});

test("LSP Extended: the box is the extent of the visible joints; positions and flags come from the 14 x 3 x n array", async () => {
  await inFolder(async (folder) => {
    const data = new Float64Array(14 * 3 * 3);
    const put = (n: number, joint: number, values: readonly number[]) => values.forEach((value, k) => (data[joint + 14 * (k + 3 * n)] = value));
    put(0, 0, [10, 20, 1]);
    put(0, 13, [50, 100, 1]);
    put(0, 5, [500, 500, 0]);
    put(2, 3, [5, 5, 1]); // one joint alone has no extent
    const file = join(folder, "joints.mat");
    await writeMat(file, { joints: { shape: [14, 3, 3], data } });
    const persons = await readLspPersons(file);
    const records = lspRecords(persons, { images: "i", skeleton: LSP14, inputSize: [192, 256] });
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ imageId: 1, imagePath: join("i", "im00001.jpg"), box: [10, 20, 40, 80], center: [30, 60] });
    expect(records[0]?.scale[1]).toBeCloseTo((80 / 200) * 1.25, 12);
    const mpii = lspRecords(persons, { images: "i", skeleton: MPII16, inputSize: [192, 256] })[0];
    expect([mpii?.joints[18], mpii?.joints[19], mpii?.visible[9]]).toEqual([50, 100, 1]);
    put(1, 2, [Number.NaN, 0, 1]);
    await writeFile(file, encodeMat({ joints: { shape: [14, 3, 3], data } }));
    await expect(readLspPersons(file)).rejects.toThrow("image 2, joint right_hip");
    await writeFile(file, encodeMat({ joints: { shape: [3, 14, 3], data } }));
    await expect(readLspPersons(file)).rejects.toThrow("found [3, 14, 3]");
  });
});

test("detections: category 1 above the threshold, boxes as they are, joints zero and visible", () => {
  const file = [
    { image_id: 7, category_id: 1, bbox: [-5, 10, 40, 80], score: 0.9 },
    { image_id: 7, category_id: 2, bbox: [0, 0, 9, 9], score: 0.9 },
    { image_id: 7, category_id: 1, bbox: [0, 0, 9, 9], score: 0.05 },
    { image_id: 7, category_id: 1, bbox: [0, 0, 9, 9], score: 0.1 },
  ];
  const detections = personDetections(file, "d.json", 0.1);
  expect(detections.map(({ index }) => index)).toEqual([0, 3]);
  expect(personDetections(file, "d.json")).toHaveLength(3);
  const truth = { images: [{ id: 7, width: 100, height: 200, fileName: "7.jpg" }], annotations: [] };
  const facts = { file: "d.json", truth, images: "i", skeleton: COCO17, inputSize: [192, 256] as const };
  const [record] = detectionRecords(detections, facts);
  expect(record).toMatchObject({ imageId: 7, annotationId: 0, imageSize: [100, 200], box: [-5, 10, 40, 80], center: [15, 50], score: 0.9, imagePath: join("i", "7.jpg") });
  expect(record?.visible.every((flag) => flag === 1) && record.joints.every((value) => value === 0)).toBe(true);
  expect(() => detectionRecords(detections, { ...facts, truth: { images: [], annotations: [] } })).toThrow("detection 0: image_id 7 is not among the 0 images");
  expect(() => personDetections([{ image_id: 7 }], "d.json")).toThrow("detection 0 (image 7): category_id is missing");
});

test("ground truth of PCKh: MATLAB's order turned round, torso boxes taken where there are any", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "gt_valid.mat");
    await writeMat(file, { pos_gt_src: { shape: [2, 2, 3], data: Array.from({ length: 12 }, (_, i) => i) } });
    await expect(readPckTruth(file)).rejects.toThrow("variable dataset_joints: expected a cell array of text, found none");
  });
});

test("folders of the source systems and of MMPose, and both names of the validation set", async () => {
  await inFolder(async (root) => {
    expect(mpiiPlace(root, "valid")).toEqual({ annotations: join(root, "mpii/annot/valid.json"), images: join(root, "mpii/images"), truth: join(root, "mpii/annot/gt_valid.mat") });
    expect(aicPlace(root, "val")).toEqual({ annotations: join(root, "ai_challenger/validation/keypoint_validation_annotation.json"), images: join(root, "ai_challenger/validation/images") });
    expect(crowdPosePlace(root, "test")).toEqual({ annotations: join(root, "crowdpose/json/crowdpose_test.json"), images: join(root, "crowdpose/images") });
    await mkdir(join(root, "mpii/annot"), { recursive: true });
    await mkdir(join(root, "lsp/annot"), { recursive: true });
    await mkdir(join(root, "crowd_pose/annotations"), { recursive: true });
    await mkdir(join(root, "aic/annotations"), { recursive: true });
    await mkdir(join(root, "coco/annotations"), { recursive: true });
    for (const name of ["mpii/annot/validation.json", "aic/annotations/aic_val.json", "crowd_pose/annotations/mmpose_crowdpose_test.json", "coco/annotations/image_info_test-dev2017.json"]) await writeFile(join(root, name), "[]");
    expect(mpiiPlace(root, "valid").annotations).toBe(join(root, "mpii/annot/validation.json"));
    expect(aicPlace(root, "validation")).toEqual({ annotations: join(root, "aic/annotations/aic_val.json"), images: join(root, "aic/images") });
    expect(crowdPosePlace(root, "test").annotations).toBe(join(root, "crowd_pose/annotations/mmpose_crowdpose_test.json"));
    expect(cocoPlace(root, "test-dev2017")).toEqual({ annotations: join(root, "coco/annotations/image_info_test-dev2017.json"), images: join(root, "coco/images/test2017") });
    await writeFile(join(root, "mpii/annot/trainval.json"), JSON.stringify([mpiiPerson, { ...mpiiPerson, joints_vis: mpiiPerson.joints_vis.map(() => 0) }]));
    await writeFile(join(root, "lsp/annot/train.json"), JSON.stringify([{ ...mpiiPerson, image: "im0001.jpg" }]));
    const both = await lspetMpiiRecords(root, { skeleton: MPII16 });
    expect(both.map(({ annotationId, imagePath }) => [annotationId, imagePath])).toEqual([[0, join(root, "mpii/images/a.jpg")], [1, join(root, "lsp/images/im0001.jpg")]]);
  });
});

test("test sets list images only", async () => {
  await inFolder(async (root) => {
    const file = join(root, "image_info_test-dev2017.json");
    await writeFile(file, JSON.stringify({ images: [{ id: 1, width: 5, height: 6, file_name: "1.jpg" }] }));
    expect(await readCocoGroundTruth(file, { annotated: false })).toEqual({ images: [{ id: 1, width: 5, height: 6, fileName: "1.jpg" }], annotations: [] });
    await expect(readCocoGroundTruth(file)).rejects.toThrow('a list "annotations"');
    expect(cocoGroundTruth({ images: [], annotations: [] }, file).annotations).toEqual([]);
  });
});
