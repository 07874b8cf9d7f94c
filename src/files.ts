/**
 * Writing files so that a reader never meets half of one: the bytes go to a temporary name in the same folder, are
 * flushed to the disk, and only then take the real name. Uses Node's file calls through the `promises` object, so
 * that a test can stop the process between any two of them.
 */
import { promises as fs } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DataError } from "./error.ts";

let temporaryCount = 0;

/** A name beside `path` that no other process and no other call of this one uses; `*.tmp-*` is ignored by git. */
function temporaryName(path: string): string {
  return join(dirname(path), `${basename(path)}.tmp-${process.pid}-${temporaryCount++}`);
}

/** The `code` of a failed system call, for example "ENOSPC". */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

const WRITE_REMEDIES: Readonly<Record<string, { what: string; fix: string }>> = {
  ENOSPC: { what: "the disk is full", fix: "free some space or choose another folder (OUTPUT_DIR), then run again" },
  EDQUOT: {
    what: "your disk quota is used up",
    fix: "free some space or choose another folder (OUTPUT_DIR), then run again",
  },
  EFBIG: {
    what: "the file would be larger than the file system or a limit (ulimit -f) allows",
    fix: "choose another folder or raise the limit",
  },
  EACCES: { what: "permission denied", fix: "choose a place that you may use, or change its permissions" },
  EPERM: {
    what: "the operation is not permitted",
    fix: "choose a place that you may use, or change its permissions",
  },
  EROFS: { what: "the file system is read-only", fix: "choose a folder on a disk that can be written" },
  ENOENT: { what: "its folder cannot be made", fix: "choose another folder" },
  ENOTDIR: { what: "a part of the path is a file, not a folder", fix: "remove that file or choose another folder" },
  EEXIST: { what: "a file is in the place of a folder", fix: "remove that file or choose another folder" },
  EISDIR: { what: "a folder of that name is in the way", fix: "remove it or choose another name" },
  ENAMETOOLONG: { what: "the name is too long for the file system", fix: "choose a shorter name" },
  EIO: { what: "the disk reported an input/output error", fix: "check the disk" },
};

/**
 * Turns a failed write into a DataError that names the file, the reason and the remedy; other errors come back as
 * they are. `what` is for those that opened a file, perhaps to read it.
 */
export function writeError(path: string, error: unknown, { what = "write" }: { what?: string } = {}): unknown {
  if (error instanceof DataError) return error;
  const code = systemErrorCode(error);
  // A file that is missing is no failed write, but for a folder that cannot be made, as below /proc.
  const other = code === "ENOENT" && !(error instanceof Error && "syscall" in error && error.syscall === "mkdir");
  const remedy = code === undefined || other ? undefined : WRITE_REMEDIES[code];
  if (!remedy) return error;
  return new DataError(
    {
      code: `file/${String(code).toLowerCase()}`,
      message: `cannot ${what}: ${remedy.what} (${code})`,
      fix: remedy.fix,
      where: path,
    },
    { cause: error },
  );
}

/** Flushes a folder's list of names, so that a rename survives a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, "r");
  try {
    await folder.sync();
  } catch (error) {
    // Some network file systems cannot sync a folder; the rename itself has happened.
    if (!["EINVAL", "ENOTSUP", "EBADF"].includes(systemErrorCode(error) ?? "")) throw error;
  } finally {
    await folder.close();
  }
}

/**
 * Writes pieces one after the other into a file that appears under its name only when complete; missing folders are
 * made. For files too large to hold twice in memory.
 * @throws DataError with a remedy where the disk is full, read-only or not permitted; nothing is left behind.
 */
export async function writeChunksAtomic(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await fs.mkdir(dirname(path), { recursive: true });
    try {
      const file = await fs.open(temporary, "wx");
      try {
        for await (const chunk of chunks) {
          let written = 0;
          while (written < chunk.byteLength) {
            written += (await file.write(chunk, written, chunk.byteLength - written)).bytesWritten;
          }
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await fs.rename(temporary, path);
    } catch (error) {
      await fs.rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
  } catch (error) {
    throw writeError(path, error);
  }
}

/**
 * Writes a file that appears under its name only when complete; missing folders are made.
 * @throws DataError with a remedy where the disk is full, read-only or not permitted; nothing is left behind.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeChunksAtomic(path, [typeof data === "string" ? new TextEncoder().encode(data) : data]);
}

/** Removes temporary files that a killed process left in a folder; those of living processes stay. */
export async function removeStaleTemporaries(folder: string): Promise<void> {
  for (const name of await fs.readdir(folder)) {
    const pid = /\.tmp-(\d+)-\d+$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await fs.rm(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === "EPERM";
  }
}
