/**
 * Reads a configuration: a YAML file, then KEY=VALUE overrides from the command line, checked against the schema.
 * All mistakes are reported at once, each with file, line and column, or as coming from the command line.
 */
import { readdir } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join } from "node:path";
import * as v from "valibot";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  stringify,
  visit,
} from "yaml";
import { ConfigError } from "../error.ts";
import { systemErrorCode } from "../files.ts";
import { childrenOf, type ConfigKey, configKeys, schemaAt, typeName, unwrapped } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { AUGMENTATION_KEYS, checkMethod, isSupervised } from "./method_checks.ts";
import { PARITY_OPTIONS } from "./method_keys.ts";
import { configSchema, FREE_ON_RESUME, INERT_KEYS } from "./schema.ts";

type Frozen<T> = T extends readonly unknown[]
  ? { readonly [K in keyof T]: Frozen<T[K]> }
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

type Checked = v.InferOutput<typeof configSchema>;
type CheckedExtra = Checked["MODEL"]["EXTRA"];

/** Values that follow from others where a file leaves them out. */
interface DerivedExtra {
  NUM_DECONV_FILTERS: number[];
  NUM_DECONV_KERNELS: (2 | 3 | 4)[];
  HEATMAP_SIZE: readonly [width: number, height: number];
}

type Options = Checked["OPTIONS"];

/** A complete, checked, frozen configuration; the keys are documented in schema.ts. */
export type ResolvedConfig = Frozen<
  Omit<Checked, "MODEL" | "OPTIONS"> & {
    MODEL: Omit<Checked["MODEL"], "EXTRA"> & { EXTRA: Omit<CheckedExtra, keyof DerivedExtra> & DerivedExtra };
    OPTIONS: { [K in keyof Options]-?: NonNullable<Options[K]> };
  }
>;

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

/** A mistake at a key. */
interface Problem {
  code: string;
  path: readonly string[];
  message: string;
  /** The mistake is in the key's name, not in its value. */
  atKey?: boolean;
}

const COMMAND_LINE = "command line";
const KEYS_FIX = "bun run train --keys lists all keys";

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
  const { names: fromCommandLine, problems: strangers } = applyOverrides(raw, overrides);
  const notes = readOldMeanings(raw, fromCommandLine);
  const place = (problem: Pick<Problem, "path" | "atKey">): string => {
    if (fromCommandLine.has(problem.path.join("."))) return `from ${COMMAND_LINE}`;
    for (let depth = problem.path.length; depth > 0; depth--) {
      if (fromCommandLine.has(problem.path.slice(0, depth).join("."))) return `from ${COMMAND_LINE}`;
    }
    const offset = offsetOf(document, problem);
    if (offset === undefined) return path;
    const { line, col } = lineCounter.linePos(offset);
    return `${path}:${line}:${col}`;
  };

  const problems = [...unknownKeys(raw, configSchema, []), ...strangers];
  const unknown = new Set(problems.map((problem) => problem.path.join(".")));
  const result = v.safeParse(configSchema, raw);
  if (!result.success)
    problems.push(...result.issues.map(issueProblem).filter(({ path: at }) => !unknown.has(at.join("."))));
  if (!result.success || problems.length > 0) throw configError(path, problems, place);
  const below = prefixPaths(result.output, fromCommandLine);
  const config = derive(result.output);
  const conflicts = crossChecks(config);
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

/** The keys of the file that are inert, as one line. */
function describeInert(raw: Readonly<Record<string, unknown>>): string[] {
  const given = INERT_KEYS.filter((name) => valueAt(raw, name.split(".")) !== undefined);
  return given.length === 0 ? [] : [`without effect here: ${given.join(", ")}`];
}

/**
 * Fills in what the keys of the original programs were meant to say. Source: multiaugs D-9, D-27, and Semi_Human_Pose, where
 * the number of patches turns joint cutout on.
 */
function readOldMeanings(raw: Record<string, unknown>, fromCommandLine: Set<string>): string[] {
  const notes: string[] = [];
  if (raw["CONS_RAND_AUG"] === true && raw["USE_RandAug_AUG"] === undefined) {
    raw["USE_RandAug_AUG"] = true;
    notes.push("CONS_RAND_AUG turns USE_RandAug_AUG on");
  }
  const patches = raw["MASK_JOINT_NUM"];
  const chosen = AUGMENTATION_KEYS.some((name) => raw[name] !== undefined) || (raw["PROG_MODE"] ?? "") !== "";
  if (typeof patches === "number" && patches > 0 && !chosen) {
    raw["USE_JointCutout_AUG"] = true;
    notes.push("MASK_JOINT_NUM without any USE_ key turns USE_JointCutout_AUG on");
  }
  const { DATASET } = raw;
  const detections = valueAt(raw, ["TEST", "COCO_BBOX_FILE"]);
  if (isRecord(DATASET) && String(DATASET["TRAIN_UNSUP_SET"]).includes("unlabel") && !DATASET["UNSUP_BBOX_FILE"] && detections) {
    DATASET["UNSUP_BBOX_FILE"] = detections;
    if (fromCommandLine.has("TEST.COCO_BBOX_FILE")) fromCommandLine.add("DATASET.UNSUP_BBOX_FILE");
    notes.push("DATASET.UNSUP_BBOX_FILE is not given: the unlabelled persons are those of TEST.COCO_BBOX_FILE");
  }
  return notes;
}

