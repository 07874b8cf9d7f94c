import { expect, test } from "bun:test";
import { convForward, convGradInput, convGradWeight, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "../../src/kernels/conv.ts";
import type { BufferRange } from "../../src/gpu/device.ts";
import type { GemmForce } from "../../src/kernels/gemm_plan.ts";
import { fill } from "../../src/kernels/elementwise.ts";
import { gradientSlices, imagesPerChunk, pieceBytesOn, winogradFits, type WinogradShape, winogradWeightFits } from "../../src/kernels/winograd_plan.ts";
import { type Conv, conv2d, conv2dGradients, outputSize, swapChannels } from "../reference/conv2d.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";
import { gemmAlgorithms } from "../support/gemm_algorithms.ts";

const gpu = await testDevice();
const random = testRandom(7);

/** A kernel of k a side and stride s: 3x3 of stride 1 and 6x6 of stride 2 by F(2x2, 3x3), 2x2 and 4x4 by F(3x3, 2x2). */
type Case = Pick<Conv, "n" | "h" | "w" | "ci" | "co" | "ph" | "pw"> & { k: number; s: number };

const FIXED: Case[] = [
  { n: 1, h: 4, w: 4, ci: 1, co: 1, k: 3, s: 1, ph: 1, pw: 1 },
  { n: 2, h: 8, w: 6, ci: 20, co: 33, k: 3, s: 1, ph: 1, pw: 1 },
  { n: 1, h: 7, w: 9, ci: 3, co: 5, k: 3, s: 1, ph: 0, pw: 2 },
  { n: 3, h: 3, w: 3, ci: 16, co: 8, k: 3, s: 1, ph: 0, pw: 0 },
  { n: 2, h: 1, w: 5, ci: 17, co: 4, k: 3, s: 1, ph: 1, pw: 0 },
  { n: 2, h: 16, w: 12, ci: 20, co: 33, k: 4, s: 2, ph: 1, pw: 1 },
  { n: 3, h: 4, w: 7, ci: 5, co: 3, k: 4, s: 2, ph: 0, pw: 3 },
  { n: 1, h: 11, w: 13, ci: 3, co: 17, k: 4, s: 2, ph: 2, pw: 1 },
  { n: 2, h: 7, w: 6, ci: 9, co: 8, k: 2, s: 1, ph: 1, pw: 0 },
  { n: 1, h: 14, w: 15, ci: 6, co: 7, k: 6, s: 2, ph: 2, pw: 3 },
];
const KERNELS = [{ k: 3, s: 1 }, { k: 4, s: 2 }, { k: 2, s: 1 }, { k: 6, s: 2 }, { k: 6, s: 3 }] as const;
const RANDOM: Case[] = [...KERNELS, ...KERNELS.slice(0, 2)].map(({ k, s }) => ({
  n: random.integer(1, 4), h: random.integer(k, 14), w: random.integer(k, 14), ci: random.integer(1, 40), co: random.integer(1, 80), k, s, ph: random.integer(0, k), pw: random.integer(0, k),
}));

const convOf = ({ k, s, ...c }: Case): Conv => ({ ...c, kh: k, kw: k, sh: s, sw: s });

function shapeOf(c: Case): ConvShape {
  const [outH, outW] = outputSize(convOf(c));
  return { batch: c.n, inH: c.h, inW: c.w, inC: c.ci, outH, outW, outC: c.co, kernelH: c.k, kernelW: c.k, strideH: c.s, strideW: c.s, padH: c.ph, padW: c.pw, dilationH: 1, dilationW: 1 };
}

/** Results on the device and by the definition: a convolution with both gradients, and the deconvolution that goes back. */
async function both(c: Case, { force, stream }: { force: GemmForce; stream: number }) {
  const shape = shapeOf(c);
  const x = randomValues(c.n * c.h * c.w * c.ci, stream);
  const w = randomValues(c.k * c.k * c.ci * c.co, stream + 1);
  const gy = randomValues(c.n * shape.outH * shape.outW * c.co, stream + 2);
  const [bias, deconvBias] = [randomValues(c.co, stream + 3), randomValues(c.ci, stream + 3)];
  const taps = { taps: c.k * c.k, a: c.ci, b: c.co };
  const swapped = Float32Array.from(swapChannels(w, taps));
  const inputs = { x, w, gy, bias, deconvBias, swapped };
  const ranges = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, gpu.upload(values, name)])) as Record<keyof typeof inputs, BufferRange>;
  const sizes = { y: gy, gx: x, gw: w, deconvY: x, deconvGx: gy, deconvGw: w };
  const out = Object.fromEntries(Object.entries(sizes).map(([name, values]) => [name, gpu.persistent(values.byteLength, name)])) as Record<keyof typeof sizes, BufferRange>;
  gpu.scope(() => {
    convForward(gpu, { x: ranges.x, w: ranges.w, bias: ranges.bias, y: out.y, shape, force });
    convGradInput(gpu, { gradY: ranges.gy, w: ranges.w, gradX: out.gx, shape, force });
    convGradWeight(gpu, { x: ranges.x, gradY: ranges.gy, gradW: out.gw, shape, force });
    deconvForward(gpu, { x: ranges.gy, w: ranges.swapped, bias: ranges.deconvBias, y: out.deconvY, shape, force });
    deconvGradInput(gpu, { gradY: ranges.x, w: ranges.swapped, gradX: out.deconvGx, shape, force });
    deconvGradWeight(gpu, { x: ranges.gy, gradY: ranges.x, gradW: out.deconvGw, shape, force });
  });
  const found = { y: await gpu.readFloats(out.y), gx: await gpu.readFloats(out.gx), gw: await gpu.readFloats(out.gw), deconvY: await gpu.readFloats(out.deconvY), deconvGx: await gpu.readFloats(out.deconvGx), deconvGw: await gpu.readFloats(out.deconvGw) };
  for (const range of [...Object.values(ranges), ...Object.values(out)]) gpu.free(range);
  const { gx, gw } = conv2dGradients(convOf(c), x, w, gy);
  const biased = (values: Float64Array, added: Float32Array) => values.map((value, i) => value + (added[i % added.length] as number));
  const y = conv2d(convOf(c), x, w);
  return { found, expected: { y: biased(y, bias), gx, gw, deconvY: biased(gx, deconvBias), deconvGx: y, deconvGw: swapChannels(gw, taps) } };
}

