import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAicGroundTruth } from "../../src/data/aic.ts";
import { readCocoGroundTruth } from "../../src/data/coco.ts";
import { readCrowdPoseGroundTruth } from "../../src/data/crowdpose.ts";
import { readDetections } from "../../src/data/detections.ts";
import { readMpiiPersons } from "../../src/data/mpii.ts";
import { DataError } from "../../src/error.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A mutation of a good file: the path to a value, what replaces it (undefined removes it), what the message must name. */
interface Mutation {
  path: (string | number)[];
  to?: Json | undefined;
  names: string[];
}

const triples = (joints: number, flag = 2): Json[] => Array.from({ length: joints }, (_, k) => [10 + k, 20 + k, flag]).flat();
const coco = (joints: number): Json => ({
  images: [{ id: 1, width: 64, height: 48, file_name: "1.jpg" }, { id: 2, width: 64, height: 48, file_name: "2.jpg" }],
  annotations: [11, 12].map((id) => ({ id, image_id: id - 10, category_id: 1, keypoints: triples(joints), num_keypoints: joints, bbox: [1, 2, 30, 40], area: 900, iscrowd: 0 })),
});
const NAN = "\u0000NaN\u0000"; // written as Python writes it

const cocoMutations: Mutation[] = [
  { path: ["images"], names: ['a list "images"'] },
  { path: ["annotations"], names: ['a list "annotations"'] },
  { path: ["annotations"], to: { a: 1 }, names: ['a list "annotations"', "object"] },
  { path: ["images", 1], to: null, names: ["images[1]"] },
  { path: ["images", 1, "id"], names: ["images[1]", "id"] },
  { path: ["images", 1, "id"], to: 1, names: ["images[1]", "id 1"] },
  { path: ["images", 1, "id"], to: "2", names: ["images[1]", "id"] },
  { path: ["images", 1, "width"], to: 0, names: ["images[1]", "width"] },
  { path: ["images", 1, "height"], to: -4, names: ["images[1]", "height"] },
  { path: ["images", 1, "height"], to: NAN, names: ["images[1]", "height", "NaN"] },
  { path: ["images", 0, "file_name"], to: 3, names: ["images[0]", "file_name"] },
  { path: ["annotations", 1], to: 5, names: ["annotations[1]"] },
  { path: ["annotations", 1, "id"], names: ["annotations[1]", "id"] },
  { path: ["annotations", 1, "id"], to: 1.5, names: ["annotation 1.5", "id"] },
  { path: ["annotations", 1, "image_id"], names: ["annotation 12", "image_id"] },
  { path: ["annotations", 1, "image_id"], to: 99, names: ["annotation 12", "image_id 99"] },
  { path: ["annotations", 1, "keypoints"], names: ["annotation 12", "keypoints"] },
  { path: ["annotations", 1, "keypoints"], to: [1, 2, 2], names: ["annotation 12", "keypoints"] },
  { path: ["annotations", 1, "keypoints", 4], to: "7", names: ["annotation 12", "keypoints.4"] },
  { path: ["annotations", 1, "keypoints", 4], to: null, names: ["annotation 12", "keypoints.4"] },
  { path: ["annotations", 1, "keypoints", 4], to: NAN, names: ["annotation 12", "keypoints.4", "NaN"] },
  { path: ["annotations", 1, "bbox"], names: ["annotation 12", "bbox"] },
  { path: ["annotations", 1, "bbox"], to: [1, 2, 3], names: ["annotation 12", "bbox"] },
  { path: ["annotations", 1, "bbox"], to: [1, 2, 3, 4, 5], names: ["annotation 12", "bbox"] },
  { path: ["annotations", 1, "bbox", 2], to: -3, names: ["annotation 12", "bbox.2"] },
  { path: ["annotations", 1, "bbox", 0], to: NAN, names: ["annotation 12", "bbox.0", "NaN"] },
  { path: ["annotations", 1, "num_keypoints"], to: -1, names: ["annotation 12", "num_keypoints"] },
  { path: ["annotations", 1, "iscrowd"], to: 7, names: ["annotation 12", "iscrowd"] },
];

const mpii: Json = [0, 1].map((i) => ({ image: `${i}.jpg`, center: [50, 60], scale: 1.5, joints: Array.from({ length: 16 }, (_, j) => [j, j + 1]), joints_vis: Array.from({ length: 16 }, () => 1) }));
const mpiiMutations: Mutation[] = [
  { path: [1], to: "x", names: ["person 1"] },
  { path: [1, "image"], names: ["person 1", "image"] },
  { path: [1, "image"], to: "", names: ["person 1", "image"] },
  { path: [1, "center"], names: ["person 1 (1.jpg)", "center"] },
  { path: [1, "center"], to: [5], names: ["person 1 (1.jpg)", "center"] },
  { path: [1, "center", 1], to: NAN, names: ["person 1 (1.jpg)", "center.1", "NaN"] },
  { path: [1, "scale"], names: ["person 1 (1.jpg)", "scale"] },
  { path: [1, "scale"], to: 0, names: ["person 1 (1.jpg)", "scale"] },
  { path: [1, "joints"], names: ["person 1 (1.jpg)", "belong together"] },
  { path: [1, "joints"], to: [[1, 2]], names: ["person 1 (1.jpg)", "joints"] },
  { path: [1, "joints", 3], to: [1, 2, 3], names: ["person 1 (1.jpg)", "joints.3"] },
  { path: [1, "joints_vis", 3], to: 2, names: ["person 1 (1.jpg)", "joints_vis.3"] },
];

