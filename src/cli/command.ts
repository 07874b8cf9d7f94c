/** What a command is: strict flags, a help text, a function. */
import { parseArgs } from "node:util";
import { type ArgsDef, renderUsage } from "citty";
import { configKeys } from "../config/keys.ts";
import { nearest } from "../config/nearest.ts";
import { ConfigError } from "../error.ts";

/** One flag, for example `--cfg FILE`. */
export interface Flag {
  /** A text takes a value, a switch does not; a list takes all that follow up to the next flag or KEY=VALUE. */
  readonly type: "text" | "switch" | "list";
  readonly description: string;
  /** What stands for the value in the help text. */
  readonly hint?: string;
  readonly required?: boolean;
  /** A text flag that may be given several times. */
  readonly repeat?: boolean;
  /** Configuration keys that the flag stands for: KEY takes the flag's value, KEY=VALUE is set where the flag is given. */
  readonly sets?: readonly string[];
  /** Why a given value cannot be; undefined where it can. */
  readonly refuse?: (value: string) => string | undefined;
}

export type Flags = Readonly<Record<string, Flag>>;

/** What the given flags hold. */
export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends { type: "switch" }
    ? boolean
    : F[K] extends { repeat: true } | { type: "list" }
      ? readonly string[]
      : F[K] extends { required: true }
        ? string
        : string | undefined;
};

/** A command before it is defined. */
export interface CommandFacts<F extends Flags> {
  readonly name: string;
  readonly summary: string;
  readonly flags: F;
  /** The arguments that are not flags, for example "KEY=VALUE"; none are allowed where absent. */
  readonly rest?: { readonly name: string; readonly description: string };
  /** All arguments besides --help go on to another program as they are, as `rest`. */
  readonly passThrough?: boolean;
  /** Returns the exit code; nothing means 0. */
  run(flags: FlagValues<F>, rest: readonly string[]): Promise<number | undefined>;
}

/** A command that can be executed. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Parses the arguments, runs, and returns the exit code. Throws ConfigError for a wrong argument. */
  execute(args: readonly string[]): Promise<number>;
}

/** Makes a command of its facts. */
export function defineCommand<const F extends Flags>(facts: CommandFacts<F>): Command {
  return {
    name: facts.name,
    summary: facts.summary,
    async execute(args) {
      const ownArgs = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
      if (ownArgs.includes("--help") || ownArgs.includes("-h")) {
        console.log(await helpText(facts));
        return 0;
      }
      const { values, rest } = facts.passThrough
        ? { values: {} as FlagValues<F>, rest: args }
        : parseFlags(facts, args);
      return (await facts.run(values, rest)) ?? 0;
    },
  };
}

/**
 * Reads arguments strictly.
 * @throws ConfigError for an unknown flag (with the nearest one), a missing value or a missing required flag.
 */
export function parseFlags<F extends Flags>(
  facts: Pick<CommandFacts<F>, "name" | "flags" | "rest">,
  args: readonly string[],
): { values: FlagValues<F>; rest: string[] } {
  const { flags } = facts;
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(flags).map(([name, { type }]) => [
        name,
        { type: type === "switch" ? "boolean" : "string" } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const texts = new Map<string, string[]>();
  const switches = new Set<string>();
  const rest: string[] = [];
  /** The list that arguments belong to. */
  let list: string[] | undefined;
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (list && !token.value.includes("=")) list.push(token.value);
      else if (!facts.rest) throw wrong(facts, `unexpected argument "${token.value}"`);
      else rest.push(token.value);
    } else if (token.kind === "option") {
      const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
      if (!flag || !token.rawName.startsWith("--"))
        throw wrong(facts, `unknown flag ${token.rawName}${flagAdvice(token.name, flags)}`);
      list = undefined;
      const refusal = flag.refuse?.(token.value ?? "");
      if (refusal !== undefined) throw wrong(facts, `${token.rawName}${token.value === undefined ? "" : ` ${token.value}`} is not available: ${refusal}`);
      if (flag.type === "switch") {
        if (token.value !== undefined) throw wrong(facts, `${token.rawName} takes no value, received "${token.value}"`);
        switches.add(token.name);
        continue;
      }
      if (token.value === undefined || token.value === "" || (!token.inlineValue && token.value.startsWith("--"))) {
        throw wrong(facts, `${token.rawName} expects ${flag.hint ?? "a value"}, received nothing`);
      }
      const given = texts.get(token.name) ?? [];
      if (given.length > 0 && !flag.repeat)
        throw wrong(facts, `${token.rawName} is given twice: "${given[0]}" and "${token.value}"`);
      const now = [...given, token.value];
      texts.set(token.name, now);
      if (flag.type === "list") list = now;
    }
  }
  const values: Record<string, boolean | string | readonly string[] | undefined> = {};
  for (const [name, flag] of Object.entries(flags)) {
    const given = texts.get(name) ?? [];
    if (flag.required && given.length === 0) throw wrong(facts, `--${name} ${flag.hint ?? ""} is missing`);
    values[name] = flag.type === "switch" ? switches.has(name) : flag.repeat || flag.type === "list" ? given : given[0];
  }
  return { values: values as FlagValues<F>, rest };
}

function wrong(facts: { name: string }, message: string): ConfigError {
  return new ConfigError({
    code: "cli/bad-argument",
    message,
    fix: `bun run ${facts.name} --help lists the flags`,
    where: facts.name,
  });
}

function flagAdvice(name: string, flags: Flags): string {
  const guess = nearest(name, Object.keys(flags));
  if (guess) return `; did you mean --${guess}?`;
  const parts = name.toUpperCase().replaceAll("-", "_");
  const key = configKeys().find((known) => known.name === parts || known.name.split(".").pop() === parts);
  return key ? `; settings are given without dashes: ${key.name}=...` : "";
}

/** The help text of a command. */
async function helpText<F extends Flags>(facts: CommandFacts<F>): Promise<string> {
  const args: ArgsDef = {};
  if (facts.rest) args[facts.rest.name] = { type: "positional", required: false, description: facts.rest.description };
  for (const [name, flag] of Object.entries(facts.flags)) {
    const description = `${flag.description}${flag.repeat ? " (may be repeated)" : ""}`;
    args[name] =
      flag.type === "switch"
        ? { type: "boolean", description }
        : {
            type: "string",
            description,
            required: flag.required ?? false,
            ...(flag.hint ? { valueHint: flag.hint } : {}),
          };
  }
  const usage = await renderUsage({ meta: { name: `bun run ${facts.name}`, description: facts.summary }, args });
  const text = process.stdout.isTTY ? usage : Bun.stripANSI(usage);
  return text.replace(/[ \t]+$/gm, "").trimEnd();
}
