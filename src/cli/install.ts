/**
 * Brings the packages up to date before anything else is loaded, so that a fresh clone needs no separate step.
 * Imports built-in modules only.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { DataError, LimberError } from "../error.ts";

/** Oldest Bun that has all that is used here. */
const OLDEST_BUN = [1, 4, 5] as const;

/** Holds the digest of the lock file that node_modules was made from. */
const STAMP = "node_modules/.limber-lock";

/**
 * Installs the locked packages where node_modules is missing or was made from another lock file. Returns whether it did: a
 * process that began without packages resolves imports as if there were none, so the command must then run in a new one.
 * @throws LimberError with what to do where the installation fails, for example without a network.
 */
export function ensurePackages(root: string): boolean {
  if (isOlder(process.versions.bun ?? "0")) {
    throw new LimberError({
      code: "install/old-bun",
      message: `needs Bun ${OLDEST_BUN.join(".")} or newer, this is ${process.versions.bun ?? "not Bun"}`,
      fix: "run it through npm (npx --yes bun@1.4.5 run ...) or upgrade Bun (bun upgrade)",
    });
  }
  const lockPath = join(root, "bun.lock");
  if (!existsSync(lockPath)) {
    throw new DataError({
      code: "install/no-lock",
      message: "the file is missing, so the packages to install are not known",
      fix: "restore it, for example by git checkout bun.lock",
      where: lockPath,
    });
  }
  const digest = createHash("sha256").update(readFileSync(lockPath)).digest("hex");
  const stampPath = join(root, STAMP);
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === digest) return false;

  console.error(existsSync(stampPath) ? "Updating packages ..." : "Installing packages (first run) ...");
  const result = spawnSync(process.execPath, ["install", "--frozen-lockfile"], {
    cwd: root,
    encoding: "utf8",
    env: process.env,
  });
  if (result.status !== 0) {
    const said = `${result.stderr ?? ""}${result.stdout ?? ""}${result.error?.message ?? ""}`;
    const tail = said
      .split("\n")
      .filter((line) => line.trim() !== "" && !/^bun install|^ +at /.test(line))
      .slice(-4)
      .map((line) => `\n    ${line.trim()}`)
      .join("");
    throw new LimberError({
      code: "install/failed",
      message: `the packages could not be installed:${tail}`,
      fix: /lockfile/.test(said)
        ? "restore bun.lock and package.json, for example by git checkout bun.lock package.json"
        : "check the network and the registry settings of npm (.npmrc, proxy variables) and the free disk space, then run again",
    });
  }
  try {
    writeFileSync(stampPath, digest);
  } catch {
    // A read-only checkout with its packages in place works; it only asks the installer again at the next start.
    return false;
  }
  return true;
}

/** Runs this command line in a new process and returns its exit code. A Ctrl-C reaches that process by itself, a SIGTERM is passed on. */
export function runAgain(): Promise<number> {
  for (const signal of ["SIGINT", "SIGTERM"]) process.removeAllListeners(signal);
  process.on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, process.argv.slice(1), { stdio: "inherit", env: process.env });
    const end = () => void child.kill("SIGTERM");
    process.on("SIGTERM", end);
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/** Whether a version such as "1.4.5" comes before the oldest usable one. */
export function isOlder(version: string): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, wanted] of OLDEST_BUN.entries()) {
    const part = parts[i] ?? 0;
    if (part !== wanted) return !(part > wanted);
  }
  return false;
}
