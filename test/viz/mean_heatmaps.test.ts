import { expect, test } from "bun:test";
import { absoluteDifference, colorMap, meanMap, stretchToBytes } from "../../src/viz/mean_heatmaps.ts";

test("the mean over joints, stretched from the lowest to the highest value", () => {
  const maps = Float32Array.of(1, 3, -1, 1, 0, 4, 2, 2); // four places of two joints
  expect([...meanMap(maps, 2)]).toEqual([2, 0, 2, 2]);
  expect([...stretchToBytes(Float32Array.of(-1, 1, 0, 0.5))]).toEqual([0, 255, 128, 191]);
  expect([...stretchToBytes(Float32Array.of(0.3, 0.3))]).toEqual([0, 0]);
});

test("differences do not wrap around, whichever is larger", () => {
  const [a, b] = [Uint8Array.of(10, 9, 255, 0), Uint8Array.of(9, 10, 0, 255)];
  expect([...absoluteDifference(a, b)]).toEqual([1, 1, 255, 255]);
  expect([...absoluteDifference(b, a)]).toEqual([1, 1, 255, 255]);
});

test("colours run from black to bright", () => {
  const { pixels, width, height } = colorMap(Uint8Array.of(0, 255), [2, 1]);
  expect([width, height]).toEqual([2, 1]);
  expect(Math.max(...pixels.subarray(0, 3))).toBeLessThan(10);
  expect(Math.min(...pixels.subarray(3))).toBeGreaterThan(150);
});
