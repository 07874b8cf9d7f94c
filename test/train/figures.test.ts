import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denormalise, drawRunCurves, drawViews } from "../../src/train/figures.ts";
import { type Color, colorDistance, pictureOf } from "../support/pictures.ts";

const folder = mkdtempSync(join(tmpdir(), "limber-figures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];
/** What the network sees of a pixel; the same means in the same places, whatever the channels' order. */
const normalised = (bytes: readonly number[]) => bytes.map((value, i) => (value / 255 - (MEAN[i % 3] ?? 0)) / (DEVIATION[i % 3] ?? 1));

test("normalised inputs come back as the bytes they were, RGB and BGR", () => {
  const bytes = [10, 120, 250, 0, 255, 77];
  expect([...denormalise(Float32Array.from(normalised(bytes)), [2, 1], true).pixels]).toEqual(bytes);
  expect([...denormalise(Float32Array.from(normalised(bytes)), [2, 1], false).pixels]).toEqual([250, 120, 10, 77, 255, 0]);
  expect([...denormalise(Float32Array.of(100, -100, 0), [1, 1], true).pixels]).toEqual([255, 0, 104]); // 0 is the mean, 0.406
});

test("a run's curves are drawn from its step log", async () => {
  const lines = Array.from({ length: 400 }, (_, i) => JSON.stringify({ step: i + 1, epoch: 1, loss_pose: 1 / (i + 1), loss_cons: i === 7 ? "NaN" : 0.5, accuracy: 0.5, labelled_peak: i / 500, teacher_peak: 0.2, teacher_flat: 0.1 }));
  writeFileSync(join(folder, "steps.jsonl"), `${lines.join("\n")}\n`);
  const scores = [{ epoch: 1, score: 0.1, figures: { AP: 0.1 } }, { epoch: 2, score: 0.4, figures: { AP: 0.4 } }];
  const facts = { scores, scoreName: "AP", lossNames: ["loss_pose", "loss_cons"], beginEpoch: 0, stepsPerEpoch: 200 };
  expect(await drawRunCurves(folder, { ...facts, watchNames: ["accuracy"] })).toEqual([join(folder, "curves.png")]);
  const paths = await drawRunCurves(folder, { ...facts, watchNames: ["accuracy", "labelled_peak", "teacher_peak", "teacher_flat"] });
  expect(paths).toEqual(["curves.png", "peaks.png"].map((name) => join(folder, name)));
  const plot = { x: 170, y: 170, width: 1180, height: 550 };
  for (const path of paths) {
    const picture = await pictureOf(readFileSync(path));
    for (const color of [[0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00], [0x00, 0x9e, 0x73]] as const) {
      expect(picture.count((other) => colorDistance(color, other) < 12, plot), `${path} ${color}`).toBeGreaterThan(200);
    }
  }
});

test("views: for each slice a row of inputs, one of targets, one of the network's heatmaps", async () => {
  const [batch, joints] = [2, 3];
  const path = join(folder, "views.png");
  const colors: readonly Color[] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]; // two labelled, two hard views
  const images = Float32Array.from(colors.flatMap((color) => Array.from({ length: 16 }, () => normalised(color)).flat()));
  const maps = new Float32Array(4 * 4 * joints * colors.length).fill(0); // [4, 2 * 2, 4 px, joints]
  const targets = maps.slice();
  targets.fill(1, 0, 4 * 4 * joints); // the first image's alone
  await drawViews(path, { inspection: { slices: ["labelled", "hard view"], images, targets, predictions: maps, batch }, size: [4, 4], heatmapSize: [4, 4], joints, rgb: true });
  const picture = await pictureOf(readFileSync(path));
  const [cell, row] = [188, 208];
  expect([picture.width, picture.height]).toEqual([2 * cell + 8, 6 * row + 40]);
  const middle = (column: number, line: number) => picture.at(8 + cell * column + 90, 40 + row * line + 90);
  colors.forEach((color, i) => expect(colorDistance(middle(i % 2, i < 2 ? 0 : 3), color), String(color)).toBeLessThan(4));
  const brightness = (color: Color) => color[0] + color[1] + color[2];
  expect(brightness(middle(0, 1))).toBeGreaterThan(600); // a target of one everywhere
  for (const [column, line] of [[1, 1], [0, 2], [1, 2], [0, 4], [1, 5]] as const) expect(brightness(middle(column, line)), `${column}, ${line}`).toBeLessThan(400);
});
