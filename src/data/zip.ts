/** Zip archives: random access to their entries, and a writer that stores without compressing. Source: PKWARE's APPNOTE, 6.3. */
import { open, type FileHandle } from "node:fs/promises";
import { crc32, inflateRawSync } from "node:zlib";
import { DataError } from "../error.ts";
import { writeChunksAtomic } from "../files.ts";
import { type ByteSource, readZipDirectory, type ZipEntry, zipDataOffset } from "../interop/zip.ts";

const [LOCAL, CENTRAL, END] = [0x04034b50, 0x02014b50, 0x06054b50];
const END_BYTES = 22;
/** Code of errors about the bytes of one entry, where the others may be sound. */
export const DAMAGED_ENTRY = "data/zip-entry";
/** The first size that needs zip64. */
const IN_ZIP64 = 0xffffffff;

function badZip(path: string, message: string, { cause, code = "data/zip" }: { cause?: unknown; code?: string } = {}): DataError {
  return new DataError({ code, where: path, message, fix: "expected a zip archive, stored or deflated, without encryption; copy or download it again" }, cause === undefined ? undefined : { cause });
}

/** An open archive. Entries are read one by one, in any order, several at a time. */
export class ZipArchive {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;

  private constructor(file: FileHandle, source: ByteSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.path = source.path;
    this.#file = file;
    this.#source = source;
    this.#entries = entries;
  }

  /** Reads the list of entries. Errors: DataError naming the file where it is missing, truncated or no zip archive. */
  static async open(path: string): Promise<ZipArchive> {
    const file = await open(path, "r").catch((cause: unknown) => {
      throw new DataError({ code: "data/zip-missing", where: path, message: "zip archive not found or not readable", fix: "check DATASET.ROOT, or set DATASET.DATA_FORMAT: jpg where images lie in folders" }, { cause });
    });
    try {
      const source = { path, sizeBytes: (await file.stat()).size, read: (offset: number, count: number) => readAt(path, file, { offset, count }) };
      return new ZipArchive(file, source, await readZipDirectory(source));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Names of the files in it, in the order of the archive's list. */
  get names(): string[] {
    return [...this.#entries.keys()].filter((name) => !name.endsWith("/"));
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** The bytes of an entry. Errors: DataError naming archive and entry where it is absent, damaged or encrypted. */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.#entries.get(name);
    if (!entry) throw badZip(this.path, `no entry "${name}" among ${this.#entries.size}`);
    if (entry.packing === "other") throw badZip(this.path, `entry "${name}" is encrypted, or compressed by another method than deflate`);
    const raw = await this.#source.read(await zipDataOffset(this.#source, entry), entry.packedBytes);
    let data = raw;
    if (entry.packing === "deflated") {
      try {
        data = new Uint8Array(inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.sizeBytes) }));
      } catch (cause) {
        throw badZip(this.path, `entry "${name}" cannot be inflated: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, code: DAMAGED_ENTRY });
      }
    }
    if (data.length !== entry.sizeBytes) throw badZip(this.path, `entry "${name}": ${data.length} bytes, ${entry.sizeBytes} were announced`, { code: DAMAGED_ENTRY });
    if (crc32(data) !== entry.crc32) throw badZip(this.path, `entry "${name}": its check sum is wrong`, { code: DAMAGED_ENTRY });
    return data;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function readAt(path: string, file: FileHandle, { offset, count }: { offset: number; count: number }): Promise<Uint8Array> {
  const buffer = new Uint8Array(count);
  let done = 0;
  while (done < count) {
    const { bytesRead } = await file.read(buffer, done, count - done, offset + done);
    if (bytesRead === 0) throw badZip(path, "truncated: an entry or list lies outside the file");
    done += bytesRead;
  }
  return buffer;
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
    [20, 0x800, 0, 0, 0x21].forEach((value, i) => facts.setUint16(2 * i, value, true));
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
