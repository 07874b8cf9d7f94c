import { expect, test } from "bun:test";
import { drawHeatmap, infernoColor, maximumMap } from "../../src/viz/heatmaps.ts";
import { colorDistance, pictureOf, plainImage } from "../support/pictures.ts";

test("inferno's colours are matplotlib's, within what a polynomial of degree six can", () => {
  // matplotlib's table at 0, 1/4, 1/2, 3/4, 1.
  const table = [[0, [0, 0, 4]], [0.25, [87, 16, 110]], [0.5, [188, 55, 84]], [0.75, [249, 142, 9]], [1, [252, 255, 164]]] as const;
  for (const [value, color] of table) expect(colorDistance(infernoColor(value), color), String(value)).toBeLessThanOrEqual(8);
  expect(infernoColor(-3)).toEqual(infernoColor(0));
  expect(infernoColor(7)).toEqual(infernoColor(1));
});

test("it grows brighter all the way", () => {
  const brightness = (value: number) => {
    const [red, green, blue] = infernoColor(value);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (let i = 0; i < 50; i++) expect(brightness((i + 1) / 50)).toBeGreaterThanOrEqual(brightness(i / 50));
});

test("the maximum over joints, all or some", () => {
  // [height 1, width 2, joints 3]
  const maps = { data: Float32Array.of(0.1, 0.5, -1, 0.7, 0.2, 0.9), width: 2, height: 1, joints: 3 };
  expect([...maximumMap(maps)]).toEqual([0.5, Math.fround(0.9)]);
  expect([...maximumMap(maps, [0])]).toEqual([Math.fround(0.1), Math.fround(0.7)]);
  expect([...maximumMap(maps, [1, 2])]).toEqual([0.5, Math.fround(0.9)]);
});

test("the peak is the brightest place, far from it the image is seen in grey", async () => {
  const data = new Float32Array(8 * 4);
  data[1 * 8 + 6] = 1; // x 6, y 1
  const picture = await pictureOf(await drawHeatmap(plainImage(80, 40, [200, 100, 50]), { data, width: 8, height: 4 }, { side: 160 }));
  expect([picture.width, picture.height]).toEqual([160, 80]);
  expect(colorDistance(picture.at(6.5 * 20, 1.5 * 20), infernoColor(1))).toBeLessThan(40);
  const [red, green, blue] = picture.at(20, 60);
  expect(colorDistance([red, red, red], [red, green, blue])).toBeLessThanOrEqual(2); // without colour
  expect(red).toBeWithin(40, 90);
});

test("heights are measured against the peak that is given, and cut at it", async () => {
  const draw = async (value: number, peak: number) => (await pictureOf(await drawHeatmap(plainImage(32, 32, [0, 0, 0]), { data: new Float32Array(16).fill(value), width: 4, height: 4 }, { side: 32, peak }))).at(16, 16);
  expect(await draw(0.25, 0.5)).toEqual(await draw(0.5, 1));
  expect(await draw(3, 1)).toEqual(await draw(1, 1));
  expect(await draw(-1, 1)).toEqual(await draw(0, 1));
  expect(await draw(0.25, 1)).not.toEqual(await draw(0.5, 1));
});
