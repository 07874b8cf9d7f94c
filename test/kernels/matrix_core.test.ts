import { expect, test } from "bun:test";
import { convForward, convGradInput, convGradWeight, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "../../src/kernels/conv.ts";
import type { BufferRange } from "../../src/gpu/device.ts";
import type { GemmForce } from "../../src/kernels/gemm_plan.ts";
import { SUBGROUP_MATRIX } from "../../src/gpu/subgroup_matrix.ts";
import { adapterClass } from "../../src/kernels/gemm.ts";
import { findMatrixFault, gateChecks, openMatrixCore } from "../../src/kernels/matrix_gate.ts";
import { matmul, type MatrixProduct } from "../../src/kernels/matmul.ts";
import { type Conv, conv2d, conv2dGradients, outputSize, swapChannels } from "../reference/conv2d.ts";
import { matmulReference } from "../reference/matmul.ts";
import { expectClose } from "../support/compare.ts";
import { randomValues, TEST_SEED, testRandom } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const random = testRandom(17);

/** What a half float holds without being subnormal: products of such numbers are exact, so the core owes f32 sums of them. */
const halves = (count: number, stream: number) => randomValues(count, stream).map((value) => Math.round(value * 512) / 512);

/** Regions of several matrices, several depths of a matrix in a chunk, and subgroups of another size. */
const TILES: Record<string, GemmForce> = {
  tall: { core: "emulated", spec: { TILE_ROWS: 64, REGION_ROWS: 32 } },
  wide: { core: "emulated", spec: { LANES: 16, TILE_COLUMNS: 64, REGION_COLUMNS: 32 } },
  deep: { core: "emulated", spec: { TILE_DEPTH: 32 } },
};

const CASES: Conv[] = [
  { n: 1, h: 13, w: 11, ci: 3, co: 17, kh: 7, kw: 7, sh: 2, sw: 2, ph: 3, pw: 3 },
  { n: 3, h: 8, w: 8, ci: 40, co: 70, kh: 1, kw: 1, sh: 1, sw: 1, ph: 0, pw: 0 },
  { n: 2, h: 10, w: 9, ci: 8, co: 24, kh: 3, kw: 3, sh: 2, sw: 2, ph: 1, pw: 1 },
  { n: 2, h: 9, w: 12, ci: 4, co: 37, kh: 4, kw: 4, sh: 2, sw: 2, ph: 1, pw: 1 },
  { n: 2, h: 7, w: 7, ci: 6, co: 5, kh: 1, kw: 1, sh: 2, sw: 2, ph: 0, pw: 0 },
  ...Array.from({ length: 4 }, () => {
    const [kh, kw] = [random.integer(1, 6), random.integer(1, 6)];
    return {
      n: random.integer(1, 4), h: random.integer(kh, kh + 9), w: random.integer(kw, kw + 9), ci: random.integer(1, 40), co: random.integer(1, 80),
      kh, kw, sh: random.integer(1, 4), sw: random.integer(1, 4), ph: random.integer(0, kh), pw: random.integer(0, kw),
    };
  }),
];

function shapeOf(c: Conv): ConvShape {
  const [outH, outW] = outputSize(c);
  return { batch: c.n, inH: c.h, inW: c.w, inC: c.ci, outH, outW, outC: c.co, kernelH: c.kh, kernelW: c.kw, strideH: c.sh, strideW: c.sw, padH: c.ph, padW: c.pw, dilationH: c.dh ?? 1, dilationW: c.dw ?? 1 };
}

/** Convolution and deconvolution with their gradients on the device, and by the definition. */
async function convolutions(c: Conv, force: GemmForce, stream: number): Promise<Record<string, { found: Float32Array; expected: ArrayLike<number> }>> {
  const shape = shapeOf(c);
  const [x, w] = [halves(c.n * c.h * c.w * c.ci, stream), halves(c.kh * c.kw * c.ci * c.co, stream + 1)];
  const gy = halves(c.n * shape.outH * shape.outW * c.co, stream + 2);
  const bias = halves(c.co, stream + 3);
  const taps = { taps: c.kh * c.kw, a: c.ci, b: c.co };
  const inputs = { x, w, gy, bias, swapped: Float32Array.from(swapChannels(w, taps)) };
  const ranges = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, gpu.upload(values, name)])) as Record<keyof typeof inputs, BufferRange>;
  const { gx, gw } = conv2dGradients(c, x, w, gy);
  const expected = { forward: conv2d(c, x, w, bias), gradInput: gx, gradWeight: gw, deconvolution: gx, deconvGradInput: conv2d(c, x, w), deconvGradWeight: swapChannels(gw, taps) };
  const out = Object.fromEntries(Object.entries(expected).map(([name, values]) => [name, gpu.persistent(4 * values.length, name)])) as Record<keyof typeof expected, BufferRange>;
  gpu.scope(() => {
    convForward(gpu, { x: ranges.x, w: ranges.w, bias: ranges.bias, y: out.forward, shape, force });
    convGradInput(gpu, { gradY: ranges.gy, w: ranges.w, gradX: out.gradInput, shape, force });
    convGradWeight(gpu, { x: ranges.x, gradY: ranges.gy, gradW: out.gradWeight, shape, force });
    deconvForward(gpu, { x: ranges.gy, w: ranges.swapped, y: out.deconvolution, shape, force });
    deconvGradInput(gpu, { gradY: ranges.x, w: ranges.swapped, gradX: out.deconvGradInput, shape, force });
    deconvGradWeight(gpu, { x: ranges.gy, gradY: ranges.x, gradW: out.deconvGradWeight, shape, force });
  });
  const results: Awaited<ReturnType<typeof convolutions>> = {};
  for (const [name, range] of Object.entries(out)) results[name] = { found: await gpu.readFloats(range), expected: expected[name as keyof typeof expected] };
  for (const range of [...Object.values(ranges), ...Object.values(out)]) gpu.free(range);
  return results;
}

