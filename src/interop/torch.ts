/**
 * Reader of PyTorch's files: ZIP (torch 1.6 and newer), the legacy stream (before 1.6) and TAR (2016 and early 2017), all
 * recognised by their first bytes (torch/serialization.py). Nothing of a file is executed: a pickle's classes are looked
 * up in a short list, and any other is refused by name. Tensors are read one by one from the disk, so that files
 * larger than memory work.
 */
import { DataError } from "../error.ts";
import { systemErrorCode } from "../files.ts";
import { PickleError, Tuple, unpickle } from "./pickle.ts";
import type { StoredTensor } from "./safetensors.ts";
import { readTarDirectory } from "./tar.ts";
import { asCount, asStorage, asText, ELEMENT_BYTES, Graph, MAX_AXES, ONLY_TENSORS, slice, Storage, type StorageBytes, StorageType, TorchTensor } from "./torch_graph.ts";
import { type ByteSource, readZipDirectory, zipDataOffset } from "./zip.ts";

/** How a file is built. */
export type TorchContainer = "zip" | "legacy" | "tar";

/** An opened file. */
export interface TorchFile {
  readonly path: string;
  readonly container: TorchContainer;
  /** The object that was saved: Maps, arrays, tuples, plain values, TorchTensors, Inert ones. */
  readonly root: unknown;
  /** A tensor's elements in row-major order, little-endian. Throws DataError where the file is damaged or the type complex. */
  read(tensor: TorchTensor): Promise<StoredTensor>;
}

const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const ZIP_MAGIC = [0x50, 0x4b, 0x03, 0x04];
const TAR_MAGIC = [0x75, 0x73, 0x74, 0x61, 0x72];
const TAR_MAGIC_OFFSET = 257;
const LEGACY_VERSION = 1001;

/** A longer pickle is refused; a training checkpoint of HRNet has one of a megabyte. */
const MAX_PICKLE_BYTES = 64 * 2 ** 20;
const MAX_STORAGES = 100_000;

function damaged(path: string, message: string, cause?: unknown): DataError {
  return new DataError(
    { code: "torch/malformed", message: `not a valid PyTorch file: ${message}`, fix: "the file is damaged, incomplete or of another kind; copy or download it again", where: path },
    { cause },
  );
}

function startsWith(bytes: Uint8Array, magic: readonly number[], at = 0): boolean {
  return magic.every((byte, i) => bytes[at + i] === byte);
}

function containerOf(head: Uint8Array): TorchContainer | undefined {
  if (startsWith(head, ZIP_MAGIC)) return "zip";
  if (startsWith(head, LEGACY_MAGIC)) return "legacy";
  return startsWith(head, TAR_MAGIC, TAR_MAGIC_OFFSET) ? "tar" : undefined;
}

/** Whether a file begins as one of PyTorch's; false where there is none. The name says nothing: .pth.tar is mostly a ZIP. */
export async function isTorchFile(path: string): Promise<boolean> {
  const file = Bun.file(path);
  if (!(await file.exists())) return false;
  return containerOf(new Uint8Array(await file.slice(0, 512).arrayBuffer())) !== undefined;
}

async function openSource(path: string): Promise<ByteSource> {
  const file = Bun.file(path);
  let sizeBytes: number;
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new DataError({ code: "torch/unreadable", message: "is not a file", fix: "check the path", where: path });
    sizeBytes = status.size;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EACCES") throw error;
    const what = code === "EACCES" ? "cannot be read: permission denied" : "does not exist";
    throw new DataError({ code: "torch/unreadable", message: `the file ${what}`, fix: "check the path", where: path }, { cause: error });
  }
  return {
    path,
    sizeBytes,
    async read(offset, count) {
      if (!(Number.isSafeInteger(offset) && count >= 0 && offset >= 0 && offset + count <= sizeBytes)) throw damaged(path, `it ends at byte ${sizeBytes}, ${count} bytes from ${offset} are missing`);
      if (count === 0) return new Uint8Array(0);
      const bytes = new Uint8Array(await file.slice(offset, offset + count).arrayBuffer());
      if (bytes.length !== count) throw damaged(path, "it became shorter while it was read");
      return bytes;
    },
  };
}

/**
 * Opens a file and reads its structure; tensors stay on the disk.
 * @throws DataError naming the file where it is missing, damaged or of another kind, or names a class that is not known.
 */
export async function openTorch(path: string): Promise<TorchFile> {
  return openTorchSource(await openSource(path));
}

