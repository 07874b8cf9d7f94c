/** Zip archives: random access to their entries, and a writer that stores without compressing. Source: PKWARE's APPNOTE, 6.3. */
import { open, type FileHandle } from "node:fs/promises";
import { crc32, inflateRawSync } from "node:zlib";
import { DataError } from "../error.ts";
import { writeChunksAtomic } from "../files.ts";

interface Entry {
  method: number;
  checkSum: number;
  compressedBytes: number;
  bytes: number;
  /** Of the local header. */
  offset: number;
}

const [STORED, DEFLATED] = [0, 8];
const [LOCAL, CENTRAL, END, END64, LOCATOR64] = [0x04034b50, 0x02014b50, 0x06054b50, 0x06064b50, 0x07064b50];
const [END_BYTES, LOCATOR_BYTES, LARGEST_COMMENT] = [22, 20, 0xffff];
/** Code of errors about the bytes of one entry, where the others may be sound. */
export const DAMAGED_ENTRY = "data/zip-entry";
const ENCRYPTED_FLAG = 1;
/** Where a 32-bit field holds this, the value is in the zip64 fields. */
const IN_ZIP64 = 0xffffffff;

function badZip(path: string, message: string, { cause, code = "data/zip" }: { cause?: unknown; code?: string } = {}): DataError {
  return new DataError({ code, where: path, message, fix: "expected a zip archive, stored or deflated, without encryption; copy or download it again" }, cause === undefined ? undefined : { cause });
}

/** An open archive. Entries are read one by one, in any order, several at a time. */
export class ZipArchive {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(path: string, file: FileHandle, entries: ReadonlyMap<string, Entry>) {
    this.path = path;
    this.#file = file;
    this.#entries = entries;
  }

