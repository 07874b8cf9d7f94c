import { expect, test } from "bun:test";
import { isOutlining, outline } from "../../src/autograd/op.ts";
import { forwardCost } from "../../src/models/cost.ts";
import { HigherHrnet } from "../../src/models/higher_hrnet.ts";
import { StackedHourglass } from "../../src/models/hourglass.ts";
import { hrnetStages, PoseHrnet } from "../../src/models/hrnet.ts";
import type { PoseNetwork } from "../../src/models/network.ts";
import { PartGenerator } from "../../src/models/part_generator.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { Rsgnet } from "../../src/models/rsgnet.ts";
import { EVALUATION } from "../../src/nn/layers.ts";
import { conv2d } from "../../src/ops/conv2d.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const SIZES = [[192, 256], [256, 256], [288, 384]] as const;
const costOf = (network: PoseNetwork, size: readonly [number, number]) => forwardCost((x) => network.forward(x, EVALUATION), size);

/** True figures (10^9) and those of the repositories' convention (2^30) at 256x192, 256x256 and 384x288, as they were measured. */
const MEASURED: [name: string, build: () => PoseNetwork, gigaMacs: number[], printed: number[]][] = [
  ["PoseResNet-18", () => new PoseResnet({ depth: 18, joints: 17 }), [2.897, 3.863, 6.519], [5.79, 7.72, 13.03]],
  ["PoseResNet-34", () => new PoseResnet({ depth: 34, joints: 17 }), [4.709, 6.279, 10.596], [7.48, 9.97, 16.83]],
  ["PoseResNet-50", () => new PoseResnet({ depth: 50, joints: 17 }), [5.426, 7.235, 12.209], [8.99, 11.99, 20.23]],
  ["PoseResNet-101", () => new PoseResnet({ depth: 101, joints: 17 }), [9.063, 12.084, 20.391], [12.38, 16.5, 27.85]],
  ["PoseResNet-152", () => new PoseResnet({ depth: 152, joints: 17 }), [12.699, 16.932, 28.573], [15.77, 21.02, 35.47]],
  ["HRNet-W32", () => new PoseHrnet({ joints: 17, stages: hrnetStages(32) }), [7.645, 10.193, 17.201], [7.12, 9.49, 16.02]],
  ["HRNet-W48", () => new PoseHrnet({ joints: 17, stages: hrnetStages(48) }), [15.692, 20.922, 35.307], [14.61, 19.49, 32.88]],
  ["Hourglass-2", () => new StackedHourglass({ joints: 16, stacks: 2 }), [6.465, 8.62], [6.02, 8.03]],
  ["Hourglass-8", () => new StackedHourglass({ joints: 16, stacks: 8 }), [20.794, 27.725], [19.37, 25.82]],
  ["HigherHRNet-W32", () => new HigherHrnet({ joints: 17, stages: hrnetStages(32) }), [8.663, 11.551, 19.492], [8.36, 11.14, 18.81]],
  ["HigherHRNet-W48", () => new HigherHrnet({ joints: 17, stages: hrnetStages(48) }), [17.936, 23.915, 40.357], [17.24, 22.99, 38.8]],
];

test.each(MEASURED)("%s multiplies as often as was measured", (name, build, gigaMacs, printed) => {
  const network = build();
  for (const [i, expected] of gigaMacs.entries()) {
    const [width, height] = SIZES[i] as (typeof SIZES)[number];
    const cost = costOf(network, [width, height]);
    // The published network also runs the last stack's two convolutions that nothing reads.
    const unread = name.startsWith("Hourglass") ? ((256 + 16) * 256 * width * height) / 16 : 0;
    expect(Math.abs(cost.gigaMacs + unread / 1e9 - expected), `${width}x${height}`).toBeLessThan(6e-4);
    expect(Math.abs(cost.printedGigaMacs + unread / 2 ** 30 - (printed[i] as number)), `${width}x${height} printed`).toBeLessThan(6e-3);
  }
});

test("HigherHRNet's own sizes have the measured and the published figures", () => {
  for (const [width, side, expected, published] of [[32, 512, 46.203, 47.86], [32, 640, 72.193, 74.79], [48, 640, 149.469, 154.31]] as const) {
    const { gigaMacs, printedGigaMacs } = costOf(new HigherHrnet({ joints: 17, stages: hrnetStages(width) }), [side, side]);
    expect(Math.abs(gigaMacs - expected)).toBeLessThan(6e-4);
    expect(Math.abs((printedGigaMacs * 2 ** 30) / 1e9 - published)).toBeLessThan(6e-3);
  }
});

test("RSGNet's published figures are met once the word channels are counted that are not multiplied here", () => {
  const limbs = Array.from({ length: 18 }, (_, i) => [i % 17, (i + 1) % 17] as const);
  for (const [width, inputSize, published] of [[32, [192, 256], 8.31], [32, [288, 384], 18.7], [48, [192, 256], 16.9], [48, [288, 384], 38.0]] as const) {
    const network = new Rsgnet({ joints: 17, limbs, inputSize, stages: hrnetStages(width), upScale: 2 });
    const { gigaMacs, printedGigaMacs } = costOf(network, inputSize);
    // A 3x3 convolution of 600 channels in place of one of 17, at a quarter of both sides.
    const words = (9 * (600 - 17) * width * inputSize[0] * inputSize[1]) / 16;
    expect(Math.abs(printedGigaMacs + words / 2 ** 30 - published) / published).toBeLessThan(5e-3);
    expect(gigaMacs).toBeGreaterThan(printedGigaMacs);
  }
});

test("ASDA's generator multiplies as ResNet does, and its two linear layers", () => {
  for (const [depth, trunk, channels] of [[18, 2.370_306, 512], [50, 5.337_088, 2048]] as const) {
    const generator = new PartGenerator({ depth });
    const head = (channels * 3200 + 128 * 75) / 1e9;
    const { gigaMacs } = forwardCost((x) => generator.forward(x, EVALUATION), [256, 256]);
    expect(gigaMacs - head).toBeCloseTo(trunk, 2);
  }
});

test("an outline needs no device, counts by op, checks shapes and ends with its work", () => {
  const shape = (...sizes: number[]) => new Tensor(undefined, { shape: sizes });
  const counts = outline(() => {
    const y = conv2d(shape(2, 8, 8, 4), shape(3, 3, 2, 6), { groups: 2, stride: 2, padding: 1 });
    expect(y.shape).toEqual([2, 4, 4, 6]);
    expect(() => y.range).toThrow("has no memory");
    expect(() => y.gpu).toThrow("is on no device");
  });
  expect([...counts]).toEqual([["conv2d", 2 * 4 * 4 * 6 * 9 * 2]]);
  expect(() => outline(() => void conv2d(shape(1, 8, 8, 4), shape(3, 3, 5, 6)))).toThrow("weight[2] must be 4");
  expect(isOutlining()).toBe(false);
});
