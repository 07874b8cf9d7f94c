/**
 * The safetensors format (https://github.com/huggingface/safetensors): 8 bytes little-endian header length, a JSON
 * header, then the bytes of all tensors. Read tensor by tensor from disk, so that files larger than memory work;
 * written atomically. Shapes and layouts are passed through untouched.
 */
import * as v from "valibot";
import { DataError } from "../error.ts";
import { systemErrorCode, writeChunksAtomic } from "../files.ts";

/** Bytes of one element; the types of the format that have whole bytes. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** Element type as the format spells it. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** One tensor in memory: little-endian elements in row-major order. */
export interface StoredTensor {
  dtype: Dtype;
  shape: readonly number[];
  data: Uint8Array;
}

/** Where one tensor lies in a file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Position of the first byte from the start of the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** An opened file: its table of contents, and the tensors on demand. */
export interface SafetensorsFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Reads one tensor's bytes. Throws DataError where the name is unknown or the file has shrunk. */
  read(name: string): Promise<StoredTensor>;
}

const HEADER_LENGTH_BYTES = 8;

/** The reference implementation refuses longer headers. */
const MAX_HEADER_BYTES = 100_000_000;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const entrySchema = v.strictObject({
  dtype: v.string(),
  shape: v.array(count),
  data_offsets: v.tuple([count, count]),
});
const metadataSchema = v.record(v.string(), v.string());

function isDtype(name: string): name is Dtype {
  return Object.hasOwn(DTYPE_BYTES, name);
}

/** Number of bytes that a tensor of this type and shape needs. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1) * DTYPE_BYTES[dtype];
}

function malformed(path: string, message: string, cause?: unknown): DataError {
  return new DataError(
    {
      code: "safetensors/malformed",
      message: `not a valid safetensors file: ${message}`,
      fix: "the file is damaged, incomplete or of another kind; copy or download it again",
      where: path,
    },
    { cause },
  );
}

/**
 * Opens a file and checks its header completely: length, JSON, types, shapes, offsets without gaps or overlaps, and
 * the size of the file.
 * @throws DataError naming the file where it is missing, truncated or malformed.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = Bun.file(path);
  const fileBytes = await sizeOf(path);
  if (fileBytes < HEADER_LENGTH_BYTES) throw malformed(path, `${fileBytes} bytes are too few for a header`);
  const lengthBytes = await file.slice(0, HEADER_LENGTH_BYTES).arrayBuffer();
  const headerLength = new DataView(lengthBytes).getBigUint64(0, true);
  if (headerLength > BigInt(MAX_HEADER_BYTES)) throw malformed(path, `the header claims ${headerLength} bytes`);
  const dataStart = HEADER_LENGTH_BYTES + Number(headerLength);
  if (dataStart > fileBytes) {
    throw malformed(path, `the header claims ${headerLength} bytes but the file has ${fileBytes}`);
  }
  const headerBytes = await file.slice(HEADER_LENGTH_BYTES, dataStart).arrayBuffer();
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(headerBytes));
  } catch (error) {
    throw malformed(path, "the header is not JSON", error);
  }
  const { metadata, entries } = checkHeader(path, header, { dataStart, fileBytes });
  return {
    path,
    metadata,
    entries,
    async read(name) {
      const entry = entries.get(name);
      if (!entry) {
        throw new DataError({
          code: "safetensors/missing-tensor",
          message: `has no tensor "${name}"`,
          fix: "the file belongs to another network or version",
          where: path,
        });
      }
      const data = new Uint8Array(
        await file.slice(entry.offsetBytes, entry.offsetBytes + entry.sizeBytes).arrayBuffer(),
      );
      if (data.byteLength !== entry.sizeBytes) throw malformed(path, `tensor "${name}" is cut off`);
      return { dtype: entry.dtype, shape: entry.shape, data };
    },
  };
}

async function sizeOf(path: string): Promise<number> {
  try {
    const status = await Bun.file(path).stat();
    if (status.isFile()) return status.size;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EACCES") throw error;
    const what = code === "EACCES" ? "cannot be read: permission denied" : "does not exist";
    throw new DataError(
      { code: "safetensors/unreadable", message: `the file ${what}`, fix: "check the path", where: path },
      { cause: error },
    );
  }
  throw new DataError({ code: "safetensors/unreadable", message: "is not a file", fix: "check the path", where: path });
}

function checkHeader(
  path: string,
  header: unknown,
  sizes: { dataStart: number; fileBytes: number },
): { metadata: Record<string, string>; entries: Map<string, TensorEntry> } {
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw malformed(path, "the header is not a JSON object");
  let metadata: Record<string, string> = {};
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      const parsed = v.safeParse(metadataSchema, value);
      if (!parsed.success) throw malformed(path, "__metadata__ is not a map of texts");
      metadata = parsed.output;
      continue;
    }
    const parsed = v.safeParse(entrySchema, value);
    if (!parsed.success) throw malformed(path, `tensor "${name}": ${parsed.issues[0].message}`);
    const { dtype, shape, data_offsets: offsets } = parsed.output;
    if (!isDtype(dtype)) {
      throw malformed(
        path,
        `tensor "${name}" has type "${dtype}"; expected one of ${Object.keys(DTYPE_BYTES).join(", ")}`,
      );
    }
    const sizeBytes = tensorBytes(dtype, shape);
    if (!Number.isSafeInteger(sizeBytes) || offsets[1] - offsets[0] !== sizeBytes) {
      throw malformed(
        path,
        `tensor "${name}" of ${dtype} [${shape.join(", ")}] needs ${sizeBytes} bytes, its offsets span ${offsets[1] - offsets[0]}`,
      );
    }
    entries.set(name, { name, dtype, shape, offsetBytes: sizes.dataStart + offsets[0], sizeBytes });
  }
  let end = sizes.dataStart;
  for (const entry of [...entries.values()].sort(
    (a, b) => a.offsetBytes - b.offsetBytes || a.sizeBytes - b.sizeBytes,
  )) {
    if (entry.offsetBytes !== end) {
      throw malformed(
        path,
        `tensor "${entry.name}" ${entry.offsetBytes < end ? "overlaps the one before it" : "leaves a gap before it"}`,
      );
    }
    end += entry.sizeBytes;
  }
  if (end > sizes.fileBytes) throw malformed(path, `truncated: ${sizes.fileBytes} bytes of ${end}`);
  if (end < sizes.fileBytes) throw malformed(path, `${sizes.fileBytes - end} bytes follow the last tensor`);
  return { metadata, entries };
}

/** Optional facts of a written file. */
export interface WriteSafetensorsOptions {
  metadata?: Readonly<Record<string, string>>;
}

