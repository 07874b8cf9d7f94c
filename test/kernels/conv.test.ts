import { test } from "bun:test";
import { columnSum, convForward, convGradInput, convGradWeight, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "../../src/kernels/conv.ts";
import { type Conv, conv2d, conv2dGradients, outputSize, swapChannels } from "../reference/conv2d.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";
import { gemmAlgorithms } from "../support/gemm_algorithms.ts";

const gpu = await testDevice();

const random = testRandom(1);
const FIXED: Conv[] = [
  { n: 1, h: 13, w: 11, ci: 3, co: 17, kh: 7, kw: 7, sh: 2, sw: 2, ph: 3, pw: 3 },
  { n: 3, h: 8, w: 8, ci: 16, co: 8, kh: 1, kw: 1, sh: 1, sw: 1, ph: 0, pw: 0 },
  { n: 2, h: 10, w: 9, ci: 8, co: 24, kh: 3, kw: 3, sh: 2, sw: 2, ph: 1, pw: 1 },
  { n: 2, h: 7, w: 7, ci: 6, co: 5, kh: 1, kw: 1, sh: 2, sw: 2, ph: 0, pw: 0 },
  { n: 2, h: 9, w: 12, ci: 4, co: 7, kh: 4, kw: 4, sh: 2, sw: 2, ph: 1, pw: 1 },
  { n: 1, h: 6, w: 5, ci: 3, co: 3, kh: 2, kw: 3, sh: 3, sw: 2, ph: 0, pw: 1 },
  // Dilation: alone, along one axis, with a stride that shares a factor with it, divides it, or is prime to it.
  { n: 2, h: 11, w: 13, ci: 5, co: 7, kh: 3, kw: 3, sh: 1, sw: 1, ph: 2, pw: 2, dh: 2, dw: 2 },
  { n: 1, h: 1, w: 23, ci: 4, co: 9, kh: 1, kw: 4, sh: 1, sw: 1, ph: 0, pw: 3, dw: 3 },
  { n: 1, h: 14, w: 6, ci: 3, co: 6, kh: 3, kw: 2, sh: 2, sw: 1, ph: 1, pw: 0, dh: 3 },
  { n: 1, h: 13, w: 17, ci: 9, co: 5, kh: 3, kw: 4, sh: 2, sw: 3, ph: 2, pw: 4, dh: 2, dw: 2 },
  { n: 2, h: 19, w: 21, ci: 16, co: 4, kh: 3, kw: 3, sh: 4, sw: 6, ph: 3, pw: 5, dh: 2, dw: 4 },
  { n: 1, h: 12, w: 12, ci: 2, co: 3, kh: 3, kw: 3, sh: 2, sw: 2, ph: 0, pw: 1, dh: 4, dw: 6 },
];
const RANDOM: Conv[] = Array.from({ length: 6 }, () => {
  const [kh, kw] = [random.integer(1, 6), random.integer(1, 6)];
  return {
    n: random.integer(1, 4), h: random.integer(kh, kh + 9), w: random.integer(kw, kw + 9), ci: random.integer(1, 20), co: random.integer(1, 40),
    kh, kw, sh: random.integer(1, 4), sw: random.integer(1, 4), ph: random.integer(0, kh), pw: random.integer(0, kw),
  };
});
const DILATED: Conv[] = Array.from({ length: 6 }, () => {
  const [kh, kw, dh, dw] = [random.integer(1, 5), random.integer(1, 5), random.integer(1, 5), random.integer(1, 5)];
  const [spanH, spanW] = [(kh - 1) * dh + 1, (kw - 1) * dw + 1];
  return {
    n: random.integer(1, 3), h: random.integer(spanH, spanH + 9), w: random.integer(spanW, spanW + 9), ci: random.integer(1, 17), co: random.integer(1, 17),
    kh, kw, dh, dw, sh: random.integer(1, 5), sw: random.integer(1, 5), ph: random.integer(0, spanH), pw: random.integer(0, spanW),
  };
});

function shapeOf(c: Conv): ConvShape {
  const [outH, outW] = outputSize(c);
  return { batch: c.n, inH: c.h, inW: c.w, inC: c.ci, outH, outW, outC: c.co, kernelH: c.kh, kernelW: c.kw, strideH: c.sh, strideW: c.sw, padH: c.ph, padW: c.pw, dilationH: c.dh ?? 1, dilationW: c.dw ?? 1 };
}

for (const [name, force] of Object.entries(gemmAlgorithms(gpu))) {
  test(`convolution and deconvolution with all gradients, ${name}`, async () => {
    for (const [i, c] of [...FIXED, ...RANDOM, ...DILATED].entries()) {
      const shape = shapeOf(c);
      const label = `${name} ${JSON.stringify(c)} seed ${TEST_SEED}`;
      const x = randomValues(c.n * c.h * c.w * c.ci, 3 * i);
      const w = randomValues(c.kh * c.kw * c.ci * c.co, 3 * i + 1);
      const gy = randomValues(c.n * shape.outH * shape.outW * c.co, 3 * i + 2);
      const bias = randomValues(c.co, 3 * i + 100);
      const ranges = { x: gpu.upload(x, "x"), w: gpu.upload(w, "w"), gy: gpu.upload(gy, "gy"), bias: gpu.upload(bias, "bias") };
      const out = { y: gpu.persistent(gy.byteLength, "y"), gx: gpu.persistent(x.byteLength, "gx"), gw: gpu.persistent(w.byteLength, "gw"), gb: gpu.persistent(bias.byteLength, "gb") };
      const expected = conv2dGradients(c, x, w, gy);

      gpu.scope(() => {
        convForward(gpu, { x: ranges.x, w: ranges.w, bias: ranges.bias, y: out.y, shape, force });
        convGradInput(gpu, { gradY: ranges.gy, w: ranges.w, gradX: out.gx, shape, force });
        convGradWeight(gpu, { x: ranges.x, gradY: ranges.gy, gradW: out.gw, shape, force });
        columnSum(gpu, { x: ranges.gy, out: out.gb, rows: gy.length / c.co, columns: c.co });
      });
      expectClose(await gpu.readFloats(out.y), conv2d(c, x, w, bias), "kernel", `forward ${label}`);
      expectClose(await gpu.readFloats(out.gx), expected.gx, "kernel", `input gradient ${label}`);
      expectClose(await gpu.readFloats(out.gw), expected.gw, "kernel", `weight gradient ${label}`);
      expectClose(await gpu.readFloats(out.gb), expected.gb, "kernel", `bias gradient ${label}`);

      // A deconvolution with weights [kh, kw, co, ci] is the convolution's input gradient, and the other way round.
      const taps = { taps: c.kh * c.kw, a: c.ci, b: c.co };
      gpu.write(ranges.w, Float32Array.from(swapChannels(w, taps)));
      gpu.scope(() => {
        deconvForward(gpu, { x: ranges.gy, w: ranges.w, y: out.gx, shape, force });
        deconvGradInput(gpu, { gradY: ranges.x, w: ranges.w, gradX: out.y, shape, force });
        deconvGradWeight(gpu, { x: ranges.gy, gradY: ranges.x, gradW: out.gw, shape, force });
      });
      expectClose(await gpu.readFloats(out.gx), expected.gx, "kernel", `deconvolution ${label}`);
      expectClose(await gpu.readFloats(out.y), conv2d(c, x, w), "kernel", `deconvolution input gradient ${label}`);
      expectClose(await gpu.readFloats(out.gw), swapChannels(expected.gw, taps), "kernel", `deconvolution weight gradient ${label}`);
      for (const range of [...Object.values(ranges), ...Object.values(out)]) gpu.free(range);
    }
  });
}

test("a product whose rows of B alias in the cache goes through the padded copy and stays right", async () => {
  const c: Conv = { n: 1, h: 16, w: 16, ci: 256, co: 1024, kh: 1, kw: 1, sh: 1, sw: 1, ph: 0, pw: 0 };
  const [x, w] = [randomValues(256 * 256, 50), randomValues(256 * 1024, 51)];
  const y = gpu.persistent(4 * 256 * 1024, "y");
  gpu.scope(() => convForward(gpu, { x: gpu.upload(x, "x"), w: gpu.upload(w, "w"), y, shape: shapeOf(c) }));
  expectClose(await gpu.readFloats(y), conv2d(c, x, w), "kernel", "padded columns");
});
