import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DataError } from "../../src/error.ts";
import { DTYPE_BYTES, type Dtype, float32Tensor, type StoredTensor } from "../../src/interop/safetensors.ts";
import { openTorch, openTorchSource, stateDict, type TorchFile } from "../../src/interop/torch.ts";
import { torchChunks, type TorchValue, writeTorch } from "../../src/interop/torch_writer.ts";
import type { ByteSource } from "../../src/interop/zip.ts";

const golden = (name: string) => fileURLToPath(new URL(`../golden/torch/${name}`, import.meta.url));
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "limber-torch-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function readAll(file: TorchFile): Promise<Map<string, StoredTensor>> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of stateDict(file).tensors) tensors.set(name, await file.read(tensor));
  return tensors;
}

function expectEqual(found: ReadonlyMap<string, StoredTensor>, wanted: ReadonlyMap<string, StoredTensor>): void {
  expect([...found.keys()]).toEqual([...wanted.keys()]);
  for (const [name, { dtype, shape, data }] of wanted) {
    const own = found.get(name);
    expect({ dtype: own?.dtype, shape: [...(own?.shape ?? [])] }, name).toEqual({ dtype, shape: [...shape] });
    expect(Buffer.compare(own?.data ?? new Uint8Array(1), data), name).toBe(0);
  }
}

test("from PyTorch to here, back to PyTorch, and here again: every bit is the same", async () => {
  const path = join(folder, "written.pth");
  const first = await readAll(await openTorch(golden("types.pth")));
  await writeTorch(path, first);
  // written.pth is what PyTorch has read, with weights_only too, compared with types.pth, and written as returned.pth.
  expect(Buffer.compare(readFileSync(path), readFileSync(golden("written.pth")))).toBe(0);
  expectEqual(await readAll(await openTorch(golden("returned.pth"))), first);
  expect(readdirSync(folder)).toEqual(["written.pth"]);
});

const DTYPES: Dtype[] = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"];

test("what is written is read back, whatever the names, types and shapes", async () => {
  const tensor = fc
    .record({ dtype: fc.constantFrom(...DTYPES), shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }) })
    .chain(({ dtype, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1) * DTYPE_BYTES[dtype];
      return fc.uint8Array({ minLength: length, maxLength: length }).map((data): StoredTensor => ({ dtype, shape, data: new Uint8Array(data) }));
    });
  const name = fc.oneof(fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => text.isWellFormed()), fc.constantFrom("__proto__", "1", "toString"));
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, minLength: 1, maxLength: 6 }), async (pairs) => {
      const tensors = new Map(pairs);
      expectEqual(await readAll(await openTorchSource(inMemory(torchChunks(tensors)))), tensors);
    }),
    { numRuns: 100 },
  );
});

test("plain values, whole numbers of all sizes, lists and nested dictionaries", async () => {
  const values = new Map<string, TorchValue>([
    ["numbers", [0, 255, 256, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 2n ** 70n, -(2n ** 63n), 0.1, -1e300]],
    ["rest", new Map<string, TorchValue>([["text", "hé"], ["none", null], ["yes", true], ["no", false]])],
    ["weights", float32Tensor(Float32Array.of(1, 2), [2])],
  ]);
  const { root } = await openTorchSource(inMemory(torchChunks(values)));
  expect(root).toBeInstanceOf(Map);
  const found = root as Map<string, unknown>;
  expect(found.get("numbers")).toEqual(values.get("numbers"));
  expect(found.get("rest")).toEqual(values.get("rest"));
});

test("data begin at multiples of 64 bytes", () => {
  let offset = 0;
  const big = new Map([1, 2, 3].map((n) => [`t${n}`, float32Tensor(new Float32Array(1000 * n + n), [1000 * n + n])] as const));
  const starts: number[] = [];
  for (const chunk of torchChunks(big)) {
    if (chunk.length >= 4000) starts.push(offset);
    offset += chunk.length;
  }
  expect(starts.length).toBe(3);
  expect(starts.map((start) => start % 64)).toEqual([0, 0, 0]);
});

test("a type that PyTorch has no storage for is refused and nothing is left behind", async () => {
  const path = join(folder, "no.pth");
  await expect(writeTorch(path, new Map([["x", { dtype: "U32", shape: [], data: new Uint8Array(4) } as const]]))).rejects.toThrow(DataError);
  expect(readdirSync(folder)).not.toContain("no.pth");
});

test("files beyond 4 GB: offsets of 64 bits are written and read, tensor by tensor", async () => {
  const part = new Uint8Array(2 ** 28);
  const tensors = new Map<string, StoredTensor>(Array.from({ length: 17 }, (_, i) => [`part${i}`, { dtype: "U8", shape: [part.length], data: part }]));
  tensors.set("last", float32Tensor(Float32Array.of(1, 2, 3), [3]));
  const source = inMemory(torchChunks(tensors));
  expect(source.sizeBytes).toBeGreaterThan(2 ** 32);
  const file = await openTorchSource(source);
  const { tensors: found } = stateDict(file);
  expect([...found.keys()]).toEqual([...tensors.keys()]);
  const last = found.get("last");
  if (!last) throw new Error("no tensor");
  expect((await file.read(last)).data).toEqual(new Uint8Array(Float32Array.of(1, 2, 3).buffer));
});

/** Chunks as a file, without joining them. */
function inMemory(chunks: Iterable<Uint8Array>): ByteSource {
  const pieces: { start: number; data: Uint8Array }[] = [];
  let sizeBytes = 0;
  for (const data of chunks) {
    pieces.push({ start: sizeBytes, data });
    sizeBytes += data.length;
  }
  return {
    path: "memory.pth",
    sizeBytes,
    read(offset, count) {
      const out = new Uint8Array(count);
      for (const { start, data } of pieces) {
        const [from, to] = [Math.max(offset, start), Math.min(offset + count, start + data.length)];
        if (from < to) out.set(data.subarray(from - start, to - start), from - offset);
      }
      return Promise.resolve(out);
    },
  };
}
