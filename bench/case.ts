/** What a line of the benchmark is: a check of the result, then the shortest of several replays. */
import { type BufferRange, type Gpu } from "../src/gpu/device.ts";
import { measureReplay } from "../src/gpu/time_replay.ts";
import { backward } from "../src/autograd/tape.ts";
import { addInto } from "../src/kernels/elementwise.ts";
import { Random } from "../src/random.ts";
import { elementCount, persistentTensor, type Shape, type Tensor } from "../src/tensor/tensor.ts";

/** One line of the table. */
export interface Row {
  name: string;
  ms: number;
  gflops?: number;
  gbytes?: number;
  /** Of the adapter's measured ceiling: a row with GFLOP/s of its product's, another of its copy's. */
  ceilingShare?: number;
  /** Of the adapter's measured peak of f32 arithmetic: a row with GFLOP/s, by direct count, so Winograd's way may exceed 1. */
  peakShare?: number;
  /** Host time of a replay, as a share of it. */
  hostShare?: number;
  images?: number;
  /** Largest relative error of the check, and what it may be where that is not the table's own bound. */
  error?: number;
  allowedError?: number;
  /** Most that the device holds meanwhile. */
  bytes?: number;
}

/** A named line. */
export interface Case {
  name: string;
  run(gpu: Gpu): Promise<Row>;
}

/** A prime: values that repeat after so many fall on another channel each time. */
const PERIOD = 1_000_003;

function uniformValues(count: number, stream: number): Float32Array {
  const random = new Random({ seed: 3, stream: 500 + stream });
  const values = new Float32Array(count);
  for (let i = 0; i < Math.min(count, PERIOD); i++) values[i] = random.range(-1, 1);
  for (let from = PERIOD; from < count; from += PERIOD) values.copyWithin(from, 0, Math.min(PERIOD, count - from));
  return values;
}

/** Uniform values in [-1, 1) on the device and here; stored as half floats, and rounded to them here, where asked. */
export function uploadRandom(gpu: Gpu, count: number, stream: number, { half = false }: { half?: boolean } = {}): { range: BufferRange; values: Float32Array } {
  const values = uniformValues(count, stream);
  if (!half) return { range: gpu.upload(values, "bench"), values };
  const rounded = new Float16Array(2 * Math.ceil(count / 2)); // whole words
  rounded.set(values);
  const range = gpu.persistent(rounded.byteLength, "bench", { element: "f16" });
  gpu.write(range, new Uint16Array(rounded.buffer));
  return { range, values: Float32Array.from(rounded.subarray(0, count)) };
}

/** A memory-bound case: bytes that must move at least, and a check. */
export function memoryCase(name: string, build: (gpu: Gpu) => { work: () => void; bytes: number; check: () => Promise<number>; free: BufferRange[] }): Case {
  return {
    name,
    async run(gpu) {
      const { work, bytes, check, free } = build(gpu);
      gpu.scope(work);
      const error = await check();
      const cost = measureReplay(gpu, work);
      for (const range of free) gpu.free(range);
      return { name, ...cost, gbytes: bytes / cost.ms / 1e6, error };
    },
  };
}

/** Largest difference, relative to the largest value of b. */
export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [worst, largest] = [0, 1e-9];
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs((a[i] as number) - (b[i] as number)));
    largest = Math.max(largest, Math.abs(b[i] as number));
  }
  return worst / largest;
};

/** An op for `opCases`: shapes of its inputs, and its result by the definition. */
export interface OpBench {
  name: string;
  shapes: readonly Shape[];
  op: (...inputs: Tensor[]) => Tensor;
  /** Output element `at` by the definition, f64. */
  expected: (at: number, values: readonly Float32Array[]) => number;
  /** Operations of a forward pass, where that is the measure. */
  flops?: number;
  /** False where there is no gradient. */
  backward?: boolean;
}

const SAMPLES = 64;

/**
 * Two lines of an op: forward, and forward with backward. GB/s count every input and the output once (backward: both
 * passes, each tensor and each gradient once).
 */
export function opCases({ name, shapes, op, expected, flops, backward: differentiable = true }: OpBench): Case[] {
  const inputsOf = (gpu: Gpu) => shapes.map((shape, i) => uploadRandom(gpu, elementCount(shape), 30 + i));
  const rows = ["forward", ...(differentiable ? ["forward+backward"] : [])];
  return rows.map((direction) => ({
    name: `${name} ${direction}`,
    async run(gpu) {
      const values = inputsOf(gpu);
      const inputs = values.map(({ range, values: data }, i) => {
        gpu.free(range);
        return persistentTensor(gpu, shapes[i] as Shape, { data, requiresGradient: differentiable });
      });
      const shape = gpu.scope(() => op(...inputs).shape);
      const count = elementCount(shape);
      const kept = gpu.persistent(4 * count, "result");
      gpu.scope(() => addInto(gpu, { a: op(...inputs).range, b: undefined, out: kept, count }));
      const result = await gpu.readFloats(kept);
      const random = new Random({ seed: 6, stream: 530 });
      let [error, largest] = [0, 1e-9];
      for (let k = 0; k < SAMPLES; k++) {
        const at = random.integer(0, count);
        const truth = expected(at, values.map((input) => input.values));
        error = Math.max(error, Math.abs(truth - (result[at] as number)));
        largest = Math.max(largest, Math.abs(truth));
      }
      const upstream = persistentTensor(gpu, shape, { data: uniformValues(count, 60) });
      const work =
        direction === "forward" ? () => void op(...inputs) : () => void backward(op(...inputs), { gradient: upstream, leaves: inputs });
      const cost = measureReplay(gpu, work);
      const { ms } = cost;
      const elements = inputs.reduce((sum, input) => sum + input.size, count);
      const moved = 4 * elements * (direction === "forward" ? 1 : 3);
      for (const range of [...inputs, upstream].map((tensor) => tensor.range)) gpu.free(range);
      gpu.free(kept);
      return { name: this.name, ...cost, gbytes: moved / ms / 1e6, error: error / largest, ...(flops ? { gflops: (flops * (direction === "forward" ? 1 : 3)) / ms / 1e6 } : {}) };
    },
  }));
}
