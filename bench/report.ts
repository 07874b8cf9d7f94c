/** The JSON file beside a table. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorText, LimberError } from "../src/error.ts";
import { writeFileAtomic } from "../src/files.ts";
import type { Gpu } from "../src/gpu/device.ts";
import type { AdapterInfo } from "../src/gpu/native.ts";

const FOLDER = dirname(fileURLToPath(import.meta.url));

/** A row that was not run, and why. */
export interface Failure {
  name: string;
  error: string;
}

/** Tells of a row that failed, with the place in the code where the mistake is ours, and goes on. */
export function tellFailure(name: string, error: unknown): Failure {
  console.error(`${name}  FAILED: ${error instanceof Error && !(error instanceof LimberError) ? error.stack : errorText(error)}`);
  return { name, error: errorText(error) };
}

function git(...command: string[]): string | undefined {
  if (!Bun.which("git")) return undefined;
  const root = dirname(FOLDER);
  const { exitCode, stdout } = Bun.spawnSync(["git", "-c", `safe.directory=${root}`, ...command], { cwd: root }); // the tree may be another user's
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

/** An adapter as part of a file's name: its driver where that is software, else the device. */
export function adapterSlug({ kind, device, vendor }: AdapterInfo): string {
  const slug = (device || vendor).toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return kind === "hardware" && slug ? slug : kind;
}

/** The file of a table: what was measured, where and at which commit is settled when it is opened. */
export interface Report {
  readonly commit: string;
  readonly path: string;
  /** Writes adapter (its driver in the description), commit, whether files differ from it, date, and the content so far. */
  write(content: object): Promise<void>;
}

/** A report that goes to `out`, or to bench/results under the table's name. */
export async function openReport(gpu: Gpu, { name, out }: { name: string; out: string | undefined }): Promise<Report> {
  const head = { adapter: gpu.info, commit: commit(), modified: modified(), date: new Date().toISOString().slice(0, 10) };
  const path = out ?? join(FOLDER, "results", `${name ? `${name}-` : ""}${adapterSlug(gpu.info)}-${head.commit}.json`);
  await mkdir(dirname(path), { recursive: true });
  return { commit: head.commit, path, write: (content) => writeFileAtomic(path, `${JSON.stringify({ ...head, ...content }, undefined, 2)}\n`) };
}
