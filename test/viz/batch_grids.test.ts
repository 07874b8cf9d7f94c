import { expect, test } from "bun:test";
import { encodePng } from "../../src/viz/picture.ts";
import { heatmapGrid, jointGrid } from "../../src/viz/batch_grids.ts";
import { colorDistance, pictureOf, plainImage } from "../support/pictures.ts";

test("joints over images: eight in a row, 2 px apart, dots where a joint is seen", async () => {
  const images = Array.from({ length: 9 }, () => plainImage(128, 160, [0, 0, 255]));
  const joints = new Float32Array(9 * 2 * 2);
  joints.set([20, 30, 100, 150], 0); // of the first image; the second joint is not seen
  joints.set([64, 80], 8 * 4); // of the ninth, in the second row
  const visible = new Uint8Array(18);
  visible[0] = visible[16] = 1;
  const picture = await pictureOf(await encodePng(jointGrid({ images, joints, visible })));
  expect([picture.width, picture.height]).toEqual([8 * 130 + 2, 2 * 162 + 2]);
  expect(picture.at(2 + 20, 2 + 30)).toEqual([255, 0, 0]);
  expect(picture.at(2 + 100, 2 + 150)).toEqual([0, 0, 255]);
  expect(picture.at(2 + 64, 2 + 162 + 80)).toEqual([255, 0, 0]);
  expect(picture.count(([red]) => red === 255)).toBe(2 * 13); // discs of radius 2
  expect(picture.at(130, 10)).toEqual([0, 0, 0]);
});

test("small images are enlarged with their joints", async () => {
  const picture = await pictureOf(await encodePng(jointGrid({ images: [plainImage(32, 64, [9, 9, 9])], joints: [10, 20], visible: [1] })));
  expect([picture.width, picture.height]).toEqual([4 * 32 + 4, 4 * 64 + 4]);
  expect(picture.at(2 + 4 * 10 + 2, 2 + 4 * 20 + 2)).toEqual([255, 0, 0]);
});

test("heatmaps: a row per sample, the image first, then jet over it with a dot at each peak", async () => {
  const [width, height, joints] = [48, 64, 2];
  const maps = new Float32Array(2 * width * height * joints);
  for (let pixel = 0; pixel < width * height; pixel++) maps[(width * height + pixel) * joints + 1] = 1; // second sample, second joint
  const peaks = [5, 6, 20, 30, 1, 1, 40, 50];
  const grey = plainImage(96, 128, [100, 100, 100]);
  const picture = await pictureOf(await encodePng(await heatmapGrid({ images: [grey, grey], maps, size: [width, height], joints, peaks })));
  expect([picture.width, picture.height]).toEqual([3 * 48, 2 * 64]);
  expect(picture.at(30, 10)).toEqual([100, 100, 100]);
  for (const [x, y] of [[5, 6], [20, 30], [48 + 5, 6], [96 + 20, 30], [96 + 40, 64 + 50]] as const) expect(picture.at(x, y), `${x}, ${y}`).toEqual([255, 0, 0]);
  expect(colorDistance(picture.at(48 + 30, 40), [30, 30, 0.7 * 128 + 30])).toBeLessThanOrEqual(1); // jet of 0 is dark blue
  expect(colorDistance(picture.at(96 + 10, 64 + 10), [0.7 * 128 + 30, 30, 30])).toBeLessThanOrEqual(1); // of 1 dark red
});
