import { expect, test } from "bun:test";
import { renderBars } from "../../src/viz/bars.ts";
import { drawPersonTile } from "../../src/viz/person_tiles.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { type Color, colorDistance, pictureOf, plainImage } from "../support/pictures.ts";

const near = (color: Color) => (other: Color) => colorDistance(color, other) < 12;

test("stacked bars: each kind takes its share of every row", async () => {
  const picture = await pictureOf(await renderBars({
    title: "Errors", xLabel: "%", rows: ["a", "b"], limit: 100,
    kinds: [{ name: "good", color: "#009e73", values: [75, 25] }, { name: "miss", color: "#d55e00", values: [25, 75] }],
  }));
  expect(picture.width).toBe(1520);
  const plot = { x: 256, y: 144, width: 1190, height: picture.height - 256 };
  const [good, miss] = ([[0x00, 0x9e, 0x73], [0xd5, 0x5e, 0x00]] as const).map((color) => picture.count(near(color), plot)) as [number, number];
  expect(good / miss).toBeCloseTo(1, 1);
  const half = (y: number) => ({ ...plot, y, height: plot.height / 2 });
  expect(picture.count(near([0x00, 0x9e, 0x73]), half(plot.y)) / picture.count(near([0xd5, 0x5e, 0x00]), half(plot.y))).toBeCloseTo(3, 0);
});

test("a person's tile is a square about the box, grey beyond the image, with or without the skeleton", async () => {
  const image = plainImage(100, 80, [10, 20, 200]);
  const keypoints = Array.from({ length: 17 }, (_, j) => [20 + (j % 5) * 10, 20 + j * 2, 1]).flat();
  const [plain, drawn] = await Promise.all([undefined, keypoints].map(async (given) => pictureOf(await drawPersonTile(image, { box: [0, 10, 60, 60], keypoints: given, skeleton: COCO17, side: 168 }))));
  expect([plain?.width, plain?.height]).toEqual([168, 168]); // 60 px with a margin of 0.2 on each side, twice
  expect(colorDistance(plain?.at(4, 80) ?? [0, 0, 0], [225, 225, 225])).toBeLessThan(3);
  expect(colorDistance(plain?.at(100, 80) ?? [0, 0, 0], [10, 20, 200])).toBeLessThan(3);
  const orange: Color = [0xff, 0x6d, 0x2e]; // the right side of the body
  expect(plain?.count(near(orange))).toBe(0);
  expect(drawn?.count(near(orange))).toBeGreaterThan(50);
});
