import { expect, test } from "bun:test";
import { convForward, convGradInput, convGradWeight, type ConvShape } from "../../src/kernels/conv.ts";
import type { GemmForce } from "../../src/kernels/gemm_plan.ts";
import { fill } from "../../src/kernels/elementwise.ts";
import { imagesPerChunk, winogradFits } from "../../src/kernels/winograd_plan.ts";
import { type Conv, conv2d, conv2dGradients, outputSize } from "../reference/conv2d.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";
import { gemmAlgorithms } from "../support/gemm_algorithms.ts";

const gpu = await testDevice();
const random = testRandom(7);

type Case = Pick<Conv, "n" | "h" | "w" | "ci" | "co" | "ph" | "pw">;

const FIXED: Case[] = [
  { n: 1, h: 4, w: 4, ci: 1, co: 1, ph: 1, pw: 1 },
  { n: 2, h: 8, w: 6, ci: 20, co: 33, ph: 1, pw: 1 },
  { n: 1, h: 7, w: 9, ci: 3, co: 5, ph: 0, pw: 2 },
  { n: 3, h: 3, w: 3, ci: 16, co: 8, ph: 0, pw: 0 },
  { n: 2, h: 1, w: 5, ci: 17, co: 4, ph: 1, pw: 0 },
];
const RANDOM: Case[] = Array.from({ length: 5 }, () => ({
  n: random.integer(1, 4), h: random.integer(3, 14), w: random.integer(3, 14), ci: random.integer(1, 40), co: random.integer(1, 80), ph: random.integer(0, 3), pw: random.integer(0, 3),
}));

const convOf = (c: Case): Conv => ({ ...c, kh: 3, kw: 3, sh: 1, sw: 1 });

function shapeOf(c: Case): ConvShape {
  const [outH, outW] = outputSize(convOf(c));
  return { batch: c.n, inH: c.h, inW: c.w, inC: c.ci, outH, outW, outC: c.co, kernelH: 3, kernelW: 3, strideH: 1, strideW: 1, padH: c.ph, padW: c.pw, dilationH: 1, dilationW: 1 };
}

/** Results on the device and by the definition. */
async function both(c: Case, { force, stream }: { force: GemmForce; stream: number }) {
  const shape = shapeOf(c);
  const x = randomValues(c.n * c.h * c.w * c.ci, stream);
  const w = randomValues(9 * c.ci * c.co, stream + 1);
  const gy = randomValues(c.n * shape.outH * shape.outW * c.co, stream + 2);
  const bias = randomValues(c.co, stream + 3);
  const ranges = { x: gpu.upload(x, "x"), w: gpu.upload(w, "w"), gy: gpu.upload(gy, "gy"), bias: gpu.upload(bias, "bias") };
  const out = { y: gpu.persistent(gy.byteLength, "y"), gx: gpu.persistent(x.byteLength, "gx"), gw: gpu.persistent(w.byteLength, "gw") };
  gpu.scope(() => {
    convForward(gpu, { x: ranges.x, w: ranges.w, bias: ranges.bias, y: out.y, shape, force });
    convGradInput(gpu, { gradY: ranges.gy, w: ranges.w, gradX: out.gx, shape, force });
    convGradWeight(gpu, { x: ranges.x, gradY: ranges.gy, gradW: out.gw, shape, force });
  });
  const found = { y: await gpu.readFloats(out.y), gx: await gpu.readFloats(out.gx), gw: await gpu.readFloats(out.gw) };
  for (const range of [...Object.values(ranges), ...Object.values(out)]) gpu.free(range);
  return { found, expected: { y: conv2d(convOf(c), x, w, bias), ...conv2dGradients(convOf(c), x, w, gy) } };
}

for (const [name, force] of Object.entries(gemmAlgorithms(gpu))) {
  test(`F(2x2, 3x3) forward with bias and both gradients, products by ${name}`, async () => {
    for (const [i, c] of [...FIXED, ...RANDOM].entries()) {
      const { found, expected } = await both(c, { force: { ...force, winograd: true }, stream: 200 + 4 * i });
      const label = `${name} ${JSON.stringify(c)} seed ${TEST_SEED}`;
      expectClose(found.y, expected.y, "kernel", `forward ${label}`);
      expectClose(found.gx, expected.gx, "kernel", `input gradient ${label}`);
      expectClose(found.gw, expected.gw, "kernel", `weight gradient ${label}`);
    }
  });
}

const largestError = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);

test("the error of F(2x2, 3x3) is below four times that of the direct product", async () => {
  const c = { n: 2, h: 12, w: 12, ci: 64, co: 64, ph: 1, pw: 1 };
  const direct = await both(c, { force: { winograd: false }, stream: 300 });
  const fast = await both(c, { force: { winograd: true }, stream: 300 });
  for (const name of ["y", "gx", "gw"] as const) {
    expect(largestError(fast.found[name], fast.expected[name])).toBeLessThan(4 * largestError(direct.found[name], direct.expected[name]));
  }
});

test("a batch larger than a chunk goes in pieces", async () => {
  const c = { n: 5, h: 511, w: 512, ci: 1, co: 1, ph: 1, pw: 1 };
  expect(imagesPerChunk({ batch: 5, inH: 511, inW: 512, fromC: 1, outH: 511, outW: 512, toC: 1, padH: 1, padW: 1 })).toBe(3);
  const { found, expected } = await both(c, { force: { winograd: true }, stream: 310 });
  expectClose(found.y, expected.y, "kernel", "forward");
  expectClose(found.gx, expected.gx, "kernel", "input gradient");
  expectClose(found.gw, expected.gw, "longSum", "weight gradient");
});

test("other convolutions are refused where F(2x2, 3x3) is forced, and images too large for a binding do not fit", () => {
  const shape = { ...shapeOf({ n: 1, h: 8, w: 8, ci: 4, co: 4, ph: 1, pw: 1 }), strideH: 2, outH: 4 };
  const ranges = gpu.scope(() => ({ x: gpu.allocate(4096, "x"), w: gpu.allocate(4096, "w"), y: gpu.allocate(4096, "y") }));
  expect(() => convForward(gpu, { ...ranges, shape, force: { winograd: true } })).toThrow(/stride 1/);
  expect(winogradFits({ batch: 1, inH: 1024, inW: 1024, fromC: 64, outH: 1024, outW: 1024, toC: 64, padH: 1, padW: 1 })).toBe(false);
  expect(winogradFits({ batch: 64, inH: 64, inW: 48, fromC: 64, outH: 64, outW: 48, toC: 64, padH: 1, padW: 1 })).toBe(true);
});

test("passes of a step share transformed weights until the weights change, eagerly and replayed", async () => {
  const c: Case = { n: 1, h: 4, w: 4, ci: 2, co: 3, ph: 1, pw: 1 };
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
