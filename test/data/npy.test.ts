import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeNpy, type NpyArray, parseNpy, readNpy, readNpz, writeNpy, writeNpz } from "../../src/data/npy.ts";
import { writeZip, ZipArchive } from "../../src/data/zip.ts";
import { DataError } from "../../src/error.ts";

const FILES = join(import.meta.dir, "../golden/readers");
const values = ({ data }: NpyArray | { data: NpyArray["data"] }) => Array.from<number | bigint | string>(data as ArrayLike<number | bigint | string>);

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

for (const name of ["stored", "deflated"]) {
  test(`an archive of NumPy, ${name}: every type, byte order and memory order`, async () => {
    const arrays = await readNpz(join(FILES, `${name}.npz`));
    const cube = Array.from({ length: 24 }, (_, i) => i);
    for (const key of ["f2", "f4", "f8", "big_f8", "u1", "u2", "u4", "big_u2", "fortran"]) {
      const array = arrays.get(key) as NpyArray;
      expect(array.shape, key).toEqual([2, 3, 4]);
      expect(values(array), key).toEqual(cube);
    }
    for (const key of ["i1", "i2", "i4"]) expect(values(arrays.get(key) as NpyArray), key).toEqual(cube.map((i) => i - 12));
    expect(values(arrays.get("i8") as NpyArray)).toEqual(cube.map((i) => BigInt(i - 12)));
    expect(values(arrays.get("b1") as NpyArray)).toEqual(cube.map((i) => (i % 3 === 0 ? 1 : 0)));
    expect(arrays.get("scalar")).toEqual({ shape: [], data: Float64Array.of(2.5) });
    expect(arrays.get("text")).toEqual({ shape: [3], data: ["rank", "é", ""] });
    expect(values(arrays.get("halves") as NpyArray)).toEqual([1, -2, 0.0999755859375, 65504, 2 ** -24, 0, Infinity, -Infinity, NaN]);
    expect([...(await readNpz(join(FILES, `${name}.npz`), ["f4"])).keys()]).toEqual(["f4"]);
    await expect(readNpz(join(FILES, `${name}.npz`), ["none"])).rejects.toThrow('no entry "none.npy"');
  });
}

test("what is written is read again, alone and in an archive", async () => {
  await inFolder(async (folder) => {
    const arrays: Record<string, NpyArray> = {
      a: { shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) },
      b: { shape: [3], data: BigInt64Array.of(1n, -(2n ** 60n), 0n) },
      c: { shape: [0, 4], data: new Uint8Array() },
      d: { shape: [], data: Float64Array.of(Math.PI) },
    };
    for (const [name, array] of Object.entries(arrays)) {
      await writeNpy(join(folder, `${name}.npy`), array);
      expect(await readNpy(join(folder, `${name}.npy`))).toEqual(array);
    }
    await writeNpz(join(folder, "all.npz"), arrays);
    expect(Object.fromEntries(await readNpz(join(folder, "all.npz")))).toEqual(arrays);
    expect(() => encodeNpy({ shape: [3], data: new Uint8Array(2) })).toThrow("2 numbers");
  });
});

test("an object array, a truncated file and anything else are refused by name", async () => {
  await expect(readNpy(join(FILES, "object.npy"))).rejects.toThrow("pickle");
  await expect(readNpy(join(FILES, "none.npy"))).rejects.toThrow("not found");
  const whole = encodeNpy({ shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
  for (let length = 0; length < whole.length; length++) expect(() => parseNpy(whole.subarray(0, length), "x.npy")).toThrow(DataError);
  const text = String.fromCharCode(...whole);
  const altered = (from: string, to: string) => Uint8Array.from(text.replace(from, to), (character) => character.charCodeAt(0));
  expect(() => parseNpy(altered("<f4", "<c8"), "x.npy")).toThrow("unsupported element type <c8");
  expect(() => parseNpy(altered("(2, 2)", "(2,-2)"), "x.npy")).toThrow("unsupported header");
});

test("a damaged archive is a DataError that names it", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "a.zip");
    await writeZip(path, { "train2017/a.txt": new TextEncoder().encode("first"), "b.txt": new Uint8Array() });
    const archive = await ZipArchive.open(path);
    expect(archive.names).toEqual(["train2017/a.txt", "b.txt"]);
    expect(archive.has("b.txt")).toBe(true);
    expect(new TextDecoder().decode(await archive.read("train2017/a.txt"))).toBe("first");
    expect(await archive.read("b.txt")).toEqual(new Uint8Array());
    await archive.close();
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += 3) {
      await writeFile(path, whole.subarray(0, length));
      await expect(ZipArchive.open(path)).rejects.toThrow(DataError);
    }
    const deflated = await readFile(join(FILES, "deflated.npz"));
    for (let at = 0; at < deflated.length; at += 37) {
      const damaged = Uint8Array.from(deflated);
      damaged[at] = (damaged[at] as number) ^ 0xa5;
      await writeFile(path, damaged);
      try {
        await readNpz(path);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }
    await expect(ZipArchive.open(join(folder, "none.zip"))).rejects.toThrow("not found");
  });
});
