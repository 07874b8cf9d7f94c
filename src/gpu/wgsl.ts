/**
 * The shader linker. A program is a list of WGSL files under shaders/; WGSL's module scope does not depend on order, so
 * a core may call functions that another fragment defines, and concatenation is the whole template system.
 * The linker writes the `enable` lines, the storage alias `Elem`, and the values of lines marked `// spec`; nothing else.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GpuError } from "../error.ts";

/** Values for `const NAME: type = value; // spec` lines, by name. */
export type Spec = Readonly<Record<string, number | boolean>>;

/** How numbers are stored; shaders always compute in f32. For buffers of integers it is "f32" too: words of four bytes. */
export type ElementType = "f32" | "f16";

/**
 * What the storage aliases of a program stand for: `Elem`, or where a kernel may mix types `ElemA`, `ElemB`, ...; f32 where
 * absent. All buffers of one alias are of one type.
 */
export type ElementTypes = Readonly<Record<string, ElementType>>;

const SHADER_FOLDER = fileURLToPath(new URL("../../shaders/", import.meta.url));
const fragmentCache = new Map<string, string>();

/** Text of one shader file, by its path below shaders/. */
export function readFragment(path: string): string {
  const cached = fragmentCache.get(path);
  if (cached !== undefined) return cached;
  let text: string;
  try {
    text = readFileSync(SHADER_FOLDER + path, "utf8");
  } catch (cause) {
    throw new GpuError({ code: "gpu/shader-missing", message: `shader file shaders/${path} cannot be read` }, { cause });
  }
  fragmentCache.set(path, text);
  return text;
}

const SPEC_LINE = /^const ([A-Z][A-Z0-9_]*): (u32|i32|f32|bool) = ([^;]+);[ \t]*\/\/ spec\b/gm;

function specLiteral(type: string, value: number | boolean, name: string): string {
  const fits =
    type === "bool"
      ? typeof value === "boolean"
      : typeof value === "number" &&
        Number.isFinite(value) &&
        (type === "f32" || (Number.isInteger(value) && (type === "i32" || value >= 0)));
  if (!fits) {
    throw new GpuError({
      code: "gpu/spec-type",
      message: `spec constant ${name} is ${type}, got ${JSON.stringify(value)}`,
    });
  }
  if (type === "u32") return `${String(value)}u`;
  if (type === "f32") return Number.isInteger(value) ? `${String(value)}.0` : String(value);
  return String(value);
}

/** Rewrites the marked constants of a module; unknown, repeated or ill-typed keys are refused. */
function applySpec(code: string, spec: Spec): string {
  const seen = new Set<string>();
  const text = code.replace(SPEC_LINE, (line: string, name: string, type: string, value: string) => {
    if (seen.has(name)) {
      throw new GpuError({ code: "gpu/spec-duplicate", message: `spec constant ${name} is declared twice in one program` });
    }
    seen.add(name);
    const given = spec[name];
    return given === undefined ? line : line.replace(`= ${value};`, `= ${specLiteral(type, given, name)};`);
  });
  for (const name of Object.keys(spec)) {
    if (!seen.has(name)) {
      const known = [...seen].join(", ") || "none";
      throw new GpuError({ code: "gpu/spec-unknown", message: `no spec constant ${name} in this program; it has: ${known}` });
    }
  }
  return text;
}

/** Links fragments into one WGSL module. Errors: a missing file, or a spec key that does not fit. */
export function link(fragments: readonly string[], options: { spec?: Spec; elements?: ElementTypes } = {}): string {
  const { elements = {} } = options;
  const body = applySpec(fragments.map(readFragment).join("\n"), options.spec ?? {});
  const enables: string[] = [];
  const aliases = [...new Set(body.match(/\bElem[A-Z]?\b/g) ?? [])].map((name) => `alias ${name} = ${elements[name] ?? "f32"};\n`);
  const matrices = /\bsubgroup_matrix_/.test(body);
  if (matrices || aliases.some((alias) => alias.endsWith("f16;\n"))) enables.push("enable f16;");
  if (/\bsubgroup[A-Z]\w*\s*\(|builtin\(subgroup_/.test(body)) enables.push("enable subgroups;");
  // Dawn asks for places that are alike in a whole workgroup; alike in a subgroup is what the hardware needs.
  if (matrices) enables.push("enable chromium_experimental_subgroup_matrix;", "diagnostic(off, chromium.subgroup_matrix_uniformity);");
  return `${enables.join("\n")}${enables.length > 0 ? "\n" : ""}${aliases.join("")}${body}`;
}

/** One binding of a module, as its text declares it. */
export interface ReflectedBinding {
  index: number;
  name: string;
  access: "uniform" | "read" | "read_write";
}

/** What the host needs to know of a linked module. */
export interface Reflection {
  bindings: ReflectedBinding[];
  /** Members of `struct Params` in order; empty where a module has no uniforms. */
  params: { name: string; type: string }[];
  /** The alias of each storage buffer that has one, by the buffer's name. */
  aliases: ReadonlyMap<string, string>;
  usesSubgroups: boolean;
}

/** Reads bindings and the Params struct from WGSL text; only the forms this project writes. */
export function reflect(code: string): Reflection {
  const plain = code.replace(/\/\/[^\n]*/g, "");
  const bindings: ReflectedBinding[] = [];
  const binding = /@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(uniform|storage)\s*(?:,\s*(read_write|read)\s*)?>\s*(\w+)\s*:\s*(?:array<(Elem[A-Z]?)>)?/g;
  const aliases = new Map<string, string>();
  for (const match of plain.matchAll(binding)) {
    const access = match[2] === "uniform" ? "uniform" : match[3] === "read_write" ? "read_write" : "read";
    bindings.push({ index: Number(match[1]), name: match[4] as string, access });
    if (match[5]) aliases.set(match[4] as string, match[5]);
  }
  const struct = /struct Params\s*\{([^}]*)\}/.exec(plain);
  const params = [...(struct?.[1] ?? "").matchAll(/(\w+)\s*:\s*([\w<>]+)/g)].map((match) => ({
    name: match[1] as string,
    type: match[2] as string,
  }));
  return { bindings, params, aliases, usesSubgroups: code.includes("enable subgroups;") };
}