/** As openTorch, from anything that gives bytes. */
export async function openTorchSource(source: ByteSource): Promise<TorchFile> {
  const { path } = source;
  const container = containerOf(await source.read(0, Math.min(512, source.sizeBytes)));
  if (!container) {
    throw new DataError({ code: "torch/kind", message: "is not a PyTorch file: neither ZIP, nor legacy stream, nor TAR", fix: "give a file that torch.save has written", where: path });
  }
  const { root, bigEndian } = await { zip: openZip, legacy: openLegacy, tar: openTar }[container](source);
  return { path, container, root, read: (tensor) => readTensor(source, tensor, bigEndian) };
}

interface Contents {
  root: unknown;
  bigEndian: boolean;
}

/** Runs a part of the reading; what is wrong with a pickle comes out as the file's error. */
function explained<T>(source: ByteSource, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PickleError) throw damaged(source.path, error.message, error);
    throw error;
  }
}

/** Reads a pickle whose length is not known: a growing window until it ends. `run` starts anew for each window. */
async function pickleAt<T>(source: ByteSource, at: number, { first, end, run }: { first: number; end: number; run: (window: Uint8Array) => T }): Promise<T> {
  const limit = Math.min(end - at, MAX_PICKLE_BYTES);
  for (let size = first; ; size *= 8) {
    const window = await source.read(at, Math.max(0, Math.min(size, limit)));
    try {
      return run(window);
    } catch (error) {
      if (!(error instanceof PickleError)) throw error;
      if (!error.truncated || size >= limit) throw damaged(source.path, error.message, error);
    }
  }
}

async function openZip(source: ByteSource): Promise<Contents> {
  const entries = await readZipDirectory(source);
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [entry] = pickles;
  if (!entry || pickles.length > 1) throw damaged(source.path, `the archive has ${pickles.length} members data.pkl, expected one`);
  const root = entry.name.slice(0, -"data.pkl".length);
  if (entries.has(`${root}constants.pkl`)) {
    throw new DataError({ code: "torch/script", message: "is a TorchScript program, not a file of tensors", fix: "save the model's state_dict() with torch.save", where: source.path });
  }
  for (const { name, packing } of entries.values()) {
    if (packing !== "stored") throw damaged(source.path, `the member ${JSON.stringify(name)} is compressed or encrypted, which PyTorch never does`);
  }
  if (entry.sizeBytes > MAX_PICKLE_BYTES) throw damaged(source.path, `its pickle has ${entry.sizeBytes} bytes`);
  const memberBytes = async (name: string) => {
    const member = entries.get(name);
    if (!member) return undefined;
    const bytes = await source.read(await zipDataOffset(source, member), member.sizeBytes);
    checkCrc(source, { label: name, crc32: member.crc32 }, bytes);
    return bytes;
  };
  const order = entries.get(`${root}byteorder`);
  if (order && order.sizeBytes > 16) throw damaged(source.path, "its byte order is unknown");
  const orderText = order ? new TextDecoder().decode(await memberBytes(order.name)).trim() : "little";
  if (orderText !== "little" && orderText !== "big") throw damaged(source.path, `its byte order is ${JSON.stringify(orderText)}`);
  const pickle = (await memberBytes(entry.name)) ?? new Uint8Array(0);
  const storages = new Map<string, StorageBytes>();
  const persistent = (id: unknown) => {
    const [kind, type, keyValue, , count] = id instanceof Tuple ? id.items : [];
    if (kind !== "storage" || !(type instanceof StorageType)) throw new PickleError("has a persistent id that is no storage");
    const key = asText(keyValue, "a storage's key");
    const member = entries.get(`${root}data/${key}`);
    if (!member) throw new PickleError(`has no storage ${JSON.stringify(key)}`);
    const sizeBytes = asCount(count, "a storage's length") * ELEMENT_BYTES[type.dtype];
    if (sizeBytes !== member.sizeBytes) throw new PickleError(`storage ${JSON.stringify(key)} has ${member.sizeBytes} bytes, expected ${sizeBytes}`);
    let bytes = storages.get(key);
    if (!bytes) {
      bytes = { label: member.name, sizeBytes, crc32: member.crc32, place: () => zipDataOffset(source, member) };
      storages.set(key, bytes);
    }
    return new Storage(bytes, type.dtype, 0, sizeBytes);
  };
  const graph = new Graph(source, { pickleBytes: pickle.length }, persistent);
  const value = explained(source, () => unpickle(pickle, graph).value);
  return { root: value, bigEndian: orderText === "big" };
}

const FIRST_WINDOW_BYTES = 2 ** 18;
const SMALL_WINDOW_BYTES = 256;

