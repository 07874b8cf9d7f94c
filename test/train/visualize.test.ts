/** `bun run visualize` and the grids of DEBUG on the small project. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeImage } from "../../src/data/image.ts";
import { type Color, colorDistance, pictureOf } from "../support/pictures.ts";
import { tensorHash, TinyProject, unfinishedFiles } from "../support/tiny_run.ts";

setDefaultTimeout(60_000);

const project = new TinyProject();
afterAll(() => project.remove());

/** What the network's input of 0 is in RGB: the mean colour. */
const MEAN: Color = [124, 116, 104];

async function pixelsOf(...names: string[]): Promise<Uint8Array> {
  return (await decodeImage(join(project.folder, ...names))).pixels;
}

/** Places whose colour differs by more than JPEG does it. */
function changed(a: Uint8Array, b: Uint8Array): number[] {
  return Array.from({ length: a.length / 3 }, (_, i) => i).filter((i) => [0, 1, 2].some((c) => Math.abs((a[3 * i + c] as number) - (b[3 * i + c] as number)) > 40));
}

function colorAt(pixels: Uint8Array, i: number): Color {
  return [pixels[3 * i] as number, pixels[3 * i + 1] as number, pixels[3 * i + 2] as number];
}

test("augs: every step of a chain as a file, and all in one figure", async () => {
  const { code, output, errors } = await project.run(["visualize", "augs", "--cfg", "tiny.yaml", "--out", "augs", "--count", "2", "USE_JointCutout_AUG=false", "--joco_aug", "AUG_SIZE_SCALE=0.4"]);
  expect(code, errors).toBe(0);
  expect(errors).toContain("the network's weights are random");
  const files = [0, 1].flatMap((i) => ["A0", "A30", "H1", "H2", "H3"].map((step) => `coco_train_AugsPlus_0_${i}_${step}.jpg`));
  expect(readdirSync(join(project.folder, "augs")).sort()).toEqual(["coco_train_AugsPlus.png", ...files].sort());
  expect(output.trim().split("\n").sort()).toEqual(["coco_train_AugsPlus.png", ...files].map((name) => join("augs", name)).sort());
  for (const name of files) {
    const { width, height } = await decodeImage(join(project.folder, "augs", name));
    expect([width, height]).toEqual([32, 32]);
  }
  const figure = await pictureOf(readFileSync(join(project.folder, "augs", "coco_train_AugsPlus.png")));
  expect(figure.height).toBe(2 * 22 + 18 + 5 * 158); // the title takes two lines
  expect(figure.width).toBeGreaterThan(2 * 158);

  for (const i of [0, 1]) {
    const [easy, first, second] = await Promise.all(["A30", "H1", "H2"].map((step) => pixelsOf("augs", `coco_train_AugsPlus_0_${i}_${step}.jpg`))) as [Uint8Array, Uint8Array, Uint8Array];
    // Joint cut-occlusion pastes, cutout leaves the mean colour; what neither touched stays.
    const cut = changed(first, second);
    expect(cut.length, `cut of ${i}`).toBeGreaterThan(10);
    const mean = cut.filter((place) => colorDistance(colorAt(second, place), MEAN) < 25);
    expect(mean.length / cut.length, `mean colour of ${i}`).toBeGreaterThan(0.9);
    expect(changed(easy, second).length).toBeLessThan(32 * 32);
  }
});

test("augs: several views are shown one below the other, by their names", async () => {
  const { code, errors } = await project.run(["visualize", "augs", "--cfg", "tiny.yaml", "--out", "views", "--count", "1", "--multi_augs", "--jccm_aug", "--dataDir", project.folder]);
  expect(code, errors).toBe(0);
  const steps = readdirSync(join(project.folder, "views")).map((name) => name.replace(/^coco_train_AugsPlus_0_0_|\.jpg$/g, ""));
  expect(steps.sort()).toEqual(["A0", "A30", "JCCM_H1", "JCCM_H2", "JCCM_H3", "JC_H1", "JC_H2", "coco_train_AugsPlus.png"].sort());
});

