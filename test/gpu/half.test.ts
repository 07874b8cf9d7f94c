import { expect, test } from "bun:test";
import { embeddedPresent } from "../../src/gpu/embedded_driver.ts";
import { addInto, castInto, fill, storeRow } from "../../src/kernels/elementwise.ts";
import { batchView, byteCount, persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const half = gpu.features.has("shader-f16");

/** Values over all of the range, with the borders of f16: largest, first that is infinite, smallest and what rounds to 0. */
function values(count: number): Float32Array {
  const data = randomValues(count, 1).map((value, i) => value * 2 ** ((i % 41) - 26));
  data.set([65504, 65519, 65520, -1e9, Infinity, 6e-8, 2e-8, 0].slice(0, count));
  return data;
}

test.skipIf(!half)("casts round to the nearest f16, overflow to infinity, and come back as they are; odd sizes too", async () => {
  for (const count of [1, 2, 3, 1003, 70001]) {
    const data = values(count);
    const expected = Float32Array.from(Float16Array.from(data));
    const x = persistentTensor(gpu, [count], { data });
    const y = persistentTensor(gpu, [count], { dtype: "f16" });
    const uploaded = persistentTensor(gpu, [count], { data, dtype: "f16" });
    const back = persistentTensor(gpu, [count]);
    castInto(gpu, { x: x.range, out: y.range, count });
    castInto(gpu, { x: y.range, out: back.range, count });
    expect(await y.toArray()).toEqual(expected);
    expect(await uploaded.toArray()).toEqual(expected);
    expect(await back.toArray()).toEqual(expected);
    for (const tensor of [x, y, uploaded, back]) gpu.free(tensor.range);
  }
});

test.skipIf(!half)("a kernel is compiled for what is bound to it: sums, fills and rows in f16, eager and replayed", async () => {
  const count = 1003;
  const [a, b] = [1, 2].map((seed) => persistentTensor(gpu, [count], { data: randomValues(count, seed), dtype: "f16" }));
  if (!a || !b) throw new Error("no tensors");
  const y = persistentTensor(gpu, [count], { dtype: "f16" });
  const [left, right] = [await a.toArray(), await b.toArray()];
  const step = () => addInto(gpu, { a: a.range, b: b.range, out: y.range, count });
  const expected = Float32Array.from(left, (value, i) => Math.f16round(value + (right[i] as number)));
  step();
  expect(await y.toArray()).toEqual(expected);
  const recording = gpu.record(step);
  fill(gpu, { out: y.range, count: count - 1, value: 0.1 });
  expect([...(await y.toArray()).subarray(-2)]).toEqual([Math.f16round(0.1), expected.at(-1) as number]);
  recording.replay();
  expect(await y.toArray()).toEqual(expected);
  recording.dispose();

  const table = persistentTensor(gpu, [2, count], { data: new Float32Array(2 * count), dtype: "f16" });
  const row = gpu.upload(Uint32Array.of(1), "row");
  storeRow(gpu, { x: a.range, row, table: table.range, count });
  expect((await table.toArray()).subarray(count)).toEqual(left);
  for (const range of [a.range, b.range, y.range, table.range, row]) gpu.free(range);
});

test.skipIf(!half)("buffers of one alias must agree, and a buffer without one is no f16", () => {
  const count = 4;
  const x = persistentTensor(gpu, [count], { dtype: "f16" });
  const y = persistentTensor(gpu, [count]);
  const row = gpu.upload(Uint32Array.of(0), "row");
  expect(() => addInto(gpu, { a: x.range, b: y.range, out: x.range, count })).toThrow('kernel elementwise/add: buffer "b" must hold f16 like the other buffers of type Elem, got f32');
  expect(() => storeRow(gpu, { x: x.range, row: x.range, table: x.range, count })).toThrow('buffer "row" must hold words of four bytes, got f16');
  for (const range of [x.range, y.range, row]) gpu.free(range);
});

test("f16 tensors take whole words, and views of them begin where the adapter can bind", () => {
  expect([1, 2, 3, 4, 5].map((count) => byteCount([count], "f16"))).toEqual([4, 4, 8, 8, 12]);
  if (!half) return;
  const x = persistentTensor(gpu, [4, 2048], { dtype: "f16" });
  expect(batchView(x, 1, 2).range).toMatchObject({ offset: 4096, bytes: 8192 });
  expect(() => batchView(persistentTensor(gpu, [4, 3], { dtype: "f16" }), 1, 1)).toThrow(/not a multiple/);
  gpu.free(x.range);
});

test.skipIf(!embeddedPresent())("an adapter without shader-f16 refuses half floats by its name, with the way out", () => {
  const script = `
    import { openDevice } from ${JSON.stringify(new URL("../../src/gpu/device.ts", import.meta.url).pathname)};
    const gpu = await openDevice({ adapter: "swiftshader" });
    try { gpu.allocate(4, "x", { element: "f16" }); } catch (error) { console.log(error.code, error.message, error.fix); }
    process.exit(0);`;
  const { stdout } = Bun.spawnSync([process.execPath, "-e", script], { env: { ...process.env, ADAPTER: "swiftshader" } });
  expect(stdout.toString()).toMatch(/^gpu\/no-f16 .*SwiftShader.* has no shader-f16.*PRECISION=fp32/);
});
