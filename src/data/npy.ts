/** NumPy's .npy format, version 1.0, C order, little-endian: float32 and the small integers. */
import { readFile } from "node:fs/promises";
import { DataError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";

export type NpyData = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** An array with its shape, row-major. */
export interface NpyArray {
  shape: readonly number[];
  data: NpyData;
}

const TYPES = [
  ["<f4", Float32Array],
  ["<f8", Float64Array],
  ["<i4", Int32Array],
  ["<u4", Uint32Array],
  ["|u1", Uint8Array],
] as const;

/** Writes an array; the file appears complete or not at all. */
export async function writeNpy(path: string, { shape, data }: NpyArray): Promise<void> {
  const type = TYPES.find(([, constructor]) => data instanceof constructor);
  if (!type) throw new Error("an array type that .npy files do not have");
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${type[0]}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = new Uint8Array(10 + padded.length);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(head.buffer).setUint16(8, padded.length, true);
  head.set(new TextEncoder().encode(padded), 10);
  const file = new Uint8Array(head.length + data.byteLength);
  file.set(head);
  file.set(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength), head.length);
  await writeFileAtomic(path, file);
}

/** Reads an array. Errors: DataError naming the file for anything but the types above in C order. */
export async function readNpy(path: string): Promise<NpyArray> {
  const bad = (message: string, cause?: unknown) =>
    new DataError({ code: "data/npy", where: path, message, fix: "expected a C-order .npy file of float32, float64, int32, uint32 or uint8" }, { cause });
  const bytes = await readFile(path).then(
    (buffer) => new Uint8Array(buffer),
    (cause: unknown) => {
      throw bad("file not found or not readable", cause);
    },
  );
  if (bytes.length < 12 || bytes[0] !== 0x93) throw bad("not an .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const wide = (bytes[6] as number) > 1;
  const start = wide ? 12 : 10;
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const descriptor = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const dimensions = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!descriptor || dimensions === undefined || /'fortran_order':\s*True/.test(header)) throw bad(`unsupported header ${header.trim()}`);
  const shape = dimensions.split(",").filter((part) => part.trim() !== "").map(Number);
  const type = TYPES.find(([name]) => name === descriptor);
  if (!type) throw bad(`unsupported element type ${descriptor}`);
  const count = shape.reduce((product, size) => product * size, 1);
  const Constructor = type[1];
  if (end + count * Constructor.BYTES_PER_ELEMENT > bytes.length) throw bad("the file is truncated");
  return { shape, data: new Constructor(bytes.slice(end, end + count * Constructor.BYTES_PER_ELEMENT).buffer) };
}
