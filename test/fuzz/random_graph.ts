/**
 * Random graphs of ops, evaluated on the device and by plain f64 loops on the host. A graph is a list of steps; a step
 * names the nodes it reads, and knows both evaluations. Values are kept small by what is put behind large ones.
 */
import * as elementwise from "../../src/ops/elementwise.ts";
import { indexSelect } from "../../src/ops/gather.ts";
import { logSumExp } from "../../src/ops/log_sum_exp.ts";
import { matmul } from "../../src/ops/matmul.ts";
import * as reduce from "../../src/ops/reduce.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { concat, expand, flip, pad, permute, slice } from "../../src/ops/shape.ts";
import type { Random } from "../../src/random.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type HostArray, hostConcat, hostGather, hostMap, hostMatmul, hostReduce } from "../reference/array.ts";

export interface Step {
  label: string;
  inputs: readonly number[];
  device: (...inputs: Tensor[]) => Tensor;
  host: (...inputs: HostArray[]) => HostArray;
}

export interface Graph {
  /** Shapes of the leaves, which are the first nodes. */
  leaves: readonly (readonly number[])[];
  steps: readonly Step[];
}

const UNARY: Record<string, { device: (x: Tensor) => Tensor; f: (x: number) => number }> = {
  neg: { device: elementwise.neg, f: (x) => -x },
  exp: { device: elementwise.exp, f: Math.exp },
  sin: { device: elementwise.sin, f: Math.sin },
  cos: { device: elementwise.cos, f: Math.cos },
  tanh: { device: elementwise.tanh, f: Math.tanh },
  sigmoid: { device: elementwise.sigmoid, f: (x) => 1 / (1 + Math.exp(-x)) },
  softplus: { device: elementwise.softplus, f: (x) => Math.log1p(Math.exp(x)) },
  square: { device: elementwise.square, f: (x) => x * x },
  abs: { device: elementwise.abs, f: Math.abs },
  relu: { device: elementwise.relu, f: (x) => Math.max(x, 0) },
  leakyRelu: { device: (x) => elementwise.leakyRelu(x, 0.3), f: (x) => (x < 0 ? 0.3 * x : x) },
  clamp: { device: (x) => elementwise.clamp(x, { low: -0.7, high: 0.9 }), f: (x) => Math.min(0.9, Math.max(-0.7, x)) },
  "1 / sqrt(1 + x²)": { device: (x) => elementwise.rsqrt(elementwise.add(1, elementwise.square(x))), f: (x) => 1 / Math.sqrt(1 + x * x) },
};

const BINARY: Record<string, { device: (a: Tensor, b: Tensor) => Tensor; f: (a: number, b: number) => number }> = {
  add: { device: elementwise.add, f: (a, b) => a + b },
  sub: { device: elementwise.sub, f: (a, b) => a - b },
  mul: { device: elementwise.mul, f: (a, b) => a * b },
  maximum: { device: elementwise.maximum, f: Math.max },
  minimum: { device: elementwise.minimum, f: Math.min },
  "a / (1 + b²)": { device: (a, b) => elementwise.div(a, elementwise.add(1, elementwise.square(b))), f: (a, b) => a / (1 + b * b) },
};

const sumOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const REDUCTIONS: Record<string, { device: (x: Tensor, options: reduce.ReduceOptions) => Tensor; f: (values: readonly number[]) => number }> = {
  sum: { device: reduce.sum, f: sumOf },
  mean: { device: reduce.mean, f: (values) => sumOf(values) / values.length },
  max: { device: reduce.max, f: (values) => Math.max(...values) },
  min: { device: reduce.min, f: (values) => Math.min(...values) },
  logSumExp: { device: logSumExp, f: (values) => Math.log(sumOf(values.map(Math.exp))) },
  norm: { device: reduce.norm, f: (values) => Math.hypot(...values) },
};

/** Sizes that meet no vector width. */
const SIZES = [1, 2, 3, 5, 7];
const LARGEST_ARRAY = 400;
const LARGEST_VALUE = 4;

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.integer(0, list.length)] as T;
}

function broadcastTo(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const [left, right] = [a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1];
    if (left !== right && left !== 1 && right !== 1) return undefined;
    shape.push(Math.max(left, right));
  }
  return shape;
}

function unaryStep(random: Random, node: number): Step {
  const name = pick(random, Object.keys(UNARY));
  const { device, f } = UNARY[name] as (typeof UNARY)[string];
  return { label: name, inputs: [node], device: (x) => device(x as Tensor), host: (x) => hostMap(f, [x as HostArray], (x as HostArray).shape) };
}

