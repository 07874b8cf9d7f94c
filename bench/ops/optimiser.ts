import type { BufferRange, Gpu } from "../../src/gpu/device.ts";
import { Adam } from "../../src/optim/adam.ts";
import { NormClip } from "../../src/optim/clip.ts";
import { Rmsprop } from "../../src/optim/rmsprop.ts";
import { Sgd } from "../../src/optim/sgd.ts";
import { WeightAverage } from "../../src/optim/weight_average.ts";
import { type Case, largestDifference, memoryCase, uploadRandom } from "../case.ts";

/** Values of a network of 4 million parameters. */
const COUNT = 4_000_000;
const RATE = 1e-3;

interface Update {
  work: () => void;
  /** Parameter after one update, by the definition. */
  expected: (p: number, g: number) => number;
  /** What is compared, where it is not the parameters. */
  result?: BufferRange;
  free: BufferRange[];
}

/** A line for an update of the arena that moves `streams` times its size, checked after the first of the steps. */
function updateCase(name: string, streams: number, build: (gpu: Gpu, arenas: { parameters: BufferRange; gradients: BufferRange }) => Update): Case {
  return memoryCase(`${name}, 4M parameters`, (gpu) => {
    const [p, g] = [uploadRandom(gpu, COUNT, 80), uploadRandom(gpu, COUNT, 81)];
    const { work, expected, result, free } = build(gpu, { parameters: p.range, gradients: g.range });
    return {
      work,
      bytes: 4 * streams * COUNT,
      check: async () => largestDifference(await gpu.readFloats(result ?? p.range), p.values.map((value, i) => expected(value, g.values[i] as number))),
      free: [p.range, g.range, ...free],
    };
  });
}

export const cases: Case[] = [
  updateCase("Adam", 7, (gpu, arenas) => {
    const adam = new Adam(gpu, arenas);
    adam.prepare(RATE);
    return { work: () => adam.step(), expected: (p, g) => p - (RATE * g) / (Math.abs(g) + 1e-8), free: Object.values(adam.state) };
  }),
  updateCase("SGD with momentum", 5, (gpu, arenas) => {
    const sgd = new Sgd(gpu, arenas, { momentum: 0.9 });
    sgd.prepare(RATE);
    return { work: () => sgd.step(), expected: (p, g) => p - RATE * g, free: Object.values(sgd.state) };
  }),
  updateCase("RMSprop", 5, (gpu, arenas) => {
    const rmsprop = new Rmsprop(gpu, arenas);
    rmsprop.prepare(RATE);
    return { work: () => rmsprop.step(), expected: (p, g) => p - (RATE * g) / (0.1 * Math.abs(g) + 1e-8), free: Object.values(rmsprop.state) };
  }),
  memoryCase("gradient norm, 4M parameters", (gpu) => {
    const { range, values } = uploadRandom(gpu, COUNT, 82);
    const clip = new NormClip(gpu, range, { maxNorm: 1 });
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    return { work: () => clip.measure(), bytes: 4 * COUNT, check: async () => largestDifference(await gpu.readFloats(clip.norm), [norm]), free: [range, clip.norm, clip.factor] };
  }),
  updateCase("average of weights", 3, (gpu, { parameters }) => {
    const average = new WeightAverage(gpu, parameters, { decay: 0.9 });
    average.prepare();
    return { work: () => average.update(), expected: (p) => p, result: average.average, free: [average.average] };
  }),
];
