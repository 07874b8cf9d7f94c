import { expect, test } from "bun:test";
import type { BufferRange } from "../../src/gpu/device.ts";
import { Adam } from "../../src/optim/adam.ts";
import type { Optimiser, OptimiserArenas, ParameterGroup } from "../../src/optim/optimiser.ts";
import { Rmsprop } from "../../src/optim/rmsprop.ts";
import { Sgd } from "../../src/optim/sgd.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const golden = await Golden.open("optim");
const STEPS = 10;
const RATE = 0.01;

/** The golden file's 70 values in two stretches that begin at the adapter's alignment, as a network's arena has them. */
const ALIGNMENT = gpu.limits.minStorageBufferOffsetAlignment / 4;
const [SPLIT, COUNT] = [40, 70];
const SECOND = Math.ceil(SPLIT / ALIGNMENT) * ALIGNMENT;
const BYTES = 4 * Math.ceil((SECOND + COUNT - SPLIT) / ALIGNMENT) * ALIGNMENT;

function spread(values: Float32Array): Float32Array {
  const arena = new Float32Array(BYTES / 4);
  arena.set(values.subarray(0, SPLIT));
  arena.set(values.subarray(SPLIT), SECOND);
  return arena;
}

async function gathered(range: BufferRange): Promise<Float32Array> {
  const values = await gpu.readFloats(range);
  return Float32Array.of(...values.subarray(0, SPLIT), ...values.subarray(SECOND, SECOND + COUNT - SPLIT));
}

type Factors = Pick<ParameterGroup, "learningRate" | "weightDecay">;
type Make = (arenas: OptimiserArenas, groups: readonly ParameterGroup[]) => Optimiser;

const CASES: Record<string, { make: Make; factors?: Factors }> = {
  adam: { make: (arenas, groups) => new Adam(gpu, arenas, { groups }) },
  "adam decay": { make: (arenas, groups) => new Adam(gpu, arenas, { weightDecay: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-4, groups }) },
  "adam groups": { make: (arenas, groups) => new Adam(gpu, arenas, { weightDecay: 0.1, groups }), factors: { learningRate: 0.25, weightDecay: 0 } },
  amsgrad: { make: (arenas, groups) => new Adam(gpu, arenas, { amsgrad: true, beta1: 0.8, beta2: 0.7, groups }) },
  adamw: { make: (arenas, groups) => new Adam(gpu, arenas, { weightDecay: 0.3, decoupled: true, groups }) },
  "adamw amsgrad groups": {
    make: (arenas, groups) => new Adam(gpu, arenas, { weightDecay: 0.3, decoupled: true, amsgrad: true, beta1: 0.8, beta2: 0.7, groups }),
    factors: { learningRate: 3, weightDecay: 0.5 },
  },
  sgd: { make: (arenas, groups) => new Sgd(gpu, arenas, { groups }) },
  "sgd decay groups": { make: (arenas, groups) => new Sgd(gpu, arenas, { weightDecay: 0.2, groups }), factors: { learningRate: 2, weightDecay: 3 } },
  "sgd momentum": { make: (arenas, groups) => new Sgd(gpu, arenas, { momentum: 0.9, weightDecay: 0.1, groups }) },
  "sgd dampening": { make: (arenas, groups) => new Sgd(gpu, arenas, { momentum: 0.9, dampening: 0.4, groups }) },
  "sgd nesterov": { make: (arenas, groups) => new Sgd(gpu, arenas, { momentum: 0.8, nesterov: true, weightDecay: 0.1, groups }), factors: { learningRate: 0.5, weightDecay: 2 } },
  rmsprop: { make: (arenas, groups) => new Rmsprop(gpu, arenas, { groups }) },
  "rmsprop decay": { make: (arenas, groups) => new Rmsprop(gpu, arenas, { alpha: 0.9, epsilon: 1e-3, weightDecay: 0.1, groups }), factors: { learningRate: 2, weightDecay: 0 } },
  "rmsprop momentum": { make: (arenas, groups) => new Rmsprop(gpu, arenas, { momentum: 0.7, groups }) },
  "rmsprop centered": { make: (arenas, groups) => new Rmsprop(gpu, arenas, { centered: true, alpha: 0.9, groups }) },
  "rmsprop centered momentum": { make: (arenas, groups) => new Rmsprop(gpu, arenas, { centered: true, alpha: 0.9, momentum: 0.7, weightDecay: 0.05, groups }) },
};

