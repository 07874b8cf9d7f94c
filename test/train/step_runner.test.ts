import { expect, test } from "bun:test";
import { addInto } from "../../src/kernels/elementwise.ts";
import { emptyTensor, persistentTensor } from "../../src/tensor/tensor.ts";
import { StepRunner } from "../../src/train/step_runner.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const COUNT = 100_003;

/** A step that adds x to y, times the number of its mode; it counts how often it is encoded. */
function counter(options: { eager?: boolean } = {}) {
  const x = persistentTensor(gpu, [COUNT], { data: new Float32Array(COUNT).fill(1) });
  const y = persistentTensor(gpu, [COUNT], { data: new Float32Array(COUNT) });
  const encoded: string[] = [];
  const runner = new StepRunner(
    gpu,
    (mode) => {
      encoded.push(mode);
      for (let i = 0; i < Number(mode || "1"); i++) {
        const sum = emptyTensor(gpu, [COUNT]);
        addInto(gpu, { a: y.range, b: x.range, out: sum.range, count: COUNT });
        addInto(gpu, { a: sum.range, b: undefined, out: y.range, count: COUNT });
      }
    },
    options,
  );
  return { runner, encoded, x, value: async () => (await y.toArray())[COUNT - 1], free: () => [x, y].forEach(({ range }) => gpu.free(range)) };
}

test("modes are recorded once each, held side by side, and replayed in any order", async () => {
  const { runner, encoded, value, free } = counter();
  for (const mode of ["1", "3", "1", "10", "3", "1", "10"]) runner.run(0, mode);
  expect(await value()).toBe(1 + 3 + 1 + 10 + 3 + 1 + 10);
  expect(encoded).toEqual(["1", "3", "10"]);
  expect(runner.modes).toEqual(["1", "3", "10"]);
  expect(runner.host.steps).toBe(7);
  runner.dispose();
  free();
});

test("another generation replaces its own mode's recording alone, and gives its memory back", async () => {
  await gpu.trim();
  const { runner, encoded, value, free } = counter();
  const persistent = gpu.memory;
  runner.run(0, "1");
  const first = runner.recording;
  runner.run(0, "2");
  const held = gpu.memory;
  expect(held.buffers).toBe(persistent.buffers + 2);
  runner.run(5, "2");
  expect(gpu.memory).toEqual({ ...held, created: held.created + 1 });
  runner.run(0, "1");
  expect(runner.recording).toBe(first);
  runner.run(5, "2");
  expect(encoded).toEqual(["1", "2", "2"]);
  expect(await value()).toBe(1 + 2 + 2 + 1 + 2);
  runner.run(1, "1");
  expect(() => first?.replay()).toThrow(/disposed/);
  runner.dispose();
  expect(runner.modes).toEqual([]);
  expect(gpu.memory.buffers).toBe(persistent.buffers);
  expect(gpu.memory.bytes).toBe(persistent.bytes);
  free();
});

test("from its first step on the device holds what is persistent and what is planned, nothing else", async () => {
  await gpu.trim();
  const { runner, free } = counter();
  const persistent = gpu.memory.bytes;
  runner.run(0, "10");
  expect(runner.recording?.plan.unsharedBytes).toBeGreaterThan(10 * 4 * COUNT);
  expect(gpu.memory.bytes - persistent).toBe(runner.recording?.plannedBytes ?? 0);
  expect(gpu.memory.bytes - persistent).toBeLessThan(4 * COUNT + 256);
  runner.dispose();
  free();
});

test("an eager runner encodes every step anew and reaches the same", async () => {
  const { runner, encoded, value, free } = counter({ eager: true });
  for (const mode of ["1", "3", "1"]) runner.run(0, mode);
  expect(await value()).toBe(5);
  expect(encoded).toEqual(["1", "3", "1"]);
  expect(runner.recording).toBeUndefined();
  runner.dispose();
  free();
});

test("a step that throws while it is recorded can be run again", async () => {
  let broken = true;
  const y = persistentTensor(gpu, [4], { data: new Float32Array(4) });
  const runner = new StepRunner(gpu, () => {
    if (broken) throw new Error("broken step");
    addInto(gpu, { a: persistentTensor(gpu, [4]).range, b: undefined, out: y.range, count: 4 });
  });
  expect(() => runner.run(0)).toThrow("broken step");
  broken = false;
  runner.run(0);
  await gpu.fence();
  expect(runner.host.steps).toBe(1);
  runner.dispose();
});

test("the first run of a recording is waited for, and its kernels are counted; any other step is not", async () => {
  const { runner, value, free } = counter();
  const reports: string[] = [];
  const run = async (generation: number, mode: string) => {
    runner.run(generation, mode);
    await runner.firstRun((kernels, of) => reports.push(`${mode}: ${kernels} of ${of}`));
  };
  await run(0, "100"); // 200 dispatches of an addition and a copy, in three submits
  expect(reports).toEqual(["100: 2 of 2", "100: 2 of 2", "100: 2 of 2"]);
  await run(0, "100");
  await run(0, "1");
  await run(0, "100");
  expect(reports.slice(3)).toEqual(["1: 2 of 2"]);
  await run(1, "1");
  expect(reports).toHaveLength(5);
  expect(await value()).toBe(302);
  runner.dispose();
  free();
});
