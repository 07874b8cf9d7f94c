import { expect, test } from "bun:test";
import { addInto, bindingParts, fill, storeRow } from "../../src/kernels/elementwise.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const COUNTS = [1, 63, 64, 65, 65535 * 64 + 1];

test("fill, copy and add reach every element and none beyond", async () => {
  for (const count of COUNTS) {
    const [a, b] = [randomValues(count, 1), randomValues(count, 2)];
    const out = gpu.upload(new Float32Array(count + 1).fill(7), "out");
    const [left, right] = [gpu.upload(a, "a"), gpu.upload(b, "b")];
    const check = async (expected: (i: number) => number) => {
      const values = await gpu.readFloats(out);
      expect(values.findIndex((value, i) => value !== (i < count ? Math.fround(expected(i)) : 7))).toBe(-1);
    };
    fill(gpu, { out, count, value: -0.5 });
    await check(() => -0.5);
    addInto(gpu, { a: left, b: undefined, out, count });
    await check((i) => a[i] as number);
    addInto(gpu, { a: left, b: right, out, count });
    await check((i) => (a[i] as number) + (b[i] as number));
    for (const range of [out, left, right]) gpu.free(range);
  }
});

test("rows of a table are filled by a replayed step whose row number is data", async () => {
  const [rows, count] = [4, 3];
  const x = gpu.persistent(4 * count, "x");
  const row = gpu.upload(Uint32Array.of(0), "row");
  const table = gpu.upload(new Float32Array(rows * count), "table");
  const recording = gpu.record(() => storeRow(gpu, { x, row, table, count }));
  for (const [place, value] of [[2, 20], [0, 5], [3, 30]] as const) {
    gpu.write(x, Float32Array.of(value, value + 1, value + 2));
    gpu.write(row, Uint32Array.of(place));
    recording.replay();
  }
  expect([...(await gpu.readFloats(table))]).toEqual([5, 6, 7, 0, 0, 0, 20, 21, 22, 30, 31, 32]);
});

test("an arena beyond one binding is cut into aligned parts without gaps", () => {
  const largest = gpu.limits.maxStorageBufferBindingSize;
  for (const bytes of [4, 1024, largest, largest + 4, 3 * largest + 1020]) {
    const parts = bindingParts(gpu, bytes);
    let end = 0;
    for (const part of parts) {
      expect(part.offset).toBe(end);
      expect(part.offset % gpu.limits.minStorageBufferOffsetAlignment).toBe(0);
      expect(part.bytes).toBeLessThanOrEqual(largest);
      end += part.bytes;
    }
    expect(end).toBe(bytes);
  }
});
