import { expect, test } from "bun:test";
import { Adam } from "../../src/optim/adam.ts";
import { clipValues, NormClip } from "../../src/optim/clip.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const golden = await Golden.open("optim");
const GRADIENTS = golden.floats("gradients").subarray(0, 70);

test("clipping by norm equals PyTorch, where the limit bites and where it does not", async () => {
  for (const limit of ["0.5", "100.0"]) {
    const gradients = gpu.upload(GRADIENTS, "g");
    const clip = new NormClip(gpu, gradients, { maxNorm: Number(limit) });
    clip.measure();
    clip.apply();
    expectClose(await gpu.readFloats(clip.norm), golden.floats(`clip.norm of ${limit}`), "kernel", `norm, limit ${limit}`);
    expectClose(await gpu.readFloats(gradients), golden.floats(`clip.by norm ${limit}`), "kernel", `gradients, limit ${limit}`);
    if (limit === "100.0") expect(await gpu.readFloats(gradients)).toEqual(GRADIENTS.slice());
  }
});

test("clipping by value equals PyTorch bit for bit", async () => {
  const gradients = gpu.upload(GRADIENTS, "g");
  clipValues(gpu, gradients, { limit: Math.fround(0.3) });
  expect(await gpu.readFloats(gradients)).toEqual(golden.floats("clip.by value 0.3"));
});

test("norms of arenas of any size, to f64 and to the same bits every time", async () => {
  for (const count of [1, 63, 64, 1031, 262_144 + 17, 3_000_001]) {
    const values = randomValues(count, count % 97);
    const gradients = gpu.upload(values, "g");
    const clip = new NormClip(gpu, gradients, { maxNorm: 1 });
    const measured: Float32Array[] = [];
    for (let round = 0; round < 2; round++) {
      clip.measure();
      measured.push(await gpu.readFloats(clip.norm));
    }
    let sum = 0;
    for (const value of values) sum += value * value;
    expectClose(measured[0] as Float32Array, [Math.sqrt(sum)], "kernel", `norm of ${count}`);
    expect(measured[0]).toEqual(measured[1] as Float32Array);
    gpu.free(gradients);
  }
});

test("the factor folded into the optimiser does what clipped gradients do, replayed under a changing limit and without a read", async () => {
  const count = 1031;
  const start = randomValues(count, 1);
  const limits = [0.5, 1e4, 2, 0.01];
  const trained = async (folded: boolean) => {
    const parameters = gpu.upload(start, "p");
    const gradients = gpu.persistent(4 * count, "g");
    const clip = new NormClip(gpu, gradients, { maxNorm: 1 });
    const adam = new Adam(gpu, { parameters, gradients, ...(folded ? { gradientScale: clip.factor } : {}) });
    const prepare = (step: number) => {
      gpu.write(gradients, randomValues(count, 10 + step));
      clip.prepare(limits[step] ?? 1);
      adam.prepare(0.01);
    };
    prepare(0);
    const recording = gpu.record(() => {
      clip.measure();
      if (!folded) clip.apply();
      adam.step();
    });
    const before = gpu.counters.reads;
    for (let step = 1; step < limits.length; step++) {
      prepare(step);
      recording.replay();
    }
    expect(gpu.counters.reads).toBe(before);
    return gpu.readFloats(parameters);
  };
  expect(await trained(true)).toEqual(await trained(false));
});

test("gradients that are not finite come out as NaN, as in PyTorch", async () => {
  for (const bad of [Number.NaN, Infinity]) {
    const gradients = gpu.upload(Float32Array.of(1, bad, 2), "g");
    const clip = new NormClip(gpu, gradients, { maxNorm: 1 });
    clip.measure();
    clip.apply();
    expect(Number.isNaN((await gpu.readFloats(gradients))[1])).toBe(true);
  }
  const values = gpu.upload(Float32Array.of(Number.NaN, -Infinity), "g");
  clipValues(gpu, values, { limit: 2 });
  expect([...(await gpu.readFloats(values))]).toEqual([Number.NaN, -2]);
});

test("wrong limits are refused by name", () => {
  const gradients = gpu.persistent(4, "g");
  expect(() => new NormClip(gpu, gradients, { maxNorm: 0 })).toThrow("NormClip: maxNorm must be in");
  expect(() => clipValues(gpu, gradients, { limit: -1 })).toThrow("clipValues: limit must be in [0, Infinity), got -1");
});
