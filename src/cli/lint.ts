import { defineCommand } from "./command.ts";
import { packageScript, runProgram } from "./tool.ts";

/** Lint. */
export const command = defineCommand({
  name: "lint",
  summary: "Lints all sources; further arguments go to oxlint",
  flags: {},
  passThrough: true,
  run: (_, rest) =>
    runProgram(process.execPath, [
      packageScript("oxlint/bin/oxlint"),
      "--type-aware",
      "--deny-warnings",
      ...(rest.length > 0 ? rest : ["src", "test", "bench"]),
    ]),
});
