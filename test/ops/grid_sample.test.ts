import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { warpAffine } from "../../src/kernels/augment.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { gridSampleBackwardImage } from "../../src/kernels/grid_sample.ts";
import { affineGrid } from "../../src/ops/affine_grid.ts";
import { gridSample, type GridSampleOptions } from "../../src/ops/grid_sample.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { gridSampleReference, type SampleCase } from "../reference/grid_sample.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { checkHalf } from "../support/half.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();

const MODES = (["zeros", "border"] as const).flatMap((padding) => [false, true].map((alignCorners) => ({ padding, alignCorners })));
const modeText = ({ padding = "zeros", alignCorners = false }: GridSampleOptions) => `${padding}${alignCorners ? ", corners aligned" : ""}`;

interface Sizes {
  n: number;
  h: number;
  w: number;
  c: number;
  outH: number;
  outW: number;
}

const CASES: Record<string, Sizes> = {
  "images of primes": { n: 2, h: 7, w: 5, c: 3, outH: 11, outW: 13 },
  "one pixel": { n: 1, h: 1, w: 1, c: 2, outH: 3, outW: 4 },
  "a row": { n: 3, h: 1, w: 9, c: 1, outH: 1, outW: 17 },
  "many channels": { n: 1, h: 4, w: 6, c: 131, outH: 5, outW: 3 },
  "many samples of few pixels": { n: 2, h: 3, w: 2, c: 2, outH: 97, outW: 101 },
};

/** Normalised coordinate of a place in pixels. */
function coordinate(place: number, size: number, alignCorners: boolean): number {
  if (alignCorners) return size === 1 ? 2 * place : (2 * place) / (size - 1) - 1;
  return (2 * place + 1) / size - 1;
}

/** Coordinates in and around the image whose places lie between pixels by at least 0.2, so that the check stays off kinks. */
function smoothGrid({ n, h, w, outH, outW }: Sizes, alignCorners: boolean): Float32Array {
  const random = testRandom(90);
  return Float32Array.from({ length: n * outH * outW * 2 }, (_, i) => {
    const size = i % 2 === 0 ? w : h;
    return coordinate(random.integer(-2, size + 1) + random.range(0.2, 0.8), size, alignCorners);
  });
}

async function gradientsOf({ x, grid, gradY, options }: { x: Tensor; grid: Tensor; gradY: Tensor; options: GridSampleOptions }): Promise<{ gradX: Float32Array; gradGrid: Float32Array }> {
  const gradients = backward(gridSample(x, grid, options), { gradient: gradY, leaves: [x, grid] });
  return { gradX: await (gradients.get(x) as Tensor).toArray(), gradGrid: await (gradients.get(grid) as Tensor).toArray() };
}

for (const [name, sizes] of Object.entries(CASES))
  for (const options of MODES) {
    const label = `gridSample of ${name}, ${modeText(options)}`;
    const { n, h, w, c, outH, outW } = sizes;
    test(`${label}: output and gradients as in f64, the same bits again`, async () => {
      const data = { x: randomValues(n * h * w * c, 1), grid: smoothGrid(sizes, options.alignCorners), gradY: randomValues(n * outH * outW * c, 2) };
      const x = persistentTensor(gpu, [n, h, w, c], { data: data.x, requiresGradient: true });
      const grid = persistentTensor(gpu, [n, outH, outW, 2], { data: data.grid, requiresGradient: true });
      const gradY = persistentTensor(gpu, [n, outH, outW, c], { data: data.gradY });
      const y = gridSample(x, grid, options);
      expect([...y.shape]).toEqual([n, outH, outW, c]);
      const reference: SampleCase = { n, h, w, c, pixels: outH * outW, ...options };
      const expected = gridSampleReference(data, reference);
      expectClose(await y.toArray(), expected.y, "kernel", `${label}: output`);
      const actual = await gradientsOf({ x, grid, gradY, options });
      expectClose(actual.gradX, expected.gradX, "kernel", `${label}: gradient of the image`);
      expectClose(actual.gradGrid, expected.gradGrid, "kernel", `${label}: gradient of the grid`);
      expect(await gradientsOf({ x, grid, gradY, options })).toEqual(actual);
      await checkAdjoint(gpu, { label, inputs: [{ shape: x.shape }], op: (image) => gridSample(image as Tensor, grid, options) });
      if (outH * outW > 1000) return;
      await checkGradient(gpu, {
        label,
        inputs: [{ shape: x.shape }, { shape: grid.shape, values: data.grid }],
        op: (image, coordinates) => gridSample(image as Tensor, coordinates as Tensor, options),
      });
    });
  }

