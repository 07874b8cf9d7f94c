/** The elementwise table: functions of up to three operands with NumPy's broadcasting, and their derivatives. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { rowGrid, spanGrid } from "./span.ts";
import { axisSlot, broadcastSteps, collapseAxes } from "./strides.ts";

/** A row of the table. */
export interface ElementwiseFunction {
  /** What shaders/elementwise/functions.wgsl knows the function by. */
  code: number;
  operands: number;
  /** Operands by which the derivative is 1 everywhere. */
  passes?: readonly number[];
  /** Operands by which the derivative is 0 everywhere. */
  constant?: readonly number[];
}

/** The table. */
export const FUNCTIONS = {
  identity: { code: 0, operands: 1, passes: [0] },
  add: { code: 1, operands: 2, passes: [0, 1] },
  sub: { code: 2, operands: 2, passes: [0] },
  mul: { code: 3, operands: 2 },
  div: { code: 4, operands: 2 },
  pow: { code: 5, operands: 2 },
  minimum: { code: 6, operands: 2 },
  maximum: { code: 7, operands: 2 },
  neg: { code: 8, operands: 1 },
  sqrt: { code: 9, operands: 1 },
  rsqrt: { code: 10, operands: 1 },
  exp: { code: 11, operands: 1 },
  log: { code: 12, operands: 1 },
  abs: { code: 13, operands: 1 },
  sign: { code: 14, operands: 1, constant: [0] },
  sin: { code: 15, operands: 1 },
  cos: { code: 16, operands: 1 },
  tanh: { code: 17, operands: 1 },
  sigmoid: { code: 18, operands: 1 },
  relu: { code: 19, operands: 1 },
  leakyRelu: { code: 20, operands: 1 },
  softplus: { code: 21, operands: 1 },
  clamp: { code: 22, operands: 1 },
  where: { code: 23, operands: 3, constant: [0] },
  equal: { code: 24, operands: 2, constant: [0, 1] },
  notEqual: { code: 25, operands: 2, constant: [0, 1] },
  less: { code: 26, operands: 2, constant: [0, 1] },
  lessEqual: { code: 27, operands: 2, constant: [0, 1] },
  greater: { code: 28, operands: 2, constant: [0, 1] },
  greaterEqual: { code: 29, operands: 2, constant: [0, 1] },
  safeSqrt: { code: 30, operands: 1 },
  square: { code: 31, operands: 1 },
  scaledExponential: { code: 32, operands: 3 },
} as const satisfies Record<string, ElementwiseFunction>;

export type FunctionName = keyof typeof FUNCTIONS;

/** An operand on the device with its shape, or a number. */
export type MapOperand = number | { range: BufferRange; shape: readonly number[] };

/** A call of the table. `shape` is the output's; every operand broadcasts to it. */
export interface MapCall {
  operands: readonly MapOperand[];
  shape: readonly number[];
  /** Attributes p and q of the function. */
  attributes?: readonly [number, number];
}

const AXES = [0, 1, 2, 3, 4, 5] as const;
const LETTERS = ["a", "b", "c"] as const;
type Letter = (typeof LETTERS)[number];

const UNIFORMS = {
  rows: "u32", chunks: "u32", depth: "u32",
  size1: "u32", size2: "u32", size3: "u32", size4: "u32", size5: "u32",
  a0: "u32", a1: "u32", a2: "u32", a3: "u32", a4: "u32", a5: "u32",
  b0: "u32", b1: "u32", b2: "u32", b3: "u32", b4: "u32", b5: "u32",
  c0: "u32", c1: "u32", c2: "u32", c3: "u32", c4: "u32", c5: "u32",
  a_number: "f32", b_number: "f32", c_number: "f32",
  p: "f32", q: "f32",
} as const;

const SHARED = ["elementwise/functions.wgsl", "elementwise/operands.wgsl", "lib/nan.wgsl", "lib/scalar.wgsl", "lib/span.wgsl"];
const VIEWS = { dense: ["elementwise/operands_dense.wgsl"], broadcast: ["elementwise/operands_broadcast.wgsl", "lib/divide.wgsl"] };

function mapKernel(view: keyof typeof VIEWS) {
  return defineKernel({
    name: `elementwise/map_${view}`,
    fragments: ["elementwise/map.wgsl", ...SHARED, ...VIEWS[view]],
    buffers: { a: "read", b: "read", c: "read", y: "read_write" },
    uniforms: UNIFORMS,
  });
}

