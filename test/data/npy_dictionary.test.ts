import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAicPckTruth } from "../../src/data/aic.ts";
import { readNpyDictionary } from "../../src/data/npy_dictionary.ts";
import { DataError } from "../../src/error.ts";
import { pckRows, scoreAicPck } from "../../src/eval/pck.ts";
import { AIC14 } from "../../src/pose/joint_sets.ts";

const FILES = join(import.meta.dir, "../golden/readers");
const TRUTH = join(FILES, "gt_validation.npy");
const folder = mkdtempSync(join(tmpdir(), "limber-npy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a dictionary that NumPy pickled: arrays of numbers, booleans and text", async () => {
  const arrays = await readNpyDictionary(TRUTH);
  expect([...arrays.keys()]).toEqual(["dataset_joints", "jnt_missing", "jnt_labeled", "pos_gt_src", "headboxes_src"]);
  expect(arrays.get("headboxes_src")).toEqual({ shape: [2, 2, 2], data: Float64Array.of(0, 0, 6, 8, 0, 0, 3, 4) });
  expect(arrays.get("jnt_labeled")?.data).toEqual(Uint8Array.from({ length: 28 }, (_, i) => (i === 26 ? 0 : 1)));
  expect((await readNpyDictionary(join(FILES, "object.npy"))).size).toBe(0); // {"a": 1}, by NumPy 2
});

test("AI Challenger's ground truth of the scores: heads of unlabelled joints are 95 px", async () => {
  const truth = await readAicPckTruth(TRUTH);
  expect([truth.count, truth.jointNames[13]]).toEqual([2, "neck"]);
  // The head of the first person is 10 px: 6 px are too far; that of the second is not labelled: 47 px are near enough.
  const moved = (first: number, second: number) => truth.positions.map((value, i) => (i % 2 === 0 ? value + (i < 28 ? first : second) : value));
  expect(scoreAicPck(truth, truth.positions).mean).toBe(100);
  expect(scoreAicPck(truth, moved(5, 47)).mean).toBe(100);
  expect(scoreAicPck(truth, moved(6, 47)).mean).toBeCloseTo((100 * 13) / 27, 12);
  expect(scoreAicPck(truth, moved(5, 48)).mean).toBeCloseTo((100 * 14) / 27, 12);
  // The source system's table; a truth made of records has other names for the same joints.
  const row = (jointNames: readonly string[]) => pckRows({ ...truth, jointNames }, scoreAicPck(truth, moved(6, 47)), { neck: true });
  expect(row(truth.jointNames).map(([name]) => name)).toEqual(["Head", "Neck", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1", "Mean@0.10", "Mean@0.2", "Mean@0.3", "Mean@0.4"]);
  expect(row(AIC14.jointNames)).toEqual(row(truth.jointNames));
});

test("a NaN that counts is named by array and person; a head that is not labelled may have one", async () => {
  const path = join(folder, "nan.npy");
  // Where NumPy has put 3 (the second joint's y), 6 (the first head's end) and 3 (the second's, which is not labelled).
  for (const [value, offset, text] of [[3, 1121, "pos_gt_src: person 0: NaN"], [6, 1621, "headboxes_src: person 0: NaN"], [3, 1653, undefined]] as const) {
    const bytes = readFileSync(TRUTH);
    expect(bytes.readDoubleLE(offset)).toBe(value);
    bytes.writeDoubleLE(Number.NaN, offset);
    writeFileSync(path, bytes);
    if (text === undefined) expect((await readAicPckTruth(path)).count).toBe(2);
    else await expect(readAicPckTruth(path)).rejects.toMatchObject({ where: path, message: expect.stringContaining(text) });
  }
});

test("what is no such file, or names something to be called, is refused by name", async () => {
  const bytes = readFileSync(TRUTH);
  const text = bytes.toString("latin1");
  const damaged: [string, string][] = [
    ["truncated", text.slice(0, -200)],
    ["empty", ""],
    ["evil", text.replace("_reconstruct", "_reconstrucT")],
    ["numbers", readFileSync(join(FILES, "gt_valid.mat")).toString("latin1")],
  ];
  for (const [name, content] of damaged) {
    const path = join(folder, `${name}.npy`);
    writeFileSync(path, Buffer.from(content, "latin1"));
    const error = await readNpyDictionary(path).catch((thrown: unknown) => thrown);
    expect(error, name).toBeInstanceOf(DataError);
    expect(String((error as DataError).where), name).toBe(path);
  }
  await expect(readNpyDictionary(join(folder, "absent.npy"))).rejects.toThrow("not found");
  await expect(readAicPckTruth(join(FILES, "object.npy"))).rejects.toThrow("dataset_joints: expected names");
});
