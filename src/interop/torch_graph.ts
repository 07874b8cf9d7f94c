/**
 * What the pickles of PyTorch's files may name, and what is made of it: storages, tensors, dictionaries and plain values.
 * Nothing is called but the functions of one short table; any other name is refused (torch/_utils.py, torch/_tensor.py).
 */
import { DataError } from "../error.ts";
import { PickleError, type PickleHooks, Tuple } from "./pickle.ts";
import { DTYPE_BYTES, type Dtype } from "./safetensors.ts";
import type { ByteSource } from "./zip.ts";

/** Element types; the complex ones can be listed but not read. */
export type TorchDtype = Dtype | "C64" | "C128";

/** The bytes of one storage of the file. */
export interface StorageBytes {
  readonly label: string;
  readonly sizeBytes: number;
  /** Position in the file; found once the whole file's structure is known. */
  place: (() => Promise<number>) | undefined;
  /** CRC-32 of all bytes; 0 where the container has none. */
  readonly crc32: number;
}

/** A typed range of a storage. */
export class Storage {
  constructor(
    readonly bytes: StorageBytes,
    readonly dtype: TorchDtype,
    readonly firstByte: number,
    readonly sizeBytes: number,
  ) {}
}

/** A class or function that a pickle names. */
class Known {
  constructor(
    readonly name: string,
    /** What a call of it gives. */
    readonly call: (args: readonly unknown[]) => unknown,
  ) {}
}

/** A storage type. */
export class StorageType {
  constructor(readonly dtype: TorchDtype) {}
}

/** A type of NumPy's, such as "f8". */
class NumpyType {
  bigEndian = false;
  constructor(readonly code: string) {}
}

/** A value that is kept by name only: options of a run, NumPy arrays, devices. */
export class Inert {
  constructor(readonly type: string) {}
}

/** A tensor of a file: a strided view of a storage. */
export class TorchTensor {
  #view: { storage: Storage; dtype: TorchDtype; shape: readonly number[]; strides: readonly number[]; offset: number } | undefined;

  /** Sets what the tensor views. Sizes, strides and offset count elements. */
  view(storage: Storage, facts: { dtype: TorchDtype; shape: readonly number[]; strides: readonly number[]; offset: number }): this {
    this.#view = { storage, ...facts };
    return this;
  }

  #required() {
    if (!this.#view) throw new PickleError("has a tensor without contents");
    return this.#view;
  }

  get dtype(): TorchDtype {
    return this.#required().dtype;
  }

  get shape(): readonly number[] {
    return this.#required().shape;
  }

  get strides(): readonly number[] {
    return this.#required().strides;
  }

  /** First element in the storage. */
  get offset(): number {
    return this.#required().offset;
  }

  get storage(): Storage {
    return this.#required().storage;
  }

  get elementCount(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  get sizeBytes(): number {
    return this.elementCount * ELEMENT_BYTES[this.dtype];
  }
}

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<TorchDtype, number>> = { ...DTYPE_BYTES, C64: 8, C128: 16 };

const STORAGE_DTYPES: Readonly<Record<string, TorchDtype>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
  ComplexFloatStorage: "C64",
  ComplexDoubleStorage: "C128",
  UntypedStorage: "U8",
};

/** Names of types in PyTorch's namespace, for example torch.float16. */
const DTYPES: Readonly<Record<string, TorchDtype>> = {
  float64: "F64", double: "F64", float32: "F32", float: "F32", float16: "F16", half: "F16", bfloat16: "BF16",
  int64: "I64", long: "I64", int32: "I32", int: "I32", int16: "I16", short: "I16", int8: "I8",
  uint8: "U8", uint16: "U16", uint32: "U32", uint64: "U64", bool: "BOOL", complex64: "C64", complex128: "C128",
  float8_e4m3fn: "F8_E4M3", float8_e5m2: "F8_E5M2",
}; // prettier-ignore

/** A tensor of more axes is refused, as PyTorch does. */
export const MAX_AXES = 64;

/** Tensors may be this many times larger than their file together: views may share, and repeat, what is stored. */
const MAX_EXPANSION = 16;
const FREE_EXPANSION_BYTES = 64 * 2 ** 20;

/** What a user can do about a file that holds more than tensors. */
export const ONLY_TENSORS = "the file holds Python objects besides tensors; save model.state_dict() with PyTorch and use that file";

/** A text or number as text. Throws PickleError, which names `what`, for anything else. */
export function asText(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  throw new PickleError(`${what} is no text`);
}

/** A whole number from 0. Throws PickleError, which names `what`, for anything else. */
export function asCount(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new PickleError(`${what} is ${typeof value === "number" || typeof value === "bigint" ? value : "no number"}, expected a whole number from 0`);
}

function asCounts(value: unknown, what: string): number[] {
  if (!(value instanceof Tuple) || value.items.length > MAX_AXES) throw new PickleError(`${what} is no tuple of at most ${MAX_AXES} numbers`);
  return value.items.map((item) => asCount(item, what));
}

