import { expect, test } from "bun:test";
import { groupedConvForward, groupedConvGradInput, groupedConvGradWeight, type GroupedConvShape } from "../../src/kernels/grouped_conv.ts";
import { type Conv, conv2d, conv2dGradients, outputSize } from "../reference/conv2d.ts";
import type { ToleranceName } from "../tolerances.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";

const gpu = await testDevice();

const random = testRandom(120);
const FIXED: Conv[] = [
  // Depthwise, with one and with two channels of y for each of x.
  { n: 2, h: 9, w: 11, ci: 7, co: 7, kh: 3, kw: 3, sh: 1, sw: 1, ph: 1, pw: 1, groups: 7 },
  { n: 1, h: 10, w: 7, ci: 5, co: 10, kh: 3, kw: 5, sh: 2, sw: 3, ph: 1, pw: 2, dh: 2, dw: 1, groups: 5 },
  // The heads of a part attention network: 1x1 on a 1x1 map.
  { n: 3, h: 1, w: 1, ci: 320, co: 75, kh: 1, kw: 1, sh: 1, sw: 1, ph: 0, pw: 0, groups: 5 },
  { n: 2, h: 8, w: 6, ci: 12, co: 8, kh: 3, kw: 3, sh: 2, sw: 2, ph: 2, pw: 2, dh: 2, dw: 2, groups: 4 },
  // Taps and pixels that never meet: all of the kernel but its middle falls into the padding.
  { n: 1, h: 2, w: 3, ci: 4, co: 6, kh: 3, kw: 3, sh: 1, sw: 1, ph: 5, pw: 5, dh: 5, dw: 5, groups: 2 },
  { n: 2, h: 1, w: 29, ci: 6, co: 9, kh: 1, kw: 4, sh: 1, sw: 3, ph: 0, pw: 4, dw: 3, groups: 3 },
];
const RANDOM: Conv[] = Array.from({ length: 10 }, () => {
  const groups = random.integer(2, 6);
  const [kh, kw, dh, dw] = [random.integer(1, 5), random.integer(1, 5), random.integer(1, 4), random.integer(1, 4)];
  const [spanH, spanW] = [(kh - 1) * dh + 1, (kw - 1) * dw + 1];
  return {
    n: random.integer(1, 4), h: random.integer(spanH, spanH + 12), w: random.integer(spanW, spanW + 12), ci: groups * random.integer(1, 6), co: groups * random.integer(1, 6),
    kh, kw, dh, dw, sh: random.integer(1, 4), sw: random.integer(1, 4), ph: random.integer(0, spanH), pw: random.integer(0, spanW), groups,
  };
});

function shapeOf(c: Conv): GroupedConvShape {
  const [outH, outW] = outputSize(c);
  return {
    batch: c.n, inH: c.h, inW: c.w, inC: c.ci, outH, outW, outC: c.co, kernelH: c.kh, kernelW: c.kw, strideH: c.sh, strideW: c.sw, padH: c.ph, padW: c.pw,
    dilationH: c.dh ?? 1, dilationW: c.dw ?? 1, groups: c.groups ?? 1,
  };
}

async function check(c: Conv, stream: number, weightTolerance: ToleranceName = "kernel"): Promise<void> {
  const shape = shapeOf(c);
  const label = `${JSON.stringify(c)} seed ${TEST_SEED}`;
  const x = randomValues(c.n * c.h * c.w * c.ci, stream);
  const w = randomValues((c.kh * c.kw * c.ci * c.co) / shape.groups, stream + 1);
  const gy = randomValues(c.n * shape.outH * shape.outW * c.co, stream + 2);
  const bias = randomValues(c.co, stream + 3);
  const ranges = { x: gpu.upload(x, "x"), w: gpu.upload(w, "w"), gy: gpu.upload(gy, "gy"), bias: gpu.upload(bias, "bias") };
  const out = { biased: gpu.persistent(gy.byteLength, "biased"), y: gpu.persistent(gy.byteLength, "y"), gx: gpu.persistent(x.byteLength, "gx"), gw: gpu.persistent(w.byteLength, "gw"), chunked: gpu.persistent(w.byteLength, "gw of chunks") };
  gpu.scope(() => {
    groupedConvForward(gpu, { x: ranges.x, w: ranges.w, bias: ranges.bias, y: out.biased, shape });
    groupedConvForward(gpu, { x: ranges.x, w: ranges.w, y: out.y, shape });
    groupedConvGradInput(gpu, { gradY: ranges.gy, w: ranges.w, gradX: out.gx, shape });
    groupedConvGradWeight(gpu, { x: ranges.x, gradY: ranges.gy, gradW: out.gw, shape });
    // Seven chunks end within rows, and some have no pixel.
    groupedConvGradWeight(gpu, { x: ranges.x, gradY: ranges.gy, gradW: out.chunked, shape, chunks: 7 });
  });
  const expected = conv2dGradients(c, x, w, gy);
  expectClose(await gpu.readFloats(out.biased), conv2d(c, x, w, bias), "kernel", `forward with bias ${label}`);
  expectClose(await gpu.readFloats(out.y), conv2d(c, x, w), "kernel", `forward ${label}`);
  expectClose(await gpu.readFloats(out.gx), expected.gx, "kernel", `input gradient ${label}`);
  expectClose(await gpu.readFloats(out.gw), expected.gw, weightTolerance, `weight gradient ${label}`);
  expectClose(await gpu.readFloats(out.chunked), expected.gw, weightTolerance, `weight gradient by chunks ${label}`);
  for (const range of [...Object.values(ranges), ...Object.values(out)]) gpu.free(range);
}

test("grouped and depthwise convolutions with all gradients", async () => {
  for (const [i, c] of [...FIXED, ...RANDOM].entries()) await check(c, 4 * i);
});

test("more pixels than one chunk may hold", async () => {
  await check({ n: 1, h: 130, w: 67, ci: 2, co: 4, kh: 2, kw: 2, sh: 1, sw: 1, ph: 0, pw: 0, groups: 2 }, 200, "longSum");
  await check({ n: 1, h: 1, w: 700_001, ci: 2, co: 2, kh: 1, kw: 1, sh: 1, sw: 1, ph: 0, pw: 0, groups: 2 }, 210, "longSum");
});

test("a weight gradient has the same bits every time", async () => {
  const c: Conv = { n: 3, h: 40, w: 41, ci: 4, co: 4, kh: 3, kw: 3, sh: 1, sw: 1, ph: 1, pw: 1, groups: 4 };
  const [x, gradY] = [gpu.upload(randomValues(3 * 40 * 41 * 4, 220), "x"), gpu.upload(randomValues(3 * 40 * 41 * 4, 221), "gy")];
  const run = async () => {
    const gradW = gpu.persistent(4 * 9 * 4, "gw");
    gpu.scope(() => groupedConvGradWeight(gpu, { x, gradY, gradW, shape: shapeOf(c) }));
    return gpu.readFloats(gradW);
  };
  expect(await run()).toEqual(await run());
});
