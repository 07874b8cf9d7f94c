/**
 * Writer of PyTorch's ZIP files. What it writes, torch.load reads, also with weights_only=True: one dictionary, every
 * tensor contiguous with a storage of its own, data at multiples of 64 bytes, ZIP64 records (torch 1.6 and newer).
 */
import { DataError } from "../error.ts";
import { writeChunksAtomic } from "../files.ts";
import { type Dtype, type StoredTensor, tensorBytes } from "./safetensors.ts";

/** What a file may hold: tensors, plain values, and dictionaries and lists of them. Whole numbers become int, others float. */
export type TorchValue = StoredTensor | string | number | bigint | boolean | null | readonly TorchValue[] | ReadonlyMap<string, TorchValue> | ReadonlyMap<number, TorchValue>;

/** Types that PyTorch has had storages for since 1.0; the newer ones need a release that weights_only did not know. */
const STORAGES: Partial<Record<Dtype, string>> = {
  F64: "DoubleStorage",
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  I64: "LongStorage",
  I32: "IntStorage",
  I16: "ShortStorage",
  I8: "CharStorage",
  U8: "ByteStorage",
  BOOL: "BoolStorage",
};

const ALIGNMENT_BYTES = 64;
const ROOT = "archive";
const UTF8 = new TextEncoder();

/** Growing bytes with the opcodes of protocol 2. */
class Pickler {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  bytes(...values: readonly number[]): void {
    this.append(Uint8Array.from(values));
  }

