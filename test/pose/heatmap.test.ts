import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeHeatmaps, encodeHeatmaps, heatmapToImage } from "../../src/pose/heatmap.ts";
import { applyAffine, cropAffine } from "../../src/pose/affine.ts";

const [width, height] = [48, 64];

test("decoding an encoded joint gives its rounded place on the map; the score is the peak", () => {
  const inside = (size: number) => fc.double({ min: 0, max: 4 * size - 2.5, noNaN: true }).map(Math.fround);
  fc.assert(
    fc.property(fc.array(fc.tuple(inside(width), inside(height)), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 3 }), (points, sigma) => {
      const j = points.length;
      const { heatmaps, weights } = encodeHeatmaps({
        joints: Float32Array.from(points.flat()), visible: new Uint8Array(j).fill(1), jointCount: j, inputSize: [4 * width, 4 * height], heatmapSize: [width, height], sigma,
      });
      const { coordinates, scores } = decodeHeatmaps(heatmaps, { count: 1, width, height, joints: j, shift: false });
      expect([...coordinates]).toEqual(points.flat().map((value) => Math.trunc(value / 4 + 0.5)));
      expect([...scores, ...weights]).toEqual(Array.from({ length: 2 * j }, () => 1));
    }),
  );
});

test("a sample of a batch reads its own maps: two samples, joints interleaved", () => {
  const joints = Float32Array.of(8, 12, 40, 80, 100, 44, 160, 200);
  const { heatmaps } = encodeHeatmaps({ joints, visible: Uint8Array.of(1, 1, 0, 1), jointCount: 2, inputSize: [192, 256], heatmapSize: [width, height], sigma: 2 });
  const { coordinates, scores } = decodeHeatmaps(heatmaps, { count: 2, width, height, joints: 2, shift: true });
  expect([...coordinates]).toEqual([2, 3, 10, 20, 0, 0, 40, 50]);
  expect([...scores]).toEqual([1, 1, 0, 1]);
});

test("the quarter shift goes to the higher neighbour on both axes, and nowhere between equal ones", () => {
  const map = new Float32Array(5 * 5);
  map[2 * 5 + 2] = 1;
  const decode = () => [...decodeHeatmaps(map, { count: 1, width: 5, height: 5, joints: 1, shift: true }).coordinates];
  expect(decode()).toEqual([2, 2]);
  map[2 * 5 + 1] = 0.5;
  map[3 * 5 + 2] = 0.5;
  expect(decode()).toEqual([1.75, 2.25]);
});

test("mapping back to the image inverts the crop at the heatmap's size", () => {
  const crop = { center: [100, 150], scale: [0.75, 1], rotationDegrees: 30, size: [width, height] } as const;
  const [x, y] = heatmapToImage(applyAffine(cropAffine(crop), [83.25, 171.5]), crop);
  expect(x).toBeCloseTo(83.25, 9);
  expect(y).toBeCloseTo(171.5, 9);
});
