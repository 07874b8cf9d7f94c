/**
 * The table of contents of ZIP archives, ZIP64 included (APPNOTE.TXT 6.3): PyTorch's files, images, .npz. Members are
 * ranges of the file; names are never used as paths.
 */
import { DataError } from "../error.ts";

/** A member: a range of the file. */
export interface ZipEntry {
  readonly name: string;
  /** Position of the local header; the data follow its name and extra field. */
  readonly headerOffset: number;
  /** Length in the file, and of the data themselves. */
  readonly packedBytes: number;
  readonly sizeBytes: number;
  /** CRC-32 of the data; 0 where the writer did not compute it. */
  readonly crc32: number;
  /** How the data lie in the file; "other" is encrypted or compressed by a method that is not deflate. */
  readonly packing: "stored" | "deflated" | "other";
}

/** Random access to a file's bytes; throws where the range goes beyond its end. */
export interface ByteSource {
  readonly path: string;
  readonly sizeBytes: number;
  read(offset: number, count: number): Promise<Uint8Array>;
}

const LOCAL_SIGNATURE = 0x04034b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR64_SIGNATURE = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR64_BYTES = 20;
const MAX_COMMENT_BYTES = 0xffff;
const ZIP64_EXTRA = 1;
/** What a 32-bit field holds where the value is in the ZIP64 extra field. */
const IN_EXTRA = 0xffffffff;

/** A longer table of contents is refused; COCO's 118 000 training images need a third of this. */
const MAX_DIRECTORY_BYTES = 32 * 2 ** 20;

function malformed(path: string, message: string): DataError {
  return new DataError({
    code: "zip/malformed",
    message: `not a valid ZIP archive: ${message}`,
    fix: "the file is damaged or incomplete; copy or download it again",
    where: path,
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads the table of contents.
 * @throws DataError where it is damaged, or a member is named twice or like a path outside.
 */
export async function readZipDirectory(source: ByteSource): Promise<Map<string, ZipEntry>> {
  const { path, sizeBytes: fileBytes } = source;
  const tailBytes = Math.min(fileBytes, END_BYTES + MAX_COMMENT_BYTES);
  const tail = viewOf(await source.read(fileBytes - tailBytes, tailBytes));
  let end = tailBytes - END_BYTES;
  while (end >= 0 && (tail.getUint32(end, true) !== END_SIGNATURE || end + END_BYTES + tail.getUint16(end + 20, true) !== tailBytes)) end--;
  if (end < 0) throw malformed(path, "its end is missing");
  let count = tail.getUint16(end + 10, true);
  let directoryBytes = tail.getUint32(end + 12, true);
  let directoryOffset = tail.getUint32(end + 16, true);
  const endOffset = fileBytes - tailBytes + end;
  const locatorOffset = endOffset - LOCATOR64_BYTES;
  if (locatorOffset >= 0) {
    const locator = viewOf(await source.read(locatorOffset, LOCATOR64_BYTES));
    if (locator.getUint32(0, true) === LOCATOR64_SIGNATURE) {
      const at = Number(locator.getBigUint64(8, true));
      if (at + END64_BYTES > locatorOffset) throw malformed(path, "its ZIP64 end lies outside");
      const end64 = viewOf(await source.read(at, END64_BYTES));
      if (end64.getUint32(0, true) !== END64_SIGNATURE) throw malformed(path, "its ZIP64 end is missing");
      count = Number(end64.getBigUint64(32, true));
      directoryBytes = Number(end64.getBigUint64(40, true));
      directoryOffset = Number(end64.getBigUint64(48, true));
    }
  }
  if (directoryBytes > MAX_DIRECTORY_BYTES) throw malformed(path, `its table of contents claims ${directoryBytes} bytes`);
  if (directoryOffset + directoryBytes > endOffset) throw malformed(path, "its table of contents lies outside");
  if (count * CENTRAL_BYTES > directoryBytes) throw malformed(path, `${count} members cannot be listed in ${directoryBytes} bytes`);
  const directory = await source.read(directoryOffset, directoryBytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = readEntry(path, directory, at);
    if (entries.has(entry.name)) throw malformed(path, `the member ${JSON.stringify(entry.name)} is listed twice`);
    if (entry.headerOffset + LOCAL_BYTES + entry.packedBytes > directoryOffset) throw malformed(path, `the member ${JSON.stringify(entry.name)} lies outside`);
    entries.set(entry.name, entry);
    at = next;
  }
  return entries;
}

function readEntry(path: string, directory: Uint8Array, at: number): { entry: ZipEntry; next: number } {
  const view = viewOf(directory);
  if (at + CENTRAL_BYTES > directory.length || view.getUint32(at, true) !== CENTRAL_SIGNATURE) throw malformed(path, "its table of contents is damaged");
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const crc32 = view.getUint32(at + 16, true);
  const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > directory.length) throw malformed(path, "its table of contents is damaged");
  const name = new TextDecoder().decode(directory.subarray(at + CENTRAL_BYTES, nameEnd));
  if (/^[/\\]|\\|^[A-Za-z]:|(^|\/)\.\.(\/|$)|\0/.test(name)) throw malformed(path, `the member ${JSON.stringify(name)} is named like a path outside the archive`);
  // In this order, and only those whose 32-bit field is full.
  const wide = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  for (let field = nameEnd; field + 4 <= extraEnd; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== ZIP64_EXTRA) continue;
    let value = field + 4;
    wide.forEach((narrow, i) => {
      if (narrow !== IN_EXTRA) return;
      if (value + 8 > extraEnd) throw malformed(path, `the sizes of the member ${JSON.stringify(name)} are missing`);
      wide[i] = Number(view.getBigUint64(value, true));
      value += 8;
    });
    break;
  }
  const [sizeBytes = 0, packedBytes = 0, headerOffset = 0] = wide;
  const known = method === 0 ? "stored" : method === 8 ? "deflated" : "other";
  const packing = (flags & 1) === 0 ? known : "other";
  if (packing === "stored" && sizeBytes !== packedBytes) throw malformed(path, `the member ${JSON.stringify(name)} has two sizes`);
  return { entry: { name, headerOffset, packedBytes, sizeBytes, crc32, packing }, next };
}

/** Position of a member's first byte. Throws DataError where its local header is damaged. */
export async function zipDataOffset(source: ByteSource, { name, headerOffset, packedBytes }: ZipEntry): Promise<number> {
  const header = viewOf(await source.read(headerOffset, LOCAL_BYTES));
  if (header.getUint32(0, true) !== LOCAL_SIGNATURE) throw malformed(source.path, `the member ${JSON.stringify(name)} has no header`);
  const start = headerOffset + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
  if (start + packedBytes > source.sizeBytes) throw malformed(source.path, `the member ${JSON.stringify(name)} is cut off`);
  return start;
}
