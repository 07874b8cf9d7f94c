import { defineCommand } from "./command.ts";
import { runProgram } from "./tool.ts";

/** Format. */
export const command = defineCommand({
  name: "fmt",
  summary: "Formats all sources (--check only looks); further arguments go to bun fmt",
  flags: {},
  passThrough: true,
  // --no-script: without it bun fmt would run the package script that runs this.
  run: (_, rest) => {
    const paths = rest.some((argument) => !argument.startsWith("-")) ? [] : ["src", "test", "bench"];
    return runProgram(process.execPath, ["fmt", "--no-script", "--print-width=120", ...rest, ...paths]);
  },
});
