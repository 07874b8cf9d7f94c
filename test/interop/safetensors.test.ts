import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataError } from "../../src/error.ts";
import {
  DTYPE_BYTES,
  type Dtype,
  float32Tensor,
  openSafetensors,
  type StoredTensor,
  toFloat32,
  writeSafetensors,
} from "../../src/interop/safetensors.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "limber-safetensors-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file made by hand from a header text and data bytes. */
function handMade(name: string, header: string | Uint8Array, dataBytes: number): string {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function refusal(path: string): Promise<string> {
  try {
    await openSafetensors(path);
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    const text = (error as DataError).toText();
    expect(text).toContain(path);
    return text;
  }
  throw new Error(`${path} was accepted`);
}

const dtypes = Object.keys(DTYPE_BYTES) as Dtype[];
const tensorArbitrary: fc.Arbitrary<StoredTensor> = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }) })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype];
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((data) => ({ dtype, shape, data: new Uint8Array(data) }));
  });

test("what is written is read back, whatever the names, types and shapes", async () => {
  const names = fc
    .string({ unit: "grapheme", maxLength: 12 })
    .filter((name) => name !== "__metadata__" && name.isWellFormed());
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.tuple(fc.oneof(names, fc.constantFrom("__proto__", "1", "10", "constructor")), tensorArbitrary),
        {
          selector: ([name]) => name,
          maxLength: 6,
        },
      ),
      async (pairs) => {
        const path = join(folder, "round.safetensors");
        const tensors = new Map(pairs);
        await writeSafetensors(path, tensors, { metadata: { note: 'ä\n"' } });
        const file = await openSafetensors(path);
        expect(file.metadata).toEqual({ note: 'ä\n"' });
        expect([...file.entries.keys()].sort()).toEqual([...tensors.keys()].sort());
        for (const [name, tensor] of tensors) {
          const read = await file.read(name);
          expect(read.dtype).toBe(tensor.dtype);
          expect([...read.shape]).toEqual([...tensor.shape]);
          expect(Buffer.compare(read.data, tensor.data)).toBe(0);
          const offset = file.entries.get(name)?.offsetBytes ?? -1;
          expect(offset % DTYPE_BYTES[tensor.dtype]).toBe(0);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("equal contents give equal bytes whatever the order of insertion", async () => {
  const a = float32Tensor(Float32Array.of(1, 2), [2]);
  const b: StoredTensor = { dtype: "U8", shape: [3], data: Uint8Array.of(7, 8, 9) };
  await writeSafetensors(
    join(folder, "ab"),
    new Map([
      ["a", a],
      ["b", b],
    ]),
  );
  await writeSafetensors(
    join(folder, "ba"),
    new Map([
      ["b", b],
      ["a", a],
    ]),
  );
  expect(readFileSync(join(folder, "ab")).equals(readFileSync(join(folder, "ba")))).toBe(true);
  const length = new DataView(readFileSync(join(folder, "ab")).buffer as ArrayBuffer).getBigUint64(0, true);
  expect(length % 8n).toBe(0n);
});

test("a file that the reference implementation's documentation describes is read", async () => {
  const path = handMade(
    "reference",
    '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}',
    16,
  );
  const file = await openSafetensors(path);
  expect(file.metadata["format"]).toBe("pt");
  expect([...toFloat32(await file.read("w"), "w")]).toEqual([0, 0, 0, 0]);
});

describe("refuses, naming the file:", () => {
  const entry = (offsets: string, shape = "[1]", dtype = "F32") =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
  const cases: [string, string, string | Uint8Array, number][] = [
    ["header is not JSON", "the header is not JSON", "{oops", 0],
    ["header is not UTF-8", "the header is not JSON", Uint8Array.of(0x7b, 0xff, 0x7d), 0],
    ["header is an array", "not a JSON object", "[]", 0],
    ["unknown type", 'has type "F31"', `{"a":${entry("[0,4]", "[1]", "F31")}}`, 4],
    ["type named like an object member", 'has type "constructor"', `{"a":${entry("[0,4]", "[1]", "constructor")}}`, 4],
    ["offsets do not fit the shape", "needs 8 bytes, its offsets span 4", `{"a":${entry("[0,4]", "[2]")}}`, 4],
    ["negative offset", "Invalid value", `{"a":${entry("[-4,0]")}}`, 4],
    ["negative side", "Invalid value", `{"a":${entry("[0,4]", "[-1]")}}`, 4],
    ["fractional side", "Invalid", `{"a":${entry("[0,4]", "[1.5]")}}`, 4],
    ["huge shape", "needs", `{"a":${entry("[0,4]", "[9007199254740991,9007199254740991]")}}`, 4],
    ["overlap", "overlaps", `{"a":${entry("[0,4]")},"b":${entry("[2,6]")}}`, 6],
    ["gap", "leaves a gap", `{"a":${entry("[0,4]")},"b":${entry("[8,12]")}}`, 12],
    ["truncated", "truncated", `{"a":${entry("[0,4]")}}`, 3],
    ["trailing bytes", "2 bytes follow", `{"a":${entry("[0,4]")}}`, 6],
    ["metadata of numbers", "__metadata__", `{"__metadata__":{"a":1}}`, 0],
    ["missing field", 'tensor "a"', `{"a":{"dtype":"F32","shape":[1]}}`, 4],
  ];
  test.each(cases)("%s", async (name, expected, header, dataBytes) => {
    expect(await refusal(handMade(name, header, dataBytes))).toContain(expected);
  });

  test("empty file, short file, header longer than the file, absurd header length", async () => {
    writeFileSync(join(folder, "empty"), "");
    expect(await refusal(join(folder, "empty"))).toContain("0 bytes are too few");
    writeFileSync(join(folder, "short"), Uint8Array.of(100, 0, 0, 0, 0, 0, 0, 0, 1));
    expect(await refusal(join(folder, "short"))).toContain("claims 100 bytes");
    writeFileSync(join(folder, "png"), Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0));
    expect(await refusal(join(folder, "png"))).toContain("the header claims");
  });

  test("missing file, folder, missing tensor", async () => {
    expect(await refusal(join(folder, "absent"))).toContain("does not exist");
    expect(await refusal(folder)).toContain("is not a file");
    const path = handMade("one", `{"a":${entry("[0,4]")}}`, 4);
    await expect((await openSafetensors(path)).read("b")).rejects.toThrow('has no tensor "b"');
  });

  test("any cut of a good file", async () => {
    const good = join(folder, "good");
    await writeSafetensors(good, new Map([["w", float32Tensor(Float32Array.of(1, 2, 3), [3])]]));
    const bytes = readFileSync(good);
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(join(folder, "cut"), bytes.subarray(0, length));
      await refusal(join(folder, "cut"));
    }
  });
});

test("half and brain floats and doubles become float32", () => {
  const half = new Float16Array([1.5, -2, 65504]);
  expect([...toFloat32({ dtype: "F16", shape: [3], data: new Uint8Array(half.buffer) }, "h")]).toEqual([
    1.5, -2, 65504,
  ]);
  expect([...toFloat32({ dtype: "BF16", shape: [2], data: Uint8Array.of(0x80, 0x3f, 0x49, 0xc0) }, "b")]).toEqual([
    1, -3.140625,
  ]);
  const double = new Float64Array([0.25]);
  expect([...toFloat32({ dtype: "F64", shape: [1], data: new Uint8Array(double.buffer) }, "d")]).toEqual([0.25]);
  expect(() => toFloat32({ dtype: "I64", shape: [1], data: new Uint8Array(8) }, "i")).toThrow(DataError);
});

test("a tensor whose bytes do not fit is a bug of the caller and writes nothing", async () => {
  const before = readdirSync(folder).length;
  const wrong = new Map<string, StoredTensor>([["w", { dtype: "F32", shape: [2], data: new Uint8Array(4) }]]);
  await expect(writeSafetensors(join(folder, "wrong"), wrong)).rejects.toThrow("needs 8 bytes, got 4");
  expect(readdirSync(folder).length).toBe(before);
});