/** A storage. Throws PickleError for anything else. */
export function asStorage(value: unknown): Storage {
  if (value instanceof Storage) return value;
  throw new PickleError("has a tensor without a storage");
}

/** The classes of the list, with limits on what they may make. One object per pickle. */
export class Graph implements PickleHooks {
  #copies: number;
  #tensorBytes: number;

  constructor(
    readonly source: ByteSource,
    readonly limits: { pickleBytes: number },
    readonly persistentOf: (id: unknown, graph: Graph) => unknown = () => {
      throw new PickleError("has a persistent id where none may be");
    },
  ) {
    this.#copies = 4 * limits.pickleBytes + 2 ** 20;
    this.#tensorBytes = MAX_EXPANSION * source.sizeBytes + FREE_EXPANSION_BYTES;
  }

  persistent(id: unknown): unknown {
    return this.persistentOf(id, this);
  }

  /** Counts what is copied, so that a pickle cannot ask for the same work over and over. */
  #charge(count: number): void {
    this.#copies -= count;
    if (this.#copies < 0) throw new PickleError("copies its own contents again and again");
  }

  tensor(made: TorchTensor, facts: { storage: unknown; offset: unknown; shape: unknown; strides: unknown; dtype?: TorchDtype }): TorchTensor {
    const storage = asStorage(facts.storage);
    const dtype = facts.dtype ?? storage.dtype;
    const shape = asCounts(facts.shape, "a tensor's size");
    const strides = asCounts(facts.strides, "a tensor's stride");
    const offset = asCount(facts.offset, "a tensor's offset");
    if (shape.length !== strides.length) throw new PickleError(`has a tensor of ${shape.length} sizes and ${strides.length} strides`);
    const text = `[${shape.join(", ")}]`;
    const elements = shape.reduce((product, size) => product * size, 1);
    const bytes = elements * ELEMENT_BYTES[dtype];
    if (!Number.isSafeInteger(bytes)) throw new PickleError(`has a tensor of ${text} elements`);
    const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] as number), offset);
    if (elements > 0 && !((last + 1) * ELEMENT_BYTES[dtype] <= storage.sizeBytes)) throw new PickleError(`has a tensor ${text} that goes beyond its storage`);
    this.#tensorBytes -= bytes;
    if (this.#tensorBytes < 0) throw new PickleError("claims tensors far larger than the file");
    return made.view(storage, { dtype, shape, strides, offset });
  }

  global(module: string, name: string): unknown {
    const full = `${module}.${name}`;
    if (module === "torch" || module === "torch.cuda" || module === "torch.storage") {
      const storage = Object.hasOwn(STORAGE_DTYPES, name) ? STORAGE_DTYPES[name] : undefined;
      if (storage) return new StorageType(storage);
      const dtype = module === "torch" && Object.hasOwn(DTYPES, name) ? DTYPES[name] : undefined;
      if (dtype) return dtype;
    }
    // The old tensor classes stand for their storage's type in TAR files.
    const old = /^(torch|torch\.cuda)\.(\w+)Tensor$/.exec(full);
    if (old && Object.hasOwn(STORAGE_DTYPES, `${old[2]}Storage`)) return new Inert(full);
    const call = this.#calls[full];
    if (!call || !Object.hasOwn(this.#calls, full)) {
      throw new DataError({ code: "torch/global", message: `names ${JSON.stringify(full)}, which is not on the list of what a file of tensors needs; nothing was executed`, fix: ONLY_TENSORS, where: this.source.path });
    }
    return new Known(full, call);
  }

  call(callable: unknown, args: readonly unknown[]): unknown {
    if (callable instanceof Known) return callable.call(args);
    throw new PickleError("calls what cannot be called");
  }

  build(target: unknown, state: unknown): unknown {
    const items = state instanceof Tuple ? state.items : [];
    if (target instanceof TorchTensor) {
      // 3: flags of a Parameter; 4: a tensor's own state; 5: a Parameter's, the tensor first.
      if (items.length === 4) return this.tensor(target, { storage: items[0], offset: items[1], shape: items[2], strides: items[3] });
      if (items.length === 5 && items[0] instanceof TorchTensor) return this.#same(target, items[0]);
    }
    if (target instanceof NumpyType && (items[1] === ">" || items[1] === "<" || items[1] === "|")) target.bigEndian = items[1] === ">";
    // All other state is of no use here: _metadata of a state_dict, a NumPy array, options of a run.
    return target;
  }

  #same(target: TorchTensor, { storage, dtype, shape, strides, offset }: TorchTensor): TorchTensor {
    return target.view(storage, { dtype, shape, strides, offset });
  }

  #pairs(items: readonly unknown[]): Map<unknown, unknown> {
    this.#charge(items.length);
    return new Map(
      items.map((pair) => {
        const two = pair instanceof Tuple ? pair.items : Array.isArray(pair) ? pair : [];
        if (two.length !== 2) throw new PickleError("has a pair that is none");
        return [two[0], two[1]] as const;
      }),
    );
  }

  #dictionary(args: readonly unknown[]): Map<unknown, unknown> {
    const [first] = args;
    if (first instanceof Map) {
      this.#charge(first.size);
      return new Map(first);
    }
    return Array.isArray(first) ? this.#pairs(first) : new Map();
  }

  #set(args: readonly unknown[]): Set<unknown> {
    const items = Array.isArray(args[0]) ? args[0] : args[0] instanceof Tuple ? args[0].items : [];
    this.#charge(items.length);
    return new Set(items);
  }

  #latin1([text, encoding]: readonly unknown[]): Uint8Array {
    if (typeof text !== "string" || encoding !== "latin1") throw new PickleError("encodes what is no latin1 text");
    this.#charge(text.length);
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  }

  #parameter([data]: readonly unknown[]): TorchTensor {
    return data instanceof TorchTensor ? this.#same(new TorchTensor(), data) : new TorchTensor();
  }

  readonly #calls: Readonly<Record<string, (args: readonly unknown[]) => unknown>> = {
    "collections.OrderedDict": (args) => this.#dictionary(args),
    "collections.Counter": (args) => this.#dictionary(args),
    "collections.defaultdict": () => new Map(),
    "torch._utils._rebuild_tensor": ([storage, offset, shape, strides]) => this.tensor(new TorchTensor(), { storage, offset, shape, strides }),
    "torch._utils._rebuild_tensor_v2": ([storage, offset, shape, strides]) => this.tensor(new TorchTensor(), { storage, offset, shape, strides }),
    "torch._utils._rebuild_tensor_v3": ([storage, offset, shape, strides, , , dtype]) => {
      if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) throw new PickleError("has a tensor without a type");
      return this.tensor(new TorchTensor(), { storage, offset, shape, strides, dtype: dtype as TorchDtype });
    },
    "torch._utils._rebuild_parameter": (args) => this.#parameter(args),
    "torch._utils._rebuild_parameter_with_state": (args) => this.#parameter(args),
    "torch.nn.parameter.Parameter": (args) => this.#parameter(args),
    "torch.Size": ([items]) => new Tuple(items instanceof Tuple ? items.items : Array.isArray(items) ? items : []),
    "torch.device": () => new Inert("torch.device"),
    "torch.serialization._get_layout": () => new Inert("torch.layout"),
    "numpy.dtype": ([code]) => new NumpyType(asText(code, "a NumPy type")),
    "numpy.core.multiarray.scalar": numpyScalar,
    "numpy._core.multiarray.scalar": numpyScalar,
    "numpy.core.multiarray._reconstruct": () => new Inert("numpy.ndarray"),
    "numpy._core.multiarray._reconstruct": () => new Inert("numpy.ndarray"),
    "numpy.ndarray": () => new Inert("numpy.ndarray"),
    "_codecs.encode": (args) => this.#latin1(args),
    "__builtin__.bytes": () => new Uint8Array(0),
    "builtins.bytes": () => new Uint8Array(0),
    "__builtin__.bytearray": () => new Inert("bytearray"),
    "builtins.bytearray": () => new Inert("bytearray"),
    "__builtin__.set": (args) => this.#set(args),
    "builtins.set": (args) => this.#set(args),
    "__builtin__.dict": (args) => this.#dictionary(args),
    "builtins.dict": (args) => this.#dictionary(args),
    "argparse.Namespace": () => new Inert("argparse.Namespace"),
  };
}

