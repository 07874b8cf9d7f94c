import { expect, test } from "bun:test";
import { BatchLoader } from "../../src/data/loader.ts";

test("a batch that is ready is handed over without waiting for anything, and the next one is begun at once", async () => {
  const begun: number[] = [];
  const loader = new BatchLoader(
    (position) => {
      begun.push(position);
      return Promise.resolve(position);
    },
    { depth: 2, begin: 0, end: 10 },
  );
  expect(await loader.next()).toBe(0);
  expect(begun).toEqual([0, 1, 2]);
  let value: number | undefined;
  void loader.next().then((batch) => (value = batch));
  for (let i = 0; i < 8; i++) await Promise.resolve(); // microtasks only: no timer, no input or output
  expect(value).toBe(1);
  expect(begun).toEqual([0, 1, 2, 3]);
  expect(loader.statistics.prepared).toBe(2);
});

test("time spent waiting for a slow batch is counted", async () => {
  const loader = new BatchLoader(async (position) => (await Bun.sleep(20), position), { depth: 1, begin: 0, end: 1 });
  await loader.next();
  expect(loader.statistics.waitedMs).toBeGreaterThan(10);
  expect(await loader.next()).toBeUndefined();
});

test("after close nothing more is begun and nothing is handed over; a failure that nobody asked for stays quiet", async () => {
  let begun = 0;
  const loader = new BatchLoader(
    async (position) => {
      begun++;
      await Bun.sleep(1);
      if (position > 0) throw new Error("unasked");
      return position;
    },
    { depth: 3, begin: 0, end: 9 },
  );
  expect(await loader.next()).toBe(0);
  loader.close();
  const before = begun;
  await Bun.sleep(5);
  expect(await loader.next()).toBeUndefined();
  expect(begun).toBe(before);
});
