/** Whole training runs for benches of learning, each in a process of its own. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../src/error.ts";
import type { ScoreRecord } from "../src/train/figures.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/** What a run left in its folder. */
export interface TrainedRun {
  /** The main figures at its end; of a pair the mean of its networks. */
  readonly final: Readonly<Record<string, number>>;
  readonly best: { readonly score: number; readonly epoch: number };
  /** Every validation. */
  readonly scores: readonly ScoreRecord[];
}

/** The results below an output folder; undefined where no run has finished there. */
export async function finishedRun(output: string): Promise<TrainedRun | undefined> {
  const [found] = [...new Bun.Glob("**/results.json").scanSync({ cwd: output, onlyFiles: true, throwErrorOnBrokenSymlink: false })];
  if (found === undefined) return undefined;
  const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));
  const { scores: final, best } = (await read(join(output, found))) as { scores: Record<string, number>; best: { score: number; epoch: number } };
  return { final, best, scores: (await read(join(output, dirname(found), "scores.json"))) as ScoreRecord[] };
}

/** Trains a configuration into an output folder, or goes on there. Errors: ConfigError with the run's own message, where it fails. */
export async function trainRun(output: string, { cfg, keys }: { cfg: string; keys: readonly string[] }): Promise<TrainedRun> {
  const command = [process.execPath, join(ROOT, "src/cli/main.ts"), "train", "--cfg", join(ROOT, "configs", cfg), "--resume", `OUTPUT_DIR=${output}`, ...keys];
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "ignore", stderr: "pipe" });
  const said = await new Response(child.stderr).text();
  const run = (await child.exited) === 0 ? await finishedRun(output) : undefined;
  if (run) return run;
  const at = said.lastIndexOf("error: ");
  const [message = "", fix] = said.slice(at < 0 ? 0 : at + 7).trim().split(/\n +fix: /);
  const again = `bun run train --cfg configs/${cfg} ${keys.join(" ")}`;
  throw new ConfigError({ code: "bench/run-failed", where: output, message: `the training of configs/${cfg} failed: ${message}`, fix: `${fix ?? "see train.log there"}; the run was: ${again}` });
}
