import { afterAll, expect, test } from "bun:test";
import { openDevice } from "../../src/gpu/device.ts";
import { Adam } from "../../src/optim/adam.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";

const gpu = await openDevice({ mode: "checked" });
afterAll(() => gpu.close());

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
