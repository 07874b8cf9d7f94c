import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { encodeMat, type MatValue, matNumbers, matStrings, parseMat, readMat, writeMat } from "../../src/data/mat.ts";
import { DataError } from "../../src/error.ts";

const FILES = join(import.meta.dir, "../golden/readers");
const LSPET = join(import.meta.dir, "../../../shared/data/lspet/joints.mat");

const numbers = (value: MatValue | undefined) => {
  if (value?.kind !== "numbers") throw new Error("not numbers");
  return { shape: value.shape, data: [...value.data] };
};

for (const name of ["plain", "compressed"]) {
  test(`a file of SciPy's savemat, ${name}: numbers of all classes, text, cells, structs`, async () => {
    const found = await readMat(join(FILES, `${name}.mat`));
    const cube = numbers(found.get("cube"));
    expect(cube.shape).toEqual([2, 3, 4]);
    // Column-major: (i, j, k) of arange(24).reshape(2, 3, 4) is 12 i + 4 j + k.
    for (const [i, j, k] of [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 2, 3], [0, 2, 1]] as const) expect(cube.data[i + 2 * (j + 3 * k)]).toBe(12 * i + 4 * j + k);
    expect(numbers(found.get("single"))).toEqual({ shape: [1, 2], data: [0.5, -1.25] });
    expect(numbers(found.get("bytes"))).toEqual({ shape: [1, 3], data: [1, 2, 255] });
    expect(numbers(found.get("short"))).toEqual({ shape: [2, 1], data: [-3, 300] });
    expect(numbers(found.get("long"))).toEqual({ shape: [1, 2], data: [2 ** 40, -5] });
    expect(numbers(found.get("flag"))).toEqual({ shape: [1, 2], data: [1, 0] });
    expect(numbers(found.get("empty"))).toEqual({ shape: [0, 3], data: [] });
    expect(found.get("word")).toMatchObject({ kind: "text", rows: ["rank"] });
    expect(found.get("accents")).toMatchObject({ kind: "text", rows: ["Zürich"] });
    expect(matStrings(found, { file: name, name: "names" })).toEqual(["rank", "rkne", "head"]);
    const mixed = found.get("mixed");
    expect(mixed?.kind === "cell" && mixed.items.map(({ kind }) => kind)).toEqual(["numbers", "text", "numbers"]);
    const record = found.get("record");
    if (record?.kind !== "struct") throw new Error("not a struct");
    expect([...record.fields.keys()]).toEqual(["scale", "part", "inner"]);
    expect(numbers(record.fields.get("scale")?.[0]).data).toEqual([2.5]);
    expect(record.fields.get("part")?.[0]).toMatchObject({ rows: ["wrist"] });
    const inner = record.fields.get("inner")?.[0];
    expect(inner?.kind === "struct" && numbers(inner.fields.get("x")?.[0]).data).toEqual([0, 1, 2]);
  });
}

test("what is written is read again, and equal data give equal files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(4), { minLength: 2, maxLength: 4 }), fc.double(), async (shape, value) => {
        const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value + i);
        await writeMat(join(folder, "a.mat"), { preds: { shape, data }, other: { shape: [1, 1], data: [3] } });
        const found = await readMat(join(folder, "a.mat"));
        expect(numbers(found.get("preds"))).toEqual({ shape, data: [...data] });
        expect(numbers(found.get("other")).data).toEqual([3]);
      }),
      { numRuns: 30 },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const once = encodeMat({ a: { shape: [2, 1], data: [1, 2] } });
  expect(encodeMat({ a: { shape: [2, 1], data: [1, 2] } })).toEqual(once);
  expect(() => encodeMat({ a: { shape: [2, 2], data: [1] } })).toThrow("1 numbers");
});

test("a big-endian file gives the same numbers", () => {
  const little = encodeMat({ a: { shape: [2, 1], data: [1.5, -2] } });
  const big = little.slice();
  // Turn every field of this known layout round: version, mark, tags, flags, dimensions, numbers; the name's byte stays.
  const turn = (at: number, size: number) => big.subarray(at, at + size).reverse();
  turn(124, 2);
  turn(126, 2);
  for (const at of [128, 132, 136, 140, 144, 148, 152, 156, 160, 164, 168, 172, 184, 188]) turn(at, 4);
  turn(192, 8);
  turn(200, 8);
  expect(numbers(parseMat(big, "big.mat").get("a"))).toEqual({ shape: [2, 1], data: [1.5, -2] });
});

test("a variable of another kind or shape is refused by name", () => {
  const found = parseMat(encodeMat({ a: { shape: [2, 3], data: [1, 2, 3, 4, 5, 6] } }), "x.mat");
  expect(matNumbers(found, { file: "x.mat", name: "a", shape: [2, -1, 1] }).shape).toEqual([2, 3, 1]);
  expect(() => matNumbers(found, { file: "x.mat", name: "a", shape: [3, -1] })).toThrow("variable a: expected numbers [3, n], found [2, 3]");
  expect(() => matNumbers(found, { file: "x.mat", name: "b", shape: [3, -1] })).toThrow("the file has a");
  expect(() => matStrings(found, { file: "x.mat", name: "a" })).toThrow("variable a: expected a cell array of text");
});

test("a truncated or damaged file is a DataError that names it, whatever the damage", async () => {
  await expect(readMat(join(FILES, "none.mat"))).rejects.toThrow("not found");
  const hdf5 = new TextEncoder().encode("MATLAB 7.3 MAT-file, Platform: GLNXA64".padEnd(600));
  expect(() => parseMat(hdf5, "x.mat")).toThrow("7.3");
  for (const name of ["plain", "compressed"]) {
    const whole = new Uint8Array(await readFile(join(FILES, `${name}.mat`)));
    const attempt = (bytes: Uint8Array) => {
      try {
        parseMat(bytes, "x.mat");
      } catch (error) {
        if (!(error instanceof DataError) || error.where !== "x.mat") throw error;
        return true;
      }
      return false;
    };
    for (let length = 0; length < whole.length; length += 7) {
      // A cut between two variables leaves a whole file; any other cut is noticed.
      if (!attempt(whole.subarray(0, length))) expect(parseMat(whole.subarray(0, length), "x.mat").size).toBeLessThan(12);
    }
    let refused = 0;
    for (let at = 124; at < whole.length; at += 5) {
      const damaged = whole.slice();
      damaged[at] = (damaged[at] as number) ^ 0xa5;
      if (attempt(damaged)) refused++;
    }
    expect(refused).toBeGreaterThan(20);
  }
});

test.skipIf(!existsSync(LSPET))("shared/data: the joints of LSP extended", async () => {
  const joints = matNumbers(await readMat(LSPET), { file: LSPET, name: "joints", shape: [14, 3, -1] });
  expect(joints.shape).toEqual([14, 3, 10_000]);
  const at = (joint: number, value: number, person: number) => joints.data[joint + 14 * (value + 3 * person)];
  expect([at(0, 0, 0), at(0, 1, 0), at(0, 2, 0)]).toEqual([0, expect.closeTo(-26.10911452, 8), 0]);
  expect([at(13, 0, 3), at(13, 1, 3), at(13, 2, 3)]).toEqual([expect.closeTo(84.11764706, 8), expect.closeTo(72.8, 8), 1]);
});
