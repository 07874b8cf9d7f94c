import { expect, spyOn, test } from "bun:test";
import { Gpu } from "../../src/gpu/device.ts";
import { openNativeDevice } from "../../src/gpu/native.ts";
import { addInto, fill } from "../../src/kernels/elementwise.ts";
import { emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const COUNT = 1003;
const values = (offset: number) => Float32Array.from({ length: COUNT }, (_, i) => i * 0.25 + offset);

test("a write, a dispatch and a read give the right numbers at sizes that are no multiple of anything", async () => {
  const a = persistentTensor(gpu, [COUNT], { data: values(1) });
  const b = persistentTensor(gpu, [COUNT], { data: values(2) });
  const y = persistentTensor(gpu, [COUNT]);
  addInto(gpu, { a: a.range, b: b.range, out: y.range, count: COUNT });
  expect(await y.toArray()).toEqual(values(1).map((value, i) => value + (values(2)[i] ?? 0)));
  for (const tensor of [a, b, y]) gpu.free(tensor.range);
});

test("bytes that do not fill a word are written and read", async () => {
  const range = gpu.upload(Uint8Array.of(1, 2, 3, 4, 5, 6, 7), "bytes");
  expect(new Uint8Array(await gpu.read(range))).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  gpu.free(range);
});

test("a scope gives back what it does not keep, and a late use is refused", () => {
  const before = gpu.memory.live;
  const kept = gpu.scope((keep) => {
    const a = emptyTensor(gpu, [10]);
    const b = emptyTensor(gpu, [10]);
    keep(b.range);
    fill(gpu, { out: a.range, count: 10, value: 1 });
    fill(gpu, { out: b.range, count: 10, value: 1 });
    return { a, b };
  });
  expect(gpu.memory.live).toBe(before + 1);
  expect(gpu.isLive(kept.a.range)).toBe(false);
  expect(() => addInto(gpu, { a: kept.b.range, b: kept.a.range, out: kept.b.range, count: 10 })).toThrow(/after its release/);
  gpu.free(kept.b.range);
  expect(gpu.memory.live).toBe(before);
});

test("a recorded step replays with new data, bit for bit as a fresh run, and makes nothing", async () => {
  const a = persistentTensor(gpu, [COUNT], { data: values(0) });
  const y = persistentTensor(gpu, [COUNT]);
  const step = () => {
    let x = a;
    for (let i = 0; i < 5; i++) {
      const next = emptyTensor(gpu, [COUNT]);
      addInto(gpu, { a: x.range, b: a.range, out: next.range, count: COUNT });
      x = next;
    }
    addInto(gpu, { a: x.range, b: undefined, out: y.range, count: COUNT });
  };
  const recording = gpu.record(step);
  gpu.write(a.range, values(3.5));
  gpu.scope(step);
  const fresh = await y.toArray();
  gpu.write(y.range, new Float32Array(COUNT));
  recording.replay();
  expect(await y.toArray()).toEqual(fresh);
  expect(recording.plannedBytes).toBeLessThan(3 * 4 * COUNT);

  const before = { counters: gpu.counters, memory: gpu.memory };
  for (let i = 0; i < 100; i++) recording.replay();
  await gpu.fence();
  const after = { counters: gpu.counters, memory: gpu.memory };
  expect(after.counters.bindGroups).toBe(before.counters.bindGroups);
  expect(after.counters.pipelines).toBe(before.counters.pipelines);
  expect(after.counters.reads).toBe(before.counters.reads);
  expect(after.memory).toEqual(before.memory);
  recording.dispose();
  expect(() => recording.replay()).toThrow(/disposed/);
  for (const tensor of [a, y]) gpu.free(tensor.range);
});

test("writes and reads inside a recorded step are refused", async () => {
  const a = persistentTensor(gpu, [4], { data: Float32Array.of(1, 2, 3, 4) });
  expect(() => gpu.record(() => gpu.write(a.range, new Float32Array(4)))).toThrow(/inside a recorded step/);
  await expect(gpu.read(a.range)).resolves.toBeDefined();
  gpu.free(a.range);
});

test("a fetch gives what the range held when it was queued, whenever it is waited for", async () => {
  const a = persistentTensor(gpu, [COUNT], { data: values(0) });
  const before = gpu.fetch(a.range);
  fill(gpu, { out: a.range, count: COUNT, value: 1 });
  const after = gpu.fetch(a.range);
  fill(gpu, { out: a.range, count: COUNT, value: 2 });
  expect(new Float32Array(await after())).toEqual(new Float32Array(COUNT).fill(1));
  expect(new Float32Array(await before())).toEqual(values(0));
  expect(await gpu.readFloats(a.range)).toEqual(new Float32Array(COUNT).fill(2));
  gpu.free(a.range);
});

test("what the driver refuses becomes an error that names the last kernels", async () => {
  const a = gpu.persistent(16, "a");
  const wrong = { allocation: a.allocation, offset: 3, bytes: 8 };
  fill(gpu, { out: wrong, count: 2, value: 1 });
  await expect(gpu.fence()).rejects.toThrow(/driver reported/);
  gpu.free(a);
});

test("the profile names every kernel with its calls and time", async () => {
  const a = persistentTensor(gpu, [COUNT], { data: values(0) });
  const rows = await gpu.profile(() =>
    gpu.scope(() => {
      const y = emptyTensor(gpu, [COUNT]);
      addInto(gpu, { a: a.range, b: a.range, out: y.range, count: COUNT });
      addInto(gpu, { a: a.range, b: a.range, out: y.range, count: COUNT });
      fill(gpu, { out: y.range, count: COUNT, value: 0 });
    }),
  );
  expect(rows.map(({ kernel, calls }) => [kernel, calls]).sort()).toEqual([["elementwise/add", 2], ["elementwise/fill", 1]]);
  for (const { ms } of rows) expect(ms).toBeGreaterThan(0);
  gpu.free(a.range);
});

test("a device that does not finish is given up, a software driver only after half an hour: it computes its steps on the CPU", async () => {
  const native = await openNativeDevice({ mode: "checked" });
  const clock = spyOn(performance, "now");
  try {
    let nowMs = 0;
    clock.mockImplementation(() => nowMs);
    /** Seconds that a device of this kind is waited for which takes so many. */
    const waited = async (kind: "hardware" | "lavapipe", seconds: number) => {
      let polls = 0;
      const poll = () => {
        nowMs += 1000;
        return ++polls >= seconds;
      };
      await new Gpu({ ...native, info: { ...native.info, kind }, queueWait: () => ({ poll }) }).fence();
      return polls;
    };
    expect(await waited("hardware", 119)).toBe(119);
    await expect(waited("hardware", 130)).rejects.toMatchObject({ code: "gpu/hang" });
    expect(await waited("lavapipe", 1700)).toBe(1700);
    await expect(waited("lavapipe", 1900)).rejects.toMatchObject({ code: "gpu/hang" });
  } finally {
    clock.mockRestore();
    native.device.destroy();
  }
});
