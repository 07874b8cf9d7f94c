import { test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { Random } from "../../src/random.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import type { HostArray } from "../reference/array.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { TEST_SEED } from "../support/random.ts";
import { describeGraph, evaluateDevice, evaluateHost, type Graph, randomGraph } from "./random_graph.ts";

const gpu = await testDevice();

/** 50 in an ordinary run; FUZZ_GRAPHS=500 TEST_SEED=$RANDOM bun test test/fuzz for a nightly one. */
const GRAPHS = Number(process.env["FUZZ_GRAPHS"] ?? 50);
const STEP = 1e-5;

/** Gradient of <weights, last node> by central differences in f64; NaN where the two sides disagree, next to a kink. */
function hostGradient(graph: Graph, leaves: readonly HostArray[], { leaf, weights }: { leaf: number; weights: Float64Array }): Float64Array {
  const value = (moved: readonly HostArray[]) => {
    const last = evaluateHost(graph, moved).at(-1) as HostArray;
    return last.values.reduce((sum, own, i) => sum + own * (weights[i] as number), 0);
  };
  const { shape, values } = leaves[leaf] as HostArray;
  const at = (i: number, delta: number) => value(leaves.with(leaf, { shape, values: values.with(i, (values[i] as number) + delta) }));
  const middle = value(leaves);
  return values.map((_, i) => {
    const [up, down] = [at(i, STEP), at(i, -STEP)];
    const [right, left] = [(up - middle) / STEP, (middle - down) / STEP];
    return Math.abs(right - left) > 1e-2 * (1 + Math.abs(right) + Math.abs(left)) ? Number.NaN : (right + left) / 2;
  });
}

test(`${GRAPHS} random graphs: values and gradients as f64 has them (TEST_SEED=${TEST_SEED})`, async () => {
  for (let number = 0; number < GRAPHS; number++) {
    const random = new Random({ seed: TEST_SEED, stream: 3000 + number });
    const { graph, leaves } = randomGraph(random, random.integer(5, 16));
    const label = `graph ${number} of TEST_SEED=${TEST_SEED}\n${describeGraph(graph)}\n`;
    const tensors = leaves.map(({ shape, values }) => persistentTensor(gpu, shape, { data: Float32Array.from(values), requiresGradient: true }));
    const output = evaluateDevice(graph, tensors);
    const expected = evaluateHost(graph, leaves).at(-1) as HostArray;
    expectClose(await output.toArray(), expected.values, "graph", `${label}value`);
    if (!output.producer) continue;
    const weights = Float64Array.from(expected.values, () => Math.fround(random.range(-1, 1)));
    const upstream = persistentTensor(gpu, output.shape, { data: Float32Array.from(weights) });
    const gradients = backward(output, { gradient: upstream, leaves: tensors });
    for (const [leaf, tensor] of tensors.entries()) {
      const gradient = await gradients.get(tensor)?.toArray();
      const host = hostGradient(graph, leaves, { leaf, weights });
      const smooth = host.keys().filter((i) => !Number.isNaN(host[i])).toArray();
      expectClose(smooth.map((i) => gradient?.[i] ?? 0), smooth.map((i) => host[i] as number), "graph", `${label}gradient of %${leaf}`);
    }
    for (const tensor of [...tensors, upstream]) gpu.free(tensor.range);
    await gpu.trim();
  }
});
