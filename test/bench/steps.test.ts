import { expect, test } from "bun:test";
import { DUAL_MULTI_4, buildStep, MULTI_2, QUICKSTART, stepProblem, SUPERVISED } from "../../bench/step.ts";
import { stepProblems } from "../../bench/steps.ts";
import { viewPlan } from "../../src/methods/build.ts";
import { buildModel } from "../../src/models/build.ts";
import { forwardCost } from "../../src/models/cost.ts";
import { networksOf } from "../../src/models/network.ts";
import { EVALUATION } from "../../src/nn/layers.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

for (const problem of [
  stepProblem("supervised", ...QUICKSTART, ...SUPERVISED),
  stepProblem("PoseCons MULTI K=2", ...QUICKSTART, ...MULTI_2),
  stepProblem("PoseDual MULTI K=4", ...QUICKSTART, ...DUAL_MULTI_4),
]) {
  test(`${problem.name}: a step's operations are the direct count of its passes, whatever the algorithms`, () => {
    const { config } = problem;
    const { TRAIN, MODEL } = config;
    const model = buildModel(config);
    const [width, height] = MODEL.IMAGE_SIZE;
    const forward = 1e9 * forwardCost((x) => networksOf(model).map((one) => one.forward(x, EVALUATION)), MODEL.IMAGE_SIZE).gigaMacs;
    // The first convolutions, of stride 2, give no gradient to the images.
    const stems = model.store.declarations.filter(({ name }) => name.endsWith("conv1.weight") && !name.includes("layer"));
    const first = stems.reduce((sum, { shape }) => sum + (shape.reduce((a, b) => a * b) * width * height) / 4, 0);
    const plan = viewPlan(config);
    const macs = (1 + (plan?.mostViews ?? 0)) * (3 * forward - first) + (plan ? forward : 0);

    const step = buildStep(gpu, problem);
    step.prepare(0);
    const recording = gpu.record(step.work, { execute: false });
    const flops = recording.flops;
    recording.dispose();
    step.free();
    expect(stems.length).toBe(model.networks.length);
    const share = flops / (2 * macs * TRAIN.BATCH_SIZE);
    expect(share).toBeGreaterThanOrEqual(1);
    expect(share).toBeLessThan(1.001); // sums for the gradient of a bias
  });
}

test("the table has every method on every network, and the large steps only where asked for", () => {
  const small = stepProblems({ hardware: false, half: true, large: false });
  const large = stepProblems({ hardware: false, half: true, large: true });
  expect(small.map(({ name }) => name.split(" ").slice(2).join(" "))).toEqual(Array.from({ length: 2 }, () => ["supervised", "PoseCons K=1", "PoseCons MULTI K=2", "PoseCons MULTI K=4", "PoseDual MULTI K=4"]).flat());
  expect(small.map(({ config }) => viewPlan(config)?.mostViews ?? 0).slice(0, 5)).toEqual([0, 1, 2, 4, 4]);
  expect(large.length).toBe(15);
  const [single, mixed] = [false, true].map((half) => stepProblems({ hardware: true, half, large: false }));
  expect(single?.length).toBe(20);
  expect(mixed?.filter(({ config }) => config.PRECISION === "mixed").map(({ name, config }) => [name, config.TRAIN.BATCH_SIZE])[4]).toEqual(["mixed PoseResNet-18 256x192 PoseDual MULTI K=4", 32]);
  expect(mixed?.length).toBe(25);
  expect(Math.max(...small.map(({ config }) => config.TRAIN.BATCH_SIZE))).toBe(16);
});
