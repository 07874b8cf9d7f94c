import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdFolder } from "../../src/train/folder_lock.ts";
import { type Outcome, readJson, TinyProject, unfinishedFiles } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());
const path = (...parts: string[]) => join(project.folder, ...parts);
const good = project.runFolder("good");
const model = join(good, "latest.json");
const IMAGES = join("coco", "images", "train2017");
const ANNOTATIONS = join("coco", "annotations", "person_keypoints_train2017.json");

beforeAll(async () => {
  await project.trained("good", "TRAIN.END_EPOCH=1");
  // The same without SYNTHETIC: nothing makes the data set.
  writeFileSync(path("plain.yaml"), readFileSync(path("tiny.yaml"), "utf8").replace(/^ {2}SYNTHETIC:.*\n/m, ""));
});

/** Exit code 1, one short message without a stack that holds every text, nothing unfinished left anywhere. */
function expectRefused({ code, errors }: Outcome, ...texts: string[]): void {
  for (const text of texts) expect(errors).toContain(text);
  expect(errors).not.toMatch(/^ +at /m);
  expect(code).toBe(1);
  const lines = errors.trimEnd().split("\n");
  const at = lines.findIndex((line) => line.startsWith("error: "));
  expect(lines.slice(at).filter((line) => line.startsWith("error: "))).toHaveLength(1);
  expect(lines.length - at).toBeLessThanOrEqual(4);
  expect(unfinishedFiles(project.folder)).toEqual([]);
}

const train = (...rest: string[]) => project.train("bad", ...rest);
const trainPlain = (...rest: string[]) => project.run(["train", "--cfg", "plain.yaml", "OUTPUT_DIR=bad", ...rest]);
/** Predicts with the good model and a good image but for the flags that are given. */
const predict = (...rest: string[]) => {
  const flags: Record<string, string> = { "--model-file": model, "--image": project.image(), "--out": "bad" };
  return project.run(["predict", ...Object.entries(flags).flatMap((flag) => (rest.includes(flag[0]) ? [] : flag)), ...rest]);
};

/** A copy of the data set to be spoilt. */
function dataCopy(name: string): string {
  cpSync(path("data"), path(name), { recursive: true });
  return path(name);
}

test("keys and values that a whole configuration gets wrong, all at once and by line", async () => {
  writeFileSync(path("wrong.yaml"), readFileSync(path("tiny.yaml"), "utf8").replace("NUM_JOINTS: 17", "NUM_JOINT: 17").replace("WORKERS: 2", "WORKERS: two"));
  const outcome = await project.run(["train", "--cfg", "wrong.yaml"]);
  expectRefused(outcome, "wrong.yaml:3:3 MODEL.NUM_JOINT: unknown key; did you mean MODEL.NUM_JOINTS?", 'wrong.yaml:17:10 WORKERS: expected a number, received "two"');
});

test("a missing data set is named with the place where it was looked for and the layout", async () => {
  expectRefused(await trainPlain("DATASET.ROOT=nowhere"), join("nowhere", ANNOTATIONS), "<root>/coco/images/<set>/*.jpg");
});

test("a corrupt JPEG stops the run by name, or is passed over where that is allowed", async () => {
  const root = dataCopy("corrupt");
  const images = readdirSync(join(root, IMAGES)).toSorted();
  const [first = "", second = ""] = images;
  truncateSync(join(root, IMAGES, first), Math.floor(readFileSync(join(root, IMAGES, first)).length / 2));
  writeFileSync(join(root, IMAGES, second), "this is no image");
  const outcome = await trainPlain("DATASET.ROOT=corrupt");
  expectRefused(outcome, "image cannot be decoded", "SKIP_CORRUPT");
  expect(outcome.errors.includes(first) || outcome.errors.includes(second)).toBe(true);
  const passed = await trainPlain("DATASET.ROOT=corrupt", "DATASET.SKIP_CORRUPT=true", "TRAIN.END_EPOCH=1");
  expect(passed.code).toBe(0);
  expect(passed.output + passed.errors).toContain("passed over 2 images that could not be decoded");
  // Each by its name, once, however often it is met.
  for (const name of [first, second]) expect((passed.output + passed.errors).split(`passed over ${join("corrupt", IMAGES, name)}: image cannot be decoded`)).toHaveLength(2);

  for (const name of images) truncateSync(join(root, IMAGES, name), 300);
  expectRefused(await trainPlain("DATASET.ROOT=corrupt", "DATASET.SKIP_CORRUPT=true"), "image cannot be decoded");
  for (const name of images) rmSync(join(root, IMAGES, name));
  expectRefused(await trainPlain("DATASET.ROOT=corrupt"), "image file not found", ".jpg");

  rmSync(join(root, IMAGES), { recursive: true });
  const imageless = await project.run(["train", "--cfg", "plain.yaml", "OUTPUT_DIR=never", "DATASET.ROOT=corrupt"]);
  expectRefused(imageless, `${join("corrupt", IMAGES)}: folder not found`, "DATASET.TRAIN_IMAGES");
  expect(existsSync(path("never"))).toBe(false);
});

