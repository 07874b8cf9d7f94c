/**
 * The entry of every command. Until the packages are installed it may import built-in modules and files that import
 * nothing else.
 */
import { fileURLToPath } from "node:url";
import { LimberError } from "../error.ts";
import { writeError } from "../files.ts";
import { ensurePackages, runAgain } from "./install.ts";
import { interrupt } from "./interrupt.ts";

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