test("heatmaps of a folder of images: views, mean heatmaps, and differences that are absolute", async () => {
  const folder = join(project.folder, "photographs");
  mkdirSync(folder);
  const images = join(project.folder, "data", "coco", "images", "val2017");
  for (const name of readdirSync(images).slice(0, 3)) writeFileSync(join(folder, name), readFileSync(join(images, name)));
  writeFileSync(join(folder, "notes.txt"), "no image");
  const { code, errors } = await project.run(["visualize", "heatmaps", "--cfg", "tiny.yaml", "--out", "maps", "--images", "photographs", "USE_JointCutout_AUG=false"]);
  expect(code, errors).toBe(0);
  const views = ["JC", "JO", "JOCO", "JCCM"];
  const parts = ["A0", "A60", "A60_kps", ...views.flatMap((view) => [view, `${view}_kps`, `${view}_kpsDiff`])];
  const names = [0, 1, 2].flatMap((i) => parts.map((part) => `photographs_MA_0_${i}_${part}.jpg`));
  expect(readdirSync(join(project.folder, "maps")).sort()).toEqual(["photographs_MA.png", ...names].sort());
  for (const view of views) {
    const [taught, own, difference] = await Promise.all([`A60_kps`, `${view}_kps`, `${view}_kpsDiff`].map((part) => pixelsOf("maps", `photographs_MA_0_0_${part}.jpg`))) as [Uint8Array, Uint8Array, Uint8Array];
    expect(difference.length).toBe(3 * 8 * 8);
    difference.forEach((value, i) => expect(Math.abs(value - Math.abs((own[i] as number) - (taught[i] as number))), `${view} ${i}`).toBeLessThan(16)); // JPEG, three times
  }
  const figure = await pictureOf(readFileSync(join(project.folder, "maps", "photographs_MA.png")));
  expect(figure.height).toBe(40 + 20 + 9 * 178 + 2 * 16);
  expect(unfinishedFiles(join(project.folder, "maps"))).toEqual([]);
});

test("wrong inputs have one clean message", async () => {
  mkdirSync(join(project.folder, "empty"));
  mkdirSync(join(project.folder, "broken"));
  writeFileSync(join(project.folder, "broken", "a.jpg"), "not a picture");
  const cases: [string[], string][] = [
    [["pictures"], 'expected augs or heatmaps, received "pictures"'],
    [["augs", "--images", "nowhere"], "nowhere: there is no such folder"],
    [["augs", "--images", "tiny.yaml"], "is a file, expected a folder of images"],
    [["augs", "--images", "empty"], "empty: no .jpg, .jpeg or .png file in this folder"],
    [["heatmaps", "--images", "broken"], "a.jpg: the header of this image cannot be read"],
    [["heatmaps", "--images", "broken", "--model-file", "none.pth"], "none.pth"],
    [["augs", "--count", "0"], '--count expects a positive whole number, received "0"'],
  ];
  for (const [args, message] of cases) {
    const { code, errors } = await project.run(["visualize", ...args.slice(0, 1), "--cfg", "tiny.yaml", "--out", "wrong", ...args.slice(1)]);
    expect(code, args.join(" ")).toBe(1);
    expect(errors, args.join(" ")).toContain(message);
    expect(errors.match(/^error: /gm), args.join(" ")).toHaveLength(1);
    expect(errors).not.toContain("    at ");
  }
});

test("DEBUG writes grids of batches, and changes nothing", async () => {
  const kinds = { gt: "SAVE_BATCH_IMAGES_GT", pred: "SAVE_BATCH_IMAGES_PRED", hm_gt: "SAVE_HEATMAPS_GT", hm_pred: "SAVE_HEATMAPS_PRED" } as const;
  const short = ["MODEL.NAME=pose_dual", "TRAIN.END_EPOCH=1", "TRAIN.STEPS_PER_EPOCH=5", "TEST.BATCH_SIZE=2", "PRINT_FREQ=4"];
  const on = ["DEBUG.DEBUG=true", ...Object.values(kinds).map((kind) => `DEBUG.${kind}=true`)];
  const folder = (output: string) => join(project.folder, output, "mix_coco_coco", "pose_dual_8", "tiny");
  const run = async (output: string, rest: readonly string[]) => {
    const { code, errors } = await project.train(output, ...short, ...rest);
    expect(code, errors).toBe(0);
    return readdirSync(folder(output), { recursive: true }).map(String).filter((name) => /^(heatmap|sup_\d)\//.test(name) && name.endsWith(".jpg")).sort();
  };
  const grids = (prefixes: readonly string[]) => prefixes.flatMap((prefix) => Object.keys(kinds).map((kind) => `${prefix}_${kind}.jpg`)).sort();
  expect(await run("plain", [])).toEqual([]);
  expect(await run("debugged", on)).toEqual(grids([...[0, 4].flatMap((step) => [`heatmap/train_${step}`, `heatmap/train_${step}_view1_JC`]), "heatmap/val_0", "sup_2/val_0"]));
  expect(tensorHash(folder("debugged"))).toBe(tensorHash(folder("plain")));
  const { width, height } = await decodeImage(join(folder("debugged"), "heatmap", "train_0_hm_pred.jpg"));
  expect([width, height]).toEqual([18 * 48, 3 * 48]);

  const { code, errors } = await project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=debugged", ...short.slice(0, -1), "DEBUG.DEBUG=true", "DEBUG.SAVE_BATCH_IMAGES_PRED=true", "PRINT_FREQ=1"]);
  expect(code, errors).toBe(0);
  expect(readdirSync(join(folder("debugged"), "heatmap")).filter((name) => name.startsWith("val_1"))).toEqual(["val_1_pred.jpg"]);
});
