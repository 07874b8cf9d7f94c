import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../error.ts";
import { defineCommand } from "./command.ts";
import { PROJECT_FOLDER, runProgram } from "./tool.ts";

const CANDIDATES = ["python3", "/usr/bin/python3", "python"];

/** Golden files. */
export const command = defineCommand({
  name: "golden",
  summary: "Makes the golden files of test/golden anew with PyTorch; arguments name scripts, for example make_golden or ops/softmax",
  flags: {},
  rest: { name: "SCRIPT", description: "Names of scripts in test/golden without .py; all where none is given" },
  async run(_, names) {
    const folder = join(PROJECT_FOLDER, "test/golden");
    const known = (existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [])
      .filter((name) => /^(make_|ops\/)\w+\.py$/.test(name))
      .map((name) => name.slice(0, -3))
      .sort();
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new ConfigError({
        code: "golden/unknown",
        message: `no script "${unknown}" in test/golden`,
        fix: `known: ${known.join(", ")}`,
      });
    }
    const python = process.env["PYTHON"] ? [process.env["PYTHON"]] : CANDIDATES;
    const found = python.find(
      (program) => spawnSync(program, ["-c", "import torch"], { stdio: "ignore" }).status === 0,
    );
    if (!found) {
      throw new ConfigError({
        code: "golden/no-torch",
        message: `no Python with PyTorch found (tried ${python.join(", ")})`,
        fix: "install python3-torch, or name a Python: PYTHON=/path/to/python bun run golden",
      });
    }
    for (const name of names.length > 0 ? names : known) {
      const code = await runProgram(found, [join(folder, `${name}.py`)]);
      if (code !== 0) return code;
    }
    return 0;
  },
});