test("the matrix core emulated: convolution and deconvolution with their gradients, ragged, strided, in slices", async () => {
  for (const [i, c] of CASES.entries()) {
    const results = await convolutions(c, { core: "emulated", ...(i % 2 === 1 ? { splits: 3 } : {}) }, 5 * i);
    for (const [what, { found, expected }] of Object.entries(results)) expectClose(found, expected, "kernel", `${what} ${JSON.stringify(c)} seed ${TEST_SEED}`);
  }
});

const PRODUCT: MatrixProduct = { rows: 70, columns: 85, depth: 61, batch: 3, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false };

/** A product on the device and by the definition; operands are stored as the sizes say. */
async function products(product: MatrixProduct, force: GemmForce): Promise<{ found: Float32Array; expected: Float64Array }> {
  const { rows, columns, depth, batch, transposeA, transposeB, summed } = product;
  const [a, b] = [halves(batch * rows * depth, 200), halves(batch * depth * columns, 201)];
  const each = matmulReference({ a: [batch, ...(transposeA ? [depth, rows] : [rows, depth])], b: [batch, ...(transposeB ? [columns, depth] : [depth, columns])], transposeA, transposeB }, a, b);
  const expected = summed ? each.subarray(0, rows * columns).map((_, i) => Array.from({ length: batch }, (__, n) => each[n * rows * columns + i] as number).reduce((x, y) => x + y)) : each;
  const [left, right, c] = [gpu.upload(a, "a"), gpu.upload(b, "b"), gpu.persistent(4 * expected.length, "c")];
  gpu.scope(() => matmul(gpu, { a: left, b: right, c, product, force }));
  const found = await gpu.readFloats(c);
  for (const range of [left, right, c]) gpu.free(range);
  return { found, expected };
}

test("the matrix core emulated: products of matrices, batched, transposed, summed, in slices", async () => {
  for (const own of [{}, { transposeA: true }, { transposeB: true }, { summed: true }, { summed: true, transposeA: true }]) {
    for (const splits of [1, 2]) {
      const { found, expected } = await products({ ...PRODUCT, ...own }, { core: "emulated", splits });
      expectClose(found, expected, "kernel", `${JSON.stringify(own)}, ${splits} slices, seed ${TEST_SEED}`);
    }
  }
});