/** A NumPy scalar's number; an Inert value for texts and the like. */
function numpyScalar([type, bytes]: readonly unknown[]): unknown {
  if (!(type instanceof NumpyType) || !(bytes instanceof Uint8Array)) throw new PickleError("has a NumPy scalar without type or bytes");
  const size = Number(/^[fiub](\d)$/.exec(type.code)?.[1] ?? -1);
  if (bytes.length !== size) {
    if (size < 0) return new Inert(`numpy.${type.code}`);
    throw new PickleError(`has a NumPy scalar ${type.code} of ${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = !type.bigEndian;
  const exact = (value: bigint) => (BigInt.asIntN(54, value) === value ? Number(value) : value);
  switch (type.code) {
    case "f8": return view.getFloat64(0, little);
    case "f4": return view.getFloat32(0, little);
    case "f2": return view.getFloat16(0, little);
    case "i8": return exact(view.getBigInt64(0, little));
    case "i4": return view.getInt32(0, little);
    case "i2": return view.getInt16(0, little);
    case "i1": return view.getInt8(0);
    case "u8": return exact(view.getBigUint64(0, little));
    case "u4": return view.getUint32(0, little);
    case "u2": return view.getUint16(0, little);
    case "u1": return view.getUint8(0);
    case "b1": return view.getUint8(0) !== 0;
    default: return new Inert(`numpy.${type.code}`);
  }
} // prettier-ignore

/** Elements of a storage as a storage of their own. */
export function slice({ bytes, dtype, firstByte, sizeBytes }: Storage, offset: number, count: number): Storage {
  const size = ELEMENT_BYTES[dtype];
  if (!((offset + count) * size <= sizeBytes)) throw new PickleError("has a view that goes beyond its storage");
  return new Storage(bytes, dtype, firstByte + offset * size, count * size);
}
