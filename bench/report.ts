/** The JSON file beside a table. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../src/files.ts";
import type { Gpu } from "../src/gpu/device.ts";

const FOLDER = dirname(fileURLToPath(import.meta.url));

/** The commit that is measured. */
export function commit(): string {
  const git = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: FOLDER });
  return git.exitCode === 0 ? git.stdout.toString().trim() : "unknown";
}

/** Writes a table with adapter, commit and date to `out`, or to bench/results under the table's name. */
export async function writeReport(gpu: Gpu, { name, out, content }: { name: string; out: string | undefined; content: object }): Promise<void> {
  const path = out ?? join(FOLDER, "results", `${name ? `${name}-` : ""}${gpu.info.kind}-${commit()}.json`);
  await mkdir(dirname(path), { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  await writeFileAtomic(path, `${JSON.stringify({ adapter: gpu.info, commit: commit(), date, ...content }, undefined, 2)}\n`);
  console.error(`written  ${path}`);
}