test("the image's gradient does not depend on the order of the samples, to the last bit", async () => {
  const sizes = CASES["many samples of few pixels"] as Sizes;
  const { h, w, c, outH, outW } = sizes;
  const pixels = outH * outW;
  const options = { padding: "border" } as const;
  const coordinates = smoothGrid({ ...sizes, n: 1 }, false);
  const values = randomValues(pixels * c, 2);
  const order = testRandom(91).permutation(pixels);
  const moved = (array: Float32Array, width: number) => array.map((_, i) => array[(order[Math.floor(i / width)] as number) * width + (i % width)] as number);
  const gradient = async (grid: Float32Array, gradY: Float32Array) => {
    const x = persistentTensor(gpu, [1, h, w, c], { data: new Float32Array(h * w * c), requiresGradient: true });
    const samples = gridSample(x, persistentTensor(gpu, [1, outH, outW, 2], { data: grid }), options);
    return (backward(samples, { gradient: persistentTensor(gpu, samples.shape, { data: gradY }), leaves: [x] }).get(x) as Tensor).toArray();
  };
  expect(await gradient(moved(coordinates, 2), moved(values, c))).toEqual(await gradient(coordinates, values));
});

test("accumulators smaller than the image give the same bits", async () => {
  const { n, h, w, c, outH, outW } = CASES["images of primes"] as Sizes;
  const grid = gpu.upload(smoothGrid({ n, h, w, c, outH, outW }, false), "grid");
  const gradY = gpu.upload(randomValues(n * outH * outW * c, 2), "gradY");
  const shape = { batch: n, inH: h, inW: w, channels: c, pixels: outH * outW, alignCorners: false, border: false };
  const [whole, parts] = await Promise.all(
    [2 ** 20, 8 * 31].map(async (accumulatorBytes) => {
      const gradX = gpu.persistent(4 * n * h * w * c, "gradX");
      gpu.scope(() => gridSampleBackwardImage(gpu, { gradY, grid, gradX, shape, accumulatorBytes }));
      return gpu.readFloats(gradX);
    }),
  );
  expect(parts).toEqual(whole as Float32Array);
});

test("every sample may add its whole gradient to the same pixel", async () => {
  const side = 128;
  const x = persistentTensor(gpu, [1, 3, 3, 1], { data: new Float32Array(9), requiresGradient: true });
  const samples = gridSample(x, persistentTensor(gpu, [1, side, side, 2], { data: new Float32Array(2 * side * side) }));
  const gradY = persistentTensor(gpu, samples.shape, { data: new Float32Array(side * side).fill(1 - 2 ** -24) });
  const gradient = await (backward(samples, { gradient: gradY, leaves: [x] }).get(x) as Tensor).toArray();
  expect([...gradient]).toEqual([0, 0, 0, 0, side * side * (1 - 2 ** -24), 0, 0, 0, 0]);
});

test("a replayed step starts from empty accumulators", async () => {
  const [n, side, c] = [2, 9, 4];
  const x = persistentTensor(gpu, [n, side, side, c], { data: randomValues(n * side * side * c, 1), requiresGradient: true });
  const grid = persistentTensor(gpu, [n, side, side, 2], { data: randomValues(n * side * side * 2, 2) });
  const gradient = () => backward(gridSample(x, grid), { leaves: [x] }).get(x) as Tensor;
  const eager = await gradient().toArray();
  const kept = gpu.persistent(4 * x.size, "kept");
  const recording = gpu.record(() => addInto(gpu, { a: gradient().range, b: undefined, out: kept, count: x.size }));
  for (let step = 0; step < 3; step++) {
    recording.replay();
    expect(await gpu.readFloats(kept)).toEqual(eager);
  }
  recording.dispose();
});

test("clamped coordinates have no gradient, the border included; zeros have one", async () => {
  const x = persistentTensor(gpu, [1, 1, 4, 1], { data: Float32Array.of(1, 3, 7, 2) });
  // Places in pixels: -0.5, 0, 0.5, 3, 3.25 with the outer borders at -1 and 1.
  const places = [-0.5, 0, 0.5, 3, 3.25];
  const data = Float32Array.from(places.flatMap((place) => [coordinate(place, 4, false), 0]));
  const grid = persistentTensor(gpu, [1, 1, 5, 2], { data, requiresGradient: true });
  const slopes = async (padding: "zeros" | "border") => {
    const gradient = backward(gridSample(x, grid, { padding }), { leaves: [grid] }).get(grid) as Tensor;
    return [...(await gradient.toArray())].filter((_, i) => i % 2 === 0).map((value) => value + 0); // -0 as 0
  };
  expect([...(await gridSample(x, grid, { padding: "border" }).toArray())]).toEqual([1, 1, 2, 2, 2]);
  expect(await slopes("border")).toEqual([0, 0, 4, 0, 0]);
  expect([...(await gridSample(x, grid).toArray())]).toEqual([0.5, 1, 2, 2, 1.5]);
  expect(await slopes("zeros")).toEqual([2, 4, 4, -4, -4]);
});

