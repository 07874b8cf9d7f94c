/** One run at a time in a folder: two would mix their step logs and replace one another's checkpoints. */
import { dlopen } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../error.ts";
import { writeError } from "../files.ts";

/** Of flock(2); the same on Linux and macOS. */
const [LOCK_EXCLUSIVE, LOCK_WITHOUT_WAITING, UNLOCK] = [2, 4, 8];

/**
 * Holds the folder of a run, which exists, until it is disposed of or the process ends, however it ends: flock(2) on its
 * train.log. Where the file system knows no locks nothing is held.
 * @throws DataError where another run holds it, or its log cannot be written.
 */
export function holdFolder(folder: string): Disposable {
  const path = join(folder, "train.log");
  let file: number;
  try {
    file = openSync(path, "a");
  } catch (error) {
    throw writeError(path, error);
  }
  const { flock } = dlopen(process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6", { flock: { args: ["i32", "i32"], returns: "i32" } }).symbols;
  // Where there are no locks unlocking fails too.
  if (flock(file, LOCK_EXCLUSIVE | LOCK_WITHOUT_WAITING) !== 0 && flock(file, UNLOCK) === 0) {
    closeSync(file);
    throw new DataError({ code: "run/folder-in-use", where: folder, message: "another run is training in this folder", fix: "wait for its end, or give this one a folder of its own: EXP_SUB_NAME=NAME or OUTPUT_DIR=DIR" });
  }
  return { [Symbol.dispose]: () => closeSync(file) };
}
