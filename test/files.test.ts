import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataError } from "../src/error.ts";
import { removeStaleTemporaries, writeChunksAtomic, writeError, writeFileAtomic } from "../src/files.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "limber-files-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("writes text and bytes, makes folders, replaces, leaves no temporary", async () => {
  const path = join(folder, "a/b/c.txt");
  await writeFileAtomic(path, "häuser");
  expect(readFileSync(path, "utf8")).toBe("häuser");
  await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
  expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  expect(readdirSync(join(folder, "a/b"))).toEqual(["c.txt"]);
});

test("a write that fails half way leaves the old file and no temporary", async () => {
  const path = join(folder, "kept.bin");
  await writeFileAtomic(path, "old");
  async function* broken() {
    yield Uint8Array.of(1);
    throw new Error("source failed");
  }
  await expect(writeChunksAtomic(path, broken())).rejects.toThrow("source failed");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder).filter((name) => name.includes(".tmp-"))).toEqual([]);
});

test("a full disk is a DataError that names the file and the remedy", async () => {
  // /dev/full refuses every write with ENOSPC, but cannot be renamed over; so the mapping is tested on the real error.
  let caught: unknown;
  try {
    writeFileSync("/dev/full", "x");
  } catch (error) {
    caught = writeError("out/model.safetensors", error);
  }
  expect(caught).toBeInstanceOf(DataError);
  expect((caught as DataError).code).toBe("file/enospc");
  expect((caught as DataError).toText()).toContain("out/model.safetensors: cannot write: the disk is full");
});

test("a file in the place of a folder is a DataError", async () => {
  writeFileSync(join(folder, "plain"), "");
  await expect(writeFileAtomic(join(folder, "plain/x.txt"), "x")).rejects.toBeInstanceOf(DataError);
});

test.skipIf(process.getuid?.() === 0)("a folder without write permission is a DataError", async () => {
  const locked = join(folder, "locked");
  await writeFileAtomic(join(locked, "x"), "x");
  chmodSync(locked, 0o555);
  await expect(writeFileAtomic(join(locked, "y"), "y")).rejects.toBeInstanceOf(DataError);
});

test("stale temporaries of dead processes go, others stay", async () => {
  const dead = Bun.spawnSync(["true"]).pid;
  writeFileSync(join(folder, `m.tmp-${dead}-0`), "");
  writeFileSync(join(folder, `m.tmp-${process.pid}-99`), "");
  writeFileSync(join(folder, "m.tmp-notes"), "");
  await removeStaleTemporaries(folder);
  expect(existsSync(join(folder, `m.tmp-${dead}-0`))).toBe(false);
  expect(existsSync(join(folder, `m.tmp-${process.pid}-99`))).toBe(true);
  expect(existsSync(join(folder, "m.tmp-notes"))).toBe(true);
});
