/** What all readers of annotation files share: JSON, lists, and messages that name file and item. */
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { DataError } from "../error.ts";

/** How messages about a kind of file read. */
export interface AnnotationFormat {
  /** Part of the error codes: data/<code>-missing, -json, -list, -item. */
  code: string;
  /** Where such a file should be, or which key names it. */
  missingFix: string;
  /** What an entry must be. */
  itemFix: string;
}

/** A finite number. */
export const finite = v.pipe(v.number(), v.finite());
export const integer = v.pipe(v.number(), v.integer());

/** An error about one entry of a file. */
export function badItem(file: string, item: string, { detail, format }: { detail: string; format: AnnotationFormat }): DataError {
  return new DataError({ code: `data/${format.code}-item`, where: file, message: `${item}: ${detail}`, fix: `correct or remove this entry; ${format.itemFix}` });
}

/** Python writes NaN and Infinity into JSON. As strings they pass the parser, and the check of the entry names them. */
const NOT_A_NUMBER = /([:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g;

/** Reads a JSON file. Errors: DataError naming the file where it is missing or not complete. */
export async function readJson(file: string, format: AnnotationFormat): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new DataError({ code: `data/${format.code}-missing`, where: file, message: "annotation file not found or not readable", fix: format.missingFix }, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    try {
      return JSON.parse(text.replace(NOT_A_NUMBER, '$1"$2"'));
    } catch {
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new DataError(
        { code: `data/${format.code}-json`, where: file, message: `not complete JSON (${text.length} characters): ${detail}`, fix: "copy or download the file again" },
        { cause },
      );
    }
  }
}

/** The list under a key of an object, or the value itself where no key is given. Errors: DataError naming file and key. */
export function listOf(value: unknown, { file, format, key }: { file: string; format: AnnotationFormat; key?: string }): unknown[] {
  const list = key === undefined ? value : typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  if (Array.isArray(list)) return list;
  throw new DataError({
    code: `data/${format.code}-list`,
    where: file,
    message: `expected ${key === undefined ? "a list" : `an object with a list "${key}"`}, found ${list === undefined ? "none" : list === null ? "null" : typeof list}`,
    fix: format.itemFix,
  });
}

function issueText(issues: readonly { path?: readonly { key?: unknown }[] | undefined; received: string; message: string }[]): string {
  const issue = issues[0];
  const path = issue?.path?.map(({ key }) => String(key)).join(".") ?? "";
  if (path && issue?.received === "undefined") return `${path} is missing`;
  return `${path ? `${path}: ` : ""}${issue?.message ?? "malformed"}`;
}

/** Checks an entry. Errors: DataError naming file, entry and field. */
export function checkItem<T>(schema: v.GenericSchema<unknown, T>, value: unknown, { file, item, format }: { file: string; item: string; format: AnnotationFormat }): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw badItem(file, item, { detail: issueText(result.issues), format });
}

/** How a message calls an entry: by its id where it has one, else by its place. */
export function nameOf(value: unknown, list: string, index: number): string {
  const id = typeof value === "object" && value !== null && "id" in value ? value.id : undefined;
  return typeof id === "number" || typeof id === "string" ? `${list.replace(/s$/, "")} ${id}` : `${list}[${index}]`;
}
