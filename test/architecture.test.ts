import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ResourceType, WgslReflect } from "wgsl_reflect";
import { link, reflect } from "../src/gpu/wgsl.ts";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
const SHADERS = fileURLToPath(new URL("../shaders", import.meta.url));

/** What a folder of src, or a file at its top, may import besides itself. Arrows point down only; nothing imports cli or index. */
const ALLOWED: Record<string, readonly string[]> = {
  "error.ts": [],
  "random.ts": [],
  "fonts.ts": [],
  "files.ts": ["error.ts"],
  gpu: ["error.ts", "random.ts"],
  kernels: ["gpu", "error.ts"],
  tensor: ["gpu", "error.ts"],
  autograd: ["tensor", "kernels", "gpu", "error.ts"],
  ops: ["autograd", "kernels", "tensor", "gpu", "error.ts", "random.ts"],
  nn: ["ops", "autograd", "kernels", "tensor", "gpu", "interop", "error.ts", "random.ts"],
  optim: ["kernels", "tensor", "gpu", "error.ts"],
  models: ["nn", "ops", "autograd", "tensor", "gpu", "interop", "config", "error.ts"],
  pose: ["error.ts", "random.ts"],
  data: ["pose", "interop", "error.ts", "files.ts", "fonts.ts", "random.ts"],
  eval: ["pose", "data", "error.ts", "files.ts"],
  interop: ["error.ts", "files.ts"],
  viz: ["pose", "data", "error.ts", "files.ts", "fonts.ts"],
  config: ["error.ts", "files.ts"],
  augment: ["kernels", "tensor", "gpu", "data", "pose", "error.ts", "random.ts"],
  methods: ["models", "optim", "nn", "ops", "autograd", "kernels", "tensor", "gpu", "augment", "data", "pose", "config", "error.ts", "random.ts"],
  train: ["methods", "models", "optim", "nn", "autograd", "kernels", "tensor", "gpu", "augment", "data", "eval", "interop", "viz", "config", "pose", "error.ts", "files.ts", "random.ts"],
  cli: ["train", "config", "pose", "gpu", "kernels", "error.ts", "files.ts"],
};

/** Folders of plain arrays: they run on a machine without a GPU. */
const PLAIN = ["pose", "data", "eval", "interop", "viz", "config"];
const DEVICE = ["gpu", "kernels", "tensor", "autograd", "ops", "nn", "optim", "models", "methods", "augment"];

interface Arrow {
  file: string;
  target: string;
}

/** The folder of a file of src, or the file itself at the top. */
const place = (file: string) => file.split("/")[0] ?? "";

function files(): string[] {
  return readdirSync(SOURCE, { recursive: true }).map(String).filter((name) => name.endsWith(".ts"));
}

