/** NumPy's .npy arrays (versions 1 to 3) and .npz archives. Source: numpy.lib.format. */
import { readFile } from "node:fs/promises";
import { DataError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";
import { writeZip, ZipArchive } from "./zip.ts";

export type NpyData = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array | Uint32Array | BigUint64Array | string[];

/** An array with its shape, row-major whatever the order in the file. Booleans are 0 and 1; float16 is read as float32. */
export interface NpyArray {
  shape: readonly number[];
  data: NpyData;
}

const TYPES = [
  ["f4", Float32Array],
  ["f8", Float64Array],
  ["i1", Int8Array],
  ["i2", Int16Array],
  ["i4", Int32Array],
  ["i8", BigInt64Array],
  ["u1", Uint8Array],
  ["u2", Uint16Array],
  ["u4", Uint32Array],
  ["u8", BigUint64Array],
  ["b1", Uint8Array],
] as const;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** The bytes of an .npy file. */
export function encodeNpy({ shape, data }: NpyArray): Uint8Array {
  const type = TYPES.find(([, constructor]) => data instanceof constructor);
  if (!type || Array.isArray(data)) throw new Error("an array type that is not written to .npy files");
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== data.length) throw new Error(`${data.length} numbers for the shape [${shape.join(", ")}]`);
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const descriptor = `${data.BYTES_PER_ELEMENT === 1 ? "|" : "<"}${type[0]}`;
  const text = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = new Uint8Array(10 + padded.length);
  head.set([...MAGIC, 1, 0]);
  new DataView(head.buffer).setUint16(8, padded.length, true);
  head.set(new TextEncoder().encode(padded), 10);
  const file = new Uint8Array(head.length + data.byteLength);
  file.set(head);
  file.set(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength), head.length);
  return file;
}

/** Writes an array; the file appears complete or not at all. */
export async function writeNpy(path: string, array: NpyArray): Promise<void> {
  await writeFileAtomic(path, encodeNpy(array));
}

/** IEEE half to number. */
function halfToNumber(bits: number): number {
  const [sign, exponent, fraction] = [bits >>> 15 ? -1 : 1, (bits >>> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** For each element in row-major order, its place in column-major order. */
function columnMajorPlaces(shape: readonly number[], count: number): Uint32Array {
  const places = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let rest = i;
    let place = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis] as number;
      let stride = 1;
      for (let before = 0; before < axis; before++) stride *= shape[before] as number;
      place += (rest % size) * stride;
      rest = Math.floor(rest / size);
    }
    places[i] = place;
  }
  return places;
}

/** How the numbers of an array are stored. */
export interface NpyStorage {
  /** Byte order and type, for example "<f8", "|b1", "<U5". */
  descriptor: string;
  shape: readonly number[];
  columnMajor: boolean;
  bytes: Uint8Array;
}

/** The array of bytes in one of NumPy's types; `bad` makes the error of what is wrong with them. */
export function decodeNumpy({ descriptor, shape, columnMajor, bytes }: NpyStorage, bad: (message: string) => Error): NpyArray {
  const [, byteOrder = "", letter = "", digits = ""] = /^([<>|=]?)([a-zA-Z])(\d*)$/.exec(descriptor) ?? [];
  const count = shape.reduce((product, size) => product * size, 1);
  const name = `${letter}${digits}`;
  const big = byteOrder === ">";
  /** A copy of the numbers' bytes, little-endian. */
  const payload = (unit: number, units: number) => {
    if (units * unit > bytes.length) throw bad("the file is truncated");
    const copy = new Uint8Array(units * unit); // not slice(), which for Node's Buffer is a view
    copy.set(bytes.subarray(0, units * unit));
    if (big && unit > 1) swapBytes(copy, unit);
    return copy.buffer;
  };
  // Only arrays with two axes or more have an order.
  const places = columnMajor && shape.length > 1 ? columnMajorPlaces(shape, count) : undefined;

  if (letter === "U") {
    const length = Number(digits);
    const codes = new Uint32Array(payload(4, count * length));
    const words = Array.from({ length: count }, (_, i) => {
      const word = codes.subarray(i * length, (i + 1) * length);
      if (word.some((code) => code > 0x10ffff)) throw bad("damaged text");
      return Array.from(word.filter((code) => code > 0), (code) => String.fromCodePoint(code)).join("");
    });
    return { shape, data: places ? Array.from(places, (place) => words[place] as string) : words };
  }
  if (name === "f2") {
    const halves = new Uint16Array(payload(2, count));
    return { shape, data: Float32Array.from({ length: count }, (_, i) => halfToNumber(halves[places ? (places[i] as number) : i] as number)) };
  }
  const type = TYPES.find(([known]) => known === name);
  if (!type) throw bad(letter === "O" ? "an array of Python objects, which is a pickle" : `unsupported element type ${byteOrder}${name}`);
  const Constructor = type[1];
  const data = new Constructor(payload(Constructor.BYTES_PER_ELEMENT, count));
  if (!places) return { shape, data };
  const sorted = new Constructor(count);
  places.forEach((place, i) => (sorted[i] = data[place] as never));
  return { shape, data: sorted };
}

function badNpy(file: string, message: string): DataError {
  return new DataError({ code: "data/npy", where: file, message, fix: "expected an .npy file of numbers, booleans or text" });
}

/** The header of an .npy file, and the bytes behind it. Errors: DataError naming the file. */
export function parseNpyHeader(bytes: Uint8Array, file: string): NpyStorage {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw badNpy(file, "not an .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = (bytes[6] as number) > 1;
  const start = wide ? 12 : 10;
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (end > bytes.length) throw badNpy(file, "the file is truncated");
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const descriptor = /'descr':\s*'([<>|=]?[a-zA-Z]\d*)'/.exec(header)?.[1];
  const dimensions = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shape = dimensions?.split(",").filter((part) => part.trim() !== "").map(Number);
  if (!descriptor || !shape || !order || shape.some((size) => !Number.isSafeInteger(size) || size < 0)) throw badNpy(file, `unsupported header ${header.trim()}`);
  return { descriptor, shape, columnMajor: order === "True", bytes: bytes.subarray(end) };
}

/**
 * The array of an .npy file. `file` is for messages.
 * @throws DataError naming the file for damage and for types that hold no numbers, booleans or text (Python objects, records, dates, complex).
 */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  return decodeNumpy(parseNpyHeader(bytes, file), (message) => badNpy(file, message));
}

/** Reads an array. Errors: as parseNpy, and DataError where the file cannot be read. */
export async function readNpy(path: string): Promise<NpyArray> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new DataError({ code: "data/npy", where: path, message: "file not found or not readable", fix: "expected an .npy file" }, { cause });
  });
  return parseNpy(bytes, path);
}

/** The arrays of an .npz archive by name, or only those named. Errors: DataError naming archive and array. */
export async function readNpz(path: string, names?: readonly string[]): Promise<Map<string, NpyArray>> {
  const archive = await ZipArchive.open(path);
  try {
    const wanted = names ?? archive.names.filter((name) => name.endsWith(".npy")).map((name) => name.slice(0, -4));
    const arrays = new Map<string, NpyArray>();
    for (const name of wanted) arrays.set(name, parseNpy(await archive.read(`${name}.npy`), `${path}:${name}`));
    return arrays;
  } finally {
    await archive.close();
  }
}

/** Writes an .npz archive without compression, as np.savez does; it appears complete or not at all. */
export async function writeNpz(path: string, arrays: Readonly<Record<string, NpyArray>>): Promise<void> {
  await writeZip(path, Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)])));
}
