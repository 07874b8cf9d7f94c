/** The commands, and what happens to their errors. Loaded once the packages are there. */
import { nearest } from "../config/nearest.ts";
import { ConfigError } from "../error.ts";
import type { Command } from "./command.ts";

const COMMANDS: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  train: () => import("./train.ts"),
  valid: () => import("./valid.ts"),
  predict: () => import("./predict.ts"),
  visualize: () => import("./visualize.ts"),
  convert: () => import("./convert.ts"),
  inspect: () => import("./inspect.ts"),
  bench: () => import("./bench.ts"),
  tune: () => import("./tune.ts"),
  doctor: () => import("./doctor.ts"),
  test: () => import("./test.ts"),
  check: () => import("./check.ts"),
  lint: () => import("./lint.ts"),
  fmt: () => import("./fmt.ts"),
  golden: () => import("./golden.ts"),
};

/**
 * Runs a command line without the program's name and returns the exit code.
 * @throws LimberError for anything that the user can mend.
 */
export async function runProgramLine(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(await overview());
    return name === undefined ? 1 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    const guess = nearest(name, Object.keys(COMMANDS));
    throw new ConfigError({
      code: "cli/unknown-command",
      message: `unknown command "${name}"${guess ? `; did you mean ${guess}?` : ""}`,
      fix: `commands: ${Object.keys(COMMANDS).join(", ")}`,
    });
  }
  return (await load()).command.execute(rest);
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map(async (load) => (await load()).command));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`);
  return `Usage: bun run <command> [arguments]\n\n${lines.join("\n")}\n\nbun run <command> --help tells more.`;
}