test("a folder that another run is training in is refused and left alone", async () => {
  const files = () => readdirSync(good).map((name) => [name, statSync(join(good, name)).mtimeMs]);
  {
    using _held = holdFolder(good);
    const before = files();
    expectRefused(await project.train("good", "--resume"), "another run is training in this folder", "EXP_SUB_NAME");
    expect(files()).toEqual(before);
  }
  holdFolder(good)[Symbol.dispose](); // the next one may
});

test("an annotation without keypoints is named by its id", async () => {
  const file = join(dataCopy("keyless"), ANNOTATIONS);
  const content = readJson(file);
  delete content.annotations[3].keypoints;
  writeFileSync(file, JSON.stringify(content));
  expectRefused(await trainPlain("DATASET.ROOT=keyless"), "person_keypoints_train2017.json", `annotation ${content.annotations[3].id}: keypoints`);
});

test("annotations that are cut off, of no person, or of no labelled joint", async () => {
  const file = join(dataCopy("annotations"), ANNOTATIONS);
  const content = readJson(file);
  const run = () => trainPlain("DATASET.ROOT=annotations");
  truncateSync(file, 1000);
  expectRefused(await run(), "person_keypoints_train2017.json", "not complete JSON");
  writeFileSync(file, JSON.stringify({ ...content, annotations: [] }));
  expectRefused(await run(), "person_keypoints_train2017.json", "no person with labelled keypoints");
  for (const annotation of content.annotations) annotation.keypoints.fill(0);
  writeFileSync(file, JSON.stringify(content));
  expectRefused(await run(), "no person with labelled keypoints");
});

test("a folder of another data set is not written over", async () => {
  mkdirSync(path("other", "coco"), { recursive: true });
  writeFileSync(path("other", "coco", "mine.txt"), "mine");
  expectRefused(await train("DATASET.ROOT=other"), join("other", "coco"), "this folder holds another data set");
  expect(readdirSync(path("other", "coco"))).toEqual(["mine.txt"]);
});

test("a damaged checkpoint is refused by --resume, valid and predict, and stays as it is", async () => {
  cpSync(path("good"), path("damaged"), { recursive: true });
  const folder = project.runFolder("damaged");
  const json = join(folder, "latest.json");
  const { file } = readJson(json).tensors;
  const commands = [
    () => project.train("damaged", "--resume", "TRAIN.END_EPOCH=2"),
    () => project.run(["valid", "--cfg", "tiny.yaml", "--model-file", json, "OUTPUT_DIR=bad"]),
    () => predict("--model-file", json),
  ];
  const bytes = readFileSync(join(folder, file));
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5);
  writeFileSync(join(folder, file), bytes);
  for (const command of commands) expectRefused(await command(), file, "SHA-256 differs");
  truncateSync(join(folder, file), 1000);
  for (const command of commands) expectRefused(await command(), file, "the file has 1000");
  rmSync(join(folder, file));
  for (const command of commands) expectRefused(await command(), file, "does not exist");
  truncateSync(json, 100);
  for (const command of commands) expectRefused(await command(), "latest.json", "not JSON");
  expect(readFileSync(json)).toHaveLength(100);
});

test("scores that are none are named by --resume", async () => {
  cpSync(path("good"), path("scored"), { recursive: true });
  for (const content of ["{bad", "3"]) {
    writeFileSync(join(project.runFolder("scored"), "scores.json"), content);
    expectRefused(await project.train("scored", "--resume", "TRAIN.END_EPOCH=2"), "scores.json", "is not a list of scores");
  }
});

test("an output folder that cannot be made, and a refused run, which leaves none", async () => {
  expectRefused(await project.train("/proc/none"), join("/proc/none", "mix_coco_coco"), "its folder cannot be made");
  expectRefused(await project.train(path("tiny.yaml")), "is a file, not a folder");
  expectRefused(await project.run(["train", "--cfg", "plain.yaml", "OUTPUT_DIR=never", "DATASET.ROOT=nowhere"]), "not found");
  expect(existsSync(path("never"))).toBe(false);
});