/** Imports of our own files; `import type` counts unless left out, for a type is knowledge too. */
function arrows({ types = true }: { types?: boolean } = {}): Arrow[] {
  return files().flatMap((file) => {
    const text = readFileSync(join(SOURCE, file), "utf8");
    const imports = [...text.matchAll(/(?:^(import|export)( type)? [^;]*? from |^import |import\()\s*"(\.[^"]+)"/gm)];
    return imports.filter(([, , isType]) => types || !isType).map(([, , , path = ""]) => ({ file, target: relative(SOURCE, join(SOURCE, dirname(file), path)) }));
  });
}

/** Everything that a file reaches, itself included. */
function reach(start: string, all: readonly Arrow[]): Set<string> {
  const seen = new Set([start]);
  for (const file of seen) for (const arrow of all) if (arrow.file === file) seen.add(arrow.target);
  return seen;
}

test("every import points down", () => {
  const all = arrows();
  expect(all.length).toBeGreaterThan(300);
  const wrong = all
    .map(({ file, target }) => ({ file, target, from: place(file), to: place(target) }))
    .filter(({ from, to }) => from !== "index.ts" && from !== to && !ALLOWED[from]?.includes(to))
    .filter(({ file, target }) => !["cli/bench.ts", "cli/tune.ts"].includes(file) || !target.startsWith("../bench/")) // the bench is a program beside src
    .map(({ file, target }) => `${file} imports ${target}`);
  expect(wrong).toEqual([]);
});

test("no file needs itself to be loaded first", () => {
  const all = arrows({ types: false });
  const circles = all.filter(({ file, target }) => reach(target, all).has(file)).map(({ file, target }) => `${file} imports ${target}, which reaches it`);
  expect(circles).toEqual([]);
});

test("folders of plain arrays reach nothing of the device, however far one follows", () => {
  const all = arrows();
  for (const start of files().filter((file) => PLAIN.includes(place(file)))) {
    expect([...reach(start, all)].filter((file) => DEVICE.includes(place(file))).map((file) => `${start} reaches ${file}`)).toEqual([]);
  }
});

test("only src/gpu knows the WebGPU binding, only shaders hold WGSL", () => {
  for (const file of files()) {
    const text = readFileSync(join(SOURCE, file), "utf8");
    if (!file.startsWith("gpu/")) {
      expect(/(from|import\() ?"bun-webgpu"/.test(text) ? `${file} imports the binding` : "").toBe("");
      expect(/@compute|var<storage/.test(text) ? `${file} holds WGSL` : "").toBe("");
    }
  }
});

test("every folder of src is in the plan", () => {
  const folders = readdirSync(SOURCE, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(folders.filter((name) => !(name in ALLOWED))).toEqual([]);
});

/** The types that a uniform may have: four bytes each, so that members lie four bytes apart. */
const UNIFORM_TYPES = ["u32", "i32", "f32"];

/** A module without comments, types of subgroup matrices and what its functions do: wgsl_reflect does not parse all of these. */
function declarations(code: string): string {
  const plain = code.replace(/\/\/[^\n]*|alias \w+ = subgroup_matrix_[^;]*;/g, "");
  let out = "";
  let at = 0;
  for (const { index, 0: head } of plain.matchAll(/\bfn\b[^{]*\{/g)) {
    out += plain.slice(at, index + head.length);
    at = index + head.length;
    for (let depth = 1; depth > 0 && at < plain.length; at++) depth += { "{": 1, "}": -1 }[plain.charAt(at)] ?? 0;
    out += "}";
  }
  return out + plain.slice(at);
}

test("bindings and uniform offsets of every shader are what wgsl_reflect, an independent parser, sees", () => {
  const shaders = readdirSync(SHADERS, { recursive: true }).map(String).filter((name) => name.endsWith(".wgsl"));
  let [bindings, members] = [0, 0];
  for (const shader of shaders) {
    const code = link([shader]);
    const own = reflect(code);
    const theirs = new WgslReflect(declarations(code));
    const groups = theirs.getBindGroups();
    expect(groups.length, shader).toBeLessThanOrEqual(1);
    const access = ({ resourceType, access: kind }: { resourceType: ResourceType; access: string }) => (resourceType === ResourceType.Uniform ? "uniform" : kind);
    const found = (groups[0] ?? []).filter((binding) => binding !== undefined).map((binding) => ({ index: binding.binding, name: binding.name, access: access(binding) }));
    expect(own.bindings.toSorted((a, b) => a.index - b.index), shader).toEqual(found.toSorted((a, b) => a.index - b.index) as typeof own.bindings);
    const params = theirs.structs.find(({ name }) => name === "Params")?.members ?? [];
    expect(own.params.map(({ name, type }, i) => [name, type, 4 * i]), shader).toEqual(params.map(({ name, type, offset }) => [name, type.name, offset]));
    for (const { name, type } of own.params) expect(UNIFORM_TYPES, `${shader}: ${name}`).toContain(type);
    bindings += found.length;
    members += params.length;
  }
  expect(bindings).toBeGreaterThan(60);
  expect(members).toBeGreaterThan(60);
});