  append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(2 * (this.#length + bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  global(module: string, name: string): void {
    this.append(UTF8.encode(`c${module}\n${name}\n`));
  }

  text(value: string): void {
    const encoded = UTF8.encode(value);
    this.bytes(0x58, ...new Uint8Array(Uint32Array.of(encoded.length).buffer)); // BINUNICODE
    this.append(encoded);
  }

  integer(value: number | bigint): void {
    const exact = BigInt(value);
    if (exact >= 0n && exact < 256n) this.bytes(0x4b, Number(exact)); // BININT1
    else if (BigInt.asIntN(32, exact) === exact) this.bytes(0x4a, ...new Uint8Array(Int32Array.of(Number(exact)).buffer)); // BININT
    else {
      let size = 5;
      while (BigInt.asIntN(8 * size, exact) !== exact) size++;
      this.bytes(0x8a, size, ...Array.from({ length: size }, (_, i) => Number((exact >> BigInt(8 * i)) & 255n))); // LONG1
    }
  }

  float(value: number): void {
    const bytes = new Uint8Array(9);
    bytes[0] = 0x47; // BINFLOAT
    new DataView(bytes.buffer).setFloat64(1, value, false);
    this.append(bytes);
  }

  tuple(values: readonly number[]): void {
    this.bytes(0x28); // MARK
    for (const value of values) this.integer(value);
    this.bytes(0x74); // TUPLE
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

function isTensor(value: TorchValue): value is StoredTensor {
  return typeof value === "object" && value !== null && "dtype" in value;
}

function pickleValue(out: Pickler, value: TorchValue, storages: Uint8Array[]): void {
  if (value === null) out.bytes(0x4e);
  else if (typeof value === "boolean") out.bytes(value ? 0x88 : 0x89);
  else if (typeof value === "string") out.text(value);
  else if (typeof value === "bigint" || Number.isSafeInteger(value)) out.integer(value as number | bigint);
  else if (typeof value === "number") out.float(value);
  else if (isTensor(value)) pickleTensor(out, value, storages);
  else if (value instanceof Map) {
    out.global("collections", "OrderedDict");
    out.bytes(0x29, 0x52, 0x28); // EMPTY_TUPLE REDUCE MARK
    for (const [key, item] of value as ReadonlyMap<string | number, TorchValue>) {
      if (typeof key === "number") out.integer(key);
      else out.text(key);
      pickleValue(out, item, storages);
    }
    out.bytes(0x75); // SETITEMS
  } else {
    out.bytes(0x5d, 0x28); // EMPTY_LIST MARK
    for (const item of value as readonly TorchValue[]) pickleValue(out, item, storages);
    out.bytes(0x65); // APPENDS
  }
}

function pickleTensor(out: Pickler, { dtype, shape, data }: StoredTensor, storages: Uint8Array[]): void {
  const storage = STORAGES[dtype];
  if (!storage) {
    throw new DataError({ code: "torch/dtype", message: `tensors of type ${dtype} cannot be written for PyTorch, expected one of ${Object.keys(STORAGES).join(", ")}`, fix: "convert them first, or write a .safetensors file" });
  }
  const sizeBytes = tensorBytes(dtype, shape);
  if (data.byteLength !== sizeBytes) throw new Error(`a tensor of ${dtype} [${shape.join(", ")}] needs ${sizeBytes} bytes, got ${data.byteLength}`);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * Math.max(1, size), 1));
  out.global("torch._utils", "_rebuild_tensor_v2");
  out.bytes(0x28, 0x28); // MARK MARK
  out.text("storage");
  out.global("torch", storage);
  out.text(String(storages.length));
  out.text("cpu");
  out.integer(shape.reduce((product, size) => product * size, 1));
  out.bytes(0x74, 0x51); // TUPLE BINPERSID
  out.integer(0);
  out.tuple(shape);
  out.tuple(strides);
  out.bytes(0x89); // requires_grad is False
  out.global("collections", "OrderedDict");
  out.bytes(0x29, 0x52, 0x74, 0x52); // EMPTY_TUPLE REDUCE TUPLE REDUCE
  storages.push(data);
}

/** A record of a ZIP archive: fields of 2, 4 or 8 bytes. */
function record(fields: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Uint8Array {
  const out = new Uint8Array(fields.reduce((sum, [bytes]) => sum + bytes, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return out;
}

const WIDE = 0xffffffff;
const UTF8_FLAG = 0x800;
/** 45: ZIP64. */
const VERSION = 45;
/** The first of January 1980, as the format counts. */
const NO_DATE = 0x21;

/** The pieces of an archive of stored members, data at multiples of 64 bytes. */
function* zipChunks(members: Iterable<readonly [name: string, data: Uint8Array]>): Generator<Uint8Array> {
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, data] of members) {
    const label = UTF8.encode(name);
    const crc = Bun.hash.crc32(data);
    const size = data.byteLength;
    // PyTorch pads with an extra field of its own, "FB", and bytes "Z". Sizes of 4 GB and more come first, as ZIP64 wants.
    const sizes = size >= WIDE ? record([[2, 1], [2, 16], [8, size], [8, size]]) : new Uint8Array(0);
    const padding = new Uint8Array((ALIGNMENT_BYTES - ((offset + 30 + label.length + sizes.length + 4) % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES).fill(0x5a);
    const narrow = Math.min(size, WIDE);
    const common = [[2, VERSION], [2, UTF8_FLAG], [2, 0], [2, 0], [2, NO_DATE], [4, crc], [4, narrow], [4, narrow], [2, label.length]] as const;
    const head = record([[4, 0x04034b50], ...common, [2, sizes.length + 4 + padding.length]]);
    yield* [head, label, sizes, record([[2, 0x4246], [2, padding.length]]), padding, data];
    const wide = [...(size >= WIDE ? [[8, size], [8, size]] as const : []), ...(offset >= WIDE ? [[8, offset]] as const : [])];
    const extra = wide.length > 0 ? record([[2, 1], [2, 8 * wide.length], ...wide]) : new Uint8Array(0);
    directory.push(record([[4, 0x02014b50], [2, VERSION], ...common, [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, Math.min(offset, WIDE)]]), label, extra);
    offset += head.length + label.length + sizes.length + 4 + padding.length + size;
  }
  const count = directory.length / 3;
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0);
  yield* directory;
  yield record([[4, 0x06064b50], [8, 44], [2, VERSION], [2, VERSION], [4, 0], [4, 0], [8, count], [8, count], [8, directoryBytes], [8, offset]]);
  yield record([[4, 0x07064b50], [4, 0], [8, offset + directoryBytes], [4, 1]]);
  const short = Math.min(count, 0xffff);
  yield record([[4, 0x06054b50], [2, 0], [2, 0], [2, short], [2, short], [4, Math.min(directoryBytes, WIDE)], [4, Math.min(offset, WIDE)], [2, 0]]);
}

/**
 * The pieces of a PyTorch file in order. Equal contents give equal bytes.
 * @throws DataError where a tensor has a type that PyTorch's storages do not have.
 */
export function torchChunks(root: ReadonlyMap<string, TorchValue>): Iterable<Uint8Array> {
  const storages: Uint8Array[] = [];
  const pickler = new Pickler();
  pickler.bytes(0x80, 2); // PROTO 2
  pickleValue(pickler, root, storages);
  pickler.bytes(0x2e); // STOP
  const members: [string, Uint8Array][] = [
    [`${ROOT}/data.pkl`, pickler.finish()],
    [`${ROOT}/byteorder`, UTF8.encode("little")],
    ...storages.map((data, key): [string, Uint8Array] => [`${ROOT}/data/${key}`, data]),
    [`${ROOT}/version`, UTF8.encode("3\n")],
  ];
  return zipChunks(members);
}

/**
 * Writes a PyTorch file atomically.
 * @throws DataError where the disk refuses or a tensor has a type that PyTorch's storages do not have; nothing is left behind.
 */
export async function writeTorch(path: string, root: ReadonlyMap<string, TorchValue>): Promise<void> {
  await writeChunksAtomic(path, torchChunks(root));
}
