import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, TinyProject } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());
const path = (...parts: string[]) => join(project.folder, ...parts);
const good = project.runFolder("good");

beforeAll(async () => {
  const { code, errors } = await project.train("good", "TRAIN.END_EPOCH=1");
  if (code !== 0) throw new Error(errors);
});

/** Exit code 1, one message without a stack that holds every text, nothing temporary left anywhere. */
function expectRefused({ code, errors }: Outcome, ...texts: string[]): void {
  for (const text of texts) expect(errors).toContain(text);
  expect(code).toBe(1);
  expect(errors).not.toMatch(/^ +at .*\.[jt]s/m); // Dawn writes warnings with places of its own
  expect(errors.trim().split("\n").filter((line) => line.startsWith("error: "))).toHaveLength(1);
  const left = readdirSync(project.folder, { recursive: true }).map(String).filter((name) => /\.tmp|\.part/.test(name));
  expect(left).toEqual([]);
}

const train = (...overrides: string[]) => project.train("bad", ...overrides);

test("a missing data set is named with the place where it was looked for", async () => {
  // Without SYNTHETIC nothing makes it.
  writeFileSync(path("plain.yaml"), readFileSync(path("tiny.yaml"), "utf8").replace(/^ {2}SYNTHETIC:.*\n/m, ""));
  expectRefused(await project.run(["train", "--cfg", "plain.yaml", "DATASET.ROOT=nowhere", "OUTPUT_DIR=bad"]), join("nowhere", "coco", "annotations", "person_keypoints_train2017.json"));
});

test("a corrupt JPEG is named", async () => {
  cpSync(path("data"), path("corrupt"), { recursive: true });
  const images = path("corrupt", "coco", "images", "train2017");
  for (const name of readdirSync(images)) truncateSync(join(images, name), 300);
  writeFileSync(path("plain.yaml"), readFileSync(path("tiny.yaml"), "utf8").replace(/^ {2}SYNTHETIC:.*\n/m, ""));
  const outcome = await project.run(["train", "--cfg", "plain.yaml", "DATASET.ROOT=corrupt", "OUTPUT_DIR=bad"]);
  expectRefused(outcome, ".jpg");
});

test("an annotation without keypoints is named by its id", async () => {
  cpSync(path("data"), path("keyless"), { recursive: true });
  const file = path("keyless", "coco", "annotations", "person_keypoints_train2017.json");
  const content = JSON.parse(readFileSync(file, "utf8"));
  delete content.annotations[3].keypoints;
  writeFileSync(file, JSON.stringify(content));
  expectRefused(
    await project.run(["train", "--cfg", "tiny.yaml", `DATASET.TRAIN_ANNOTATIONS=${file}`, `DATASET.TRAIN_IMAGES=${path("data", "coco", "images", "train2017")}`, "OUTPUT_DIR=bad"]),
    "person_keypoints_train2017.json",
    String(content.annotations[3].id),
    "keypoints",
  );
});

test("an annotation file that is no JSON is named", async () => {
  writeFileSync(path("broken.json"), '{"images": [');
  expectRefused(await train("DATASET.TRAIN_ANNOTATIONS=broken.json", "DATASET.TRAIN_IMAGES=data"), "broken.json");
});

test("a damaged checkpoint is refused by --resume, valid and predict", async () => {
  cpSync(path("good"), path("damaged"), { recursive: true });
  const folder = project.runFolder("damaged");
  const [tensors = ""] = readdirSync(folder).filter((name) => name.startsWith("latest") && name.endsWith(".safetensors"));
  truncateSync(join(folder, tensors), 1000);
  const image = join(path("data", "coco", "images", "val2017"), readdirSync(path("data", "coco", "images", "val2017"))[0] as string);
  const file = join(folder, "latest.json");
  expectRefused(await project.run(["train", "--cfg", "tiny.yaml", "--resume", "OUTPUT_DIR=damaged", "TRAIN.END_EPOCH=1"]), tensors);
  expectRefused(await project.run(["valid", "--cfg", "tiny.yaml", "--model-file", file, "OUTPUT_DIR=bad"]), tensors);
  expectRefused(await project.run(["predict", "--model-file", file, "--image", image, "--out", "bad"]), tensors);
  writeFileSync(file, "not json");
  expectRefused(await project.run(["predict", "--model-file", file, "--image", image, "--out", "bad"]), "latest.json");
});

test("a network of another shape is refused with the names of what differs", async () => {
  expectRefused(await project.run(["valid", "--cfg", "tiny.yaml", "--model-file", join(good, "latest.json"), "MODEL.EXTRA.WIDTH=16", "OUTPUT_DIR=bad"]), "conv1.weight");
});

test("predict refuses what is no image, an image that is not there, and a box outside of it", async () => {
  const model = join(good, "latest.json");
  writeFileSync(path("text.jpg"), "this is no image");
  const image = join("data", "coco", "images", "val2017", readdirSync(path("data", "coco", "images", "val2017"))[0] as string);
  expectRefused(await project.run(["predict", "--model-file", model, "--image", "text.jpg", "--out", "bad"]), "text.jpg");
  expectRefused(await project.run(["predict", "--model-file", model, "--image", "none.jpg", "--out", "bad"]), "none.jpg");
  expectRefused(await project.run(["predict", "--model-file", model, "--image", image, "--bbox", "500,500,10,10", "--out", "bad"]), "500,500,10,10", "48x48");
});

test("an adapter that does not exist, and drivers that cannot be had", async () => {
  const start = (env: Record<string, string>) => project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=bad"], env);
  expectRefused(await start({ ADAPTER: "foo" }), "ADAPTER", "foo", "lavapipe");
  expectRefused(await start({ ADAPTER: "hardware", VK_DRIVER_FILES: "/nonexistent.json" }), "hardware");
  mkdirSync(path("blocked"));
  writeFileSync(path("blocked", "cache"), "a file where a folder is wanted");
  expectRefused(await start({ ADAPTER: "swiftshader", LIMBER_CACHE: path("blocked", "cache") }), "cache");
});

test("an output folder that cannot be made", async () => {
  writeFileSync(path("occupied"), "a file");
  expectRefused(await project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=occupied"]), "occupied");
});