/** Values that do something else than one may expect of them. */
function warnings(config: ResolvedConfig): string[] {
  return config.SHARPEN_PRED && !isSupervised(config) ? ["SHARPEN_PRED leaves a loss near 1e-9, hardly a signal"] : [];
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

/**
 * Checks a configuration that was stored with a run (its values, without origins).
 * @throws ConfigError where it does not fit this version's keys.
 */
export function restoreConfig(stored: unknown, where: string): ResolvedConfig {
  const problems = isRecord(stored) ? unknownKeys(stored, configSchema, []) : [];
  const result = v.safeParse(configSchema, stored);
  if (result.success && problems.length === 0) return deepFreeze(derive(result.output));
  if (!result.success) problems.push(...result.issues.map(issueProblem));
  throw configError(where, problems, () => where);
}

const MISSING_FIX = "give an existing file, for example --cfg configs/quickstart.yaml";

async function readConfigFile(path: string): Promise<string> {
  try {
    return await Bun.file(path).text();
  } catch (error) {
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

/** MultiAugs' files hold Python tuples such as (192, 256), which YAML reads as text. */
function readPythonTuples(document: Document.Parsed): void {
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

/** Writes the overrides into the raw values; returns the dotted names that were given, and those that are unknown. */
function applyOverrides(
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

/** Names that the schema does not have, with the best advice for each. */
function unknownKeys(
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

function unknownAdvice(path: readonly string[], siblings: readonly string[]): string {
  const name = path[path.length - 1] as string;
  const sibling = nearest(name, siblings);
  if (sibling) return `; did you mean ${[...path.slice(0, -1), sibling].join(".")}?`;
  const elsewhere = new Map(configKeys().map((key) => [key.name.split(".").pop() ?? "", key.name]));
  const similar = elsewhere.get(nearest(name, elsewhere.keys()) ?? "");
  return similar ? `; did you mean ${similar}?` : `; known here: ${siblings.slice(0, 12).join(", ")}${siblings.length > 12 ? ", ..." : ""}`;
}

function issueProblem(issue: v.BaseIssue<unknown>): Problem {
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
    case "integer":
      return "a whole number";
    case "finite":
      return "a finite number";
    case "non_empty":
      return "a text that is not empty";
    case "min_value":
      return `at least ${expected.slice(2)}`;
    case "max_value":
      return `at most ${expected.slice(2)}`;
    case "gt_value":
      return `more than ${expected.slice(1)}`;
    case "lt_value":
      return `less than ${expected.slice(1)}`;
    case "multiple_of":
      return `a multiple of ${expected.slice(1)}`;
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
    case "regex":
      return issue.message;
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

function describe(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}: ${JSON.stringify(value).slice(0, 60)}`;
  if (typeof value === "object") return "a section";
  return JSON.stringify(value);
}

/** What the network is: NAME says it for supervised training, BACKBONE for the methods. */
export function backboneOf({ NAME, BACKBONE }: { readonly NAME: string; readonly BACKBONE: "resnet" | "hrnet" }): "resnet" | "hrnet" | "hourglass" {
  if (NAME === "pose_hrnet") return "hrnet";
  if (NAME === "pose_hourglass") return "hourglass";
  return NAME === "pose_resnet" ? "resnet" : BACKBONE;
}

/** The number behind a network's name: layers of a ResNet, channels of HRNet's finest branch, hourglasses. */
export function modelSize(model: ResolvedConfig["MODEL"]): number {
  const { EXTRA, NET } = model;
  return { hrnet: EXTRA.STAGE2.NUM_CHANNELS[0] as number, hourglass: NET.NSTACKS, resnet: EXTRA.NUM_LAYERS }[backboneOf(model)];
}

/** Both sides of the input are multiples of this; heatmaps have `scale` times the sides of the input divided by it. */
function networkGrid({ NAME, BACKBONE, EXTRA, NET }: Checked["MODEL"] | ResolvedConfig["MODEL"]): { multiple: number; scale: number } {
  const backbone = backboneOf({ NAME, BACKBONE });
  // HRNet's finest branch has a quarter of the input's sides, its coarsest a thirty-second.
  if (backbone === "hrnet") return { multiple: 32, scale: 8 };
  // An hourglass begins at a quarter of the input's sides and halves them.
  if (backbone === "hourglass") return { multiple: 4 * 2 ** NET.NREDUCTIONS, scale: 2 ** NET.NREDUCTIONS };
  return { multiple: backboneStride(EXTRA.NUM_LAYERS), scale: 2 ** EXTRA.NUM_DECONV_LAYERS };
}

/** Fills in what follows from other values. */
function derive(checked: Checked): ResolvedConfig {
  const { EXTRA, IMAGE_SIZE } = checked.MODEL;
  const layers = EXTRA.NUM_DECONV_LAYERS;
  const { multiple, scale } = networkGrid(checked.MODEL);
  const side = (px: number): number => (px / multiple) * scale;
  const derived: DerivedExtra = {
    NUM_DECONV_FILTERS: EXTRA.NUM_DECONV_FILTERS ?? Array.from({ length: layers }, () => 256),
    NUM_DECONV_KERNELS: EXTRA.NUM_DECONV_KERNELS ?? Array.from({ length: layers }, () => 4 as const),
    HEATMAP_SIZE: EXTRA.HEATMAP_SIZE ?? [side(IMAGE_SIZE[0]), side(IMAGE_SIZE[1])],
  };
  const OPTIONS = { ...PARITY_OPTIONS[checked.PARITY], ...given(checked.OPTIONS) };
  return { ...checked, OPTIONS, MODEL: { ...checked.MODEL, EXTRA: { ...EXTRA, ...derived } } };
}

/** The entries that have a value. */
function given<T extends object>(values: T): { [K in keyof T]-?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]-?: NonNullable<T[K]> };
}

/** Rules between keys. */
function crossChecks(config: ResolvedConfig): Problem[] {
  const { MODEL, DATASET, TRAIN, TEST } = config;
  const { EXTRA } = MODEL;
  const problems: Problem[] = [];
  const refuse = (key: string, message: string): void => {
    problems.push({ code: "config/conflict", path: key.split("."), message });
  };
  const layers = EXTRA.NUM_DECONV_LAYERS;
  const { multiple, scale } = networkGrid(MODEL);
  if (MODEL.IMAGE_SIZE.some((px) => px % multiple !== 0)) {
    refuse("MODEL.IMAGE_SIZE", `expected multiples of ${multiple} for ${MODEL.NAME}_${modelSize(MODEL)}, received [${MODEL.IMAGE_SIZE.join(", ")}]`);
  } else {
    const fitting = MODEL.IMAGE_SIZE.map((px) => (px / multiple) * scale);
    const reason = { hrnet: "HRNet", hourglass: "the hourglass", resnet: `${layers} deconvolutions` }[backboneOf(MODEL)];
    if (EXTRA.HEATMAP_SIZE.some((px, axis) => px !== fitting[axis])) {
      refuse(
        "MODEL.EXTRA.HEATMAP_SIZE",
        `expected [${fitting.join(", ")}] for IMAGE_SIZE [${MODEL.IMAGE_SIZE.join(", ")}] and ${reason}, received [${EXTRA.HEATMAP_SIZE.join(", ")}]`,
      );
    }
  }
  for (const name of ["NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS"] as const) {
    const given = EXTRA[name].length;
    if (given !== layers)
      refuse(`MODEL.EXTRA.${name}`, `expected ${layers} numbers (NUM_DECONV_LAYERS), received ${given}`);
  }
  checkMethod(config, refuse);
  if (DATASET.TRAIN_UNSUP_SET.includes("unlabel") && !DATASET.UNSUP_BBOX_FILE) {
    refuse("DATASET.TRAIN_UNSUP_SET", "expected DATASET.UNSUP_BBOX_FILE beside it: the detections of this image set");
  }
  for (const set of ["TRAIN", "TEST"] as const) {
    const annotations = DATASET[`${set}_ANNOTATIONS`];
    const images = DATASET[`${set}_IMAGES`];
    if (annotations && !images)
      refuse(`DATASET.${set}_ANNOTATIONS`, `expected DATASET.${set}_IMAGES beside it: the folder of its images`);
    if (images && !annotations)
      refuse(
        `DATASET.${set}_IMAGES`,
        `expected DATASET.${set}_ANNOTATIONS beside it: the annotation file of these images`,
      );
  }
  if (!TEST.USE_GT_BBOX && !TEST.COCO_BBOX_FILE)
    refuse("TEST.USE_GT_BBOX", "expected TEST.COCO_BBOX_FILE beside it: the detections to crop instead");
  if (TRAIN.LR_STEP.some((epoch, i) => i > 0 && epoch <= (TRAIN.LR_STEP[i - 1] as number))) {
    refuse("TRAIN.LR_STEP", `expected rising epochs, received [${TRAIN.LR_STEP.join(", ")}]`);
  }
  if (TRAIN.END_EPOCH <= TRAIN.BEGIN_EPOCH) {
    refuse("TRAIN.END_EPOCH", `expected more than BEGIN_EPOCH (${TRAIN.BEGIN_EPOCH}), received ${TRAIN.END_EPOCH}`);
  }
  return problems;
}

/** Pixels of the input per pixel of the ResNet's last features: the small ResNet-8 has one stage less. */
function backboneStride(numLayers: number): number {
  return numLayers === 8 ? 16 : 32;
}

function configError(path: string, problems: readonly Problem[], place: (problem: Problem) => string): ConfigError {
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const part of path) at = isRecord(at) && Object.hasOwn(at, part) ? at[part] : undefined;
  return at;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/**
 * The folder of a run below OUTPUT_DIR or LOG_DIR: TRAIN_DATASET[_HYBRID_JOINTS_TYPE]/NAME_LAYERS (for HRNet the channels
 * of its finest branch, for hourglasses how many there are)/<name of the configuration file>[_EXP_SUB_NAME]. Source: multiaugs §6.3.
 */
export function runFolder({ config, path }: Pick<LoadedConfig, "config" | "path">, root = config.OUTPUT_DIR): string {
  const { DATASET, MODEL, EXP_SUB_NAME } = config;
  const joined = (...parts: readonly string[]) => parts.filter((part) => part !== "").join("_");
  return join(root, joined(DATASET.TRAIN_DATASET, DATASET.HYBRID_JOINTS_TYPE), `${MODEL.NAME}_${modelSize(MODEL)}`, joined(basename(path, extname(path)), EXP_SUB_NAME));
}

/**
 * The whole configuration as YAML, every key with a comment that says where its value came from. It can be loaded
 * again and gives the same configuration.
 */
export function renderConfig(loaded: LoadedConfig): string {
  const rows: { text: string; origin: string }[] = [];
  const walk = (value: Readonly<Record<string, unknown>>, prefix: readonly string[]): void => {
    for (const [name, child] of Object.entries(value)) {
      if (child === undefined) continue;
      const path = [...prefix, name];
      const indent = "  ".repeat(prefix.length);
      if (isRecord(child)) {
        rows.push({ text: `${indent}${name}:`, origin: "" });
        walk(child, path);
      } else {
        rows.push({ text: `${indent}${name}: ${flowText(child)}`, origin: loaded.origins.get(path.join(".")) ?? "default" });
      }
    }
  };
  walk(loaded.config, []);
  const width = Math.min(48, Math.max(...rows.map(({ text }) => text.length)));
  const lines = rows.map(({ text, origin }) => (origin ? `${text.padEnd(width)}  # ${origin}` : text));
  return `# Every value of this run and where it came from.\n${lines.join("\n")}\n`;
}

/** A value on one line. */
function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowText).join(", ")}]`;
  return stringify(value, { version: "1.1", lineWidth: 0 }).trimEnd();
}

/** A key whose value differs between two configurations. */
export interface ConfigDifference {
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

/** The keys that a run's numbers depend on. */
function boundKeys({ PROG_MODE, STEP_WISE }: ResolvedConfig): ConfigKey[] {
  const isFree = (name: string) => FREE_ON_RESUME.some((free) => (free.endsWith(".") ? name.startsWith(free) : name === free));
  // The threshold of detections also chooses the unlabelled persons; a progression goes by the run's length.
  const bound = ["TEST.IMAGE_THRE", ...(PROG_MODE !== "" && !STEP_WISE ? ["TRAIN.END_EPOCH"] : [])];
  return configKeys().filter(({ name }) => !isFree(name) || bound.includes(name));
}

/** The keys that forbid continuing a run of `before` with `after`; empty where it may be continued bit for bit. */
export function resumeConflicts(before: ResolvedConfig, after: ResolvedConfig): ConfigDifference[] {
  const show = (config: ResolvedConfig, name: string): string =>
    JSON.stringify(valueAt(config, name.split("."))) ?? "absent";
  return boundKeys(after)
    .map(({ name }) => ({ key: name, before: show(before, name), after: show(after, name) }))
    .filter((difference) => difference.before !== difference.after);
}

/** SHA-256 over the values that fix a run's numbers: equal digests can be continued into each other. */
export function configDigest(config: ResolvedConfig): string {
  const fixed = boundKeys(config).map(({ name }) => [name, valueAt(config, name.split(".")) ?? null]);
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(fixed)).digest("hex");
}
