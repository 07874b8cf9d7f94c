/** The YAML text of a configuration: its values, and where in it they stand. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from "yaml";
import { ConfigError } from "../error.ts";
import { describe, KEYS_FIX, type Problem } from "./problems.ts";
import { isRecord } from "./tree.ts";

/** A text that was read. */
export interface ConfigDocument {
  /** Its values. */
  readonly raw: Record<string, unknown>;
  /** "line:column" of a key or its value, of the nearest section around it where it is not there itself; undefined where there is none. */
  locate(problem: Pick<Problem, "path" | "atKey">): string | undefined;
}

/** Reads a text; `path` names it in messages. Errors: ConfigError where it is no YAML or holds no keys. */
export function readDocument(text: string, path: string): ConfigDocument {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, merge: true, prettyErrors: false });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault) {
    const { line, col } = lineCounter.linePos(fault.pos[0]);
    throw new ConfigError({
      code: "config/syntax",
      message: `not valid YAML: ${fault.message}`,
      fix: "correct this line; sections are indented by spaces, one key in a line",
      where: `${path}:${line}:${col}`,
    });
  }
  visit(document, {
    Pair(_, { key }) {
      if (!isMap(key) && !isSeq(key)) return;
      const { line, col } = lineCounter.linePos(key.range?.[0] ?? 0);
      throw new ConfigError({
        code: "config/syntax",
        message: "expected a name before the colon, received a list or section",
        fix: "keys are plain names, for example LR: 0.001",
        where: `${path}:${line}:${col}`,
      });
    },
  });
  readPythonTuples(document);
  let raw: unknown;
  try {
    raw = document.toJS() ?? {};
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      { code: "config/syntax", message: `not usable YAML: ${message}`, where: path },
      { cause: error },
    );
  }
  if (!isRecord(raw)) {
    throw new ConfigError({
      code: "config/syntax",
      message: `expected keys such as "TRAIN:", received ${describe(raw)}`,
      fix: KEYS_FIX,
      where: path,
    });
  }
  const locate = (problem: Pick<Problem, "path" | "atKey">): string | undefined => {
    const offset = offsetOf(document, problem);
    if (offset === undefined) return undefined;
    const { line, col } = lineCounter.linePos(offset);
    return `${line}:${col}`;
  };
  return { raw, locate };
}

/** MultiAugs' files hold Python tuples such as (192, 256), which YAML reads as text. */
export function readPythonTuples(document: Document.Parsed): void {
  visit(document, {
    Scalar(_, node) {
      if (node.type === "PLAIN" && typeof node.value === "string") node.value = pythonTuple(node.value) ?? node.value;
    },
  });
}

function pythonTuple(text: string): number[] | undefined {
  const inner = /^\(\s*([^()]*?),?\s*\)$/.exec(text)?.[1];
  const parts = inner?.split(",").map((part) => part.trim());
  if (!parts?.every((part) => /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(part))) return undefined;
  return parts.map(Number);
}

/** Position of a key or its value in the text; of the nearest section around it where it is not there itself. */
function offsetOf(document: Document.Parsed, problem: Pick<Problem, "path" | "atKey">): number | undefined {
  let node: Node | null | undefined = document.contents;
  let offset: number | undefined;
  for (const [depth, part] of problem.path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) {
      const item: unknown = node.items[Number(part)];
      node = isScalar(item) || isMap(item) || isSeq(item) || isAlias(item) ? item : undefined;
      offset = node?.range?.[0] ?? offset;
      continue;
    }
    if (!isMap(node)) break;
    const pair: Pair | undefined = node.items.find(
      (item) => String(isScalar(item.key) ? item.key.value : item.key) === part,
    );
    if (!pair) break;
    const keyOffset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
    const value: unknown = pair.value;
    node = isScalar(value) || isMap(value) || isSeq(value) || isAlias(value) ? value : undefined;
    const last = depth === problem.path.length - 1;
    // An empty value has no useful place of its own.
    const empty = isScalar(node) && node.source === "";
    offset = last && !problem.atKey && !empty ? (node?.range?.[0] ?? keyOffset ?? offset) : (keyOffset ?? offset);
  }
  return offset;
}
