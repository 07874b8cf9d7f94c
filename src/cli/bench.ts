import { defineCommand } from "./command.ts";

/** Benchmarks. */
export const command = defineCommand({
  name: "bench",
  summary: "Times kernels and whole steps on real shapes, after checking their results; writes JSON beside the table",
  flags: {
    only: { type: "text", hint: "TEXT", description: "Only the rows whose name contains this" },
    out: { type: "text", hint: "FILE.json", description: "Where to write the results; otherwise bench/results" },
  },
  async run({ only, out }) {
    const { runBench } = await import("../../bench/run.ts");
    return (await runBench({ only, out })) ? 0 : 1;
  },
});
