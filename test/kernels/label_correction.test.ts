import { expect, test } from "bun:test";
import { agreementWeights, type AgreementRules, correctLabels } from "../../src/kernels/label_correction.ts";
import { Random } from "../../src/random.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const [BATCH, JOINTS, PIXELS] = [3, 5, 7 * 6];
const random = new Random({ seed: 3, stream: 930 });
// Peaks of more than 1 occur.
const peaksOf = () => Float32Array.from({ length: 3 * BATCH * JOINTS }, (_, i) => (i % 3 === 2 ? random.range(0, 1.5) : random.integer(0, 6)));
const up = (data: Float32Array<ArrayBuffer>) => gpu.upload(data, "data");

test("labels are the mean of the pair of old and new maps whose peaks are nearest, the first of equals", async () => {
  const peaks = Array.from({ length: 4 }, peaksOf);
  const maps = Array.from({ length: 4 }, () => Float32Array.from({ length: BATCH * PIXELS * JOINTS }, () => random.uniform()));
  const [a, b, oldA, oldB] = [0, 1, 2, 3] as const;
  const chosen = Array.from({ length: BATCH * JOINTS }, (_, i) => {
    const distance = (p: number, q: number) => Math.hypot(...[0, 1].map((axis) => (peaks[p]?.[3 * i + axis] as number) - (peaks[q]?.[3 * i + axis] as number)));
    const pairs: (readonly [number, number])[] = [[a, b], [oldA, b], [a, oldB], [oldA, oldB]];
    return pairs.reduce((best, pair) => (distance(...pair) < distance(...best) ? pair : best));
  });
  expect(new Set(chosen).size).toBeGreaterThan(2);
  const expected = Float32Array.from({ length: BATCH * PIXELS * JOINTS }, (_, i) => {
    const [p, q] = chosen[Math.floor(i / PIXELS / JOINTS) * JOINTS + (i % JOINTS)] as readonly [number, number];
    return 0.5 * ((maps[p]?.[i] as number) + (maps[q]?.[i] as number));
  });
  const out = gpu.persistent(4 * expected.length, "out");
  const named = (all: Float32Array<ArrayBuffer>[]) => {
    const [first, second, firstOld, secondOld] = all.map(up);
    if (!first || !second || !firstOld || !secondOld) throw new Error("four buffers");
    return { first, second, firstOld, secondOld };
  };
  gpu.scope(() => correctLabels(gpu, { maps: named(maps), peaks: named(peaks), out, batch: BATCH, pixels: PIXELS, joints: JOINTS }));
  expectClose(await gpu.readFloats(out), expected, "kernel", "labels");
});

for (const rules of [
  { scoreThreshold: 0.5, scoreWeight: false, distance: "none", distanceThreshold: 0.6 },
  { scoreThreshold: undefined, scoreWeight: true, distance: "drop", distanceThreshold: 0.3 },
  { scoreThreshold: 0.4, scoreWeight: true, distance: "weight", distanceThreshold: 0.3 },
  { scoreThreshold: 0.6, scoreWeight: false, distance: "mask", distanceThreshold: 0.3 },
] satisfies AgreementRules[]) {
  test(`weights by the agreement of two teachers: ${JSON.stringify(rules)}`, async () => {
    const [first, second] = [peaksOf(), peaksOf()];
    const base = Float32Array.from({ length: BATCH * JOINTS }, (_, i) => Number(i % 4 > 0));
    const diagonal = Math.hypot(7, 6);
    const [everyone, third, differences]: [number[], number[], number[]] = [[], [], []];
    base.forEach((weight, i) => {
      const [a, b] = [first, second].map((peaks) => peaks.subarray(3 * i, 3 * i + 3)) as [Float32Array, Float32Array];
      const ratio = Math.hypot((a[0] as number) - (b[0] as number), (a[1] as number) - (b[1] as number)) / diagonal;
      const [va, vb] = [a[2] as number, b[2] as number];
      differences.push(Math.abs(va - vb));
      const sure = rules.scoreThreshold === undefined || (va + vb) / 2 > rules.scoreThreshold;
      const close = ratio < rules.distanceThreshold;
      const all = weight * Number(rules.distance === "mask" ? sure || close : sure) * (rules.scoreWeight ? Math.max(0, 1 - Math.abs(va - vb)) : 1);
      everyone.push(all);
      third.push(all * (rules.distance === "drop" ? Number(close) : rules.distance === "weight" ? 1 - ratio : 1));
    });
    const [outAll, outThird] = [gpu.persistent(4 * base.length, "all"), gpu.persistent(4 * base.length, "third")];
    gpu.scope(() => agreementWeights(gpu, { first: up(first), second: up(second), base: up(base), everyone: outAll, third: outThird, count: base.length, diagonal, rules }));
    expectClose(await gpu.readFloats(outAll), Float32Array.from(everyone), "kernel", "for all");
    expectClose(await gpu.readFloats(outThird), Float32Array.from(third), "kernel", "for the third");
    expect(new Set(everyone).size).toBeGreaterThan(1);
    if (rules.scoreWeight) expect(differences.some((difference) => difference > 1)).toBe(true);
  });
}