function gradientKernel(view: keyof typeof VIEWS) {
  return defineKernel({
    name: `elementwise/map_gradient_${view}`,
    fragments: ["elementwise/map_gradient.wgsl", "elementwise/derivatives.wgsl", ...SHARED, ...VIEWS[view]],
    buffers: { a: "read", b: "read", c: "read", dy: "read", dx: "read_write" },
    uniforms: UNIFORMS,
  });
}

const KERNELS = { dense: mapKernel("dense"), broadcast: mapKernel("broadcast") };
const GRADIENT_KERNELS = { dense: gradientKernel("dense"), broadcast: gradientKernel("broadcast") };

interface Launch {
  view: keyof typeof VIEWS;
  buffers: Record<Letter, BufferRange>;
  uniforms: Record<keyof typeof UNIFORMS, number>;
  spec: Record<string, number | boolean>;
  count: number;
  workgroups: [number, number, number];
}

function prepare(gpu: Gpu, name: FunctionName, { operands, shape, attributes = [0, 0] }: MapCall): Launch {
  const count = shape.reduce((product, size) => product * size, 1);
  const tensors = operands.filter((operand) => typeof operand !== "number");
  const [first] = tensors;
  if (!first) throw new Error(`${name}: every operand is a number`);
  const { sizes, steps } = collapseAxes(shape, tensors.map((operand) => broadcastSteps(operand.shape, shape)));
  if (sizes.length > AXES.length) throw new Error(`${name}: ${sizes.length} axes that do not collapse, ${AXES.length} at most`);
  const dense = sizes.length <= 1 && steps.every((own) => own.every((step) => step === 1));
  const uniforms = Object.fromEntries(Object.keys(UNIFORMS).map((key) => [key, 0])) as Record<keyof typeof UNIFORMS, number>;
  const columns = sizes.at(-1) ?? 1;
  const rows = count / columns;
  const { chunks, workgroups } = dense ? { chunks: 1, workgroups: spanGrid(gpu, count) } : rowGrid(gpu, { rows, columns });
  Object.assign(uniforms, { rows, chunks, depth: Math.ceil(rows / chunks), size5: columns });
  [uniforms.p, uniforms.q] = attributes;
  sizes.forEach((size, axis) => {
    if (axis > 0) uniforms[`size${axisSlot(axis, sizes.length)}` as "size1"] = size;
  });
  const buffers = { a: first.range, b: first.range, c: first.range };
  const spec: Record<string, number | boolean> = { OP: FUNCTIONS[name].code };
  let tensor = 0;
  LETTERS.forEach((letter, k) => {
    const operand = operands[k] ?? 0;
    if (typeof operand === "number") {
      spec[`${letter.toUpperCase()}_NUMBER`] = true;
      uniforms[`${letter}_number`] = operand;
      return;
    }
    buffers[letter] = operand.range;
    steps[tensor++]?.forEach((step, axis) => (uniforms[`${letter}${axisSlot(axis, sizes.length) as 0}`] = step));
  });
  if (!dense) spec["AXES"] = Math.max(1, sizes.length);
  return { view: dense ? "dense" : "broadcast", buffers, uniforms, spec, count, workgroups };
}

/** y = f(operands), of shape `shape`. */
export function mapForward(gpu: Gpu, name: FunctionName, { y, ...call }: MapCall & { y: BufferRange }): void {
  const { view, buffers, uniforms, spec, count, workgroups } = prepare(gpu, name, call);
  gpu.run(KERNELS[view], { buffers: { ...buffers, y }, uniforms, spec, workgroups, flops: count });
}

/** dx = dy times the derivative by operand `input`; dy and dx have `shape`, whatever that operand's shape is. */
export function mapGradient(gpu: Gpu, name: FunctionName, { dy, dx, input, ...call }: MapCall & { dy: BufferRange; dx: BufferRange; input: number }): void {
  const { view, buffers, uniforms, spec, count, workgroups } = prepare(gpu, name, call);
  gpu.run(GRADIENT_KERNELS[view], { buffers: { ...buffers, dy, dx }, uniforms, spec: { ...spec, INPUT: input }, workgroups, flops: count });
}
