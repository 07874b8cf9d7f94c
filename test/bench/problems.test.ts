import { expect, test } from "bun:test";
import { gigaMacs, hrnetW32, mergedLayers, poseResnet18, poseResnet50 } from "../../bench/problems.ts";
import { poseHrnet32, poseResnet, stepProblem, SUPERVISED } from "../../bench/step.ts";
import { buildModel } from "../../src/models/build.ts";
import { forwardCost } from "../../src/models/cost.ts";
import { EVALUATION } from "../../src/nn/layers.ts";

for (const { name, layers, keys } of [
  { name: "PoseResNet-18", layers: poseResnet18, keys: [...poseResnet(18, 2), ...SUPERVISED] },
  { name: "PoseResNet-50", layers: poseResnet50, keys: [...poseResnet(50, 2), ...SUPERVISED] },
  { name: "HRNet-W32", layers: hrnetW32, keys: poseHrnet32(2) },
]) {
  test(`the layers of ${name} multiply as often as the network`, () => {
    const { config } = stepProblem(name, ...keys);
    const { networks: [{ network }] } = buildModel(config);
    const expected = forwardCost((x) => network.forward(x, EVALUATION), config.MODEL.IMAGE_SIZE).gigaMacs;
    expect(gigaMacs(layers(3))).toBeCloseTo(expected, 9);
    expect(new Set(layers(3).map((problem) => problem.name)).size).toBe(layers(3).length);
  });
}

test("the merged layers are most of PoseResNet-18", () => {
  expect(gigaMacs(mergedLayers(5)) / gigaMacs(poseResnet18(5))).toBeGreaterThan(0.85);
});
