import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GpuError } from "../../src/error.ts";
import { link, reflect } from "../../src/gpu/wgsl.ts";

const SHADERS = fileURLToPath(new URL("../../shaders/", import.meta.url));

test("the linker writes enables, the storage alias and the spec constants, and nothing else", () => {
  const code = link(["elementwise/add.wgsl", "lib/grid.wgsl", "lib/scalar.wgsl"], { spec: { WORKGROUP: 128 } });
  expect(code.startsWith("alias Elem = f32;\n")).toBe(true);
  expect(code).toContain("const WORKGROUP: u32 = 128u; // spec");
  expect(link(["elementwise/add.wgsl"], { elements: { Elem: "f16" } })).toStartWith("enable f16;\nalias Elem = f16;\n");
  expect(link(["elementwise/cast.wgsl"], { elements: { ElemX: "f16" } })).toStartWith("enable f16;\nalias ElemX = f16;\nalias ElemY = f32;\n");
  expect(link(["gemm/core_lanes.wgsl"], {})).toStartWith("enable subgroups;\n");
  expect(link(["gemm/core_matrix.wgsl", "gemm/matrix_subgroup.wgsl"])).toStartWith(
    "enable f16;\nenable subgroups;\nenable chromium_experimental_subgroup_matrix;\ndiagnostic(off, chromium.subgroup_matrix_uniformity);\n",
  );
});

test("unknown, ill-typed and repeated spec constants are refused by name", () => {
  expect(() => link(["elementwise/fill.wgsl"], { spec: { WORKGROPU: 1 } })).toThrow(/no spec constant WORKGROPU.*WORKGROUP/);
  expect(() => link(["elementwise/fill.wgsl"], { spec: { WORKGROUP: 1.5 } })).toThrow(/WORKGROUP is u32, got 1.5/);
  expect(() => link(["elementwise/fill.wgsl"], { spec: { WORKGROUP: true } })).toThrow(GpuError);
  expect(() => link(["elementwise/fill.wgsl", "elementwise/fill.wgsl"], {})).toThrow(/declared twice/);
  expect(() => link(["elementwise/none.wgsl"], {})).toThrow(/shaders\/elementwise\/none.wgsl/);
});

test("reflection finds bindings and uniforms as the text declares them", () => {
  const { bindings, params } = reflect(link(["elementwise/fill.wgsl"], {}));
  expect(bindings).toEqual([
    { index: 0, name: "params", access: "uniform" },
    { index: 1, name: "y", access: "read_write" },
  ]);
  expect(params).toEqual([
    { name: "count", type: "u32" },
    { name: "value", type: "f32" },
  ]);
});

test("every shader opens with its equation and names its layout and grid, and f16 is named in two places", () => {
  const files = readdirSync(SHADERS, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".wgsl"));
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    const text = readFileSync(SHADERS + file, "utf8");
    expect(text, file).toStartWith("// ");
    expect(text.includes("f16"), `${file} mentions f16`).toBe(["lib/scalar.wgsl", "gemm/matrix_subgroup.wgsl"].includes(file));
    if (!text.includes("@compute")) continue;
    const header = text.slice(0, text.search(/^(?!\/\/)/m));
    expect(header, `${file}: the header lacks the layout`).toMatch(/layout/i);
    expect(header, `${file}: the header lacks the grid`).toContain("Grid:");
  }
});
