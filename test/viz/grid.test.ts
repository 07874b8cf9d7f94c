import { expect, test } from "bun:test";
import { sharpModule } from "../../src/data/image.ts";
import { drawGrid } from "../../src/viz/grid.ts";
import { type Color, colorDistance, type Picture, pictureOf } from "../support/pictures.ts";

async function tile(color: Color, [width, height]: readonly [number, number] = [30, 30]): Promise<Uint8Array> {
  const sharp = await sharpModule();
  const background = { r: color[0], g: color[1], b: color[2] };
  return new Uint8Array(await sharp({ create: { width, height, channels: 3, background } }).png().toBuffer());
}

const COLORS: readonly Color[] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 0, 255]];
const dark = ([red, green, blue]: Color) => red + green + blue < 250;
/** Ink of the title's line. */
const titleInk = (picture: Picture) => picture.count(dark, { x: 0, y: 0, width: picture.width, height: 40 });

test("tiles stand in rows of so many columns, in their order", async () => {
  const tiles = await Promise.all(COLORS.map(async (color) => ({ image: await tile(color) })));
  const picture = await pictureOf(await drawGrid(tiles, { columns: 3, side: 40 }));
  expect([picture.width, picture.height]).toEqual([3 * 48 + 8, 2 * 48 + 8]);
  COLORS.forEach((color, i) => expect(picture.at(8 + 48 * (i % 3) + 20, 8 + 48 * Math.floor(i / 3) + 20), String(i)).toEqual(color));
  expect(picture.at(8 + 48 * 2 + 20, 8 + 48 + 20)).toEqual([255, 255, 255]); // the sixth place
  expect(picture.at(4, 4)).toEqual([255, 255, 255]);
});

test("a tile keeps its proportions", async () => {
  const picture = await pictureOf(await drawGrid([{ image: await tile([255, 0, 0], [80, 20]) }], { columns: 1, side: 40 }));
  expect(colorDistance(picture.at(28, 28), [255, 0, 0])).toBeLessThan(10);
  expect(picture.at(28, 12)).toEqual([255, 255, 255]); // above the wide picture
});

test("captions and a title are written, of any characters", async () => {
  const plain = await pictureOf(await drawGrid([{ image: await tile([255, 255, 0]) }], { columns: 1, side: 120 }));
  const written = await pictureOf(await drawGrid([{ image: await tile([255, 255, 0]), caption: "<x> & \"y\"" }], { columns: 1, side: 120, title: "A title" }));
  expect(written.height).toBeGreaterThan(plain.height);
  expect(plain.count(dark)).toBe(0);
  expect(titleInk(written)).toBeGreaterThan(50);
  expect(written.count(dark, { x: 0, y: 40 + 120, width: written.width, height: written.height - 160 })).toBeGreaterThan(30);
});

test("a title that is too long for the page goes on below", async () => {
  const image = await tile([255, 255, 255]);
  const draw = async (title: string) => pictureOf(await drawGrid([{ image }], { columns: 1, side: 120, title }));
  const [one, three] = [await draw("A title"), await draw("A title that is far too long")];
  expect(three.height).toBe(one.height + 2 * 22);
  for (const line of [0, 1, 2]) expect(three.count(dark, { x: 0, y: 10 + 22 * line, width: three.width, height: 20 })).toBeGreaterThan(30);
  for (const x of [0, three.width - 3]) expect(three.count(dark, { x, y: 0, width: 3, height: 80 })).toBe(0);
});

test("letters are those of a font, not one box for all: the font that comes along is found", async () => {
  const image = await tile([255, 255, 255]);
  const ink = async (title: string) => titleInk(await pictureOf(await drawGrid([{ image }], { columns: 1, side: 300, title })));
  const [thin, wide] = [await ink("iiiiiiiiii"), await ink("MMMMMMMMMM")];
  expect(thin).toBeGreaterThan(20);
  expect(wide).toBeGreaterThan(1.8 * thin);
});

test("a grid of nothing is an empty page", async () => {
  const picture = await pictureOf(await drawGrid([], { columns: 2, side: 20 }));
  expect(picture.count(dark)).toBe(0);
});

test("rows and columns have names, boxes a shape, groups of rows a gap between them", async () => {
  const tiles = await Promise.all(COLORS.slice(0, 4).map(async (color) => ({ image: await tile(color) })));
  const options = { columns: 2, side: 40, aspect: 0.5 } as const;
  const bare = await pictureOf(await drawGrid(tiles, options));
  expect([bare.width, bare.height]).toEqual([8 + 2 * 28, 8 + 2 * 48]); // boxes of 20 x 40 px
  const named = await pictureOf(await drawGrid(tiles, { ...options, rowNames: ["one", "two"], columnNames: ["a", "b"], groupRows: 1 }));
  const left = named.width - 2 * 28;
  expect(named.height).toBe(bare.height + 20 + 16);
  expect(named.at(left + 10, 28 + 20)).toEqual([255, 0, 0]);
  expect(named.at(left + 10, 28 + 48 + 16 + 20)).toEqual([0, 0, 255]);
  expect(named.count(dark, { x: 0, y: 28, width: left, height: 40 })).toBeGreaterThan(10); // "one"
  expect(named.count(dark, { x: left, y: 0, width: 56, height: 28 })).toBeGreaterThan(10); // "a", "b"
});
