/** Decoding of image files to RGB bytes, and a cache of decoded images within a byte budget. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { DataError } from "../error.ts";
import { systemErrorCode } from "../files.ts";
import type { Size } from "../pose/types.ts";
import { DAMAGED_ENTRY, ZipArchive } from "./zip.ts";

/** RGB interleaved, row-major. */
export interface DecodedImage {
  pixels: Uint8Array;
  width: number;
  height: number;
}

async function loadSharp() {
  const { prepareFonts } = await import("../fonts.ts");
  prepareFonts(); // fontconfig reads its settings when sharp's library is first loaded
  const { default: sharp } = await import("sharp");
  sharp.cache(false);
  sharp.concurrency(1);
  return sharp;
}

/** sharp, set up once: no cache of its own, one thread per image. */
export const sharpModule = (() => {
  let loading: ReturnType<typeof loadSharp> | undefined;
  return () => (loading ??= loadSharp());
})();

const ARCHIVE_MARK = ".zip@";
const archives = new Map<string, Promise<ZipArchive>>();

/**
 * What sharp reads: the path itself, or the bytes of an entry where the path is <archive>.zip@/<entry>, as the source systems
 * write it (with or without the slash). Archives keep the folder's name (train2017/1.jpg, as MultiAugs') or only the files' (1.jpg, as
 * HRNet's). Archives stay open; their lists of entries are read once.
 */
async function imageInput(path: string): Promise<string | Uint8Array> {
  const mark = path.indexOf(ARCHIVE_MARK);
  if (mark < 0) return path;
  const file = path.slice(0, mark + ARCHIVE_MARK.length - 1);
  let archive = archives.get(file);
  if (!archive) {
    archive = ZipArchive.open(file);
    archives.set(file, archive);
    archive.catch(() => archives.delete(file)); // a later call may find it mended
  }
  const opened = await archive;
  const entry = path.slice(mark + ARCHIVE_MARK.length).replace(/^[/\\]/, "").replaceAll("\\", "/");
  const bare = entry.slice(entry.lastIndexOf("/") + 1);
  return opened.read(!opened.has(entry) && opened.has(bare) ? bare : entry);
}

/** Markers among those of frames (C0 to CF) that begin none. */
const NO_FRAME = new Set([0xc4, 0xc8, 0xcc]);

/** How many components a JPEG stores: 3 or 1, and 4 of CMYK; 0 where this is no JPEG. */
function jpegComponents(bytes: Uint8Array): number {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return 0;
  const { length } = bytes;
  for (let at = 2; at + 9 < length && bytes[at] === 0xff; at += 2 + 256 * (bytes[at + 2] as number) + (bytes[at + 3] as number)) {
    const marker = bytes[at + 1] as number;
    if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAME.has(marker)) return bytes[at + 9] as number;
  }
  return 0;
}

/** Four inks a pixel, 255 is full, as OpenCV turns them into RGB, which knows no colour profile. */
function rgbOfInks(inks: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((inks.length / 4) * 3);
  for (let i = 0, o = 0; i < inks.length; i += 4) {
    const light = 255 - (inks[i + 3] as number);
    for (let ink = i; ink < i + 3; ink++) rgb[o++] = light - (((inks[ink] as number) * light) >> 8);
  }
  return rgb;
}

const MISSING = { code: "data/image-missing", message: "image file not found", fix: "check the path; images of a data set lie below DATASET.ROOT" };

/** Files that are not even opened, by the system's code: none of them is a corrupt image. */
const UNREAD: Readonly<Record<string, { code: string; message: string; fix: string }>> = {
  ENOENT: MISSING,
  ENOTDIR: MISSING,
  EISDIR: { ...MISSING, message: "is a folder, expected an image" },
  EACCES: { code: "data/image-unreadable", message: "image may not be read", fix: "change its permissions" },
  EMFILE: { code: "data/image-unreadable", message: "image cannot be opened: too many files are open", fix: "raise the limit (ulimit -n) or lower WORKERS" },
};

/**
 * Decodes a JPEG or PNG as OpenCV reads it: 8-bit colour, CMYK included, EXIF orientation and colour profile ignored; from a folder or a
 * zip archive. Errors: DataError naming the file where it is missing, may not be read, is truncated or no image.
 */
export async function decodeImage(path: string): Promise<DecodedImage> {
  const sharp = await sharpModule();
  try {
    const input = await imageInput(path);
    // libvips reads memory faster than files.
    const bytes = typeof input === "string" ? await readFile(input) : input;
    // OpenCV reads the stored values; following an embedded colour profile would shift them (by up to 54 levels in COCO).
    if (jpegComponents(bytes) === 4) {
      const { data, info } = await sharp(bytes).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer({ resolveWithObject: true });
      return { pixels: rgbOfInks(data), width: info.width, height: info.height };
    }
    const { data, info } = await sharp(bytes, { ignoreIcc: true }).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels`);
    return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width: info.width, height: info.height };
  } catch (cause) {
    // A damaged entry is a corrupt image; an archive that is missing or no archive is neither.
    if (cause instanceof DataError && cause.code !== DAMAGED_ENTRY) throw cause;
    const detail = (cause instanceof Error ? cause.message : String(cause)).trim().split("\n")[0] ?? "";
    const unread = UNREAD[systemErrorCode(cause) ?? ""];
    throw new DataError(
      unread ? { ...unread, where: path } : { code: "data/image-corrupt", where: path, message: `image cannot be decoded: ${detail}`, fix: "replace the file; DATASET.SKIP_CORRUPT: true leaves such images of a data set out" },
      { cause },
    );
  }
}

/** Width and height from an image file's header, EXIF orientation ignored; undefined where there is no such file. Errors: DataError where it is no image. */
export async function readImageSize(path: string): Promise<Size | undefined> {
  if (!path.includes(ARCHIVE_MARK) && !existsSync(path)) return undefined;
  const sharp = await sharpModule();
  const input = await imageInput(path);
  try {
    const { width, height } = await sharp(input).metadata();
    return [width, height];
  } catch (cause) {
    throw new DataError({ code: "data/image-corrupt", where: path, message: "the header of this image cannot be read", fix: "replace the file" }, { cause });
  }
}

/** Decoded images, least recently used first out. */
export class ImageCache {
  readonly #budget: number;
  readonly #images = new Map<string, Promise<DecodedImage>>();
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  /** @param budgetBytes memory that decoded images may take; 0 keeps none. */
  constructor(budgetBytes: number) {
    this.#budget = budgetBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The image of a file, decoded now or before. Concurrent requests share one decode. */
  get(path: string): Promise<DecodedImage> {
    const held = this.#images.get(path);
    if (held) {
      this.#images.delete(path);
      this.#images.set(path, held);
      return held;
    }
    const loading = decodeImage(path);
    if (this.#budget > 0) {
      this.#images.set(path, loading);
      loading.then(
        (image) => this.#account(path, image),
        () => this.#images.delete(path),
      );
    }
    return loading;
  }

  #account(path: string, image: DecodedImage): void {
    if (!this.#images.has(path)) return;
    this.#sizes.set(path, image.pixels.byteLength);
    this.#bytes += image.pixels.byteLength;
    for (const oldest of this.#images.keys()) {
      if (this.#bytes <= this.#budget) return;
      const size = this.#sizes.get(oldest);
      if (size === undefined) continue; // still decoding
      this.#images.delete(oldest);
      this.#sizes.delete(oldest);
      this.#bytes -= size;
    }
  }
}