const RESULTS = ["y", "gx", "gw", "deconvY", "deconvGx", "deconvGw"] as const;

for (const [name, force] of Object.entries(gemmAlgorithms(gpu))) {
  test(`Winograd's convolutions and deconvolutions with bias and both gradients, products by ${name}`, async () => {
    for (const [i, c] of [...FIXED, ...RANDOM].entries()) {
      const { found, expected } = await both(c, { force: { ...force, winograd: true }, stream: 200 + 4 * i });
      for (const result of RESULTS) expectClose(found[result], expected[result], "kernel", `${result} ${name} ${JSON.stringify(c)} seed ${TEST_SEED}`);
    }
  });
}

const largestError = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);

const ALGORITHMS = [
  { algorithm: "F(2x2, 3x3)", k: 3, s: 1, channels: 64 },
  { algorithm: "F(3x3, 2x2)", k: 4, s: 2, channels: 64 },
  { algorithm: "F(3x3, 2x2) with a product for each phase", k: 4, s: 2, channels: 192 },
];
for (const { algorithm, k, s, channels } of ALGORITHMS) {
  test(`the error of ${algorithm} is below four times that of the direct product, and the same bits come out twice`, async () => {
    const c = { n: 1, h: 12, w: 12, ci: channels, co: channels, k, s, ph: 1, pw: 1 };
    const direct = await both(c, { force: { winograd: false }, stream: 300 });
    const fast = await both(c, { force: { winograd: true }, stream: 300 });
    expect((await both(c, { force: { winograd: true }, stream: 300 })).found).toEqual(fast.found);
    for (const name of RESULTS) {
      expect(largestError(fast.found[name], fast.expected[name])).toBeLessThan(4 * largestError(direct.found[name], direct.expected[name]));
    }
  });
}

