import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeDark, decodeIntegral, decodeOffsets, gaussianTaps } from "../../src/pose/dark.ts";
import { decodeHeatmaps } from "../../src/pose/heatmap.ts";

const [height, width] = [64, 48];

/** Gaussians of deviation 2 about sub-pixel means, one per joint. */
function gaussians(means: readonly (readonly [number, number])[], facts = { height, width }): { heatmaps: Float32Array; sizes: { count: number; height: number; width: number; joints: number } } {
  const joints = means.length;
  const heatmaps = Float32Array.from({ length: facts.height * facts.width * joints }, (_, i) => {
    const [x, y] = [Math.floor(i / joints) % facts.width, Math.floor(i / joints / facts.width)];
    const [mx, my] = means[i % joints] as readonly [number, number];
    return Math.exp(-((x - mx) ** 2 + (y - my) ** 2) / 8);
  });
  return { heatmaps, sizes: { count: 1, ...facts, joints } };
}

test("the taps are OpenCV's", () => {
  const taps = gaussianTaps(11);
  [0.0088122292, 0.0271435771, 0.0651140566, 0.121649073, 0.1769983568, 0.2005654142].forEach((tap, i) => {
    expect(taps[i]).toBeCloseTo(tap, 9);
    expect(taps[10 - i]).toBe(taps[i] as number);
  });
  expect(gaussianTaps(17)[8]).toBeCloseTo(1 / [...Array(17).keys()].reduce((sum, i) => sum + Math.exp(-((i - 8) ** 2) / (2 * 2.9 ** 2)), 0), 12);
  expect(() => gaussianTaps(9)).toThrow("fixed tables");
});

test("the published decodings: argmax, quarter pixel, DARK, and maxima near the border that stay", () => {
  const { heatmaps, sizes } = gaussians([[20.3, 30.4], [1.2, 30.4], [46.6, 62.1]]);
  const plain = decodeHeatmaps(heatmaps, { ...sizes, shift: false });
  expect([...plain.coordinates]).toEqual([20, 30, 1, 30, 47, 62]);
  expect(plain.scores[0]).toBeCloseTo(0.9692332, 7);
  expect([...decodeHeatmaps(heatmaps, { ...sizes, shift: true }).coordinates]).toEqual([20.25, 30.25, 1, 30, 47, 62]);
  const dark = decodeDark(heatmaps, sizes);
  expect(dark.coordinates[0]).toBeCloseTo(20.29984, 4);
  expect(dark.coordinates[1]).toBeCloseTo(30.39977, 4);
  expect([...dark.coordinates.subarray(2)]).toEqual([1, 30, 47, 62]);
  expect(dark.scores).toEqual(plain.scores);
});

test("DARK finds a Gaussian to a hundredth of a pixel wherever its maximum is 7 px inside, whatever its height", () => {
  fc.assert(
    fc.property(fc.double({ min: 7, max: width - 8, noNaN: true }), fc.double({ min: 7, max: height - 8, noNaN: true }), fc.double({ min: 0.05, max: 3, noNaN: true }), (x, y, peak) => {
      const { heatmaps, sizes } = gaussians([[x, y]]);
      const { coordinates } = decodeDark(heatmaps.map((value) => value * peak), sizes);
      expect(Math.abs((coordinates[0] as number) - x)).toBeLessThan(0.01);
      expect(Math.abs((coordinates[1] as number) - y)).toBeLessThan(0.01);
    }),
    { numRuns: 40 },
  );
});

test("maps without a positive value give (0, 0), and no NaN", () => {
  for (const value of [0, -1]) {
    const { coordinates, scores } = decodeDark(new Float32Array(2 * height * width).fill(value), { count: 1, height, width, joints: 2 });
    expect([...coordinates, ...scores]).toEqual([0, 0, 0, 0, value, value]);
  }
  const flat = decodeDark(new Float32Array(height * width).fill(0.5), { count: 1, height, width, joints: 1 });
  expect([...flat.coordinates].every(Number.isFinite)).toBe(true);
});

test("the maps of a batch do not touch one another", () => {
  const [a, b] = [gaussians([[20.3, 30.4], [10.2, 12.7]]), gaussians([[33.3, 40.9], [25.5, 20.1]])];
  const both = new Float32Array(2 * a.heatmaps.length);
  both.set(a.heatmaps);
  both.set(b.heatmaps, a.heatmaps.length);
  const together = decodeDark(both, { ...a.sizes, count: 2 });
  expect([...together.coordinates]).toEqual([...decodeDark(a.heatmaps, a.sizes).coordinates, ...decodeDark(b.heatmaps, b.sizes).coordinates]);
});

test("the expectation of a sharp peak is the peak, of a flat map the middle", () => {
  const sharp = new Float32Array(height * width);
  sharp[30 * width + 20] = 60;
  const peak = decodeIntegral(sharp, { count: 1, height, width, joints: 1 });
  expect([...peak.coordinates, ...peak.scores].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([20, 30, 1]);
  const flat = decodeIntegral(new Float32Array(height * width).fill(3), { count: 1, height, width, joints: 1 });
  expect([...flat.coordinates]).toEqual([(width - 1) / 2, (height - 1) / 2]);
  expect(flat.scores[0]).toBeCloseTo(1 / (height * width), 9);
});

test("offset maps: the joint is where class and offsets say", () => {
  const [mx, my] = [20.3, 30.4];
  const reach = 3.5; // 0.0546875 * 64
  const maps = Float32Array.from({ length: 3 * height * width }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    if (i % 3 === 0) return Math.hypot(mx - x, my - y) <= reach ? 1 : 0;
    return (i % 3 === 1 ? mx - x : my - y) / reach;
  });
  const { coordinates, scores } = decodeOffsets(maps, { count: 1, height, width, joints: 1 });
  expect(coordinates[0]).toBeCloseTo(mx, 4);
  expect(coordinates[1]).toBeCloseTo(my, 4);
  expect(scores[0]).toBeGreaterThan(0.3);
  expect([...decodeOffsets(new Float32Array(maps.length), { count: 1, height, width, joints: 1 }).coordinates]).toEqual([0, 0]);
});
