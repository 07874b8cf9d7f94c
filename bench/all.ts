/**
 * Everything that a new machine is measured by: what it is, the tests on its adapter, the planner's table where it has none yet, then
 * the tables with their twins, each in a process of its own.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderTable } from "../src/train/log.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A part by name: the arguments of the command line, and what the environment has besides. */
export interface BenchPart {
  name: string;
  command: readonly string[];
  environment?: Readonly<Record<string, string>>;
}

const PARTS: readonly BenchPart[] = [
  { name: "doctor", command: ["doctor"] },
  { name: "tests", command: ["test"], environment: { LIMBER_SLOW: "1" } },
  { name: "tune", command: ["tune", "--missing"] },
  ...["", "step", "peers", "memory", "kernels", "data"].map((table) => ({ name: `bench ${table}`.trim(), command: ["bench", ...(table ? [table] : [])] })),
];

/** A part that takes longer hangs. */
const LONGEST_PART_MS = 4 * 3_600_000;

/** Runs all parts, the next also where one has failed; tables write their results to bench/results. Returns how each ended. */
export async function runAll(parts: readonly BenchPart[] = PARTS): Promise<readonly { name: string; code: number; seconds: number }[]> {
  const rows: { name: string; code: number; seconds: number }[] = [];
  for (const { name, command, environment = {} } of parts) {
    console.log(`\n=== ${name}`);
    const started = performance.now();
    const child = Bun.spawn([process.execPath, join(ROOT, "src", "cli", "main.ts"), ...command], { cwd: ROOT, env: { ...process.env, ...environment }, stdio: ["ignore", "inherit", "inherit"], timeout: LONGEST_PART_MS, killSignal: "SIGKILL" });
    rows.push({ name, code: await child.exited, seconds: (performance.now() - started) / 1000 });
  }
  console.log("");
  console.log(await renderTable(["", "", "s"], rows.map(({ name, code, seconds }) => [name, code === 0 ? "passed" : `FAILED (${code})`, seconds.toFixed(0)])));
  return rows;
}