const PLAIN = { taps: 3, stride: 1, padH: 1, padW: 1, transposed: false } as const;

test("a batch larger than a chunk goes in pieces", async () => {
  const c = { n: 5, h: 85, w: 86, ci: 1, co: 16, k: 3, s: 1, ph: 1, pw: 1 };
  const planned = { ...PLAIN, batch: 5, inH: 85, inW: 86, fromC: 1, outH: 85, outW: 86, toC: 16 };
  expect(imagesPerChunk(planned)).toBe(3);
  expect(imagesPerChunk({ ...planned, pieceBytes: pieceBytesOn({ software: true }) })).toBe(3);
  expect(imagesPerChunk({ ...planned, pieceBytes: pieceBytesOn({ software: false }) })).toBe(5);
  const { found, expected } = await both(c, { force: { winograd: true }, stream: 310 });
  for (const result of RESULTS) expectClose(found[result], expected[result], result.endsWith("w") ? "longSum" : "kernel", result);
});

test("the phases of a stride go in pieces too, as the direct product has it", async () => {
  const shape = shapeOf({ n: 5, h: 240, w: 240, ci: 1, co: 16, k: 4, s: 2, ph: 1, pw: 1 });
  const { batch, inH, inW, inC: fromC, outH, outW, outC: toC } = shape;
  expect(imagesPerChunk({ ...PLAIN, batch, inH, inW, fromC, outH, outW, toC, taps: 2 })).toBe(3);
  const counts = { x: batch * inH * inW * fromC, gy: batch * outH * outW * toC, w: 16 * fromC * toC };
  const [x, gy, w] = Object.values(counts).map((count, i) => gpu.upload(randomValues(count, 320 + i), "operand")) as [BufferRange, BufferRange, BufferRange];
  const [y, gx, gw] = [gy, x, w].map(({ bytes }) => gpu.persistent(bytes, "result")) as [BufferRange, BufferRange, BufferRange];
  const results = async (force: GemmForce) => {
    gpu.scope(() => {
      convForward(gpu, { x, w, y, shape, force });
      convGradInput(gpu, { gradY: gy, w, gradX: gx, shape, force });
      convGradWeight(gpu, { x, gradY: gy, gradW: gw, shape, force });
    });
    return { y: await gpu.readFloats(y), gx: await gpu.readFloats(gx), gw: await gpu.readFloats(gw) };
  };
  const [direct, fast] = [await results({ winograd: false }), await results({ winograd: true })];
  for (const name of ["y", "gx", "gw"] as const) expectClose(fast[name], direct[name], name === "gw" ? "longSum" : "kernel", name);
  for (const range of [x, gy, w, y, gx, gw]) gpu.free(range);
});

test("slices of a weights' gradient fit one binding together, however large the batch", async () => {
  const shape = shapeOf({ n: 130, h: 2, w: 2, ci: 1024, co: 1024, k: 3, s: 1, ph: 1, pw: 1 });
  const { slices, images, stride } = gradientSlices({ ...PLAIN, batch: 130, inH: 2, inW: 2, fromC: 1024, outH: 2, outW: 2, toC: 1024 });
  expect({ slices, images, bytes: 4 * slices * stride }).toEqual({ slices: 2, images: 65, bytes: 2 ** 27 });
  const [x, gradY] = [330, 331].map((stream) => gpu.upload(randomValues(130 * 4 * 1024, stream), "operand")) as [BufferRange, BufferRange];
  const gradW = gpu.persistent(4 * 9 * 1024 * 1024, "result");
  const results = async (force: GemmForce) => {
    gpu.scope(() => convGradWeight(gpu, { x, gradY, gradW, shape, force }));
    return gpu.readFloats(gradW);
  };
  expectClose(await results({ winograd: true }), await results({ winograd: false }), "longSum", "gradient of weights");
  for (const range of [x, gradY, gradW]) gpu.free(range);
});

