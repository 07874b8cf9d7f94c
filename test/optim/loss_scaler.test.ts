import { expect, test } from "bun:test";
import type { BufferRange } from "../../src/gpu/device.ts";
import { Adam } from "../../src/optim/adam.ts";
import { NormClip } from "../../src/optim/clip.ts";
import { LossScaler } from "../../src/optim/loss_scaler.ts";
import type { Optimiser, OptimiserArenas } from "../../src/optim/optimiser.ts";
import { Rmsprop } from "../../src/optim/rmsprop.ts";
import { Sgd } from "../../src/optim/sgd.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();

const COUNT = 5003;
const OPTIMISERS: Record<string, (arenas: OptimiserArenas) => Optimiser> = {
  adam: (arenas) => new Adam(gpu, arenas, { weightDecay: 0.01 }),
  adamw: (arenas) => new Adam(gpu, arenas, { weightDecay: 0.01, decoupled: true, amsgrad: true }),
  sgd: (arenas) => new Sgd(gpu, arenas, { weightDecay: 0.01 }),
  "sgd with momentum": (arenas) => new Sgd(gpu, arenas, { momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  rmsprop: (arenas) => new Rmsprop(gpu, arenas, { centered: true, momentum: 0.9, weightDecay: 0.01 }),
};

/** Arenas with random parameters; `scale` is what gradients are multiplied by before they are written. */
function setUp(name: string, options?: ConstructorParameters<typeof LossScaler>[2]) {
  const parameters = gpu.upload(randomValues(COUNT, 1), "parameters");
  const gradients = gpu.persistent(4 * COUNT, "gradients");
  const scaler = options ? new LossScaler(gpu, gradients, options) : undefined;
  const optimiser = OPTIMISERS[name]?.({ parameters, gradients, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) });
  if (!optimiser) throw new Error(name);
  const step = () => {
    scaler?.update();
    optimiser.step();
  };
  const bits = async () => {
    const read = async (range: BufferRange) => [...new Uint32Array(await gpu.read(range))];
    return Promise.all([parameters, ...Object.values(optimiser.state)].map(read));
  };
  const put = (scale: number, place?: number, value = 0) => {
    const values = randomValues(COUNT, 2).map((gradient) => gradient * scale);
    if (place !== undefined) values[place] = value;
    gpu.write(gradients, values);
    optimiser.prepare(0.01);
  };
  return { optimiser, scaler, step, bits, put };
}

for (const name of Object.keys(OPTIMISERS)) {
  test(`${name}: scaled gradients give the bits of unscaled ones, and an overflow leaves all of them as they are`, async () => {
    const plain = setUp(name);
    const scaled = setUp(name, { initial: 2 ** 16 });
    if (!scaled.scaler) throw new Error("no scaler");
    const { scaler } = scaled;
    const both = async () => {
      plain.put(1);
      plain.step();
      scaled.put((await scaler.read()).scale);
      scaled.step();
      return scaled.bits();
    };
    expect(await both()).toEqual(await plain.bits());

    const before = await scaled.bits();
    const overflows = [[0, Infinity], [COUNT - 1, -Infinity], [2501, Number.NaN], [4097, Infinity]] as const;
    for (const [i, [place, value]] of overflows.entries()) {
      scaled.put(2 ** 16, place, value);
      scaled.step();
      expect(await scaled.bits()).toEqual(before);
      expect(await scaler.read()).toEqual({ scale: 2 ** (15 - i), goodSteps: 0, skippedSteps: i + 1 });
    }
    // The optimisers' counts differ now where they matter (Adam): hold both to the same one.
    plain.optimiser.steps = scaled.optimiser.steps;
    expect(await both()).toEqual(await plain.bits());
    expect(await scaler.read()).toEqual({ scale: 2 ** 12, goodSteps: 1, skippedSteps: overflows.length });
  });
}

test("the largest finite values and denormals are no overflow", async () => {
  const { scaler, step, put } = setUp("sgd", { initial: 1 });
  for (const [place, value] of [[7, 3.4028234663852886e38], [COUNT - 1, -3.4028234663852886e38], [3, 1e-45]] as const) {
    put(1, place, value);
    step();
  }
  expect(await scaler?.read()).toEqual({ scale: 1, goodSteps: 3, skippedSteps: 0 });
});

test("the scale grows after as many good steps in a row, within f32, and backs off down to a normal number: PyTorch's rules", async () => {
  const { scaler, step, put } = setUp("sgd", { initial: 4, interval: 3, growth: 2, backoff: 0.5 });
  if (!scaler) throw new Error("no scaler");
  const scales: number[] = [];
  for (const overflow of [false, false, true, false, false, false, false, false, true]) {
    put(1, 5, overflow ? Infinity : 0);
    step();
    scales.push((await scaler.read()).scale);
  }
  expect(scales).toEqual([4, 4, 2, 2, 2, 4, 4, 4, 2]);
  for (const [scale, overflow, next] of [[2 ** 125, false, 2 ** 126], [2 ** 126, false, 2 ** 126], [2 ** -125, true, 2 ** -126], [2 ** -126, true, 2 ** -126]] as const) {
    scaler.restore({ scale, goodSteps: 2, skippedSteps: 0 });
    put(1, 5, overflow ? Infinity : 0);
    step();
    expect((await scaler.read()).scale).toBe(next);
  }
});

test("a replayed step equals eager ones through overflow and growth; what was read and restored goes on the same way", async () => {
  const script = [false, false, true, false, false, true, false];
  const run = async (mode: "eager" | "replayed" | "restored") => {
    const subject = setUp("adam", { initial: 8, interval: 2 });
    let replay: ReturnType<typeof gpu.record> | undefined;
    for (const [i, overflow] of script.entries()) {
      if (mode === "restored" && i === 4 && subject.scaler) {
        const state = await subject.scaler.read();
        subject.scaler.restore({ scale: 1, goodSteps: 0, skippedSteps: 0 });
        subject.scaler.restore(state);
      }
      subject.put(8, 11, overflow ? Infinity : 0);
      if (mode !== "replayed") subject.step();
      else if (replay) replay.replay();
      else replay = gpu.record(subject.step);
    }
    replay?.dispose();
    return { bits: await subject.bits(), state: await subject.scaler?.read() };
  };
  const eager = await run("eager");
  expect(eager.state).toEqual({ scale: 8, goodSteps: 1, skippedSteps: 2 });
  expect(await run("replayed")).toEqual(eager);
  expect(await run("restored")).toEqual(eager);
});

test("gradients are clipped by the norm that they have without the scale, and an overflow leaves the step out all the same", async () => {
  const maxNorm = 3;
  const run = async (scale: number, overflow: boolean) => {
    const parameters = gpu.upload(randomValues(COUNT, 1), "parameters");
    const gradients = gpu.persistent(4 * COUNT, "gradients");
    const scaler = scale === 1 ? undefined : new LossScaler(gpu, gradients, { initial: scale });
    const clip = new NormClip(gpu, gradients, { maxNorm, ...(scaler ? { gradientScale: scaler.gradientScale } : {}) });
    const sgd = new Sgd(gpu, { parameters, gradients, gradientScale: clip.factor });
    gpu.write(gradients, randomValues(COUNT, 2).map((value, i) => (overflow && i === 9 ? Infinity : value * scale)));
    sgd.prepare(0.1);
    scaler?.update();
    clip.measure();
    sgd.step();
    return { norm: [...(await gpu.readFloats(clip.norm))], parameters: await gpu.readFloats(parameters) };
  };
  const plain = await run(1, false);
  expect(plain.norm[0]).toBeGreaterThan(10 * maxNorm);
  expect(await run(2 ** 16, false)).toEqual(plain);
  expect((await run(2 ** 16, true)).parameters).toEqual(randomValues(COUNT, 1));
});

test("a loss of any shape starts its backward pass from the scale, and wrong constants are refused", async () => {
  const gradients = gpu.persistent(16, "gradients");
  const scaler = new LossScaler(gpu, gradients);
  const gradient = scaler.gradientOf(persistentTensor(gpu, [3]));
  expect([...(await gradient.toArray())]).toEqual([65536, 65536, 65536]);
  for (const options of [{ initial: 0 }, { initial: Number.NaN }, { growth: 0.5 }, { backoff: 1 }, { backoff: 0 }, { interval: 0 }]) {
    expect(() => new LossScaler(gpu, gradients, options)).toThrow(/LossScaler: \w+ must be in/);
  }
});
