import { expect, test } from "bun:test";
import { declaredKernels, linkKernel } from "../../src/gpu/kernel.ts";
import { floatBuffersOf } from "../../src/gpu/nonfinite.ts";
import { castInto, fill } from "../../src/kernels/elementwise.ts";
import { exp, log, mul, neg, sub } from "../../src/ops/elementwise.ts";
import { emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

/** 5 003 numbers, so that no grid and no word count is a round one. */
const COUNT = 5003;
const ones = () => new Float32Array(COUNT).fill(1);

test("a finite step has no finding", async () => {
  const x = persistentTensor(gpu, [COUNT], { data: ones() });
  expect(await gpu.findNonfinite(() => void log(exp(mul(x, 80))))).toBeUndefined();
});

test("the first kernel that writes NaN or infinity is named, with its buffer and the counts", async () => {
  const data = ones();
  data.set([Number.NaN, Infinity, Number.NaN, -Infinity], 3);
  data[COUNT - 1] = Number.NaN;
  const [x, finite] = [data, ones()].map((values) => persistentTensor(gpu, [COUNT], { data: values }));
  if (!x || !finite) throw new Error("two tensors");
  const found = await gpu.findNonfinite(() => {
    exp(mul(finite, 2));
    const y = neg(x);
    sub(y, y);
  });
  expect(found).toMatchObject({ kernel: "elementwise/map_dense", buffer: "y", label: "neg", dispatch: 2, size: COUNT, nan: 3, infinite: 2 });
  expect([...(found?.bound.keys() ?? [])]).toContain("a");
});

test("numbers of every kind are told apart by their bits", async () => {
  const bits = Uint32Array.of(0x7f800000, 0xff800000, 0x7f800001, 0xffc00000, 0x7f7fffff, 0x00000001, 0x80000000);
  const x = persistentTensor(gpu, [7], { data: new Float32Array(bits.buffer) });
  const found = await gpu.findNonfinite(() => void mul(x, 1));
  expect(found).toMatchObject({ size: 7, nan: 2, infinite: 2 });
});

test.skipIf(!gpu.features.has("shader-f16"))("f16 is read as f16, with an odd count too", async () => {
  const x = persistentTensor(gpu, [COUNT], { data: ones().fill(70_000, 0, 5) });
  const found = await gpu.findNonfinite(() => {
    const half = emptyTensor(gpu, [COUNT], { dtype: "f16", label: "half" });
    fill(gpu, { out: half.range, count: COUNT, value: 1 });
    castInto(gpu, { x: x.range, out: half.range, count: COUNT });
  });
  expect(found).toMatchObject({ label: "half", nan: 0, infinite: 5, dispatch: 1 });
});

test("a step that throws ends the watch", async () => {
  await expect(gpu.findNonfinite(() => { throw new Error("broken"); })).rejects.toThrow("broken");
  const before = gpu.counters.dispatches;
  const x = persistentTensor(gpu, [COUNT], { data: ones() });
  mul(x, 2);
  expect(gpu.counters.dispatches - before).toBe(1);
});

test("buffers of integers are not watched, all others that kernels write are", () => {
  const kinds = new Map<string, boolean>();
  for (const [name, variants] of declaredKernels()) {
    for (const kernel of variants) {
      const linked = linkKernel(kernel);
      for (const [buffer, access] of Object.entries(kernel.buffers)) if (access === "read_write") kinds.set(`${name} ${buffer}`, floatBuffersOf(linked).has(buffer));
    }
  }
  expect(kinds.get("elementwise/map_dense y")).toBe(true);
  expect(kinds.get("debug/count_nonfinite counts")).toBe(false);
  expect(kinds.size).toBeGreaterThan(5);
});