  /** Reads the list of entries. Errors: DataError naming the file where it is missing, truncated or no zip archive. */
  static async open(path: string): Promise<ZipArchive> {
    const file = await open(path, "r").catch((cause: unknown) => {
      throw new DataError({ code: "data/zip-missing", where: path, message: "zip archive not found or not readable", fix: "check the folder of the data set" }, { cause });
    });
    try {
      return new ZipArchive(path, file, await readDirectory(path, file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Names of the entries, in the order of the archive's list. */
  get names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** The bytes of an entry. Errors: DataError naming archive and entry where it is absent, damaged or encrypted. */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.#entries.get(name);
    if (!entry) throw badZip(this.path, `no entry "${name}" among ${this.#entries.size}`);
    // The local header may state no sizes; only the lengths of its name and extra field matter.
    const head = await readAt(this.path, this.#file, { at: entry.offset, bytes: 30 });
    if (head.getUint32(0, true) !== LOCAL) throw badZip(this.path, `entry "${name}": its header is damaged`);
    const start = entry.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    const packed = await readAt(this.path, this.#file, { at: start, bytes: entry.compressedBytes });
    const raw = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
    let data = raw;
    if (entry.method === DEFLATED) {
      try {
        data = new Uint8Array(inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.bytes) }));
      } catch (cause) {
        throw badZip(this.path, `entry "${name}" cannot be inflated: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, code: DAMAGED_ENTRY });
      }
    } else if (entry.method !== STORED) throw badZip(this.path, `entry "${name}" is compressed by method ${entry.method}`);
    if (data.length !== entry.bytes) throw badZip(this.path, `entry "${name}": ${data.length} bytes, ${entry.bytes} were announced`, { code: DAMAGED_ENTRY });
    if (crc32(data) !== entry.checkSum) throw badZip(this.path, `entry "${name}": its check sum is wrong`, { code: DAMAGED_ENTRY });
    return data;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function readAt(path: string, file: FileHandle, { at, bytes }: { at: number; bytes: number }): Promise<DataView> {
  if (!Number.isSafeInteger(at) || at < 0 || at + bytes > (await file.stat()).size) throw badZip(path, "truncated: an entry or list lies outside the file");
  const buffer = new Uint8Array(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, at + done);
    if (bytesRead === 0) throw badZip(path, "truncated while it was read");
    done += bytesRead;
  }
  return new DataView(buffer.buffer);
}

async function readDirectory(path: string, file: FileHandle): Promise<Map<string, Entry>> {
  const { size } = await file.stat();
  const tailBytes = Math.min(size, END_BYTES + LARGEST_COMMENT);
  const tail = await readAt(path, file, { at: size - tailBytes, bytes: tailBytes });
  let end = tailBytes - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END) end--;
  if (end < 0) throw badZip(path, "not a zip archive, or truncated: its list of entries is missing");
  let count = tail.getUint16(end + 10, true);
  let bytes = tail.getUint32(end + 12, true);
  let offset = tail.getUint32(end + 16, true);
  const locator = end - LOCATOR_BYTES;
  if (locator >= 0 && tail.getUint32(locator, true) === LOCATOR64) {
    const wide = await readAt(path, file, { at: Number(tail.getBigUint64(locator + 8, true)), bytes: 56 });
    if (wide.getUint32(0, true) !== END64) throw badZip(path, "its zip64 list of entries is damaged");
    count = Number(wide.getBigUint64(32, true));
    bytes = Number(wide.getBigUint64(40, true));
    offset = Number(wide.getBigUint64(48, true));
  }

  const list = await readAt(path, file, { at: offset, bytes });
  const decoder = new TextDecoder();
  const entries = new Map<string, Entry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes || list.getUint32(at, true) !== CENTRAL) throw badZip(path, `its list of entries is damaged at number ${i} of ${count}`);
    const [nameBytes, extraBytes, commentBytes] = [list.getUint16(at + 28, true), list.getUint16(at + 30, true), list.getUint16(at + 32, true)];
    if (at + 46 + nameBytes + extraBytes > bytes) throw badZip(path, `its list of entries is damaged at number ${i} of ${count}`);
    const name = decoder.decode(new Uint8Array(list.buffer, at + 46, nameBytes));
    const entry: Entry = {
      method: list.getUint16(at + 10, true),
      checkSum: list.getUint32(at + 16, true),
      compressedBytes: list.getUint32(at + 20, true),
      bytes: list.getUint32(at + 24, true),
      offset: list.getUint32(at + 42, true),
    };
    if ((list.getUint16(at + 8, true) & ENCRYPTED_FLAG) !== 0) throw badZip(path, `entry "${name}" is encrypted`);
    readZip64(new DataView(list.buffer, at + 46 + nameBytes, extraBytes), entry);
    if (!name.endsWith("/")) entries.set(name, entry);
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/** Replaces the fields that do not fit into 32 bits by those of the zip64 extra field, in its fixed order. */
function readZip64(extra: DataView, entry: Entry): void {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    let field = at + 4;
    const next = () => {
      const value = field + 8 <= extra.byteLength ? Number(extra.getBigUint64(field, true)) : Number.NaN;
      field += 8;
      return value;
    };
    if (entry.bytes === IN_ZIP64) entry.bytes = next();
    if (entry.compressedBytes === IN_ZIP64) entry.compressedBytes = next();
    if (entry.offset === IN_ZIP64) entry.offset = next();
    return;
  }
}

/**
 * Writes entries without compression; the file appears complete or not at all, and equal entries give equal files. Errors:
 * RangeError above 4 GiB or 65535 entries (no zip64).
 */
export async function writeZip(path: string, entries: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const chunks: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  let directoryBytes = 0;
  const names = Object.keys(entries);
  if (names.length > 0xffff) throw new RangeError(`${names.length} entries do not fit into a zip archive without zip64`);
  for (const name of names) {
    const data = entries[name] as Uint8Array;
    const encoded = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, stored, 1 January 1980; then check sum and sizes.
    const facts = new DataView(new ArrayBuffer(26));
    [20, 0x800, STORED, 0, 0x21].forEach((value, i) => facts.setUint16(2 * i, value, true));
    [crc32(data), data.length, data.length].forEach((value, i) => facts.setUint32(10 + 4 * i, value, true));
    facts.setUint16(22, encoded.length, true);
    const local = new Uint8Array(30 + encoded.length);
    new DataView(local.buffer).setUint32(0, LOCAL, true);
    local.set(new Uint8Array(facts.buffer), 4);
    local.set(encoded, 30);
    const central = new Uint8Array(46 + encoded.length);
    const view = new DataView(central.buffer);
    view.setUint32(0, CENTRAL, true);
    view.setUint16(4, 20, true);
    central.set(new Uint8Array(facts.buffer), 6);
    view.setUint32(42, offset, true);
    central.set(encoded, 46);
    chunks.push(local, data);
    directory.push(central);
    offset += local.length + data.length;
    directoryBytes += central.length;
    if (offset + directoryBytes > IN_ZIP64) throw new RangeError("more than 4 GiB do not fit into a zip archive without zip64");
  }
  const end = new DataView(new ArrayBuffer(END_BYTES));
  end.setUint32(0, END, true);
  end.setUint16(8, names.length, true);
  end.setUint16(10, names.length, true);
  end.setUint32(12, directoryBytes, true);
  end.setUint32(16, offset, true);
  await writeChunksAtomic(path, [...chunks, ...directory, new Uint8Array(end.buffer)]);
}