/** Reads a pickle of plain values and storage types. */
function plainPickle(source: ByteSource, at: number, { first = SMALL_WINDOW_BYTES, end = source.sizeBytes }: { first?: number; end?: number } = {}): Promise<{ value: unknown; end: number }> {
  return pickleAt(source, at, {
    first,
    end,
    run: (window) => {
      const found = unpickle(window, new Graph(source, { pickleBytes: window.length }));
      return { value: found.value, end: at + found.end };
    },
  });
}

async function littleI64(source: ByteSource, at: number): Promise<number> {
  const bytes = await source.read(at, 8);
  const value = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true));
  if (!(Number.isSafeInteger(value) && value >= 0)) throw damaged(source.path, `a length is ${value}`);
  return value;
}

async function openLegacy(source: ByteSource): Promise<Contents> {
  const version = await plainPickle(source, LEGACY_MAGIC.length);
  if (version.value !== LEGACY_VERSION) throw damaged(source.path, `the legacy stream has version ${String(version.value)}, expected ${LEGACY_VERSION}`);
  const facts = await plainPickle(source, version.end);
  const little = facts.value instanceof Map ? facts.value.get("little_endian") : undefined;
  if (typeof little !== "boolean") throw damaged(source.path, "its byte order is missing");
  const tree = await pickleAt(source, facts.end, {
    first: FIRST_WINDOW_BYTES,
    end: source.sizeBytes,
    run: (window) => {
      const storages = new Map<string, StorageBytes & { elementBytes: number }>();
      const persistent = (id: unknown) => {
        const [kind, type, keyValue, , count, view] = id instanceof Tuple ? id.items : [];
        if (kind === "module") throw refusedModule(source.path);
        if (kind !== "storage" || !(type instanceof StorageType)) throw new PickleError("has a persistent id that is no storage");
        const key = asText(keyValue, "a storage's key");
        const elementBytes = ELEMENT_BYTES[type.dtype];
        const sizeBytes = asCount(count, "a storage's length") * elementBytes;
        if (sizeBytes > source.sizeBytes) throw new PickleError(`storage ${JSON.stringify(key)} claims ${sizeBytes} bytes`);
        let bytes = storages.get(key);
        if (!bytes) {
          if (storages.size >= MAX_STORAGES) throw new PickleError(`has more than ${MAX_STORAGES} storages`);
          bytes = { label: `storage ${key}`, sizeBytes, elementBytes, crc32: 0, place: undefined };
          storages.set(key, bytes);
        } else if (bytes.sizeBytes !== sizeBytes) throw new PickleError(`storage ${JSON.stringify(key)} has two lengths`);
        if (!(view instanceof Tuple)) return new Storage(bytes, type.dtype, 0, sizeBytes);
        return slice(new Storage(bytes, type.dtype, 0, sizeBytes), asCount(view.items[1], "a view's offset"), asCount(view.items[2], "a view's length"));
      };
      const graph = new Graph(source, { pickleBytes: window.length }, persistent);
      const found = unpickle(window, graph);
      return { value: found.value, end: facts.end + found.end, storages };
    },
  });
  const keys = await plainPickle(source, tree.end, { first: FIRST_WINDOW_BYTES });
  if (!Array.isArray(keys.value) || keys.value.length > MAX_STORAGES) throw damaged(source.path, "the list of its storages is missing");
  let at = keys.end;
  for (const item of keys.value) {
    const key = explained(source, () => asText(item, "a storage's key"));
    const storage = tree.storages.get(key);
    if (!storage || storage.place) throw damaged(source.path, `storage ${JSON.stringify(key)} is ${storage ? "listed twice" : "of no tensor"}`);
    const count = await littleI64(source, at);
    if (count * storage.elementBytes !== storage.sizeBytes) throw damaged(source.path, `storage ${JSON.stringify(key)} has ${count} elements, expected ${storage.sizeBytes / storage.elementBytes}`);
    const first = at + 8;
    storage.place = () => Promise.resolve(first);
    at = first + storage.sizeBytes;
    if (at > source.sizeBytes) throw damaged(source.path, `storage ${JSON.stringify(key)} is cut off`);
  }
  for (const { label, place } of tree.storages.values()) if (!place) throw damaged(source.path, `${label} is missing`);
  if (at !== source.sizeBytes) throw damaged(source.path, `${source.sizeBytes - at} bytes follow the last storage`);
  return { root: tree.value, bigEndian: !little };
}

function refusedModule(path: string): DataError {
  return new DataError({ code: "torch/global", message: "holds the source code of a network's class; nothing was executed", fix: ONLY_TENSORS, where: path });
}

