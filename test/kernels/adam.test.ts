import { expect, test } from "bun:test";
import { Adam } from "../../src/optim/adam.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("five steps equal PyTorch's Adam, with and without weight decay, the last four replayed from one recording", async () => {
  const golden = await Golden.open("adam");
  for (const decay of ["0.0", "0.01"]) {
    const start = golden.floats(`p0.${decay}`);
    const parameters = gpu.upload(start, "p");
    const gradients = gpu.persistent(start.byteLength, "g");
    const adam = new Adam(gpu, { parameters, gradients }, { weightDecay: Number(decay) });
    const prepare = (step: number) => {
      gpu.write(gradients, golden.floats(`g.${decay}`).subarray(step * start.length, (step + 1) * start.length));
      adam.prepare(0.01);
    };
    prepare(0);
    const recording = gpu.record(() => adam.step());
    for (let step = 1; step < 5; step++) {
      prepare(step);
      recording.replay();
    }
    expectClose(await gpu.readFloats(parameters), golden.floats(`p5.${decay}`), "kernel", `parameters, decay ${decay}`);
    expect(adam.steps).toBe(5);
  }
});

test("twenty steps of a changing learning rate equal the formula in f64: parameters and both moments", async () => {
  const count = 64 * 5 + 3;
  const start = randomValues(count, 40);
  const parameters = gpu.upload(start, "p");
  const gradients = gpu.persistent(4 * count, "g");
  const constants = { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.1 };
  const adam = new Adam(gpu, { parameters, gradients }, constants);
  const [p, m, v] = [Float64Array.from(start), new Float64Array(count), new Float64Array(count)];
  for (let step = 1; step <= 20; step++) {
    const learningRate = 0.05 / step;
    const g = randomValues(count, 40 + step).map((value) => value * step);
    gpu.write(gradients, g);
    adam.prepare(learningRate);
    adam.step();
    for (let i = 0; i < count; i++) {
      const gradient = (g[i] as number) + constants.weightDecay * (p[i] as number);
      m[i] = constants.beta1 * (m[i] as number) + (1 - constants.beta1) * gradient;
      v[i] = constants.beta2 * (v[i] as number) + (1 - constants.beta2) * gradient ** 2;
      const first = (m[i] as number) / (1 - constants.beta1 ** step);
      const second = (v[i] as number) / (1 - constants.beta2 ** step);
      p[i] = (p[i] as number) - (learningRate * first) / (Math.sqrt(second) + constants.epsilon);
    }
  }
  expectClose(await gpu.readFloats(parameters), p, "longSum", "parameters");
  expectClose(await gpu.readFloats(adam.m), m, "longSum", "first moments");
  expectClose(await gpu.readFloats(adam.v), v, "longSum", "second moments");
});

test("a gradient of zero moves nothing, and parameters keep their bits", async () => {
  const start = randomValues(77, 41);
  const parameters = gpu.upload(start, "p");
  const gradients = gpu.upload(new Float32Array(77), "g");
  const adam = new Adam(gpu, { parameters, gradients });
  adam.prepare(0.1);
  adam.step();
  expect(await gpu.readFloats(parameters)).toEqual(start);
});
