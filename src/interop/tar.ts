/** Uncompressed TAR archives (ustar and PAX, POSIX.1-2001): the table of contents; members are ranges of the file. */
import { DataError } from "../error.ts";
import type { ByteSource } from "./zip.ts";

/** A member's range. */
export interface TarEntry {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

const BLOCK_BYTES = 512;

/** PyTorch's archives have four members. */
const MAX_MEMBERS = 64;

function malformed(path: string, message: string): DataError {
  return new DataError({
    code: "torch/malformed",
    message: `not a valid TAR archive: ${message}`,
    fix: "the file is damaged or incomplete; copy or download it again",
    where: path,
  });
}

function octal(block: Uint8Array, first: number, count: number): number {
  const text = new TextDecoder("latin1").decode(block.subarray(first, first + count)).replace(/[\0 ]+$/, "").trim();
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/**
 * Reads the headers of all members.
 * @throws DataError where one is damaged or goes beyond the file.
 */
export async function readTarDirectory(source: ByteSource): Promise<Map<string, TarEntry>> {
  const entries = new Map<string, TarEntry>();
  for (let at = 0; at + BLOCK_BYTES <= source.sizeBytes; ) {
    const block = await source.read(at, BLOCK_BYTES);
    if (block.every((byte) => byte === 0)) break; // the end
    const name = new TextDecoder("latin1").decode(block.subarray(0, 100)).replace(/\0.*$/s, "");
    // The checksum is computed as if its own field held spaces.
    const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (octal(block, 148, 8) !== sum) throw malformed(source.path, `the header at byte ${at} is damaged`);
    const sizeBytes = octal(block, 124, 12);
    const offsetBytes = at + BLOCK_BYTES;
    if (!(offsetBytes + sizeBytes <= source.sizeBytes)) throw malformed(source.path, `the member ${JSON.stringify(name)} is cut off`);
    const type = String.fromCharCode(block[156] ?? 0);
    if (type === "0" || type === "\0") entries.set(name, { offsetBytes, sizeBytes });
    if (entries.size > MAX_MEMBERS) throw malformed(source.path, "it has more members than PyTorch writes");
    at = offsetBytes + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return entries;
}