async function openTar(source: ByteSource): Promise<Contents> {
  const entries = await readTarDirectory(source);
  const member = (name: string) => {
    const entry = entries.get(name);
    if (!entry) throw damaged(source.path, `the TAR archive has no member ${name}`);
    return { at: entry.offsetBytes, end: entry.offsetBytes + entry.sizeBytes };
  };
  const info = member("sys_info");
  const facts = (await plainPickle(source, info.at, { end: info.end })).value;
  const little = facts instanceof Map ? facts.get("little_endian") : undefined;
  if (typeof little !== "boolean") throw damaged(source.path, "its byte order is missing");

  const objects = new Map<string, Storage | TorchTensor>();
  const countOf = (value: unknown, what: string) => {
    const count = explained(source, () => asCount(value, what));
    if (count > MAX_STORAGES) throw damaged(source.path, `${what} is ${count}`);
    return count;
  };
  const { at: storagesAt, end: storagesEnd } = member("storages");
  const storageCount = await plainPickle(source, storagesAt, { end: storagesEnd });
  let at = storageCount.end;
  for (let i = countOf(storageCount.value, "the number of storages"); i > 0; i--) {
    const row = await plainPickle(source, at, { end: storagesEnd });
    const [key, , type] = row.value instanceof Tuple ? row.value.items : [];
    if (!(type instanceof StorageType)) throw damaged(source.path, "a storage has no type");
    const sizeBytes = (await littleI64(source, row.end)) * ELEMENT_BYTES[type.dtype];
    const first = row.end + 8;
    at = first + sizeBytes;
    if (at > storagesEnd) throw damaged(source.path, `storage ${String(key)} is cut off`);
    const label = explained(source, () => asText(key, "a storage's key"));
    objects.set(label, new Storage({ label: `storage ${label}`, sizeBytes, crc32: 0, place: () => Promise.resolve(first) }, type.dtype, 0, sizeBytes));
  }
  const views = (await plainPickle(source, at, { first: FIRST_WINDOW_BYTES, end: storagesEnd })).value;
  explained(source, () => {
    for (const view of Array.isArray(views) ? views : []) {
      const [key, root, offset, count] = view instanceof Tuple ? view.items : [];
      objects.set(asText(key, "a view's key"), slice(asStorage(objects.get(asText(root, "a view's storage"))), asCount(offset, "a view's offset"), asCount(count, "a view's length")));
    }
  });

  const { at: tensorsAt, end: tensorsEnd } = member("tensors");
  const tensorCount = await plainPickle(source, tensorsAt, { end: tensorsEnd });
  const graph = new Graph(source, { pickleBytes: 0 });
  at = tensorCount.end;
  for (let i = countOf(tensorCount.value, "the number of tensors"); i > 0; i--) {
    const row = await plainPickle(source, at, { end: tensorsEnd });
    const [key, storageKey] = row.value instanceof Tuple ? row.value.items : [];
    const axisBytes = await source.read(row.end, 4);
    const axes = new DataView(axisBytes.buffer, axisBytes.byteOffset).getInt32(0, true);
    if (axes < 0 || axes > MAX_AXES) throw damaged(source.path, `a tensor has ${axes} axes`);
    const bytes = await source.read(row.end + 8, 16 * axes + 8); // the four bytes between were the upper half of the number of axes
    const numbers = new DataView(bytes.buffer, bytes.byteOffset);
    const values = (first: number, count: number) => new Tuple(Array.from({ length: count }, (_, k) => Number(numbers.getBigInt64(8 * (first + k), true))));
    explained(source, () => {
      const storage = objects.get(asText(storageKey, "a tensor's storage"));
      objects.set(asText(key, "a tensor's key"), graph.tensor(new TorchTensor(), { storage, shape: values(0, axes), strides: values(axes, axes), offset: values(2 * axes, 1).items[0] }));
    });
    at = row.end + 16 + 16 * axes;
  }

  const tree = member("pickle");
  const found = await pickleAt(source, tree.at, {
    first: FIRST_WINDOW_BYTES,
    end: tree.end,
    run: (window) => {
      const persistent = (id: unknown) => {
        if (id instanceof Tuple) throw refusedModule(source.path);
        const object = objects.get(asText(id, "a persistent id"));
        if (!object) throw new PickleError(`has no tensor ${String(id)}`);
        return object;
      };
      return unpickle(window, new Graph(source, { pickleBytes: window.length }, persistent)).value;
    },
  });
  return { root: found, bigEndian: !little };
}

function checkCrc(source: ByteSource, { label, crc32 }: { label: string; crc32: number }, bytes: Uint8Array): void {
  // PyTorch can be told to leave the sum out; the field is then 0.
  if (crc32 !== 0 && Bun.hash.crc32(bytes) !== crc32) throw damaged(source.path, `${label} is damaged: its CRC-32 differs`);
}