const aic: Json = ["00aa", "00bb"].map((image_id) => ({ image_id, human_annotations: { human1: [1, 2, 30, 40] }, keypoint_annotations: { human1: triples(14, 1) } }));
const aicMutations: Mutation[] = [
  { path: [1], to: null, names: ["image [1]"] },
  { path: [1, "image_id"], names: ["image [1]", "image_id"] },
  { path: [1, "human_annotations"], names: ["image 00bb", "human_annotations"] },
  { path: [1, "human_annotations", "human1"], names: ["image 00bb, human1", "no box"] },
  { path: [1, "human_annotations", "human1"], to: [30, 2, 1, 40], names: ["image 00bb, human1", "x1 <= x2"] },
  { path: [1, "human_annotations", "human1", 0], to: NAN, names: ["image 00bb", "human_annotations.human1.0", "NaN"] },
  { path: [1, "keypoint_annotations", "human1"], to: [1, 2, 3], names: ["image 00bb", "keypoint_annotations.human1"] },
  { path: [1, "keypoint_annotations", "human1", 5], to: 4, names: ["image 00bb, human1", "right_elbow", "visibility 4"] },
  { path: [1, "keypoint_annotations", "human1", 5], to: "1", names: ["image 00bb", "keypoint_annotations.human1.5"] },
];

const detections: Json = [1, 2].map((image_id) => ({ image_id, category_id: 1, bbox: [1, 2, 30, 40], score: 0.5 }));
const detectionMutations: Mutation[] = [
  { path: [1], to: [], names: ["detection 1"] },
  { path: [1, "image_id"], names: ["detection 1", "image_id"] },
  { path: [1, "category_id"], names: ["detection 1 (image 2)", "category_id"] },
  { path: [1, "bbox"], to: "1 2 3 4", names: ["detection 1 (image 2)", "bbox"] },
  { path: [1, "bbox", 3], to: 0, names: ["detection 1 (image 2)", "bbox.3"] },
  { path: [1, "bbox", 3], to: NAN, names: ["detection 1 (image 2)", "bbox.3", "NaN"] },
  { path: [1, "score"], names: ["detection 1 (image 2)", "score"] },
  { path: [1, "score"], to: NAN, names: ["detection 1 (image 2)", "score", "NaN"] },
];

const kinds: { kind: string; good: Json; read: (path: string) => Promise<unknown>; mutations: Mutation[] }[] = [
  { kind: "COCO", good: coco(17), read: (path) => readCocoGroundTruth(path), mutations: cocoMutations },
  { kind: "CrowdPose", good: coco(14), read: readCrowdPoseGroundTruth, mutations: cocoMutations },
  { kind: "AI Challenger in COCO's form", good: coco(14), read: readAicGroundTruth, mutations: cocoMutations },
  { kind: "AI Challenger", good: aic, read: readAicGroundTruth, mutations: aicMutations },
  { kind: "MPII", good: mpii, read: readMpiiPersons, mutations: mpiiMutations },
  { kind: "detections", good: detections, read: (path) => readDetections(path), mutations: detectionMutations },
];

function mutated(good: Json, { path, to }: Mutation): string {
  const copy = structuredClone(good);
  let at = copy as Record<string | number, Json>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, Json>;
  const last = path.at(-1) as string | number;
  if (to === undefined) delete at[last];
  else at[last] = to;
  return JSON.stringify(copy).replaceAll('"\\u0000NaN\\u0000"', "NaN");
}

for (const { kind, good, read, mutations } of kinds) {
  test(`${kind}: a good file is read; ${mutations.length} wrong ones each give one message that names file and entry`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
    const file = join(folder, "annotations.json");
    const failure = async (text: string) => {
      await writeFile(file, text);
      const error: unknown = await read(file).then(() => undefined, (thrown: unknown) => thrown);
      if (!(error instanceof DataError)) throw new Error(`expected a DataError for ${text.slice(0, 80)}, got ${String(error)}`);
      expect(error.where).toBe(file);
      return error.toText();
    };
    try {
      const text = JSON.stringify(good);
      await writeFile(file, text);
      await read(file);
      for (const mutation of mutations) {
        const message = await failure(mutated(good, mutation));
        for (const part of mutation.names) expect(message, `${mutation.path.join(".")} -> ${JSON.stringify(mutation.to)}`).toContain(part);
        expect(message.split("\n").length).toBeLessThanOrEqual(2);
      }
      for (const part of [0, 0.3, 0.7, 0.99]) expect(await failure(text.slice(0, Math.floor(part * text.length)))).toContain("not complete JSON");
      expect(await failure("3")).toContain("list");
      expect(await failure("null")).toContain("list");
      await rm(file);
      await expect(read(file)).rejects.toThrow("not found");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
