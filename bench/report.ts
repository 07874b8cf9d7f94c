/** The JSON file beside a table. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../src/files.ts";
import type { Gpu } from "../src/gpu/device.ts";

const FOLDER = dirname(fileURLToPath(import.meta.url));

function git(...command: string[]): string | undefined {
  const { exitCode, stdout } = Bun.spawnSync(["git", ...command], { cwd: dirname(FOLDER) });
  return exitCode === 0 ? stdout.toString().trim() : undefined;
}

/** The commit that is measured. */
export function commit(): string {
  return git("rev-parse", "--short", "HEAD") ?? "unknown";
}

/** Whether what is measured differs from its commit. */
function modified(): boolean {
  return git("status", "--porcelain", "--", "src", "shaders", "bench/*.ts") !== "";
}

/** Writes a table with adapter (its driver in the description), commit, whether files differ from it, and date to `out`, or to bench/results under the table's name. */
export async function writeReport(gpu: Gpu, { name, out, content }: { name: string; out: string | undefined; content: object }): Promise<void> {
  const path = out ?? join(FOLDER, "results", `${name ? `${name}-` : ""}${gpu.info.kind}-${commit()}.json`);
  await mkdir(dirname(path), { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  await writeFileAtomic(path, `${JSON.stringify({ adapter: gpu.info, commit: commit(), modified: modified(), date, ...content }, undefined, 2)}\n`);
  console.error(`written  ${path}`);
}