test("other convolutions are refused where Winograd's way is forced, and images or weights too large for a binding do not fit", () => {
  const shape = { ...shapeOf({ n: 1, h: 8, w: 8, ci: 4, co: 4, k: 3, s: 1, ph: 1, pw: 1 }), strideH: 2, strideW: 2, outH: 4, outW: 4 };
  const ranges = gpu.scope(() => ({ x: gpu.allocate(4096, "x"), w: gpu.allocate(4096, "w"), y: gpu.allocate(4096, "y") }));
  expect(() => convForward(gpu, { ...ranges, shape, force: { winograd: true } })).toThrow(/2 or 3 times the stride/);
  const layer = (batch: number, [h, w]: [number, number], channels: number): WinogradShape => ({ ...PLAIN, batch, inH: h, inW: w, fromC: channels, outH: h, outW: w, toC: channels });
  expect(winogradFits(layer(1, [1024, 1024], 64))).toBe(false);
  expect(winogradFits(layer(64, [64, 48], 64))).toBe(true);
  // Gradients of weights of 64 MiB a slice leave room for two, each of half the images.
  expect(winogradWeightFits(layer(64, [8, 8], 1024))).toBe(true);
  expect(winogradWeightFits(layer(200, [8, 8], 1024))).toBe(true);
  expect(winogradWeightFits(layer(512, [8, 8], 1024))).toBe(false);
  // The four phases of 2048 channels: one product each, or of half floats one of all.
  const deconv = { ...layer(8, [16, 12], 256), inH: 8, inW: 6, fromC: 2048, taps: 2, stride: 2 } as const;
  expect(winogradFits({ ...deconv, transposed: true })).toBe(true);
  expect(winogradFits({ ...deconv, transposed: false })).toBe(true);
  expect(winogradFits({ ...deconv, transposed: false, half: true })).toBe(false);
});

test("passes of a step share transformed weights until the weights change, eagerly and replayed", async () => {
  const c: Case = { n: 1, h: 4, w: 4, ci: 2, co: 3, k: 3, s: 1, ph: 1, pw: 1 };
  const shape = shapeOf(c);
  const [x, y] = [gpu.upload(new Float32Array(32).fill(1), "x"), gpu.persistent(4 * 48, "y")];
  const w = gpu.upload(new Float32Array(54), "w");
  const pass = () => convForward(gpu, { x, w, y, shape, force: { winograd: true } });
  const dispatches = (work: () => void) => {
    const before = gpu.counters.dispatches;
    work();
    return gpu.counters.dispatches - before;
  };
  gpu.scope(() => {
    const first = dispatches(pass);
    expect(dispatches(pass)).toBe(first - 1);
    gpu.write(w, new Float32Array(54).fill(1));
    expect(dispatches(pass)).toBe(first);
    fill(gpu, { out: w, count: 54, value: 2 });
    expect(dispatches(pass)).toBe(first);
  });
  expect((await gpu.readFloats(y))[3 * 5]).toBe(36);
  const step = gpu.record(() => {
    pass();
    pass();
    fill(gpu, { out: w, count: 54, value: 3 });
    pass();
  });
  gpu.write(w, new Float32Array(54).fill(5));
  step.replay();
  expect((await gpu.readFloats(y))[3 * 5]).toBe(54);
  gpu.scope(pass);
  expect((await gpu.readFloats(y))[3 * 5]).toBe(54);
  step.dispose();
  for (const range of [x, y, w]) gpu.free(range);
});