/** The second half of the parameters, with factors. */
function groupsOf(parameters: BufferRange, factors: Factors | undefined): ParameterGroup[] {
  return factors ? [{ ranges: [{ allocation: parameters.allocation, offset: 4 * SECOND, bytes: 4 * (COUNT - SPLIT) }], ...factors }] : [];
}

/** Ten steps of a case, eager or with the last nine replayed from the recording of the first. */
function run({ make, factors }: (typeof CASES)[string], replayed: boolean): { parameters: BufferRange; gradients: BufferRange; optimiser: Optimiser } {
  const parameters = gpu.upload(spread(golden.floats("start")), "p");
  const gradients = gpu.persistent(BYTES, "g");
  const optimiser = make({ parameters, gradients }, groupsOf(parameters, factors));
  const values = golden.floats("gradients");
  const prepare = (step: number) => {
    gpu.write(gradients, spread(values.subarray(step * COUNT, (step + 1) * COUNT)));
    optimiser.prepare(RATE * 0.9 ** step);
  };
  prepare(0);
  const recording = replayed ? gpu.record(() => optimiser.step()) : undefined;
  if (!recording) optimiser.step();
  for (let step = 1; step < STEPS; step++) {
    prepare(step);
    if (recording) recording.replay();
    else optimiser.step();
  }
  recording?.dispose();
  expect(optimiser.steps).toBe(STEPS);
  return { parameters, gradients, optimiser };
}

for (const [name, subject] of Object.entries(CASES)) {
  test(`${name}: ten steps equal PyTorch's, parameters and state; replayed steps give the bits of eager ones`, async () => {
    const { parameters, optimiser } = run(subject, false);
    expectClose(await gathered(parameters), golden.floats(`${name}.end`), "kernel", `${name}: parameters`);
    for (const [key, arena] of Object.entries(optimiser.state)) {
      expectClose(await gathered(arena), golden.floats(`${name}.${key}`), "kernel", `${name}: ${key}`);
    }
    const again = run(subject, true);
    expect(await gpu.readFloats(again.parameters)).toEqual(await gpu.readFloats(parameters));
    for (const [key, arena] of Object.entries(optimiser.state)) {
      expect(await gpu.readFloats(again.optimiser.state[key] as BufferRange)).toEqual(await gpu.readFloats(arena));
    }
  });
}

test("every case of the golden file is run, with all of its state", () => {
  const stored = golden.names().filter((key) => /^(adam|amsgrad|sgd|rmsprop)/.test(key) && !key.endsWith(".end"));
  const expected = Object.entries(CASES).flatMap(([name, { make }]) => {
    const range = gpu.persistent(BYTES, "p");
    return Object.keys(make({ parameters: range, gradients: range }, []).state).map((key) => `${name}.${key}`);
  });
  expect(stored.sort()).toEqual(expected.sort());
});

test("a step is a handful of dispatches however many stretches the groups name", () => {
  const alignment = gpu.limits.minStorageBufferOffsetAlignment;
  const parameters = gpu.persistent(8 * alignment, "p");
  const gradients = gpu.persistent(8 * alignment, "g");
  const part = (first: number, bytes: number) => ({ allocation: parameters.allocation, offset: first * alignment, bytes });
  const dispatches = (groups: readonly ParameterGroup[]) => {
    const sgd = new Sgd(gpu, { parameters, gradients }, { groups });
    sgd.prepare(1);
    const before = gpu.counters.dispatches;
    sgd.step();
    return gpu.counters.dispatches - before;
  };
  expect(dispatches([])).toBe(1);
  expect(dispatches([{ ranges: [part(0, 8 * alignment)] }])).toBe(1);
  // Neighbours of one group are one stretch, across the padding between them.
  expect(dispatches([{ ranges: [part(3, 8), part(2, alignment - 4), part(4, 4)] }])).toBe(3);
  expect(dispatches([{ ranges: [part(0, 4), part(7, 4)] }, { ranges: [part(1, 4)] }])).toBe(4);
});

test("factors of a group are data: changed between replayed steps they take effect, and 0 freezes", async () => {
  const start = randomValues(2 * ALIGNMENT, 1);
  const parameters = gpu.upload(start, "p");
  const gradients = gpu.upload(new Float32Array(2 * ALIGNMENT).fill(1), "g");
  const group = { ranges: [{ allocation: parameters.allocation, offset: 4 * ALIGNMENT, bytes: 4 * ALIGNMENT }], learningRate: 0 };
  const sgd = new Sgd(gpu, { parameters, gradients }, { groups: [group] });
  sgd.prepare(0.5);
  const recording = gpu.record(() => sgd.step());
  group.learningRate = 3;
  sgd.prepare(0.25);
  recording.replay();
  const expected = start.map((value, i) => (i < ALIGNMENT ? Math.fround(Math.fround(value - 0.5) - 0.25) : value - 0.75));
  expectClose(await gpu.readFloats(parameters), expected, "kernel", "parameters");
});

