import { expect, test } from "bun:test";
import { measureReplay, repeatsOf } from "../../src/gpu/time_replay.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("a replay's cost: its time, the host's share of it, and live memory with its own; nothing of it is left", async () => {
  const count = 65536;
  await gpu.trim();
  const [x, y] = [persistentTensor(gpu, [count]), persistentTensor(gpu, [count])];
  const before = gpu.memory;
  let encoded = 0;
  const { ms, hostShare, bytes } = measureReplay(
    gpu,
    () => {
      encoded++;
      const between = emptyTensor(gpu, [count]);
      addInto(gpu, { a: x.range, b: undefined, out: between.range, count });
      addInto(gpu, { a: between.range, b: undefined, out: y.range, count });
    },
    { least: 2, most: 3, ms: 100 },
  );
  expect(encoded).toBe(1);
  expect(ms).toBeGreaterThan(0);
  expect(hostShare).toBeWithin(0, 1.000001);
  expect(bytes).toBe(before.liveBytes + 4 * count);
  expect(gpu.memory.bytes).toBe(before.bytes);
  for (const { range } of [x, y]) gpu.free(range);
});

test("short work is replayed many times for one wait, which a fast device's times would else be", () => {
  const [x, y] = [persistentTensor(gpu, [64]), persistentTensor(gpu, [64])];
  const recording = gpu.record(() => addInto(gpu, { a: x.range, b: undefined, out: y.range, count: 64 }), { execute: false });
  expect(Math.max(...Array.from({ length: 3 }, () => repeatsOf(gpu, recording)))).toBeWithin(2, 101);
  recording.dispose();
  for (const { range } of [x, y]) gpu.free(range);
});
