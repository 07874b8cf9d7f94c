/** The source that the device compiles for a kernel. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nearest } from "../config/nearest.ts";
import { ConfigError } from "../error.ts";
import { declaredKernels, type Kernel, linkKernel } from "../gpu/kernel.ts";
import { link, type Spec } from "../gpu/wgsl.ts";

const SOURCE = fileURLToPath(new URL("..", import.meta.url));

function mistake(message: string, fix: string): ConfigError {
  return new ConfigError({ code: "cli/bad-argument", message, fix, where: "doctor" });
}

/** Fragment names without folder and ending, of those that not all variants have: what tells a variant from the others. */
function variantName(kernel: Kernel, variants: readonly Kernel[]): string {
  const own = kernel.fragments.filter((fragment) => !variants.every(({ fragments }) => fragments.includes(fragment)));
  return own.map((fragment) => basename(fragment, ".wgsl")).join("+");
}

async function findKernel(name: string): Promise<Kernel> {
  // Kernels are declared where they are used: all files that may do so.
  for (const folder of ["gpu", "kernels"]) {
    for (const file of await readdir(join(SOURCE, folder))) if (file.endsWith(".ts")) await import(join(SOURCE, folder, file));
  }
  const all = declaredKernels();
  const at = name.indexOf(":");
  const [stem, variant] = at < 0 ? [name, undefined] : [name.slice(0, at), name.slice(at + 1)];
  const variants = all.get(stem);
  if (!variants) {
    const guess = nearest(stem, all.keys());
    throw mistake(`no kernel "${stem}"${guess ? `; did you mean ${guess}?` : ""}`, `kernels: ${[...all.keys()].toSorted().join(", ")}`);
  }
  const [first] = variants as [Kernel, ...Kernel[]];
  if (variants.length === 1 && variant === undefined) return first;
  const named = variants.map((kernel) => ({ kernel, variant: variantName(kernel, variants) }));
  const chosen = named.find((own) => own.variant === variant);
  if (!chosen) throw mistake(`kernel ${stem} has ${variants.length} variants, ${variant === undefined ? "none is chosen" : `none "${variant}"`}`, `one of ${named.map((own) => `${stem}:${own.variant}`).join(", ")}`);
  return chosen.kernel;
}

/** Reads K=V pairs; the linker checks names and types. */
function readSpec(pairs: readonly string[], known: Readonly<Record<string, string>>): Spec {
  const spec: Record<string, number | boolean> = {};
  for (const pair of pairs) {
    const [, name = "", text = ""] = /^(\w+)=(.+)$/.exec(pair) ?? [];
    const value = text === "true" || text === "false" ? text === "true" : Number(text);
    if (name === "" || Number.isNaN(value)) throw mistake(`--spec expects NAME=number, NAME=true or NAME=false, received "${pair}"`, "for example --spec RELU=true");
    if (!Object.hasOwn(known, name)) {
      const guess = nearest(name, Object.keys(known));
      const list = Object.entries(known).map(([own, line]) => `${own} (${line})`).join(", ") || "none";
      throw mistake(`no spec constant ${name}${guess ? `; did you mean ${guess}?` : ""}`, `this kernel has: ${list}`);
    }
    spec[name] = value;
  }
  return spec;
}

/** Spec constants of a source with type and default. */
function specConstants(code: string): Record<string, string> {
  return Object.fromEntries([...code.matchAll(/^const ([A-Z][A-Z0-9_]*): (u32|i32|f32|bool) = ([^;]+);[ \t]*\/\/ spec\b/gm)].map(([, name = "", type, value]) => [name, `${type}, ${value}`]));
}

/**
 * The linked WGSL of a kernel, headed by what it binds.
 * @param name of the kernel, with ":variant" where several differ in their fragments.
 * Errors: ConfigError naming the nearest kernel, the variants or the spec constants.
 */
export async function shaderSource(name: string, spec: readonly string[]): Promise<string> {
  const kernel = await findKernel(name);
  const constants = readSpec(spec, specConstants(link(kernel.fragments)));
  const { code } = linkKernel(kernel, constants);
  return [
    `// kernel ${kernel.name}`,
    ...kernel.fragments.map((fragment) => `// shaders/${fragment}`),
    ...Object.entries(kernel.buffers).map(([buffer, access]) => `// buffer ${buffer}: ${access}`),
    ...Object.entries(kernel.uniforms).map(([uniform, type]) => `// uniform ${uniform}: ${type}`),
    "",
    code.trimEnd(),
  ].join("\n");
}