test("what was restored from a state goes on as what was never stopped, bit for bit", async () => {
  for (const [name, { make, factors }] of Object.entries(CASES)) {
    const { parameters, gradients, optimiser } = run({ make, ...(factors ? { factors } : {}) }, false);
    const copy = gpu.upload(await gpu.readFloats(parameters), "copy");
    const restored = make({ parameters: copy, gradients }, groupsOf(copy, factors));
    for (const [key, arena] of Object.entries(restored.state)) gpu.write(arena, await gpu.readFloats(optimiser.state[key] as BufferRange));
    restored.steps = optimiser.steps;
    gpu.write(gradients, spread(randomValues(COUNT, 2)));
    for (const each of [optimiser, restored]) {
      each.prepare(RATE);
      each.step();
    }
    expect(await gpu.readFloats(copy), name).toEqual(await gpu.readFloats(parameters));
  }
});

test("gradients are scaled as they are read", async () => {
  for (const [name, { make }] of Object.entries(CASES)) {
    const start = randomValues(COUNT, 3);
    const values = randomValues(COUNT, 4);
    const step = async (gradients: Float32Array, scale?: number) => {
      const parameters = gpu.upload(start, "p");
      const optimiser = make({ parameters, gradients: gpu.upload(gradients, "g"), ...(scale === undefined ? {} : { gradientScale: gpu.upload(Float32Array.of(scale), "scale") }) }, []);
      optimiser.prepare(RATE);
      optimiser.step();
      return gpu.readFloats(parameters);
    };
    expect(await step(values, 0.25), name).toEqual(await step(values.map((value) => value / 4)));
  }
});

test("wrong arguments are refused by name", () => {
  const alignment = gpu.limits.minStorageBufferOffsetAlignment;
  const parameters = gpu.persistent(4 * alignment, "p");
  const gradients = gpu.persistent(4 * alignment, "g");
  const arenas = { parameters, gradients };
  const part = (offset: number, bytes: number) => ({ allocation: parameters.allocation, offset, bytes });
  expect(() => new Adam(gpu, { parameters, gradients: part(0, alignment) })).toThrow(`optimiser: gradients must have the parameters' ${4 * alignment} bytes, got ${alignment}`);
  expect(() => new Adam(gpu, arenas, { beta1: 1 })).toThrow("Adam: beta1 must be in [0, 1), got 1");
  expect(() => new Rmsprop(gpu, arenas, { alpha: -1 })).toThrow("Rmsprop: alpha must be in [0, 1), got -1");
  expect(() => new Sgd(gpu, arenas, { momentum: -1 })).toThrow("Sgd: momentum must be in [0, Infinity), got -1");
  expect(() => new Sgd(gpu, arenas, { nesterov: true })).toThrow("Sgd: nesterov must have momentum above 0 and dampening 0, got 0 and 0");
  expect(() => new Sgd(gpu, arenas, { groups: [{ ranges: [gradients] }] })).toThrow('parameter group 0 must lie in the parameter arena, got a range of "g"');
  expect(() => new Sgd(gpu, arenas, { groups: [{ ranges: [part(3 * alignment, alignment + 4)] }] })).toThrow("parameter group 0 must lie in the arena's");
  expect(() => new Sgd(gpu, arenas, { groups: [{ ranges: [part(4, 4)] }] })).toThrow(`parameter group 0 must begin at a multiple of ${alignment} bytes, got bytes 4 to 8`);
  expect(() => new Sgd(gpu, arenas, { groups: [{ ranges: [part(0, 4)] }, { ranges: [part(0, 8)] }] })).toThrow("must not overlap another");
  expect(() => new Sgd(gpu, arenas).prepare(Number.NaN)).toThrow("optimiser: learning rate must be in [0, Infinity), got NaN");
  const negative = new Sgd(gpu, arenas, { groups: [{ ranges: [part(0, 4)], learningRate: -1 }] });
  expect(() => negative.prepare(1)).toThrow("optimiser, parameter group 0: learning rate must be in [0, Infinity), got -1");
});
