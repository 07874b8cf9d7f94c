/** Runs a tool of the development packages, or another program, in the project's folder. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const PROJECT_FOLDER = fileURLToPath(new URL("../..", import.meta.url));

/** The script of an installed package that Bun can run, for example "typescript/bin/tsc". */
export function packageScript(path: string): string {
  return join(PROJECT_FOLDER, "node_modules", path);
}

/** Runs a program with this terminal's input and output and returns its exit code (128 + n for signal n). */
export function runProgram(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { cwd: PROJECT_FOLDER, stdio: "inherit", env: process.env });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
