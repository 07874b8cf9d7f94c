import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { fill } from "../../src/kernels/elementwise.ts";
import { type GemmCore } from "../../src/kernels/gemm_plan.ts";
import { batchnorm } from "../../src/ops/batchnorm.ts";
import { cast } from "../../src/ops/cast.ts";
import { conv2d } from "../../src/ops/conv2d.ts";
import { deconv2d } from "../../src/ops/deconv2d.ts";
import { add, mul, relu } from "../../src/ops/elementwise.ts";
import { heatmapMse } from "../../src/ops/heatmap_mse.ts";
import { maxPool } from "../../src/ops/maxpool.ts";
import { elementCount, persistentTensor, type Shape, type Tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const half = gpu.features.has("shader-f16");

/** What can be stored as f16 without loss. */
const rounded = (count: number, stream: number) => Float32Array.from(Float16Array.from(randomValues(count, stream)));

/** An op whose first `features` inputs are activations and whose others are parameters. */
interface Case {
  inputs: readonly Shape[];
  features: number;
  op: (...inputs: Tensor[]) => Tensor;
}

function place(device: Gpu, channels: number) {
  const [running, batch] = [2, 2 * 16].map((rows) => device.upload(randomValues(rows * channels, 9).map((value) => 1.5 + value), "statistics"));
  if (!running || !batch) throw new Error("no statistics");
  return { running, batch, arenaChannels: channels, arenaOffset: 0 };
}

const batchnormOf = (options: { training: boolean; groups: number; relu: boolean }) => (x?: Tensor, gamma?: Tensor, beta?: Tensor, residual?: Tensor) =>
  batchnorm(x as Tensor, { gamma: gamma as Tensor, beta: beta as Tensor, residual, place: place(gpu, 5), slot: 0, ...options });
const CORES: GemmCore[] = ["tile", ...(gpu.info.subgroupSize ? (["lanes"] as const) : []), ...(gpu.info.subgroupSize === 4 ? (["lanes4"] as const) : [])];

const CASES: Record<string, Case> = {
  relu: { inputs: [[3, 7, 5]], features: 1, op: (x) => relu(x as Tensor) },
  add: { inputs: [[3, 7, 5], [3, 7, 5]], features: 2, op: (a, b) => add(a as Tensor, b as Tensor) },
  "mul by a number": { inputs: [[3, 7, 5]], features: 1, op: (x) => mul(x as Tensor, 0.3) },
  maxPool: { inputs: [[2, 9, 7, 3]], features: 1, op: (x) => maxPool(x as Tensor, { kernel: 3, stride: 2, padding: 1 }) },
  ...Object.fromEntries(
    [true, false].flatMap((training) =>
      [true, false].map((withRelu) => [
        `batchnorm, ${training ? "two groups" : "running statistics"}${withRelu ? ", relu" : ""}`,
        { inputs: [[4, 3, 3, 5], [5], [5]], features: 1, op: batchnormOf({ training, groups: training ? 2 : 1, relu: withRelu }) },
      ]),
    ),
  ),
  // A product of matrices that would be cut into slices, were its result not stored as f16.
  "conv2d of one tap, few pixels of many channels": { inputs: [[1, 3, 4, 1024], [1, 1, 1024, 8]], features: 1, op: (x, w) => conv2d(x as Tensor, w as Tensor) },
  ...Object.fromEntries(
    CORES.flatMap((core): [string, Case][] => [
      [`conv2d by ${core}`, { inputs: [[2, 9, 7, 3], [3, 3, 3, 6], [6]], features: 1, op: (x, w, bias) => conv2d(x as Tensor, w as Tensor, { bias, stride: 2, padding: 1, force: { core } }) }],
      [`conv2d of one tap, stride 2, by ${core}`, { inputs: [[2, 9, 7, 5], [1, 1, 5, 7]], features: 1, op: (x, w) => conv2d(x as Tensor, w as Tensor, { stride: 2, force: { core } }) }],
      [`conv2d with f32 behind it by ${core}`, { inputs: [[2, 9, 7, 3], [3, 3, 3, 5], [5]], features: 1, op: (x, w, bias) => conv2d(x as Tensor, w as Tensor, { bias, padding: 1, output: "f32", force: { core } }) }],
      [`conv2d in slices of depth by ${core}`, { inputs: [[3, 15, 14, 3], [3, 3, 3, 6]], features: 1, op: (x, w) => conv2d(x as Tensor, w as Tensor, { padding: 1, force: { core, splits: 3 } }) }],
      [`deconv2d by ${core}`, { inputs: [[2, 5, 4, 5], [4, 4, 5, 3], [3]], features: 1, op: (x, w, bias) => deconv2d(x as Tensor, w as Tensor, { bias, stride: 2, padding: 1, force: { core } }) }],
    ]),
  ),
};

for (const [label, { inputs, features, op }] of Object.entries(CASES)) {
  test.skipIf(!half)(`${label}: f16 in and out equals f32 on the same numbers, gradients too`, async () => {
    const run = async (dtype: "f32" | "f16") => {
      const tensors = inputs.map((shape, i) =>
        persistentTensor(gpu, shape, { data: rounded(elementCount(shape), 20 + i), dtype: i < features ? dtype : "f32", requiresGradient: true }),
      );
      const y = op(...tensors);
      const upstream = persistentTensor(gpu, y.shape, { data: rounded(y.size, 30), dtype: y.dtype });
      const gradients = backward(y, { gradient: upstream, leaves: tensors });
      const found = tensors.map((tensor) => gradients.get(tensor) as Tensor);
      return { y, types: found.map((gradient) => gradient.dtype), values: await Promise.all([y, ...found].map((tensor) => tensor.toArray())) };
    };
    const [whole, short] = [await run("f32"), await run("f16")];
    expect(short.y.dtype).toBe(label.includes("f32 behind") ? "f32" : "f16");
    expect(short.types).toEqual(inputs.map((_, i) => (i < features ? "f16" : "f32")));
    short.values.forEach((values, i) => expectClose(values, whole.values[i] as Float32Array, "half", `${label}: ${i === 0 ? "output" : `gradient ${i - 1}`}`));
  });
}

test.skipIf(!half)("a residual of batchnorm is f16 with x, and its gradient too", async () => {
  const run = async (dtype: "f32" | "f16") => {
    const [x, residual] = [1, 2].map((i) => persistentTensor(gpu, [2, 3, 3, 5], { data: rounded(90, 40 + i), dtype, requiresGradient: true })) as [Tensor, Tensor];
    const [gamma, beta] = [3, 4].map((i) => persistentTensor(gpu, [5], { data: rounded(5, 40 + i), requiresGradient: true })) as [Tensor, Tensor];
    const y = batchnormOf({ training: true, groups: 1, relu: true })(x, gamma, beta, residual);
    const leaves = [x, gamma, beta, residual];
    const gradients = backward(y, { gradient: persistentTensor(gpu, y.shape, { data: rounded(90, 46), dtype }), leaves });
    return Promise.all([y, ...leaves.map((leaf) => gradients.get(leaf) as Tensor)].map((tensor) => tensor.toArray()));
  };
  const [whole, short] = [await run("f32"), await run("f16")];
  short.forEach((values, i) => expectClose(values, whole[i] as Float32Array, "half", `tensor ${i}`));
});

test.skipIf(!half)("an input used twice has its gradients summed in f16; a frozen batchnorm that only the residual wants works too", async () => {
  const x = persistentTensor(gpu, [3, 5], { data: rounded(15, 50), dtype: "f16", requiresGradient: true });
  const y = add(relu(x), mul(x, 2));
  const upstream = rounded(15, 51);
  const gradient = backward(y, { gradient: persistentTensor(gpu, [3, 5], { data: upstream, dtype: "f16" }), leaves: [x] }).get(x);
  const values = await x.toArray();
  expectClose((await gradient?.toArray()) ?? [], upstream.map((g, i) => g * ((values[i] as number) > 0 ? 3 : 2)), "half", "summed gradient");

  const constant = persistentTensor(gpu, [4, 1, 1, 5], { data: rounded(20, 52), dtype: "f16" });
  const residual = persistentTensor(gpu, [4, 1, 1, 5], { data: rounded(20, 53), dtype: "f16", requiresGradient: true });
  const [gamma, beta] = [54, 55].map((i) => persistentTensor(gpu, [5], { data: rounded(5, i) }));
  const z = batchnormOf({ training: false, groups: 1, relu: false })(constant, gamma, beta, residual);
  const ones = persistentTensor(gpu, z.shape, { dtype: "f16" });
  fill(gpu, { out: ones.range, count: 20, value: 1 });
  expect(await backward(z, { gradient: ones, leaves: [residual] }).get(residual)?.toArray()).toEqual(new Float32Array(20).fill(1));
});

test.skipIf(!half)("what an op does not take as f16 is refused by name", () => {
  const of = (shape: Shape, dtype: "f32" | "f16") => persistentTensor(gpu, shape, { dtype });
  const x = of([2, 4, 4, 4], "f16");
  expect(() => conv2d(x, of([1, 1, 4, 2], "f16"))).toThrow("conv2d: weight must be f32, got f16");
  expect(() => conv2d(x, of([1, 1, 4, 2], "f32"), { bias: of([2], "f16") })).toThrow("conv2d: bias must be f32, got f16");
  expect(() => conv2d(x, of([1, 1, 2, 2], "f32"), { groups: 2 })).toThrow("conv2d: x with 2 groups must be f32, got f16");
  expect(() => deconv2d(x, of([1, 1, 4, 2], "f16"))).toThrow("deconv2d: weight must be f32, got f16");
  const bn = batchnormOf({ training: true, groups: 1, relu: false });
  expect(() => bn(of([2, 4, 4, 5], "f16"), of([5], "f16"), of([5], "f32"))).toThrow("batchnorm: gamma must be f32, got f16");
  expect(() => bn(of([2, 4, 4, 5], "f16"), of([5], "f32"), of([5], "f32"), of([2, 4, 4, 5], "f32"))).toThrow("batchnorm: residual must be f16, got f32");
  expect(() => add(x, of([2, 4, 4, 4], "f32"))).toThrow("add: operand 1 must be f16, got f32");
  expect(() => add(x, of([4], "f16"))).toThrow("add: operands in f16 must have one shape, got [2, 4, 4, 4] and [4]");
  expect(() => heatmapMse(x, { target: x, weight: of([2, 4], "f32") })).toThrow(/heatmap_mse: input 0 .* must be f32, got f16/);
  expect(() => conv2d(cast(x, "f32"), of([1, 1, 4, 2], "f32"))).not.toThrow();
});
