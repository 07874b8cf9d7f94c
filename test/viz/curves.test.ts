import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CurveFigure, drawCurves, renderCurves } from "../../src/viz/curves.ts";
import { type Color, colorDistance, pictureOf } from "../support/pictures.ts";

const folder = mkdtempSync(join(tmpdir(), "limber-curves-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const BLUE: Color = [0x00, 0x72, 0xb2];
const ORANGE: Color = [0xd5, 0x5e, 0x00];
const near = (color: Color) => (other: Color) => colorDistance(color, other) < 12;
/** Below the legend, whose marks have the colours too. */
const PLOT = { x: 160, y: 170, width: 1200, height: 550 };

const figure = (change: Partial<CurveFigure> = {}): CurveFigure => ({
  title: "Loss",
  xLabel: "epoch",
  yLabels: ["loss"],
  series: [{ name: "a", points: Array.from({ length: 60 }, (_, i) => [i, Math.sin(i / 5)]) }],
  ...change,
});

test("a chart has twice the size in px, its line in its colour, and is the same every time", async () => {
  const png = await renderCurves(figure());
  const picture = await pictureOf(png);
  expect([picture.width, picture.height]).toEqual([1520, 840]);
  expect(picture.count(near(BLUE), PLOT)).toBeGreaterThan(1000);
  expect(picture.count(near(ORANGE))).toBe(0);
  expect(Buffer.from(await renderCurves(figure())).equals(Buffer.from(png))).toBe(true);
});

test("the line follows its points: a falling one starts high on the left and ends low on the right", async () => {
  const picture = await pictureOf(await renderCurves(figure({ series: [{ name: "a", points: Array.from({ length: 50 }, (_, i) => [i, 50 - i]) }] })));
  const quarter = (right: boolean, low: boolean) => picture.count(near(BLUE), { x: right ? 760 : 160, y: low ? 445 : 170, width: 600, height: 275 });
  expect(quarter(false, false)).toBeGreaterThan(500);
  expect(quarter(true, true)).toBeGreaterThan(500);
  expect(quarter(false, true) + quarter(true, false)).toBeLessThan(0.3 * quarter(false, false));
});

test("a second series has its own axis and colour", async () => {
  const two = figure({
    yLabels: ["loss", "AP"],
    series: [
      { name: "loss", points: [[0, 100], [1, 50], [2, 10]] },
      { name: "AP", points: [[0, 0.1], [1, 0.5], [2, 0.9]], axis: 1, symbols: true },
    ],
  });
  const picture = await pictureOf(await renderCurves(two));
  // On the loss's axis AP would be a flat line at the bottom.
  expect(picture.count(near(ORANGE), { x: 160, y: 170, width: 1200, height: 275 })).toBeGreaterThan(200);
  expect(picture.count(near(BLUE), PLOT)).toBeGreaterThan(500);
});

test("values that are no numbers leave gaps, and a chart of nothing is still drawn", async () => {
  const gaps = figure({ series: [{ name: "a", points: [[0, 1], [1, Number.NaN], [2, Number.POSITIVE_INFINITY], [3, 2]] }] });
  expect((await pictureOf(await renderCurves(gaps))).count(near(BLUE), PLOT)).toBeGreaterThan(100);
  expect((await pictureOf(await renderCurves(figure({ series: [] })))).width).toBe(1520);
  expect((await pictureOf(await renderCurves(figure({ logY: true, series: [{ name: "a", points: [[1, 1e-4], [2, 10]] }] })))).count(near(BLUE), PLOT)).toBeGreaterThan(100);
});

test("the file appears whole under its name", async () => {
  const path = join(folder, "deep", "curves.png");
  await drawCurves(figure({ size: [300, 200] }), path);
  expect(readdirSync(join(folder, "deep"))).toEqual(["curves.png"]);
  const picture = await pictureOf(readFileSync(path));
  expect([picture.width, picture.height]).toEqual([600, 400]);
});