test("a checkpoint that is not there, is a folder, or is another file", async () => {
  expectRefused(await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=untrained"]), join("untrained", "mix_coco_coco", "pose_cons_8", "tiny", "best.json"), "does not exist");
  expectRefused(await predict("--model-file", "good"), "good: the checkpoint");
  expectRefused(await predict("--model-file", join("data", ANNOTATIONS)), "is not a checkpoint");
});

test("a network of another shape is refused with the name of what differs", async () => {
  const valid = (...rest: string[]) => project.run(["valid", "--cfg", "tiny.yaml", "--model-file", model, "OUTPUT_DIR=bad", ...rest]);
  expectRefused(await valid("MODEL.EXTRA.WIDTH=16"), "tensor conv1.weight has shape [8, 3, 7, 7], the network wants [16, 3, 7, 7]");
  expectRefused(await valid("MODEL.EXTRA.NUM_LAYERS=10"), "is missing");
});

test("predict refuses what is no image, an image that is not there, and a box outside of it", async () => {
  writeFileSync(path("text.jpg"), "this is no image");
  expectRefused(await predict("--image", "text.jpg"), "text.jpg", "cannot be decoded");
  expectRefused(await predict("--image", "none.jpg"), "none.jpg", "not found");
  expectRefused(await predict("--image", "good"), "good: is a folder, expected an image");
  expectRefused(await predict("--bbox", "500,500,10,10"), `${project.image()}: box 500,500,10,10 has no part`, "48x48");
  expectRefused(await predict("--bbox", "0,0,10"), "--bbox expects x,y,width,height");
  expectRefused(await predict("--boxx", "0,0,10,10"), "unknown flag --boxx; did you mean --bbox?");
});

test("a slip of a first command line says what to write instead", async () => {
  writeFileSync(path("picture.yaml"), readFileSync(path(project.image())));
  mkdirSync(path("weights"));
  const cases: [string[], ...string[]][] = [
    [["train", "tiny.yaml"], "train: --cfg FILE is missing", "fix: for example: bun run train --cfg tiny.yaml"],
    [["train", "--cfg", "picture.yaml"], "picture.yaml: is no text in UTF-8, expected a YAML file", "fix: give an existing file"],
    [["train", "--cfg", "tiny.yaml", "MODEL.PRETRAINED=weights", "OUTPUT_DIR=bad"], "weights: MODEL.PRETRAINED is a folder, expected a file of weights", "fix: give the file"],
    [["train", "--cfg", "tiny.yaml", "TRAIN.BATCH_SIZE=100000"], "from command line: TRAIN.BATCH_SIZE: expected a whole number from 1 to 4096, received 100000", "fix: bun run train --keys"],
    [["train", "--cfg", "tiny.yaml", "TRAIN.EPOCHS=3"], "TRAIN.EPOCHS: unknown key; did you mean TRAIN.BEGIN_EPOCH or TRAIN.END_EPOCH", "fix: bun run train --keys"],
    [["valid", "--cfg", "tiny.yaml", "--model-file", project.image(), "OUTPUT_DIR=bad"], `${project.image()}: is not a checkpoint`, "fix: give a checkpoint"],
    [["predict", "--model-file", model, "--image", project.image(), "--out", "bad", "--bbox=-1e300,0,1e301,5"], '--bbox expects x,y,width,height in px, width and height at least 1, received "-1e300,0,1e301,5"', "fix: for example --bbox 10,20,100,200"],
    [["predict", "--model-file", model, "--image", project.image(), "MODEL.NUM_JOINTS=24", "--out", "bad"], '"MODEL.NUM_JOINTS=24" needs --cfg FILE', "fix: give --cfg FILE"],
    [["visualize", "augs", "--cfg", "tiny.yaml", "--count", "0"], '--count expects a positive whole number, received "0"', "fix: for example --count 8"],
    [["convert", model, "out.onnx"], 'must end in .pth, .pt, .pth.tar or .safetensors, received "out.onnx"', "fix: for example: bun run convert"],
    [["convert", model, "out.pth", "--model", "resnet"], '--model expects one of pose_resnet, ', 'received "resnet"', "fix: bun run inspect FILE"],
  ];
  for (const [args, ...texts] of cases) expectRefused(await project.run(args), ...texts);
});

test("an adapter that does not exist, and drivers that cannot be had", async () => {
  const start = (env: Record<string, string>) => project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=bad"], env);
  expectRefused(await start({ ADAPTER: "foo" }), 'ADAPTER is "foo"', "lavapipe");
  const none = { VK_DRIVER_FILES: "/nonexistent.json", VK_ICD_FILENAMES: "/nonexistent.json" };
  expectRefused(await start({ ADAPTER: "hardware", ...none }), "no usable hardware adapter", "fix: install the GPU's Vulkan driver");
  mkdirSync(path("blocked"));
  writeFileSync(path("blocked", "cache"), "a file where a folder is wanted");
  expectRefused(await start({ ADAPTER: "swiftshader", LIMBER_CACHE: path("blocked", "cache") }), path("blocked", "cache"), "LIMBER_CACHE");
  // Port 9 discards: no registry answers there.
  const registry = "http://127.0.0.1:9";
  const offline = { npm_config_registry: registry, NPM_CONFIG_REGISTRY: registry, BUN_CONFIG_REGISTRY: registry, BUN_INSTALL_CACHE_DIR: path("packages") };
  expectRefused(await start({ ADAPTER: "swiftshader", LIMBER_CACHE: path("cache"), ...offline }), "could not be fetched", "fix: connect to an npm registry once");
  expect(readdirSync(path("cache"))).toEqual([]);
});

test("more than the device can hold is refused with the size", async () => {
  expectRefused(await train("MODEL.IMAGE_SIZE=4096", "TRAIN.BATCH_SIZE=4096"), "bytes, the adapter allows", "fix: use a smaller batch or image size (TRAIN.BATCH_SIZE, TEST.BATCH_SIZE, MODEL.IMAGE_SIZE)");
});

test("an output folder that cannot be made", async () => {
  writeFileSync(path("occupied"), "a file");
  expectRefused(await project.train("occupied"), "occupied");
  expectRefused(await project.run(["valid", "--cfg", "tiny.yaml", "--model-file", model, "OUTPUT_DIR=occupied"]), "occupied");
  expectRefused(await predict("--out", "occupied"), "occupied");
  expectRefused(await predict("--save-heatmaps", join("occupied", "maps.npy")), "occupied");
});

test("a run that diverges stops, and its last checkpoint is from before", async () => {
  const run = await project.train("diverged", "TRAIN.OPTIMIZER=sgd", "TRAIN.LR=1000", "TRAIN.WD=1", "TRAIN.CHECKPOINT_STEPS=1");
  expectRefused(run, "the training has diverged: loss_pose is NaN at step 4", "lower TRAIN.LR");
  expect(readJson(join(project.runFolder("diverged"), "latest.json")).state.step).toBe(3);
});

// A small disk of its own needs a mount, and that a namespace of its own.
const canMount = process.platform === "linux" && Bun.spawnSync(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"], { stderr: "ignore" }).success;

test.skipIf(!canMount)("a full disk: while the data set is made, at a checkpoint, at the log", async () => {
  mkdirSync(path("disk"));
  /** Trains with a disk of so many KiB at disk/, prints what is left on it. */
  const onDisk = async (kib: number, ...rest: string[]) => {
    const script = `mount -t tmpfs -o size=${kib}k tmpfs disk && { "$@"; code=$?; find disk -type f; exit $code; }`;
    const child = Bun.spawn(["unshare", "-rm", "sh", "-c", script, "sh", ...project.command(["train", "--cfg", "tiny.yaml", ...rest])], { cwd: project.folder, stdout: "pipe", stderr: "pipe" });
    const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    await child.exited;
    expect(output).not.toMatch(/\.tmp/);
    return { code: child.exitCode, signal: child.signalCode, output, errors };
  };
  expectRefused(await onDisk(60, "OUTPUT_DIR=bad", "DATASET.ROOT=disk"), join("disk", "coco"), "the disk is full (ENOSPC)");
  const checkpoint = await onDisk(260, "OUTPUT_DIR=disk");
  expectRefused(checkpoint, join("disk", "mix_coco_coco"), "latest-", "the disk is full (ENOSPC)", "fix: free some space");
  expect(checkpoint.output).toContain("steps.jsonl");
  expect(checkpoint.output).not.toContain("latest");
  expectRefused(await onDisk(4, "OUTPUT_DIR=disk"), "the disk is full (ENOSPC)");
});
