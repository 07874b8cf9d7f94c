import { defineCommand } from "./command.ts";

/** Measures the adapter for the planner. */
export const command = defineCommand({
  name: "tune",
  summary: "Measures, after checking, what the planner chooses kernels by on this adapter, and writes src/kernels/tuned.ts",
  flags: {
    out: { type: "text", hint: "FILE.ts", description: "Where to write the table; otherwise where the planner reads it" },
    missing: { type: "switch", description: "Only where there is no table for this kind of adapter yet" },
  },
  async run({ out, missing }) {
    const { runTune } = await import("../../bench/tune.ts");
    await runTune({ out, missing });
    return 0;
  },
});
