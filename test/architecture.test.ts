import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));

/** What a folder of src may import, besides itself and the files at the top (error, files, fonts, random). Arrows point down only. */
const ALLOWED: Record<string, readonly string[]> = {
  gpu: [],
  kernels: ["gpu"],
  tensor: ["gpu"],
  autograd: ["tensor", "gpu", "kernels"],
  ops: ["autograd", "kernels", "tensor", "gpu"],
  nn: ["ops", "kernels", "tensor", "gpu", "interop", "autograd"],
  optim: ["kernels", "gpu", "tensor", "nn"],
  models: ["nn", "ops", "tensor", "gpu", "config"],
  augment: ["kernels", "gpu", "tensor", "data", "pose"],
  methods: ["models", "nn", "ops", "autograd", "kernels", "tensor", "gpu", "augment", "pose", "optim"],
  pose: [],
  data: ["pose"],
  eval: ["pose", "data"],
  interop: [],
  viz: ["pose", "data", "eval"],
  config: ["pose"],
  train: ["config", "data", "eval", "gpu", "methods", "models", "nn", "optim", "pose", "interop", "augment", "viz", "tensor", "autograd", "kernels", "ops"],
};

/** Folders of plain arrays: they run on a machine without a GPU. */
const PLAIN = ["pose", "data", "eval", "interop", "viz", "config"];
const DEVICE = ["gpu", "kernels", "tensor", "autograd", "ops", "nn", "optim", "models", "methods", "augment"];

interface Arrow {
  file: string;
  from: string;
  to: string;
  target: string;
}

function files(): string[] {
  return readdirSync(SOURCE, { recursive: true }).map(String).filter((name) => name.endsWith(".ts"));
}

/** Imports of our own files; `import type` counts, for a type is knowledge too. */
function arrows(): Arrow[] {
  return files().flatMap((file) => {
    const text = readFileSync(join(SOURCE, file), "utf8");
    return [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map(([, path = ""]) => {
      const target = relative(SOURCE, join(SOURCE, dirname(file), path));
      return { file, target, from: file.split("/")[0] ?? "", to: target.includes("/") ? (target.split("/")[0] ?? "") : "" };
    });
  });
}

test("every import points down", () => {
  const wrong = arrows()
    .filter(({ from, to }) => from in ALLOWED && to !== "" && to !== from && !ALLOWED[from]?.includes(to))
    .map(({ file, target }) => `${file} imports ${target}`);
  expect(wrong).toEqual([]);
});

test("folders of plain arrays reach nothing of the device, however far one follows", () => {
  const all = arrows();
  for (const start of files().filter((file) => PLAIN.includes(file.split("/")[0] ?? ""))) {
    const seen = new Set([start]);
    for (const file of seen) for (const { target } of all.filter((arrow) => arrow.file === file)) if (!target.startsWith("..")) seen.add(target);
    expect([...seen].filter((file) => DEVICE.includes(file.split("/")[0] ?? "")).map((file) => `${start} reaches ${file}`)).toEqual([]);
  }
});

test("only src/gpu knows the WebGPU binding, only shaders hold WGSL", () => {
  for (const file of files()) {
    const text = readFileSync(join(SOURCE, file), "utf8");
    if (!file.startsWith("gpu/")) {
      expect(/from "bun-webgpu"/.test(text) ? `${file} imports the binding` : "").toBe("");
      expect(/@compute|var<storage/.test(text) ? `${file} holds WGSL` : "").toBe("");
    }
  }
});

test("every folder of src is in the plan", () => {
  const folders = readdirSync(SOURCE, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(folders.filter((name) => !(name in ALLOWED) && name !== "cli")).toEqual([]);
});
