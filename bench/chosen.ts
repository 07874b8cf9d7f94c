/** Which rows of a table are asked for. */
import { nearest } from "../src/config/nearest.ts";
import { ConfigError } from "../src/error.ts";

/** Those whose name contains `only`, or all. Errors: ConfigError where none does. */
export function chosen<T>(rows: readonly T[], only: string | undefined, nameOf: (row: T) => string): readonly T[] {
  if (!only) return rows;
  const found = rows.filter((row) => nameOf(row).includes(only));
  if (found.length > 0) return found;
  const names = rows.map(nameOf);
  const near = nearest(only, names);
  const examples = near ? `, such as ${near}` : `: ${names.slice(0, 3).join("; ")}${names.length > 3 ? "; ..." : ""}`;
  throw new ConfigError({ code: "bench/no-row", where: "--only", message: `no row's name contains "${only}"`, fix: `give a part of a row's name${examples}` });
}
