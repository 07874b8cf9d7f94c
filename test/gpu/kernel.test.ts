import { expect, test } from "bun:test";
import { defineKernel, linearGrid, linkKernel, packUniforms } from "../../src/gpu/kernel.ts";

const fill = { name: "test/fill", fragments: ["elementwise/fill.wgsl", "lib/grid.wgsl"] } as const;

test("a record that differs from the shader is refused with the difference", () => {
  const link = (buffers: Record<string, "read" | "read_write">, uniforms: Record<string, "u32" | "f32">) => () =>
    linkKernel(defineKernel({ ...fill, buffers, uniforms }));
  const uniforms = { count: "u32", value: "f32" } as const;
  expect(link({ y: "read_write" }, uniforms)).not.toThrow();
  expect(link({ z: "read_write" }, uniforms)).toThrow(/no storage buffer "z"/);
  expect(link({ y: "read" }, uniforms)).toThrow(/"y" is read_write in the shader, read in the record/);
  expect(link({}, uniforms)).toThrow(/lacks the shader's buffer "y"/);
  expect(link({ y: "read_write" }, { value: "f32", count: "u32" })).toThrow(/uniforms differ/);
  expect(link({ y: "read_write" }, {})).toThrow(/uniforms differ/);
});

test("uniforms are packed in order and a NaN is refused", () => {
  const kernel = defineKernel({ ...fill, buffers: { y: "read_write" }, uniforms: { count: "u32", value: "f32" } });
  const view = new DataView(new ArrayBuffer(16));
  packUniforms(kernel, { count: 7, value: -1.5 }, view);
  expect([view.getUint32(0, true), view.getFloat32(4, true)]).toEqual([7, -1.5]);
  expect(() => packUniforms(kernel, { count: 7, value: Number.NaN }, view)).toThrow(/uniform "value" is NaN/);
});

test("a linear grid covers every element within the axis limit", () => {
  for (const count of [1, 63, 64, 65, 65535 * 64, 65535 * 64 + 1, 123_456_789]) {
    const [x, y, z] = linearGrid(count, 64);
    expect(Math.max(x, y, z)).toBeLessThanOrEqual(65535);
    expect(x * y * z * 64).toBeGreaterThanOrEqual(count);
    expect((x * y - y) * 64).toBeLessThan(count);
  }
});
