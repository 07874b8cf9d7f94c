import { expect, test } from "bun:test";
import { recogniseModel } from "../../src/interop/state_names.ts";
import { HigherHrnet } from "../../src/models/higher_hrnet.ts";
import { StackedHourglass } from "../../src/models/hourglass.ts";
import { hrnetStages, PoseHrnet } from "../../src/models/hrnet.ts";
import type { PoseNetwork } from "../../src/models/network.ts";
import { PartGenerator } from "../../src/models/part_generator.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { Rsgnet } from "../../src/models/rsgnet.ts";
import { buildRecognised } from "../../src/train/convert.ts";
import { networkShapes } from "../../src/train/weights_file.ts";

const small = { deconvFilters: [16, 8], deconvKernels: [3, 2], deconvBias: true, finalKernel: 3, width: 8 };

const ring = (count: number) => Array.from({ length: count }, (_, i) => [i, (i + 1) % count] as const);

/** Networks without memory; the state entries are those of PyTorch's models. */
const NETWORKS: [string, number, () => Pick<PoseNetwork, "store">][] = [
  ["PoseResNet-18, 17 joints", 140, () => new PoseResnet({ depth: 18, joints: 17 })],
  ["PoseResNet-34, 16 joints", 236, () => new PoseResnet({ depth: 34, joints: 16 })],
  ["PoseResNet-50, 24 joints", 338, () => new PoseResnet({ depth: 50, joints: 24 })],
  ["PoseResNet-101, 14 joints", 644, () => new PoseResnet({ depth: 101, joints: 14 })],
  ["PoseResNet-152, 17 joints", 950, () => new PoseResnet({ depth: 152, joints: 17 })],
  ["PoseResNet-10, width 8, 5 joints", 88, () => new PoseResnet({ depth: 10, joints: 5, ...small })],
  ["PoseResNet-18, 24 joints", 175, () => new PoseResnet({ depth: 18, joints: 24, refine: true })],
  ["HRNet-W48, 16 joints", 1789, () => new PoseHrnet({ joints: 16, stages: hrnetStages(48), refine: true })],
  ["HRNet-W32, 17 joints", 1754, () => new PoseHrnet({ joints: 17, stages: hrnetStages(32) })],
  ["HRNet-W48, 14 joints", 1754, () => new PoseHrnet({ joints: 14, stages: hrnetStages(48) })],
  ["HigherHRNet-W32, 17 joints", 1810, () => new HigherHrnet({ joints: 17, stages: hrnetStages(32) })],
  ["HigherHRNet-W48, 14 joints", 1810, () => new HigherHrnet({ joints: 14, stages: hrnetStages(48) })],
  ["Hourglass-2, 16 joints", 688, () => new StackedHourglass({ joints: 16, stacks: 2 })],
  ["RSGNet-W32, 14 joints, 14 limbs", 1828, () => new Rsgnet({ joints: 14, limbs: ring(14), inputSize: [192, 256], stages: hrnetStages(32), upScale: 2 })],
  ["RSGNet-W48, 17 joints, 17 limbs", 1828, () => new Rsgnet({ joints: 17, limbs: ring(17), inputSize: [192, 256], stages: hrnetStages(48), subSample: true })],
  ["generator of ASDA, ResNet-18, 25 categories", 124, () => new PartGenerator()],
  ["generator of ASDA, ResNet-50, 25 categories", 322, () => new PartGenerator({ depth: 50 })],
  ["Hourglass-8, 16 joints", 2530, () => new StackedHourglass({ joints: 16, stacks: 8 })],
];

test.each(NETWORKS)("%s is recognised by its tensors and built with the same", (text, entries, build) => {
  const shapes = networkShapes(build().store);
  expect(shapes.size).toBe(entries);
  const found = recogniseModel(shapes);
  expect(found?.text).toBe(text);
  if (!found?.network) throw new Error("not recognised");
  const again = networkShapes(buildRecognised(found.network).store);
  expect(Object.fromEntries(again)).toEqual(Object.fromEntries(shapes));
});

test("an ImageNet ResNet is recognised as one", () => {
  const shapes = networkShapes(new PoseResnet({ depth: 50, joints: 17 }).store);
  for (const name of shapes.keys()) if (/^(deconv_layers|final_layer)/.test(name)) shapes.delete(name);
  shapes.set("fc.weight", [1000, 2048]);
  expect(recogniseModel(shapes)).toEqual({ text: "ResNet-50, 1000 classes" });
});
