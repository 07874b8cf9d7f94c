/**
 * Reads a configuration: a YAML file, then KEY=VALUE overrides from the command line, checked against the schema.
 * All mistakes are reported at once, each with file, line and column, or as coming from the command line.
 */
import { readdir } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import * as v from "valibot";
import { ConfigError } from "../error.ts";
import { systemErrorCode } from "../files.ts";
import { readDocument } from "./document.ts";
import { configKeys } from "./keys.ts";
import { PARITY_OPTIONS } from "./method_keys.ts";
import { nearest } from "./nearest.ts";
import { describeInert, readOldMeanings } from "./old_meanings.ts";
import { applyOverrides, COMMAND_LINE } from "./overrides.ts";
import { configError, issueProblem, type Problem, unknownKeys } from "./problems.ts";
import { type Checked, derive, type ResolvedConfig } from "./resolved.ts";
import { checkRules, warnings } from "./rules.ts";
import { configSchema } from "./schema.ts";
import { deepFreeze, valueAt } from "./tree.ts";

/** A configuration and where its values came from. */
export interface LoadedConfig {
  readonly config: ResolvedConfig;
  /** The file, as given. */
  readonly path: string;
  /** Origin of every key that is not a default: "configs/a.yaml:12" or "command line". */
  readonly origins: ReadonlyMap<string, string>;
  /** What the user should know about the file: keys without effect, and meanings that were filled in. */
  readonly notes: readonly string[];
}

/**
 * Loads a file and applies overrides of the form "TRAIN.LR=1e-4".
 * @throws ConfigError that lists every mistake with its place, what was expected and, for names, the nearest known one.
 */
export async function loadConfig(path: string, overrides: readonly string[] = []): Promise<LoadedConfig> {
  return parseConfig(await readConfigFile(path), { path, overrides });
}

/** As loadConfig, from a text; `path` names it in messages. */
export function parseConfig(text: string, options: { path: string; overrides?: readonly string[] }): LoadedConfig {
  const { path, overrides = [] } = options;
  const { raw, locate } = readDocument(text, path);
  const { names: fromCommandLine, problems: strangers } = applyOverrides(raw, overrides);
  const notes = readOldMeanings(raw, fromCommandLine);
  const place = (problem: Pick<Problem, "path" | "atKey">): string => {
    if (fromCommandLine.has(problem.path.join("."))) return `from ${COMMAND_LINE}`;
    for (let depth = problem.path.length; depth > 0; depth--) {
      if (fromCommandLine.has(problem.path.slice(0, depth).join("."))) return `from ${COMMAND_LINE}`;
    }
    const at = locate(problem);
    return at === undefined ? path : `${path}:${at}`;
  };

  const problems = [...unknownKeys(raw, configSchema, []), ...strangers];
  const unknown = new Set(problems.map((problem) => problem.path.join(".")));
  const result = v.safeParse(configSchema, raw);
  if (!result.success)
    problems.push(...result.issues.map(issueProblem).filter(({ path: at }) => !unknown.has(at.join("."))));
  if (!result.success || problems.length > 0) throw configError(path, problems, place);
  const below = prefixPaths(result.output, fromCommandLine);
  const config = derive(result.output);
  const conflicts = checkRules(config);
  if (conflicts.length > 0) throw configError(path, conflicts, place);

  const origins = new Map<string, string>();
  for (const { name } of configKeys()) {
    const parts = name.split(".");
    if (fromCommandLine.has(name)) origins.set(name, COMMAND_LINE);
    else if (valueAt(raw, parts) !== undefined) origins.set(name, place({ path: parts }).replace(/:\d+$/, ""));
    else if (parts[0] === "OPTIONS" && parts[1] !== undefined && parts[1] in PARITY_OPTIONS.original) origins.set(name, `PARITY: ${config.PARITY}`);
    if (below.has(name)) origins.set(name, `${origins.get(name) ?? "default"}, below DATA_DIR`);
  }
  return { config: deepFreeze(config), path, origins, notes: [...notes, ...describeInert(raw), ...warnings(config)] };
}

/** Keys whose relative paths lie below DATA_DIR. Source: multiaugs §7.1. */
const PATH_KEYS = [
  ["OUTPUT_DIR"],
  ["DATASET", "ROOT"],
  ["DATASET", "UNSUP_BBOX_FILE"],
  ["MODEL", "PRETRAINED"],
  ["TEST", "COCO_BBOX_FILE"],
  ["TEST", "MODEL_FILE"],
] as const;

/**
 * Puts DATA_DIR before the paths and empties it, so that the stored configuration is complete without it; returns the
 * names of the changed keys. Paths of the command line stay as given, all but OUTPUT_DIR.
 */
function prefixPaths(checked: Checked, fromCommandLine: ReadonlySet<string>): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const path of checked.DATA_DIR === "" ? [] : PATH_KEYS) {
    const name = path.join(".");
    const holder: Record<string, unknown> = path.length === 1 ? checked : checked[path[0]];
    const last = path[path.length - 1] as string;
    const value = holder[last];
    if (typeof value !== "string" || value === "" || isAbsolute(value) || (name !== "OUTPUT_DIR" && fromCommandLine.has(name))) continue;
    holder[last] = join(checked.DATA_DIR, value);
    changed.add(name);
  }
  checked.DATA_DIR = "";
  return changed;
}

const MISSING_FIX = "give an existing file, for example --cfg configs/quickstart.yaml";

async function readConfigFile(path: string): Promise<string> {
  try {
    const text = await Bun.file(path).text();
    // What is no UTF-8 is read as this sign, as are pictures and weights.
    if (!/[\0\uFFFD]/.test(text)) return text;
    throw new ConfigError({ code: "config/syntax", message: "is no text in UTF-8, expected a YAML file", fix: MISSING_FIX, where: path });
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = systemErrorCode(error);
    if (code === "EISDIR") {
      throw new ConfigError({ code: "config/missing-file", message: "is a folder, expected a YAML file", fix: MISSING_FIX, where: path });
    }
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EACCES") throw error;
    if (code === "EACCES") {
      throw new ConfigError({ code: "config/missing-file", message: "the configuration file may not be read", fix: "change its permissions", where: path });
    }
    const guess = nearest(basename(path), await configFilesIn(dirname(path)));
    throw new ConfigError({
      code: "config/missing-file",
      message: "the configuration file does not exist",
      fix: guess
        ? `did you mean ${join(dirname(path), guess)}?`
        : MISSING_FIX,
      where: path,
    });
  }
}

async function configFilesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name));
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return []; // No such folder: there is nothing to suggest.
  }
}