async function readTensor(source: ByteSource, tensor: TorchTensor, bigEndian: boolean): Promise<StoredTensor> {
  const { storage, dtype, shape, strides, offset } = tensor;
  if (dtype === "C64" || dtype === "C128") {
    throw new DataError({ code: "torch/dtype", message: `a tensor [${shape.join(", ")}] is complex, which is not supported`, fix: "leave it out of the file", where: source.path });
  }
  const elementBytes = ELEMENT_BYTES[dtype];
  const elements = tensor.elementCount;
  if (elements === 0) return { dtype, shape, data: new Uint8Array(0) };
  const { bytes: whole, firstByte } = storage;
  if (!whole.place) throw new Error(`${whole.label} has no place`);
  const span = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] as number), 1) * elementBytes;
  const first = firstByte + offset * elementBytes;
  let data = await source.read((await whole.place()) + first, span);
  if (first === 0 && span === whole.sizeBytes) checkCrc(source, whole, data);
  if (!isContiguous(shape, strides)) data = gather(data, { shape, strides, elementBytes, elements });
  if (bigEndian && elementBytes > 1) swapBytes(data, elementBytes);
  return { dtype, shape, data };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** A strided view in row-major order. */
function gather(data: Uint8Array, view: { shape: readonly number[]; strides: readonly number[]; elementBytes: number; elements: number }): Uint8Array {
  const { shape, strides, elementBytes, elements } = view;
  const out = new Uint8Array(elements * elementBytes);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += elementBytes) {
    for (let byte = 0; byte < elementBytes; byte++) out[to + byte] = data[from + byte] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const step = (strides[axis] as number) * elementBytes;
      const next = (index[axis] as number) + 1;
      from += step;
      if (next < (shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      from -= step * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}

function swapBytes(data: Uint8Array, elementBytes: number): void {
  for (let at = 0; at < data.length; at += elementBytes) data.subarray(at, at + elementBytes).reverse();
}

/** A longer path through a file's dictionaries, or more values than this, is refused. */
const MAX_DEPTH = 32;
const MAX_VISITS = 2_000_000;

/**
 * All tensors below a value by their path, joined with points; keys that are no text or number are passed over.
 * @throws DataError where dictionaries hold themselves or are nested beyond all use.
 */
export function tensorsBelow(root: unknown, path: string): Map<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  let visits = 0;
  const visit = (value: unknown, name: string, depth: number): void => {
    if (++visits > MAX_VISITS || depth > MAX_DEPTH) throw damaged(path, "its dictionaries are nested too deep");
    if (value instanceof TorchTensor) {
      explainedTensor(path, value);
      if (found.has(name)) throw damaged(path, `the name ${JSON.stringify(name)} stands for two tensors`);
      found.set(name, value);
      return;
    }
    const children: Iterable<readonly [unknown, unknown]> = value instanceof Map ? value : Array.isArray(value) ? value.entries() : value instanceof Tuple ? value.items.entries() : [];
    for (const [key, child] of children) {
      if (typeof key === "string" || typeof key === "number") visit(child, name === "" ? String(key) : `${name}.${key}`, depth + 1);
    }
  };
  visit(root, "", 0);
  return found;
}

function explainedTensor(path: string, tensor: TorchTensor): void {
  try {
    void tensor.shape;
  } catch (error) {
    throw damaged(path, error instanceof Error ? error.message : String(error), error);
  }
}

/** Keys under which repositories keep the weights in a training checkpoint, in the order of preference. */
const STATE_KEYS = ["state_dict", "model_state_dict", "model", "net", "best_state_dict"];

/**
 * The weights of a file: the saved dictionary itself, or the one under state_dict, model and the like.
 * @throws DataError where there is none.
 */
export function stateDict({ root, path }: Pick<TorchFile, "root" | "path">): { key: string; tensors: Map<string, TorchTensor> } {
  let value = root;
  let key = "";
  while (value instanceof Map && key.length < 100) {
    const dictionary: Map<unknown, unknown> = value;
    const next = STATE_KEYS.find((name) => dictionary.get(name) instanceof Map);
    if (next === undefined) break;
    key = key === "" ? next : `${key}.${next}`;
    value = dictionary.get(next);
  }
  const tensors = value instanceof Map ? tensorsBelow(value, path) : new Map<string, TorchTensor>();
  if (tensors.size === 0) {
    throw new DataError({ code: "torch/no-tensors", message: "holds no dictionary of tensors", fix: "save model.state_dict() with PyTorch", where: path });
  }
  return { key, tensors };
}
