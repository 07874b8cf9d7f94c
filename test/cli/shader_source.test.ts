import { expect, test } from "bun:test";
import { shaderSource } from "../../src/cli/shader_source.ts";
import { declaredKernels } from "../../src/gpu/kernel.ts";
import { reflect } from "../../src/gpu/wgsl.ts";

test("a kernel's linked source, with its spec constants set", async () => {
  const text = await shaderSource("batchnorm/apply", ["RELU=true", "WORKGROUP=128"]);
  expect(text).toStartWith("// kernel batchnorm/apply\n// shaders/batchnorm/apply.wgsl\n");
  expect(text).toContain("// buffer y: read_write");
  expect(text).toContain("const RELU: bool = true; // spec");
  expect(text).toContain("const WORKGROUP: u32 = 128u; // spec");
  expect(text).toContain("const ADD: bool = false; // spec");
  expect(text).toContain("fn linear_index(");
});

test("every declared kernel can be shown by the name that the table of kernels prints, products by their core", async () => {
  await shaderSource("elementwise/fill", []);
  const all = declaredKernels();
  expect(all.size).toBeGreaterThan(50);
  for (const [name, variants] of all) {
    if (variants.length === 1) expect(reflect(await shaderSource(name, [])).bindings.length, name).toBeGreaterThan(0);
    else await expect(shaderSource(name, [])).rejects.toThrow(`kernel ${name} has ${variants.length} variants, none is chosen`);
  }
  expect(await shaderSource("gemm/conv:core_tile", ["TILE_ROWS=64"])).toContain("shaders/gemm/core_tile.wgsl");
});

test("what does not exist is answered with the nearest name", async () => {
  await expect(shaderSource("batchnorm/aply", [])).rejects.toThrow('no kernel "batchnorm/aply"; did you mean batchnorm/apply?');
  await expect(shaderSource("gemm/conv:core_til", [])).rejects.toThrow("none \"core_til\"");
  await expect(shaderSource("batchnorm/apply", ["REL=true"])).rejects.toThrow("no spec constant REL; did you mean RELU?");
  await expect(shaderSource("batchnorm/apply", ["RELU"])).rejects.toThrow('--spec expects NAME=number, NAME=true or NAME=false, received "RELU"');
  await expect(shaderSource("batchnorm/apply", ["RELU=2"])).rejects.toThrow("spec constant RELU is bool, got 2");
});
