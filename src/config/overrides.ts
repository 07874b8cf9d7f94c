/** Values of the command line: KEY=VALUE. */
import * as v from "valibot";
import { parseDocument } from "yaml";
import { ConfigError } from "../error.ts";
import { readPythonTuples } from "./document.ts";
import { childrenOf, schemaAt, typeName } from "./keys.ts";
import { KEYS_FIX, type Problem, unknownAdvice } from "./problems.ts";
import { configSchema, INERT_KEYS } from "./schema.ts";
import { isRecord } from "./tree.ts";

/** Origin of what was given there. */
export const COMMAND_LINE = "command line";

/** Writes the overrides into the raw values; returns the dotted names that were given, and those that are unknown. */
export function applyOverrides(
  raw: Record<string, unknown>,
  overrides: readonly string[],
): { names: Set<string>; problems: Problem[] } {
  const names = new Set<string>();
  const problems: Problem[] = [];
  for (const override of overrides) {
    const split = override.indexOf("=");
    const name = override.slice(0, split).trim();
    const text = override.slice(split + 1).trim();
    if (split < 1 || !/^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$/.test(name)) {
      throw new ConfigError({
        code: "config/bad-override",
        message: `"${override}" is not an override, expected KEY=VALUE`,
        fix: "write for example TRAIN.LR=1e-4; flags begin with two dashes",
        where: `from ${COMMAND_LINE}`,
      });
    }
    if (names.has(name)) {
      throw new ConfigError({ code: "config/bad-override", message: `${name} is given twice`, fix: "leave one of them out", where: `from ${COMMAND_LINE}` });
    }
    names.add(name);
    const parts = name.split(".");
    const schema = INERT_KEYS.includes(name) ? v.unknown() : schemaAt(name);
    if (!schema) {
      const above = schemaAt(parts.slice(0, -1).join(".")) ?? configSchema;
      problems.push({
        code: "config/unknown-key",
        path: parts,
        message: `unknown key${unknownAdvice(parts, Object.keys(childrenOf(above) ?? {}))}`,
      });
      continue;
    }
    let section: Record<string, unknown> = raw;
    for (const part of parts.slice(0, -1)) {
      const below = section[part];
      if (isRecord(below)) section = below;
      else section = section[part] = {};
    }
    if (childrenOf(schema)) {
      throw new ConfigError({
        code: "config/bad-override",
        message: `${name} is a section, expected one of its keys, for example ${name}.${Object.keys(childrenOf(schema) ?? {})[0]}=...`,
        fix: KEYS_FIX,
        where: `from ${COMMAND_LINE}`,
      });
    }
    section[parts[parts.length - 1] as string] = typeName(schema) === "text" ? text : parseValue(name, text);
  }
  return { names, problems };
}

function parseValue(name: string, text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault) {
    throw new ConfigError({
      code: "config/bad-override",
      message: `${name}: "${text}" is not a value: ${fault.message}`,
      fix: "quote the whole override for the shell, for example 'TRAIN.LR_STEP=[20, 25]'",
      where: `from ${COMMAND_LINE}`,
    });
  }
  readPythonTuples(document);
  const value: unknown = document.toJS();
  return value;
}
