import { spawn } from "node:child_process";
import { constants } from "node:os";
import { defineCommand } from "./command.ts";
import { PROJECT_FOLDER } from "./tool.ts";

/** Tests. */
export const command = defineCommand({
  name: "test",
  summary: "Runs all tests and ends with one counting line; further arguments go to bun test",
  flags: {},
  passThrough: true,
  async run(_, rest) {
    const counter = new TestCounter();
    const code = await runCounted([process.execPath, "test", ...rest], counter);
    const counts = counter.counts(code);
    console.log(countingLine(counts));
    return counts.failed > 0 ? code || 1 : code;
  },
});

/** Outcome of a test run. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Reads bun's report line by line. Its summary counts; where the process died before it, the lines of the single tests do. */
export class TestCounter {
  #rest = "";
  readonly #seen: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  #summary: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  #complete = false;

  /** Takes the next piece of the report. */
  add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(Bun.stripANSI(line).trimEnd());
  }

  #line(line: string): void {
    const single = /^(?:\((pass|fail|skip|todo)\)|([✓✗»✎])) /.exec(line);
    const outcome = single?.[1] ?? { "✓": "pass", "✗": "fail", "»": "skip", "✎": "todo" }[single?.[2] ?? ""];
    if (outcome === "pass") this.#seen.passed++;
    else if (outcome === "fail") this.#seen.failed++;
    else if (outcome !== undefined) this.#seen.skipped++;

    const total = /^ *(\d+) (pass|fail|skip|todo)$/.exec(line);
    if (total) {
      const count = Number(total[1]);
      // "pass" opens the summary; a test that prints such a line is overruled by the real one, which comes last.
      if (total[2] === "pass") this.#summary = { passed: count, failed: 0, skipped: 0 };
      else if (total[2] === "fail") this.#summary.failed += count;
      else this.#summary.skipped += count;
    }
    if (/^Ran \d+ tests? across \d+ files?\./.test(line)) this.#complete = true;
  }

  /** The counts for an exit code of bun; a run that did not end well has at least one failure. */
  counts(exitCode: number): TestCounts {
    const counts = { ...(this.#complete ? this.#summary : this.#seen) };
    if (exitCode !== 0 && (!this.#complete || counts.failed === 0)) counts.failed++;
    return counts;
  }
}

/** "N passed, N failed", and ", N skipped" where some were. */
export function countingLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Runs a program, shows its output as it comes, and lets the counter read it. */
function runCounted([program = "", ...args]: string[], counter: TestCounter): Promise<number> {
  return new Promise((resolve, reject) => {
    const colour = process.stderr.isTTY ? { FORCE_COLOR: "1" } : {};
    const child = spawn(program, args, {
      cwd: PROJECT_FOLDER,
      stdio: ["inherit", "inherit", "pipe"],
      env: { ...process.env, ...colour },
    });
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      process.stderr.write(text);
      counter.add(text);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      counter.add("\n");
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}
