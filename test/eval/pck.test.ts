import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMat } from "../../src/data/mat.ts";
import { type PckTruth, readPckTruth } from "../../src/data/mpii.ts";
import { boxDiagonals, pckRows, scoreAicPck, scoreLsp, scoreMpii, scorePck, writePredMat } from "../../src/eval/pck.ts";

const TRUTH = join(import.meta.dir, "../golden/readers/gt_valid.mat");

/** The worked example: 2 persons, head boxes of 50 px diagonal, the first's and second's errors by joint. */
async function example(): Promise<{ truth: PckTruth; predictions: Float64Array }> {
  const truth = await readPckTruth(TRUTH);
  const predictions = truth.positions.slice();
  const move = (person: number, name: string, px: number) => {
    const i = 2 * (person * 16 + truth.jointNames.indexOf(name));
    predictions[i] = (predictions[i] as number) + px;
  };
  move(0, "head", 14);
  move(1, "head", 16);
  move(0, "lwri", 3.2);
  move(1, "rank", 500); // missing there
  return { truth, predictions };
}

test("gt_valid.mat as SciPy writes it: joints, positions, missing joints and head boxes by person", async () => {
  const truth = await readPckTruth(TRUTH);
  expect(truth.count).toBe(2);
  expect(truth.jointNames.slice(0, 3)).toEqual(["rank", "rkne", "rhip"]);
  // 100 + arange(64).reshape(16, 2, 2): joint, axis, person.
  expect([...truth.positions.subarray(0, 4)]).toEqual([100, 102, 104, 106]);
  expect([...truth.positions.subarray(32, 34)]).toEqual([101, 103]);
  expect([...truth.missing].flatMap((flag, i) => (flag ? [i] : []))).toEqual([16]);
  expect([...truth.boxes]).toEqual([100, 100, 130, 140, 100, 100, 130, 140]);
  expect([...boxDiagonals(truth)]).toEqual([50, 50]);
});

test("a NaN in ground truth is named by variable and person", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  const file = join(folder, "gt_valid.mat");
  try {
    const good = await readFile(TRUTH);
    // Where SciPy has put 130 (a corner of the second head) and 102 (the first ankle's y).
    for (const [value, offset, text] of [[130, 2128, "headboxes_src: person 1: NaN"], [102, 1624, "pos_gt_src: person 0, joint rank: NaN"]] as const) {
      const bytes = Buffer.from(good);
      expect(bytes.readDoubleLE(offset)).toBe(value);
      bytes.writeDoubleLE(Number.NaN, offset);
      await writeFile(file, bytes);
      await expect(readPckTruth(file)).rejects.toMatchObject({ where: file, message: expect.stringContaining(text) });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the worked example of PCKh, the mean at 0.10 and what the tables call 0.1", async () => {
  const { truth, predictions } = await example();
  const scores = scoreMpii(truth, predictions);
  const rows = Object.fromEntries(pckRows(truth, scores));
  expect(rows["Head"]).toBe(50);
  expect(rows["Mean"]).toBeCloseTo(96.2963, 4);
  expect(rows["Mean@0.10"]).toBeCloseTo(88.8889, 4);
  expect(rows["Mean@0.1"]).toBeCloseTo(92.5926, 4);
  expect([rows["Wrist"], rows["Ankle"], rows["Mean@0.4"]]).toEqual([100, 100, scores.curve[40]]);
  expect(scores.counts.reduce((sum, count) => sum + count, 0)).toBe(31);
});

test("ground truth as prediction is 100, also with a score column; a distance at the threshold counts", async () => {
  const { truth } = await example();
  const withScore = Float64Array.from({ length: 2 * 16 * 3 }, (_, i) => (i % 3 === 2 ? 0.5 : (truth.positions[2 * Math.floor(i / 3) + (i % 3)] as number)));
  for (const predictions of [truth.positions, withScore]) {
    const scores = scoreMpii(truth, predictions);
    expect(scores.mean).toBe(100);
    expect(new Set(pckRows(truth, scores).map(([, value]) => value))).toEqual(new Set([100]));
  }
  const shifted = truth.positions.map((value, i) => (i % 2 === 0 ? value + 15 : value));
  expect(scoreMpii(truth, shifted).mean).toBe(100);
  expect(scoreMpii(truth, shifted.map((value, i) => (i % 2 === 0 ? value + 1e-9 : value))).mean).toBe(0);
  expect(() => scoreMpii(truth, truth.positions.subarray(0, 40))).toThrow("40 numbers predicted for 2 persons with 16 joints");
});

test("LSP counts missing joints and uses the whole diagonal; AI Challenger falls back to 95 px", async () => {
  const { truth, predictions } = await example();
  const lsp = scoreLsp(truth, predictions);
  expect(lsp.counts.every((count) => count === 2)).toBe(true);
  expect(lsp.joints[0]).toBe(50); // the missing right ankle is 500 px off
  expect(lsp.joints[9]).toBe(0); // 14 and 16 px of a torso of 50 are more than 0.2
  const two: PckTruth = { jointNames: ["a", "head", "neck"], count: 2, missing: Uint8Array.of(0, 0, 0, 0, 1, 0), positions: new Float64Array(12), boxes: Float64Array.of(0, 0, 0, 10, 0, 0, 0, 10) };
  const off = Float64Array.of(6, 0, 0, 0, 0, 0, 47, 0, 0, 0, 0, 0);
  const aic = scoreAicPck(two, off);
  expect([...aic.joints]).toEqual([50, 100, 100]);
  expect(scorePck(two, off, { lengths: boxDiagonals(two) }).joints[0]).toBe(0);
});

test("pred.mat holds persons x joints x columns in 1-based pixels", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    const path = join(folder, "pred.mat");
    const predictions = Float64Array.from({ length: 2 * 16 * 3 }, (_, i) => i);
    await writePredMat(path, predictions, { joints: 16, columns: 3 });
    const preds = (await readMat(path)).get("preds");
    if (preds?.kind !== "numbers") throw new Error("not numbers");
    expect(preds.shape).toEqual([2, 16, 3]);
    const at = (n: number, j: number, k: number) => preds.data[n + 2 * (j + 16 * k)];
    expect([at(0, 0, 0), at(0, 0, 1), at(0, 0, 2)]).toEqual([1, 2, 2]);
    expect([at(1, 15, 0), at(1, 15, 1), at(1, 15, 2)]).toEqual([94, 95, 95]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
