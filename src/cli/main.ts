/**
 * The entry of every command. Until the packages are installed it may import built-in modules and files that import
 * nothing else; the latter behind the size of the thread pool, which Bun makes when it first loads one.
 */
import { dlopen, ptr } from "bun:ffi";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

/**
 * Twice as many threads as cores, where the user names no number: while libvips' own thread decodes an image, the pool's thread
 * that asked for it waits. Bun reads the C environment, hence FFI.
 */
function widenThreadPool(): void {
  if (process.platform !== "linux") return; // measured nowhere else
  const { symbols } = dlopen("libc.so.6", { setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" } });
  symbols.setenv(ptr(Buffer.from("UV_THREADPOOL_SIZE\0")), ptr(Buffer.from(`${2 * availableParallelism()}\0`)), 0);
}

widenThreadPool();
const { LimberError } = await import("../error.ts");
const { writeError } = await import("../files.ts");
const { ensurePackages, runAgain } = await import("./install.ts");
const { interrupt } = await import("./interrupt.ts");

/** Exit code for a bug (EX_SOFTWARE of sysexits.h). */
const BUG = 70;

/** Prints what was thrown and returns the exit code: a user's mistake as clean text, a bug with its stack. */
function report(thrown: unknown): number {
  // A full disk and the like are the user's to mend wherever they are met.
  const path = thrown instanceof Error && "path" in thrown && typeof thrown.path === "string" ? thrown.path : "output";
  const opening = thrown instanceof Error && "syscall" in thrown && thrown.syscall === "open";
  const error = writeError(path, thrown, { what: opening ? "open" : "write" });
  if (error instanceof LimberError) {
    console.error(`error: ${error.toText()}`);
    return 1;
  }
  console.error(error);
  console.error("This is a bug in limber: please report it with the lines above.");
  return BUG;
}

function fail(thrown: unknown): never {
  process.exit(report(thrown));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupt(signal));
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
process.stdout.on("error", (error: Error) => {
  // The reader of a pipe, such as head, has gone.
  if ("code" in error && error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  if (ensurePackages(fileURLToPath(new URL("../..", import.meta.url)))) process.exit(await runAgain());
  const { runProgramLine } = await import("./program.ts");
  process.exit(await runProgramLine(process.argv.slice(2)));
} catch (error) {
  fail(error);
}
