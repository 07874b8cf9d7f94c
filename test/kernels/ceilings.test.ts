import { expect, test } from "bun:test";
import { chainsOfFma, copyCeiling, fmaCeiling, gemmCeiling } from "../../src/kernels/ceilings.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("the arithmetic of the f32 peak is done: chains of a / 2 + 1 end at 2", async () => {
  const [x, y] = [gpu.upload(Float32Array.of(0.5, 1, 7), "x"), gpu.persistent(4 * 64, "y")];
  gpu.scope(() => chainsOfFma(gpu, { x, y, invocations: 64 }));
  expect([...(await gpu.readFloats(y))]).toEqual(Array.from({ length: 64 }, () => 16));
  for (const range of [x, y]) gpu.free(range);
});

test("ceilings are rates of what an adapter does at best: no product is faster than its arithmetic", () => {
  const rounds = { least: 2, most: 3, ms: 200 };
  expect(gemmCeiling(gpu, rounds)).toBeWithin(0.01, fmaCeiling(gpu, rounds));
  expect(copyCeiling(gpu, rounds)).toBeGreaterThan(0.01);
});
