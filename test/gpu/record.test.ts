import { expect, test } from "bun:test";
import type { BufferRange } from "../../src/gpu/device.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const COUNT = 5003;

/** y = 6 x by five sums, each in a tensor of its own. */
function chain() {
  const x = persistentTensor(gpu, [COUNT], { data: Float32Array.from({ length: COUNT }, (_, i) => i / 7) });
  const y = persistentTensor(gpu, [COUNT]);
  const work = () => {
    let sum = x;
    for (let i = 0; i < 5; i++) {
      const next = emptyTensor(gpu, [COUNT]);
      addInto(gpu, { a: sum.range, b: x.range, out: next.range, count: COUNT });
      sum = next;
    }
    addInto(gpu, { a: sum.range, b: undefined, out: y.range, count: COUNT });
  };
  return { x, y, work, free: () => [x, y].forEach(({ range }) => gpu.free(range)) };
}

test("a step recorded without running makes its planned memory and nothing else; the first replay is the first run", async () => {
  const { x, y, work, free } = chain();
  gpu.scope(work);
  const expected = await y.toArray();
  await gpu.trim();
  gpu.write(y.range, new Float32Array(COUNT));
  const before = gpu.memory;
  const recording = gpu.record(work, { execute: false });
  expect(gpu.memory.bytes - before.bytes).toBe(recording.plannedBytes);
  expect(gpu.memory.peakLiveBytes).toBe(before.peakLiveBytes);
  expect(recording.plannedBytes).toBeLessThanOrEqual(2 * 256 * Math.ceil((4 * COUNT) / 256));
  expect(await y.toArray()).toEqual(new Float32Array(COUNT));
  recording.replay();
  expect(await y.toArray()).toEqual(expected);
  gpu.write(x.range, Float32Array.from({ length: COUNT }, (_, i) => -i));
  recording.replay();
  expect((await y.toArray())[10]).toBe(-60);
  recording.dispose();
  expect(gpu.memory.bytes).toBe(before.bytes);
  free();
});

test("both ways of recording give the same plan", () => {
  const { work, free } = chain();
  const [run, dry] = [gpu.record(work), gpu.record(work, { execute: false })];
  expect(dry.plan.bufferBytes).toEqual(run.plan.bufferBytes);
  expect(dry.dispatches).toBe(run.dispatches);
  for (const recording of [run, dry]) recording.dispose();
  free();
});

test("memory from before a recording is data for it, not its own", async () => {
  const { x, y, free } = chain();
  const older = emptyTensor(gpu, [COUNT]);
  addInto(gpu, { a: x.range, b: x.range, out: older.range, count: COUNT });
  const recording = gpu.record(() => addInto(gpu, { a: older.range, b: x.range, out: y.range, count: COUNT }), { execute: false });
  expect(recording.plannedBytes).toBe(0);
  recording.replay();
  expect((await y.toArray())[7]).toBe(3);
  recording.dispose();
  gpu.free(older.range);
  free();
});

test("a step that the adapter cannot bind leaves no memory behind when it is recorded", () => {
  const before = gpu.memory.bytes;
  const count = gpu.limits.maxStorageBufferBindingSize / 4 + 64;
  const work = () => {
    const [from, to] = ["from", "to"].map((label) => gpu.allocate(4 * count, label)) as [BufferRange, BufferRange];
    addInto(gpu, { a: from, b: undefined, out: to, count });
  };
  expect(() => gpu.record(work, { execute: false })).toThrow(/the adapter (binds|allows) \d+/);
  expect(gpu.memory.bytes).toBe(before);
});

test("a tensor used after its release is refused while recording without running too", () => {
  const { y, free } = chain();
  const record = () =>
    gpu.record(() => {
      const own = emptyTensor(gpu, [COUNT]);
      gpu.free(own.range);
      addInto(gpu, { a: own.range, b: undefined, out: y.range, count: COUNT });
    }, { execute: false });
  expect(record).toThrow(/after its release/);
  free();
});