/**
 * The pieces of a safetensors file in order: header, then tensors sorted by falling element size and name, so that
 * every tensor starts at a multiple of its element size and equal contents give equal bytes.
 * @throws Error where a tensor's bytes do not fit its type and shape (a bug of the caller).
 */
export function safetensorsChunks(
  tensors: ReadonlyMap<string, StoredTensor>,
  options: WriteSafetensorsOptions = {},
): Uint8Array[] {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  // A plain object would move integer-like names first and treat "__proto__" specially; pairs keep the order.
  const fields: string[] = [];
  if (options.metadata) fields.push(`"__metadata__":${JSON.stringify(options.metadata)}`);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    const sizeBytes = tensorBytes(dtype, shape);
    if (name === "__metadata__") throw new Error(`a tensor cannot be named "__metadata__"`);
    if (data.byteLength !== sizeBytes) {
      throw new Error(
        `tensor "${name}" of ${dtype} [${shape.join(", ")}] needs ${sizeBytes} bytes, got ${data.byteLength}`,
      );
    }
    fields.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, offset + sizeBytes] })}`,
    );
    offset += sizeBytes;
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const head = new Uint8Array(HEADER_LENGTH_BYTES + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, HEADER_LENGTH_BYTES);
  return [head, ...sorted.map(([, { data }]) => data)];
}

/**
 * Writes a safetensors file atomically.
 * @throws DataError where the disk refuses; nothing is left behind.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  options: WriteSafetensorsOptions = {},
): Promise<void> {
  await writeChunksAtomic(path, safetensorsChunks(tensors, options));
}

/** A float32 tensor ready to be stored; the bytes are shared, not copied. */
export function float32Tensor(values: Float32Array, shape: readonly number[]): StoredTensor {
  return { dtype: "F32", shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/**
 * The elements as float32: F32 exactly and without a copy where the bytes lie at an address for it, F16, BF16 and F64 converted.
 * @throws DataError naming the tensor where its type is not a floating-point type of those.
 */
export function toFloat32(tensor: StoredTensor, label: string): Float32Array {
  const { data } = tensor;
  if (tensor.dtype === "F32" && data.byteOffset % 4 === 0) return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  // A copy: the bytes may start at any address, typed arrays may not.
  const bytes = data.slice();
  switch (tensor.dtype) {
    case "F32":
      return new Float32Array(bytes.buffer);
    case "F64":
      return Float32Array.from(new Float64Array(bytes.buffer));
    case "F16":
      return Float32Array.from(new Float16Array(bytes.buffer));
    case "BF16": {
      const words = new Uint16Array(bytes.buffer);
      const wide = new Uint32Array(words.length);
      for (let i = 0; i < words.length; i++) wide[i] = (words[i] as number) << 16;
      return new Float32Array(wide.buffer);
    }
    default:
      throw new DataError({
        code: "safetensors/dtype",
        message: `tensor "${label}" has type ${tensor.dtype}, expected F32, F16, BF16 or F64`,
        fix: "convert the file's tensors to one of these types",
      });
  }
}