for (const [name, force] of Object.entries(TILES)) {
  test(`the matrix core emulated, ${name} tiles`, async () => {
    const { found, expected } = await products(PRODUCT, force);
    expectClose(found, expected, "kernel", `${name} seed ${TEST_SEED}`);
  });
}

test("F(2x2, 3x3) with its products by the matrix core emulated is off by what rounding to half floats leaves", async () => {
  const c: Conv = { n: 2, h: 9, w: 10, ci: 20, co: 33, kh: 3, kw: 3, sh: 1, sw: 1, ph: 1, pw: 1 };
  const results = await convolutions(c, { core: "emulated", winograd: true }, 90);
  for (const [what, { found, expected }] of Object.entries(results)) expectClose(found, expected, "halfNetwork", `${what} seed ${TEST_SEED}`);
});

const CHECKS = gateChecks(gpu).filter(({ name }) => ["3x3 forward", "3x3 gradWeight", "matmul with rounded operands", "matmul summed"].includes(name));

test("the gate finds no fault in the emulated core, and both faults of a driver that errs, with the product that shows it", async () => {
  expect(await findMatrixFault(gpu, { force: { core: "emulated" }, checks: CHECKS })).toBeUndefined();
  const [last] = CHECKS.filter(({ name }) => name === "matmul summed");
  for (const FAULT of [1, 2]) {
    const fault = await findMatrixFault(gpu, { force: { core: "emulated", spec: { FAULT } }, checks: [last as (typeof CHECKS)[number]] });
    expect(fault).toMatch(/^matmul summed: element \d+ is \S+, the f32 core's is \S+, \S+ may lie between$/);
  }
});

// f32 in place of half floats takes twice the workgroup memory: half the depth.
test.skipIf(!process.env["LIMBER_SLOW"])("all products of the gate, emulated: every view, and every tile for GPUs at half its depth (LIMBER_SLOW=1)", async () => {
  expect(await findMatrixFault(gpu, { force: { core: "emulated", spec: { TILE_DEPTH: 16 } } })).toBeUndefined();
});

test.skipIf(!gpu.features.has(SUBGROUP_MATRIX))("the matrix core on this adapter's subgroup matrices: the gate, and every convolution (skipped where the adapter has none)", async () => {
  expect(await findMatrixFault(gpu, { force: { core: "matrix" } })).toBeUndefined();
  for (const [i, c] of CASES.entries()) {
    const results = await convolutions(c, { core: "matrix" }, 5 * i);
    for (const [what, { found, expected }] of Object.entries(results)) expectClose(found, expected, "longSum", `${what} ${JSON.stringify(c)} seed ${TEST_SEED}`);
  }
});

test.skipIf(gpu.features.has(SUBGROUP_MATRIX))("without subgroup matrices the gate is not asked, and half floats go by the f32 core", async () => {
  const lines: string[] = [];
  expect(await openMatrixCore(gpu, (line) => lines.push(line))).toBe(false);
  expect(lines).toEqual([]);
  expect(adapterClass(gpu, { half: true }).matrix).toBe(false);
});

test.skipIf(gpu.features.has(SUBGROUP_MATRIX))("a device that refuses the matrix core's kernels is told of in one line, and goes on with the f32 core", async () => {
  const { features } = gpu;
  const lines: string[] = [];
  Object.defineProperty(gpu, "features", { value: new Set([...features, SUBGROUP_MATRIX]) });
  try {
    expect(await openMatrixCore(gpu, (line) => lines.push(line))).toBe(false);
  } finally {
    Object.defineProperty(gpu, "features", { value: features });
  }
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^warning   the adapter's subgroup matrices are left unused \(/);
  expect(lines[0]).not.toContain("\n");
  expect(lines[0]).toEndWith("; products go by the f32 core");
  expect(adapterClass(gpu, { half: true }).matrix).toBe(false);
  const { found, expected } = await products(PRODUCT, {});
  expectClose(found, expected, "kernel", "after the refusal");
});