function binaryStep(random: Random, nodes: readonly HostArray[]): Step | undefined {
  const first = random.integer(0, nodes.length);
  const partners = nodes.keys().filter((other) => broadcastTo((nodes[first] as HostArray).shape, (nodes[other] as HostArray).shape) !== undefined).toArray();
  const second = pick(random, partners);
  const shape = broadcastTo((nodes[first] as HostArray).shape, (nodes[second] as HostArray).shape);
  if (!shape || sizeOf(shape) > LARGEST_ARRAY) return undefined;
  const name = pick(random, Object.keys(BINARY));
  const { device, f } = BINARY[name] as (typeof BINARY)[string];
  return { label: name, inputs: [first, second], device: (a, b) => device(a as Tensor, b as Tensor), host: (a, b) => hostMap(f, [a as HostArray, b as HostArray], shape) };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function reduceStep(random: Random, node: number, { shape }: HostArray): Step {
  const name = pick(random, Object.keys(REDUCTIONS));
  const { device, f } = REDUCTIONS[name] as (typeof REDUCTIONS)[string];
  const axes = shape.map((_, axis) => axis).filter(() => random.chance(0.5));
  return {
    label: `${name} over [${axes}]`,
    inputs: [node],
    device: (x) => device(x as Tensor, { axes, keepAxes: true }),
    host: (x) => hostReduce(f, x as HostArray, axes),
  };
}

function shapeStep(random: Random, node: number, { shape }: HostArray): Step | undefined {
  const step = (label: string, device: (x: Tensor) => Tensor, host: (x: HostArray) => HostArray): Step => ({
    label,
    inputs: [node],
    device: (x) => device(x as Tensor),
    host: (x) => host(x as HostArray),
  });
  const axis = random.integer(0, shape.length);
  const size = shape[axis] as number;
  const kind = pick(random, ["permute", "slice", "flip", "pad", "expand", "reshape"]);
  if (kind === "permute") {
    const order = [...random.permutation(shape.length)];
    return step(`permute ${order}`, (x) => permute(x, order), (x) => hostGather(x, order.map((own) => shape[own] as number), (index) => shape.map((_, own) => index[order.indexOf(own)] as number)));
  }
  if (kind === "slice" && size > 1) {
    const start = random.integer(0, size - 1);
    const stride = random.integer(1, 3);
    const length = Math.ceil((size - start) / stride);
    const ranges = shape.map((_, own) => (own === axis ? { start, step: stride } : {}));
    return step(`slice axis ${axis} from ${start} step ${stride}`, (x) => slice(x, ranges), (x) => hostGather(x, shape.with(axis, length), (index) => index.with(axis, start + stride * (index[axis] as number))));
  }
  if (kind === "flip") return step(`flip ${axis}`, (x) => flip(x, axis), (x) => hostGather(x, shape, (index) => index.with(axis, size - 1 - (index[axis] as number))));
  if (kind === "pad") {
    const [before, after] = [random.integer(0, 3), random.integer(0, 2)];
    const widths = shape.map((_, own) => (own === axis ? ([before, after] as const) : ([0, 0] as const)));
    const inside = (at: number) => at >= before && at < before + size;
    return step(`pad ${axis} by ${before}, ${after}`, (x) => pad(x, widths, 0.5), (x) =>
      hostGather(x, shape.with(axis, before + size + after), (index) => (inside(index[axis] as number) ? index.with(axis, (index[axis] as number) - before) : undefined), 0.5));
  }
  if (kind === "expand" && size === 1) {
    const target = shape.with(axis, 3);
    return step(`expand ${axis}`, (x) => expand(x, target), (x) => hostGather(x, target, (index) => index.with(axis, 0)));
  }
  if (kind === "reshape") return step("reshape to a row", (x) => reshape(x, [1, -1]), (x) => ({ shape: [1, sizeOf(shape)], values: x.values }));
  return undefined;
}

function softmaxStep(random: Random, node: number, { shape }: HostArray): Step {
  const axis = random.integer(0, shape.length);
  const logarithm = random.chance(0.5);
  return {
    label: `${logarithm ? "logSoftmax" : "softmax"} over ${axis}`,
    inputs: [node],
    device: (x) => (logarithm ? logSoftmax : softmax)(x as Tensor, { axis }),
    host: (x) => {
      const input = x as HostArray;
      const total = hostReduce((values) => Math.log(sumOf(values.map(Math.exp))), input, [axis]);
      return hostMap((value, log) => (logarithm ? value - log : Math.exp(value - log)), [input, total], shape);
    },
  };
}

/** All inner products of the rows of one node: x xᵀ, where x is seen as a matrix. */
function productStep(node: number, { shape }: HostArray): Step | undefined {
  const columns = shape.at(-1) as number;
  const rows = sizeOf(shape) / columns;
  if (rows * rows > LARGEST_ARRAY) return undefined;
  return {
    label: "x times x transposed",
    inputs: [node],
    device: (x) => {
      const matrix = reshape(x as Tensor, [rows, columns]);
      return matmul(matrix, matrix, { transposeB: true });
    },
    host: (x) => {
      const { values } = x as HostArray;
      const matrix = { shape: [rows, columns], values };
      return hostMatmul(matrix, hostGather(matrix, [columns, rows], (index) => index.toReversed()));
    },
  };
}

function selectStep(random: Random, node: number, { shape }: HostArray): Step {
  const axis = random.integer(0, shape.length);
  const chosen = Array.from({ length: random.integer(1, 4) }, () => random.integer(0, shape[axis] as number));
  return {
    label: `select ${chosen} along ${axis}`,
    inputs: [node],
    device: (x) => {
      const input = x as Tensor;
      return indexSelect(input, persistentTensor(input.gpu, [chosen.length], { data: Uint32Array.from(chosen), dtype: "u32" }), axis);
    },
    host: (x) => hostGather(x as HostArray, shape.with(axis, chosen.length), (index) => index.with(axis, chosen[index[axis] as number] as number)),
  };
}

function concatStep(random: Random, nodes: readonly HostArray[]): Step {
  const first = random.integer(0, nodes.length);
  const { shape } = nodes[first] as HostArray;
  const axis = random.integer(0, shape.length);
  const agrees = (other: readonly number[]) => other.length === shape.length && other.every((size, own) => own === axis || size === shape[own]);
  const second = pick(random, nodes.keys().filter((other) => agrees((nodes[other] as HostArray).shape)).toArray());
  return {
    label: `concat along ${axis}`,
    inputs: [first, second],
    device: (a, b) => concat([a as Tensor, b as Tensor], axis),
    host: (a, b) => hostConcat([a as HostArray, b as HostArray], axis),
  };
}

/** A graph of `length` steps with the leaves' values; nodes that grow too large are brought back by a tanh. */
export function randomGraph(random: Random, length: number): { graph: Graph; leaves: HostArray[] } {
  const leaves = Array.from({ length: random.integer(1, 4) }, (): HostArray => {
    const shape = Array.from({ length: random.integer(1, 5) }, () => pick(random, SIZES));
    while (sizeOf(shape) > LARGEST_ARRAY / 2) shape[shape.indexOf(Math.max(...shape))] = 1;
    return { shape, values: Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(random.range(-1.5, 1.5))) };
  });
  const nodes = [...leaves];
  const steps: Step[] = [];
  while (steps.length < length) {
    const node = random.chance(0.6) ? nodes.length - 1 : random.integer(0, nodes.length);
    const array = nodes[node] as HostArray;
    const large = array.values.some((value) => Math.abs(value) > LARGEST_VALUE);
    const kind = random.uniform();
    let step: Step | undefined;
    if (large) step = { label: "tanh", inputs: [node], device: (x) => elementwise.tanh(x as Tensor), host: (x) => hostMap(Math.tanh, [x as HostArray], (x as HostArray).shape) };
    else if (kind < 0.25) step = unaryStep(random, node);
    else if (kind < 0.45) step = binaryStep(random, nodes);
    else if (kind < 0.57) step = reduceStep(random, node, array);
    else if (kind < 0.75) step = shapeStep(random, node, array);
    else if (kind < 0.81) step = softmaxStep(random, node, array);
    else if (kind < 0.87) step = productStep(node, array);
    else if (kind < 0.93) step = selectStep(random, node, array);
    else step = concatStep(random, nodes);
    if (!step) continue;
    const result = step.host(...step.inputs.map((i) => nodes[i] as HostArray));
    if (result.values.length > LARGEST_ARRAY || result.shape.length > 6) continue;
    steps.push(step);
    nodes.push(result);
  }
  return { graph: { leaves: leaves.map(({ shape }) => shape), steps }, leaves };
}

/** All nodes of a graph on the host. */
export function evaluateHost(graph: Graph, leaves: readonly HostArray[]): HostArray[] {
  const nodes = [...leaves];
  for (const { inputs, host } of graph.steps) nodes.push(host(...inputs.map((i) => nodes[i] as HostArray)));
  return nodes;
}

/** The last node on the device. */
export function evaluateDevice(graph: Graph, leaves: readonly Tensor[]): Tensor {
  const nodes = [...leaves];
  for (const { inputs, device } of graph.steps) nodes.push(device(...inputs.map((i) => nodes[i] as Tensor)));
  return nodes.at(-1) as Tensor;
}

/** One line per step, for a failing graph's message. */
export function describeGraph(graph: Graph): string {
  const leaves = graph.leaves.map((shape, i) => `  %${i} = leaf [${shape.join(", ")}]`);
  const steps = graph.steps.map(({ label, inputs }, i) => `  %${i + graph.leaves.length} = ${label} of ${inputs.map((input) => `%${input}`).join(", ")}`);
  return [...leaves, ...steps].join("\n");
}
