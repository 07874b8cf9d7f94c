import { defineCommand } from "./command.ts";
import { packageScript, runProgram } from "./tool.ts";

/** Type check. */
export const command = defineCommand({
  name: "check",
  summary: "Checks the types of all sources; further arguments go to tsc",
  flags: {},
  passThrough: true,
  run: (_, rest) => runProgram(process.execPath, [packageScript("typescript/bin/tsc"), "--noEmit", "-p", ".", ...rest]),
});
