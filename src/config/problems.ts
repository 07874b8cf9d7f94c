/** Mistakes of a configuration, told to the user: what was expected at which key, and what was found. */
import * as v from "valibot";
import { ConfigError } from "../error.ts";
import { childrenOf, configKeys, schemaAt, typeName, unwrapped } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { INERT_KEYS } from "./schema.ts";
import { isRecord } from "./tree.ts";

/** A mistake at a key. */
export interface Problem {
  code: string;
  path: readonly string[];
  message: string;
  /** The mistake is in the key's name, not in its value. */
  atKey?: boolean;
}

/** Where all keys are to be found. */
export const KEYS_FIX = "bun run train --keys lists all keys and what they accept";

/** Names that the schema does not have, with the best advice for each. */
export function unknownKeys(
  raw: Readonly<Record<string, unknown>>,
  schema: v.GenericSchema,
  prefix: readonly string[],
): Problem[] {
  const children = childrenOf(schema) ?? {};
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(raw)) {
    const path = [...prefix, name];
    const child = Object.hasOwn(children, name) ? children[name] : undefined;
    const dotted = path.join(".");
    if (child === undefined && INERT_KEYS.includes(dotted)) continue;
    const inertBelow = INERT_KEYS.filter((inert) => inert.startsWith(`${dotted}.`)).map((inert) => inert.slice(dotted.length + 1));
    if (child === undefined && inertBelow.length > 0 && isRecord(value)) problems.push(...unknownKeys(value, v.object(Object.fromEntries(inertBelow.map((inert) => [inert, v.unknown()]))), path));
    else if (child === undefined)
      problems.push({
        code: "config/unknown-key",
        path,
        atKey: true,
        message: `unknown key${unknownAdvice(path, Object.keys(children))}`,
      });
    else if (childrenOf(child) && isRecord(value)) problems.push(...unknownKeys(value, child, path));
  }
  return problems;
}

/** Siblings with a word of the name in theirs (EPOCHS: END_EPOCH), else those whose description has all its words (LEARNING_RATE: LR). */
function sharingWords(name: string, section: readonly string[], siblings: readonly string[]): string[] {
  const wordsOf = (text: string) => text.toLowerCase().split(/[^a-z]+/).filter((word) => word.length > 2).map((word) => word.replace(/s$/, ""));
  const words = wordsOf(name);
  const named = siblings.filter((sibling) => wordsOf(sibling).some((word) => words.includes(word)));
  if (named.length > 0 || words.length < 2) return named.slice(0, 3);
  const described = (sibling: string) => {
    const schema = schemaAt([...section, sibling].join("."));
    const description = wordsOf((schema && v.getDescription(unwrapped(schema))) ?? "");
    return words.every((word) => description.includes(word));
  };
  return siblings.filter(described).slice(0, 3);
}

export function unknownAdvice(path: readonly string[], siblings: readonly string[]): string {
  const name = path[path.length - 1] as string;
  const sibling = nearest(name, siblings);
  const beside = sibling ? [sibling] : sharingWords(name, path.slice(0, -1), siblings);
  if (beside.length > 0) return `; did you mean ${beside.map((one) => [...path.slice(0, -1), one].join(".")).join(" or ")}?`;
  const elsewhere = new Map(configKeys().toReversed().map((key) => [key.name.split(".").pop() ?? "", key.name]));
  const similar = elsewhere.get(nearest(name, elsewhere.keys()) ?? "");
  return similar ? `; did you mean ${similar}?` : `; known here: ${siblings.slice(0, 12).join(", ")}${siblings.length > 12 ? ", ..." : ""}`;
}

export function issueProblem(issue: v.BaseIssue<unknown>): Problem {
  const path = (issue.path ?? []).map((item) => String(item.key));
  const name = path.filter((part) => !/^\d+$/.test(part)).join(".");
  if (issue.received === "undefined")
    return { code: "config/missing-key", path, message: `expected ${expectation(issue, name)}, but it is missing` };
  const hint =
    issue.expected === "boolean" && typeof issue.input === "string" && /^(yes|no|on|off|y|n)$/i.test(issue.input)
      ? " (in YAML 1.2 yes, no, on and off are text)"
      : "";
  return {
    code: "config/wrong-value",
    path,
    message: `expected ${expectation(issue, name)}, received ${describe(issue.input)}${hint}${limitation(issue, name)}`,
  };
}

/** Why there is only one value: what the key's description says. */
function limitation(issue: v.BaseIssue<unknown>, name: string): string {
  const schema = issue.type === "literal" ? schemaAt(name) : undefined;
  const description = schema && v.getDescription(unwrapped(schema));
  return description ? `: ${description}` : "";
}

/** What the schema wanted, in words. */
function expectation(issue: v.BaseIssue<unknown>, name: string): string {
  const expected = issue.expected ?? "";
  switch (issue.type) {
    case "check":
    case "regex":
      return issue.message;
    case "non_empty":
      return "a text that is not empty";
    case "boolean":
      return "true or false";
    case "string":
      return "text";
    case "number":
      return "a number";
    case "array":
      return "a list, for example [1, 2]";
    case "union": {
      const schema = schemaAt(name);
      return `[${schema ? typeName(schema) : "a, b"}] or one number for both`;
    }
    case "strict_tuple":
      return "[teacher, student]";
    case "min_length":
      return "a list that is not empty";
    case "object": {
      const schema = schemaAt(name);
      const keys = Object.keys((schema && childrenOf(schema)) ?? {}).slice(0, 3);
      return `a section with keys such as ${keys.join(", ")}`;
    }
    default:
      return expected.replace(/^\((.*)\)$/, "$1").replaceAll(" | ", " or ");
  }
}

export function describe(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}: ${JSON.stringify(value).slice(0, 60)}`;
  if (typeof value === "object") return "a section";
  return JSON.stringify(value);
}

export function configError(path: string, problems: readonly Problem[], place: (problem: Problem) => string): ConfigError {
  const lines = problems.map((problem) => ({
    where: place(problem),
    text: `${problem.path.join(".")}: ${problem.message}`,
  }));
  const first = lines[0];
  if (lines.length === 1 && first) {
    return new ConfigError({
      code: problems[0]?.code ?? "config/invalid",
      message: first.text,
      fix: KEYS_FIX,
      where: first.where,
    });
  }
  const lineNumber = (where: string): number => Number(/:(\d+):\d+$/.exec(where)?.[1] ?? Number.POSITIVE_INFINITY);
  lines.sort((a, b) => lineNumber(a.where) - lineNumber(b.where));
  return new ConfigError({
    code: "config/invalid",
    message: `${lines.length} mistakes:\n${lines.map(({ where, text }) => `  ${where} ${text}`).join("\n")}`,
    fix: KEYS_FIX,
    where: path,
  });
}
