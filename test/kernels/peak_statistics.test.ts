import { expect, test } from "bun:test";
import { peakAccuracy, peakStatistics } from "../../src/kernels/peak_statistics.ts";
import { Random } from "../../src/random.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const random = new Random({ seed: 3, stream: 931 });
const up = (data: Float32Array<ArrayBuffer>) => gpu.upload(data, "data");

test("statistics of peaks: their mean and the share of flat maps, of the joints that count", async () => {
  const [batch, joints] = [5, 24];
  const peaks = Float32Array.from({ length: 3 * batch * joints }, () => random.uniform());
  const counted = [1, 2, 5, 17];
  const shares = Float32Array.from({ length: joints }, (_, joint) => (counted.includes(joint) ? 1 / (batch * counted.length) : 0));
  const values = Array.from({ length: batch }, (_, n) => counted.map((joint) => peaks[3 * (n * joints + joint) + 2] as number)).flat();
  const out = gpu.persistent(8, "out");
  peakStatistics(gpu, { peaks: up(peaks), shares: up(shares), out, batch, joints, flatBelow: 0.3 });
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const flat = values.filter((value) => value < 0.3).length / values.length;
  expectClose(await gpu.readFloats(out), Float32Array.of(mean, flat), "longSum", "statistics");
});

test("training accuracy: joints within half a tenth of the map, the axes' norms exchanged, targets at the border left out", async () => {
  const [batch, joints, width, height] = [6, 40, 12, 16];
  const cells = () => Float32Array.from({ length: 3 * batch * joints }, (_, i) => (i % 3 === 0 ? random.integer(0, width) : i % 3 === 1 ? random.integer(0, height) : 1));
  const expected = cells();
  // Near the target as a rule, so that some are right.
  const prediction = expected.map((value, i) => (i % 3 === 2 ? value : value + random.integer(-1, 2)));
  for (let n = 0; n < batch; n++) expected[3 * (n * joints + 7)] = 1; // a joint that never counts
  const shares: number[] = [];
  for (let joint = 0; joint < joints; joint++) {
    let [right, counted] = [0, 0];
    for (let n = 0; n < batch; n++) {
      const [x, y] = [0, 1].map((axis) => expected[3 * (n * joints + joint) + axis] as number) as [number, number];
      const [p, q] = [0, 1].map((axis) => prediction[3 * (n * joints + joint) + axis] as number) as [number, number];
      if (!(x > 1 && y > 1)) continue;
      counted++;
      if (Math.hypot((p - x) / (height / 10), (q - y) / (width / 10)) < 0.5) right++;
    }
    if (counted > 0) shares.push(right / counted);
  }
  expect(shares.length).toBeLessThan(joints);
  const out = gpu.persistent(4, "out");
  const run = async (target: Float32Array<ArrayBuffer>) => {
    peakAccuracy(gpu, { prediction: up(prediction), expected: up(target), out, batch, joints, size: [width, height] });
    return [...(await gpu.readFloats(out))][0] as number;
  };
  const mean = shares.reduce((sum, value) => sum + value, 0) / shares.length;
  expect(mean).toBeGreaterThan(0.05);
  expectClose([await run(expected)], [mean], "longSum", "accuracy");
  expect(await run(new Float32Array(expected.length))).toBe(-1);
});

test("training accuracy of the worked example: x is measured by the height, y by the width, and targets at the border do not count", async () => {
  const places = (...points: (readonly [number, number])[]) => up(Float32Array.from(points.flatMap(([x, y]) => [x, y, 1])));
  const out = gpu.persistent(4, "out");
  peakAccuracy(gpu, { prediction: places([23, 30], [20, 33], [1, 30], [20, 30]), expected: places([20, 30], [20, 30], [1, 30], [20, 30]), out, batch: 1, joints: 4, size: [48, 64] });
  expectClose(await gpu.readFloats(out), [2 / 3], "longSum", "accuracy"); // right, wrong, left out, right: 3 / 6.4 = 0.469 and 3 / 4.8 = 0.625
});
