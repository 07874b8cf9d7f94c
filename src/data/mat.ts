/**
 * MATLAB's level-5 MAT files: reader of numbers, text, cells and structs, compressed or not, of either byte order; writer of
 * double arrays. Source: MathWorks, "MAT-File Format", level 5.
 */
import { readFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";
import { DataError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";

/** Numbers of any class, column-major: element (i, j, k) of [a, b, c] is data[i + a * (j + b * k)]. */
export interface MatNumbers {
  kind: "numbers";
  shape: readonly number[];
  data: Float64Array;
}

/** A char array, one string per row. */
export interface MatText {
  kind: "text";
  shape: readonly number[];
  rows: readonly string[];
}

/** A cell array, column-major. */
export interface MatCell {
  kind: "cell";
  shape: readonly number[];
  items: readonly MatValue[];
}

/** A struct array: every field has one value per element, column-major. */
export interface MatStruct {
  kind: "struct";
  shape: readonly number[];
  fields: ReadonlyMap<string, readonly MatValue[]>;
}

export type MatValue = MatNumbers | MatText | MatCell | MatStruct;

const HEADER_BYTES = 128;
const [MI_COMPRESSED, MI_MATRIX] = [15, 14];
const [CELL, STRUCT, CHAR, FIRST_NUMBER, LAST_NUMBER] = [1, 2, 4, 6, 15];
const REFUSED_CLASSES: Readonly<Record<number, string>> = { 3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an object of a newer class" };
const COMPLEX_FLAG = 0x800;
/** Files of data sets nest cells in structs in cells; anything deeper is damage. */
const MAX_DEPTH = 32;
/** No annotation file inflates to more; a damaged length must not take all memory. */
const MAX_INFLATED_BYTES = 2 ** 31;

interface NumberType {
  bytes: number;
  read(view: DataView, at: number, little: boolean): number;
}

const NUMBER_TYPES: Readonly<Record<number, NumberType>> = {
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  4: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  5: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  6: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  7: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  9: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
  12: { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  13: { bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  16: { bytes: 1, read: (view, at) => view.getUint8(at) }, // UTF-8, read as text where it is text
  17: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  18: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
};
const MI_UTF8 = 16;

interface Element {
  type: number;
  bytes: Uint8Array;
}

/** Walks the elements of a range of bytes. */
class ElementReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #bad: (message: string) => DataError;
  #at = 0;

  constructor(bytes: Uint8Array, { little, bad }: { little: boolean; bad: (message: string) => DataError }) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = little;
    this.#bad = bad;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(what: string): Element {
    if (this.#at + 8 > this.#bytes.length) throw this.#bad(`truncated: no room for ${what}`);
    const word = this.#view.getUint32(this.#at, this.#little);
    const small = word >>> 16;
    const start = this.#at + (small > 0 ? 4 : 8);
    const type = small > 0 ? word & 0xffff : word;
    const length = small > 0 ? small : this.#view.getUint32(this.#at + 4, this.#little);
    if (small > 4) throw this.#bad(`damaged: a small element of ${small} bytes where ${what} should be`);
    if (start + length > this.#bytes.length) throw this.#bad(`truncated: ${what} has ${length} bytes, ${this.#bytes.length - start} are left`);
    // Compressed elements are the only ones that are not padded to 8 bytes.
    const padded = small > 0 ? 4 : type === MI_COMPRESSED ? length : Math.ceil(length / 8) * 8;
    this.#at = start + padded;
    return { type, bytes: this.#bytes.subarray(start, start + length) };
  }
}

/** Reads one file; holds what all of its matrices share. */
class MatParser {
  readonly #little: boolean;
  readonly #bad: (message: string, cause?: unknown) => DataError;

  constructor(little: boolean, bad: (message: string, cause?: unknown) => DataError) {
    this.#little = little;
    this.#bad = bad;
  }

  #elements(bytes: Uint8Array): ElementReader {
    return new ElementReader(bytes, { little: this.#little, bad: this.#bad });
  }

  variables(bytes: Uint8Array): Map<string, MatValue> {
    const found = new Map<string, MatValue>();
    const elements = this.#elements(bytes);
    while (!elements.done) {
      let element = elements.next("a variable");
      if (element.type === MI_COMPRESSED) {
        let inflated: Uint8Array;
        try {
          inflated = inflateSync(element.bytes, { maxOutputLength: MAX_INFLATED_BYTES });
        } catch (cause) {
          throw this.#bad(`a compressed variable cannot be inflated: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
        }
        element = this.#elements(inflated).next("a compressed variable");
      }
      if (element.type !== MI_MATRIX) throw this.#bad(`damaged: expected a matrix, found an element of type ${element.type}`);
      const { name, value } = this.#matrix(element.bytes, 0);
      if (value) found.set(name, value);
    }
    return found;
  }

  #numbers({ type, bytes }: Element, what: string): Float64Array {
    const kind = NUMBER_TYPES[type];
    if (!kind) throw this.#bad(`damaged: ${what} has the element type ${type}`);
    if (bytes.length % kind.bytes !== 0) throw this.#bad(`damaged: ${what} has ${bytes.length} bytes, not a multiple of ${kind.bytes}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Float64Array.from({ length: bytes.length / kind.bytes }, (_, i) => kind.read(view, i * kind.bytes, this.#little));
  }

  #text({ type, bytes }: Element, what: string): string[] {
    if (type === MI_UTF8) return Array.from(new TextDecoder().decode(bytes));
    return Array.from(this.#numbers({ type, bytes }, what), (unit) => String.fromCharCode(unit));
  }

  #matrix(bytes: Uint8Array, depth: number): { name: string; value: MatValue | undefined } {
    if (depth > MAX_DEPTH) throw this.#bad(`more than ${MAX_DEPTH} matrices inside one another`);
    // An empty cell may be a matrix of no bytes at all.
    if (bytes.length === 0) return { name: "", value: { kind: "numbers", shape: [0, 0], data: new Float64Array() } };
    const parts = this.#elements(bytes);
    const [flags = 0] = this.#numbers(parts.next("the flags of a matrix"), "the flags of a matrix");
    const shape = [...this.#numbers(parts.next("the dimensions of a matrix"), "the dimensions of a matrix")];
    const name = this.#text(parts.next("the name of a matrix"), "the name of a matrix").join("");
    const what = name === "" ? "an unnamed matrix" : `variable ${name}`;
    if (shape.length < 2 || shape.some((size) => !Number.isInteger(size) || size < 0)) throw this.#bad(`${what}: damaged dimensions [${shape.join(", ")}]`);
    const count = shape.reduce((product, size) => product * size, 1);
    const kind = flags & 0xff;
    const refused = REFUSED_CLASSES[kind];
    if (refused) throw this.#bad(`${what} is ${refused}, which is not read; expected numbers, text, cells or structs`);
    if ((flags & COMPLEX_FLAG) !== 0) throw this.#bad(`${what} is complex, which is not read`);

    if (kind === CELL) {
      const items = this.#nested(parts, { count, what, depth });
      return { name, value: { kind: "cell", shape, items } };
    }
    if (kind === STRUCT) {
      const [width = 0] = this.#numbers(parts.next(`${what}: the length of field names`), what);
      const names = parts.next(`${what}: its field names`).bytes;
      if (!(width > 0) || names.length % width !== 0) throw this.#bad(`${what}: damaged field names`);
      const keys = Array.from({ length: names.length / width }, (_, i) => {
        const text = new TextDecoder().decode(names.subarray(i * width, (i + 1) * width));
        return text.split("\0")[0] ?? "";
      });
      const values = this.#nested(parts, { count: count * keys.length, what, depth });
      const fields = new Map(keys.map((key, k) => [key, values.filter((_, i) => i % keys.length === k)]));
      return { name, value: { kind: "struct", shape, fields } };
    }
    if (kind === CHAR) {
      const characters = count === 0 && parts.done ? [] : this.#text(parts.next(`${what}: its text`), what);
      if (characters.length !== count) throw this.#bad(`${what}: ${characters.length} characters for the dimensions [${shape.join(", ")}]`);
      const height = count === 0 ? 0 : (shape[0] ?? 0);
      const rows = Array.from({ length: height }, (_, row) => Array.from({ length: count / height }, (_, i) => characters[row + i * height]).join(""));
      return { name, value: { kind: "text", shape, rows } };
    }
    if (kind < FIRST_NUMBER || kind > LAST_NUMBER) throw this.#bad(`${what}: unknown class ${kind}`);
    const data = this.#numbers(parts.next(`${what}: its numbers`), what);
    if (data.length !== count) throw this.#bad(`${what}: ${data.length} numbers for the dimensions [${shape.join(", ")}]`);
    return { name, value: { kind: "numbers", shape, data } };
  }

  #nested(parts: ElementReader, { count, what, depth }: { count: number; what: string; depth: number }): MatValue[] {
    const items: MatValue[] = [];
    for (let i = 0; i < count; i++) {
      const element = parts.next(`${what}: element ${i} of ${count}`);
      if (element.type !== MI_MATRIX) throw this.#bad(`${what}: element ${i} has type ${element.type} instead of a matrix`);
      const { value } = this.#matrix(element.bytes, depth + 1);
      if (value) items.push(value);
    }
    return items;
  }
}

/**
 * The variables of a level-5 MAT file. `file` is for messages.
 * @throws DataError naming the file for damage, other versions (4, 7.3), and sparse, complex or object variables.
 */
export function parseMat(bytes: Uint8Array, file: string): Map<string, MatValue> {
  const bad = (message: string, cause?: unknown) => {
    const facts = { code: "data/mat", where: file, message, fix: "expected a MAT file of version 5 (MATLAB's save with -v6 or -v7, SciPy's savemat)" };
    return new DataError(facts, cause === undefined ? undefined : { cause });
  };
  const heading = new TextDecoder("latin1").decode(bytes.subarray(0, 19));
  if (heading === "MATLAB 7.3 MAT-file") throw bad("a MAT file of version 7.3, which is HDF5");
  if (bytes.length < HEADER_BYTES) throw bad(`not a MAT file: ${bytes.length} bytes, the header alone has ${HEADER_BYTES}`);
  const mark = String.fromCharCode(bytes[126] as number, bytes[127] as number);
  if (mark !== "IM" && mark !== "MI") throw bad("not a MAT file of version 5: the byte-order mark is missing");
  const little = mark === "IM";
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint16(124, little);
  if (version !== 0x0100) throw bad(`a MAT file of version 0x${version.toString(16)}`);
  return new MatParser(little, bad).variables(bytes.subarray(HEADER_BYTES));
}

/** Reads a level-5 MAT file. Errors: as parseMat, and DataError where the file cannot be read. */
export async function readMat(path: string, { missingFix = "check the folder of the data set" }: { missingFix?: string } = {}): Promise<Map<string, MatValue>> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new DataError({ code: "data/mat-missing", where: path, message: "MAT file not found or not readable", fix: missingFix }, { cause });
  });
  return parseMat(bytes, path);
}

/** A variable that must be numbers of a shape; -1 stands for any size. Errors: DataError naming file and variable. */
export function matNumbers(variables: ReadonlyMap<string, MatValue>, { file, name, shape }: { file: string; name: string; shape: readonly number[] }): MatNumbers {
  const value = variables.get(name);
  const expected = `expected numbers [${shape.map((size) => (size < 0 ? "n" : size)).join(", ")}]`;
  const bad = (found: string) => new DataError({ code: "data/mat-variable", where: file, message: `variable ${name}: ${expected}, found ${found}`, fix: "this must be the annotation file of the data set" });
  if (!value) throw bad(`none (the file has ${[...variables.keys()].join(", ") || "no variables"})`);
  if (value.kind !== "numbers") throw bad(`a ${value.kind} array`);
  // MATLAB drops trailing dimensions of 1: an array of one person has two dimensions.
  const sizes = [...value.shape, ...Array.from({ length: Math.max(0, shape.length - value.shape.length) }, () => 1)];
  if (sizes.length !== shape.length || shape.some((size, i) => size >= 0 && size !== sizes[i])) throw bad(`[${value.shape.join(", ")}]`);
  return { ...value, shape: sizes };
}

/** Strings of a cell array of char (or of a char matrix, one per row). Errors: DataError naming file and variable. */
export function matStrings(variables: ReadonlyMap<string, MatValue>, { file, name }: { file: string; name: string }): string[] {
  const value = variables.get(name);
  const bad = (message: string) => new DataError({ code: "data/mat-variable", where: file, message: `variable ${name}: expected a cell array of text, found ${message}`, fix: "this must be the annotation file of the data set" });
  if (value?.kind === "text") return value.rows.map((row) => row.trim());
  if (value?.kind !== "cell") throw bad(value ? `a ${value.kind} array` : "none");
  return value.items.map((item, i) => {
    if (item.kind !== "text") throw bad(`a ${item.kind} array in cell ${i}`);
    return item.rows.join("");
  });
}

const pad8 = (length: number) => Math.ceil(length / 8) * 8;

function element(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + pad8(payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, payload.length, true);
  bytes.set(payload, 8);
  return bytes;
}

const littleInts = (values: readonly number[]) => {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setInt32(4 * i, value, true));
  return new Uint8Array(view.buffer);
};

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The bytes of an uncompressed level-5 file of double arrays, column-major. The header's text holds no date, so equal data give equal files. */
export function encodeMat(variables: Readonly<Record<string, { shape: readonly number[]; data: ArrayLike<number> }>>): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES).fill(0x20, 0, 116);
  header.set(new TextEncoder().encode("MATLAB 5.0 MAT-file"));
  new DataView(header.buffer).setUint16(124, 0x0100, true);
  header.set([0x49, 0x4d], 126);
  const matrices = Object.entries(variables).map(([name, { shape, data }]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    if (shape.length < 2 || count !== data.length) throw new Error(`variable ${name}: ${data.length} numbers for the shape [${shape.join(", ")}]`);
    const numbers = new DataView(new ArrayBuffer(8 * count));
    for (let i = 0; i < count; i++) numbers.setFloat64(8 * i, data[i] as number, true);
    return element(
      MI_MATRIX,
      joined([
        element(6, littleInts([6, 0])), // class double, no flags
        element(5, littleInts(shape)),
        element(1, new TextEncoder().encode(name)),
        element(9, new Uint8Array(numbers.buffer)),
      ]),
    );
  });
  return joined([header, ...matrices]);
}

/** Writes double arrays as a MAT file; it appears complete or not at all. */
export async function writeMat(path: string, variables: Readonly<Record<string, { shape: readonly number[]; data: ArrayLike<number> }>>): Promise<void> {
  await writeFileAtomic(path, encodeMat(variables));
}