test("coordinates that are infinite or no number lie outside", async () => {
  const x = persistentTensor(gpu, [1, 2, 2, 1], { data: Float32Array.of(5, 6, 7, 8) });
  const data = Float32Array.of(Number.NaN, 0.5, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 0.5, 0.5, Number.NEGATIVE_INFINITY, 3e38, 0.5);
  const grid = persistentTensor(gpu, [1, 1, 5, 2], { data, requiresGradient: true });
  expect([...(await gridSample(x, grid).toArray())]).toEqual([0, 0, 0, 0, 0]);
  expect([...(await gridSample(x, grid, { padding: "border" }).toArray())]).toEqual([7, 6, 8, 6, 8]);
  const gradient = await (backward(gridSample(x, grid), { leaves: [grid] }).get(grid) as Tensor).toArray();
  expect([...gradient].map(Math.abs)).toEqual(Array.from({ length: 10 }, () => 0));
});

test("an upstream gradient that is not finite makes the image's gradient NaN", async () => {
  const x = persistentTensor(gpu, [1, 2, 2, 1], { data: Float32Array.of(5, 6, 7, 8), requiresGradient: true });
  const samples = gridSample(x, persistentTensor(gpu, [1, 1, 1, 2], { data: Float32Array.of(0, 0) }));
  const gradient = backward(samples, { gradient: persistentTensor(gpu, samples.shape, { data: Float32Array.of(Number.POSITIVE_INFINITY) }), leaves: [x] }).get(x) as Tensor;
  expect([...(await gradient.toArray())]).toEqual(Array.from({ length: 4 }, () => Number.NaN));
});

test("an affine map through a grid equals the fused warp of the augmentations", async () => {
  const [n, h, w, c] = [3, 17, 12, 5];
  const theta = Float32Array.of(0.9, -0.3, 0.1, 0.25, 1.1, -0.2, 1, 0, 0, 0, 1, 0, -1.4, 0.2, 0.3, 0.1, 0.6, -0.5);
  const x = persistentTensor(gpu, [n, h, w, c], { data: randomValues(n * h * w * c, 1) });
  const map = persistentTensor(gpu, [n, 2, 3], { data: theta });
  const fused = gpu.persistent(4 * x.size, "fused");
  warpAffine(gpu, { x: x.range, theta: map.range, y: fused, shape: { batch: n, height: h, width: w, channels: c } });
  expectClose(await gridSample(x, affineGrid(map, { height: h, width: w })).toArray(), await gpu.readFloats(fused), "warp", "fused warp");
});

test("gridSample names the argument that is wrong", () => {
  const x = persistentTensor(gpu, [2, 4, 4, 3]);
  const grid = persistentTensor(gpu, [2, 5, 5, 2]);
  expect(() => gridSample(persistentTensor(gpu, [4, 4]), grid)).toThrow("gridSample: x must be [n, h, w, c] with at least one pixel, got [4, 4]");
  for (const shape of [[1, 5, 5, 2], [2, 5, 5, 3], [2, 25, 2]]) {
    expect(() => gridSample(x, persistentTensor(gpu, shape))).toThrow(`gridSample: grid must be [2, height, width, 2] for x [2, 4, 4, 3], got [${shape.join(", ")}]`);
  }
  const padding = JSON.parse('"reflection"');
  expect(() => gridSample(x, grid, { padding })).toThrow("gridSample: padding must be zeros or border, got reflection");
});

test.skipIf(!gpu.features.has("shader-f16"))("in f16 the results are those of f32, rounded", async () => {
  const grid = persistentTensor(gpu, [2, 5, 3, 2], { data: randomValues(60, 1) });
  await checkHalf(gpu, { label: "gridSample", shape: [2, 5, 7, 3], op: (x) => gridSample(x, grid) });
  const leaf = persistentTensor(gpu, grid.shape, { data: await grid.toArray(), requiresGradient: true });
  const [half, full] = await Promise.all(
    (["f16", "f32"] as const).map((dtype) => {
      const data = randomValues(210, 2).map(Math.f16round);
      const gradient = persistentTensor(gpu, [2, 5, 3, 3], { data: randomValues(90, 3).map(Math.f16round), dtype });
      return (backward(gridSample(persistentTensor(gpu, [2, 5, 7, 3], { data, dtype }), leaf), { gradient, leaves: [leaf] }).get(leaf) as Tensor).toArray();
    }),
  );
  expect(half).toEqual(full as Float32Array);
  const coordinates = persistentTensor(gpu, [2, 5, 3, 2], { dtype: "f16" });
  expect(() => gridSample(persistentTensor(gpu, [2, 4, 4, 1]), coordinates)).toThrow("gridSample: grid must be f32, got f16");
});

test("equals PyTorch, with all gradients", async () => {
  const calls: Record<string, (x?: Tensor, grid?: Tensor) => Tensor> = {
    "an affine map": (x, theta) => gridSample(x as Tensor, affineGrid(theta as Tensor, { height: 7, width: 6 })),
  };
  for (const options of MODES) {
    const call = (x?: Tensor, grid?: Tensor) => gridSample(x as Tensor, grid as Tensor, options);
    calls[modeText(options)] = call;
    calls[`edges, ${modeText(options)}`] = call;
  }
  await checkGolden(gpu, "grid_sample", calls);
});
