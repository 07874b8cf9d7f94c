import { expect, test } from "bun:test";
import { equalShares, risingDecay, WeightAverage } from "../../src/optim/weight_average.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const golden = await Golden.open("optim");
const COUNT = 70;

test("ten updates equal PyTorch's AveragedModel, with a decay and with equal shares; the replayed equal the eager bit for bit", async () => {
  const states = golden.floats("average.states");
  for (const [name, decay] of [["fixed", 0.9], ["equal", equalShares()]] as const) {
    const results: Float32Array[] = [];
    for (const replayed of [false, true]) {
      const parameters = gpu.persistent(4 * COUNT, "p");
      const average = new WeightAverage(gpu, parameters, { decay });
      const prepare = (step: number) => {
        gpu.write(parameters, states.subarray(step * COUNT, (step + 1) * COUNT));
        average.prepare();
      };
      prepare(0);
      const recording = replayed ? gpu.record(() => average.update()) : undefined;
      if (!recording) average.update();
      for (let step = 1; step < 10; step++) {
        prepare(step);
        if (recording) recording.replay();
        else average.update();
      }
      results.push(await gpu.readFloats(average.average));
    }
    expectClose(results[0] as Float32Array, golden.floats(`average.${name}`), "kernel", name);
    expect(results[1]).toEqual(results[0] as Float32Array);
  }
});

test("the first update copies, whatever the memory held; a rising decay follows its rule", async () => {
  const values = [1, 2, 3].map((stream) => randomValues(1031, stream));
  const parameters = gpu.persistent(4 * 1031, "p");
  const teacher = gpu.upload(new Float32Array(1031).fill(Number.NaN), "teacher");
  const average = new WeightAverage(gpu, parameters, { decay: risingDecay(0.15), average: teacher });
  const expected = new Float64Array(1031);
  for (const [step, own] of values.entries()) {
    gpu.write(parameters, own);
    average.prepare();
    average.update();
    // (1 + 1) / (10 + 1) = 0.18 is above 0.15 already.
    const decay = step === 0 ? 0 : 0.15;
    own.forEach((value, i) => (expected[i] = decay * (expected[i] as number) + (1 - decay) * value));
  }
  expectClose(await gpu.readFloats(teacher), expected, "kernel", "average");
  expect(average.updates).toBe(3);
  expect([1, 2, 100].map(risingDecay(0.9))).toEqual([2 / 11, 3 / 12, 0.9]);
});

test("wrong arguments are refused by name", () => {
  const parameters = gpu.persistent(8, "p");
  expect(() => new WeightAverage(gpu, parameters, { decay: 1 })).toThrow("WeightAverage: decay must be in [0, 1), got 1");
  expect(() => new WeightAverage(gpu, parameters, { decay: 0.5, average: gpu.persistent(4, "a") })).toThrow("WeightAverage: average must have the parameters' 8 bytes, got 4");
  const average = new WeightAverage(gpu, parameters, { decay: () => 2 });
  average.prepare();
  expect(() => average.prepare()).toThrow("WeightAverage: decay must be in [0, 1), got 2");
});
