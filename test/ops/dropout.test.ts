import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { dropout, type DropoutOptions } from "../../src/ops/dropout.ts";
import { mul } from "../../src/ops/elementwise.ts";
import { keyWords, STREAM } from "../../src/random.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { dropoutMaskReference } from "../reference/dropout.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkAdjoint, checkGradient } from "../support/gradient_check.ts";
import { randomValues } from "../support/random.ts";

const gpu = await testDevice();
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
type Key = readonly [seed: number, stream: number, epoch: number, index: number];
const KEY: Key = [7, STREAM.dropout, 3, 41];
const keyTensor = ([seed, stream, epoch, index]: Key) => persistentTensor(gpu, [4], { data: keyWords({ seed, stream, epoch, index }), dtype: "u32" });
const key = keyTensor(KEY);

/** Which of `elements` ones a call keeps. */
async function keptBits(elements: number, options: Partial<DropoutOptions> & { probability: number }): Promise<Uint8Array> {
  const ones = persistentTensor(gpu, [elements], { data: new Float32Array(elements).fill(1) });
  const y = await dropout(ones, { key, ...options }).toArray();
  return Uint8Array.from(y, (value) => Number(value !== 0));
}

const share = (bits: Uint8Array) => bits.reduce((sum, bit) => sum + bit, 0) / bits.length;
/** Five standard deviations of a share of `n` draws: one failure in two million. */
const band = (p: number, n: number) => 5 * Math.sqrt((p * (1 - p)) / n);

test("values and gradient follow the mask's definition; the rest of a block of four too", async () => {
  for (const shape of [[1], [2], [3], [5], [4, 4], [3, 7, 11], [2, 37, 53, 3]]) {
    for (const [probability, site] of [[0.25, 0], [0.5, 3], [0.9, 4_000_000_000]] as const) {
      const values = randomValues(count(shape), 1);
      const upstream = randomValues(count(shape), 2);
      const mask = dropoutMaskReference(count(shape), { key: KEY, site, probability });
      const x = persistentTensor(gpu, shape, { data: values, requiresGradient: true });
      const y = dropout(x, { key, probability, site });
      expectClose(await y.toArray(), mask.map((m, i) => m * (values[i] as number)), "kernel", `dropout [${shape}] ${probability}`);
      const gradient = backward(y, { gradient: persistentTensor(gpu, shape, { data: upstream }), leaves: [x] }).get(x) as Tensor;
      expectClose(await gradient.toArray(), mask.map((m, i) => m * (upstream[i] as number)), "kernel", `gradient of dropout [${shape}] ${probability}`);
    }
  }
});

test("features: whole channels of a sample, values and gradient", async () => {
  for (const shape of [[5, 3], [3, 1, 7], [2, 5, 13, 17], [4, 40, 40, 5]]) {
    const [n = 0, channels = 0] = [shape[0], shape.at(-1)];
    const mask = dropoutMaskReference(n * channels, { key: KEY, site: 2, probability: 0.4 });
    const pixels = count(shape) / n / channels;
    const factor = (i: number) => mask[Math.floor(i / channels / pixels) * channels + (i % channels)] as number;
    const values = randomValues(count(shape), 3);
    const upstream = randomValues(count(shape), 4);
    const x = persistentTensor(gpu, shape, { data: values, requiresGradient: true });
    const y = dropout(x, { key, probability: 0.4, site: 2, features: true });
    expectClose(await y.toArray(), Float64Array.from(values, (value, i) => factor(i) * value), "kernel", `features [${shape}]`);
    const gradient = backward(y, { gradient: persistentTensor(gpu, shape, { data: upstream }), leaves: [x] }).get(x) as Tensor;
    expectClose(await gradient.toArray(), Float64Array.from(upstream, (value, i) => factor(i) * value), "kernel", `gradient of features [${shape}]`);
  }
});

test("is linear, and its gradient holds mid-graph", async () => {
  const shape = [3, 5, 7];
  for (const features of [false, true]) {
    const subject = { label: `dropout, features ${features}`, inputs: [{ shape }], op: (x?: Tensor) => dropout(x as Tensor, { key, probability: 0.3, features }) };
    await checkAdjoint(gpu, subject);
    await checkGradient(gpu, subject);
  }
});

test("the rate is the probability, the scale keeps the mean, and a probability of 0 changes nothing", async () => {
  const elements = 200_003;
  for (const probability of [0.05, 0.25, 0.5, 0.8]) {
    const bits = await keptBits(elements, { probability });
    expect(Math.abs(share(bits) - (1 - probability))).toBeLessThan(band(probability, elements));
    const values = randomValues(1000, 5).map((value) => value + 2);
    const y = await dropout(persistentTensor(gpu, [1000], { data: values }), { key, probability }).toArray();
    const scale = Math.fround(1 / (1 - probability));
    expect([...y]).toEqual([...values].map((value, i) => (bits[i] ? Math.fround(value * scale) : 0)));
  }
  const values = randomValues(999, 6);
  const x = persistentTensor(gpu, [999], { data: values });
  expect(await dropout(x, { key, probability: 0 }).toArray()).toEqual(values);
});

test("masks of neighbouring keys, sites and places are independent", async () => {
  const elements = 100_000;
  const probability = 0.3;
  const agreeing = (a: Uint8Array, b: Uint8Array) => a.reduce((sum, bit, i) => sum + Number(bit === b[i]), 0) / a.length;
  const expected = probability ** 2 + (1 - probability) ** 2;
  const base = await keptBits(elements, { probability });
  const others: Record<string, Uint8Array> = { "site 1": await keptBits(elements, { probability, site: 1 }) };
  for (const [word, name] of ["seed", "stream", "epoch", "index"].entries()) {
    const other = [...KEY] as [number, number, number, number];
    other[word as 0]++;
    others[`next ${name}`] = await keptBits(elements, { probability, key: keyTensor(other) });
  }
  for (const shift of [1, 2, 3, 4, 64, 256]) others[`${shift} places on`] = Uint8Array.from(base, (_, i) => base[(i + shift) % elements] as number);
  for (const [name, bits] of Object.entries(others)) expect(Math.abs(agreeing(base, bits) - expected), name).toBeLessThan(band(expected, elements));
});

test("a key written before a replay gives new masks, the eager step's; the old key gives the old bits", async () => {
  const shape = [6, 11, 5];
  const values = randomValues(count(shape), 7);
  const x = persistentTensor(gpu, shape, { data: values, requiresGradient: true });
  const upstream = persistentTensor(gpu, shape, { data: randomValues(count(shape), 8) });
  const own = keyTensor([1, STREAM.dropout, 0, 0]);
  const results = [gpu.persistent(4 * count(shape), "result"), gpu.persistent(4 * count(shape), "gradient")] as const;
  const step = () => {
    const hidden = dropout(x, { key: own, probability: 0.4, site: 0 });
    const y = dropout(mul(hidden, 1.5), { key: own, probability: 0.2, site: 1, features: true });
    const gradient = backward(y, { gradient: upstream, leaves: [x] }).get(x) as Tensor;
    [y, gradient].forEach(({ range }, i) => addInto(gpu, { a: range, b: undefined, out: results[i] as (typeof results)[0], count: count(shape) }));
  };
  const read = async () => ({ y: await gpu.readFloats(results[0]), gradient: await gpu.readFloats(results[1]) });
  const write = (index: number) => gpu.write(own.range, keyWords({ seed: 1, stream: STREAM.dropout, epoch: 0, index }));

  const eager: Awaited<ReturnType<typeof read>>[] = [];
  for (const index of [0, 1, 2]) {
    write(index);
    gpu.scope(step);
    eager.push(await read());
  }
  expect(eager[1]?.y).not.toEqual(eager[0]?.y);
  expect(eager[2]?.gradient).not.toEqual(eager[1]?.gradient);
  write(0);
  const recording = gpu.record(step);
  for (const index of [1, 2, 0, 1]) {
    write(index);
    recording.replay();
    expect(await read()).toEqual(eager[index] as (typeof eager)[0]);
  }
  recording.dispose();
});

test("wrong arguments are refused by name", () => {
  const x = persistentTensor(gpu, [6]);
  expect(() => dropout(x, { key, probability: 1 })).toThrow("dropout: probability must be in [0, 1), got 1");
  expect(() => dropout(x, { key, probability: Number.NaN })).toThrow("dropout: probability must be in [0, 1), got NaN");
  expect(() => dropout(x, { key, probability: 0.5, site: -1 })).toThrow("dropout: site must be an integer from 0 to 2^32 - 1, got -1");
  expect(() => dropout(x, { key: x, probability: 0.5 })).toThrow("dropout: key must be u32 [4], got f32 [6]");
  expect(() => dropout(x, { key, probability: 0.5, features: true })).toThrow("dropout: x must be [n, ..., c] to drop features, got [6]");
});

test("equals PyTorch on the same mask, with all gradients", async () => {
  const call = (options: Omit<DropoutOptions, "key">) => (x?: Tensor) => dropout(x as Tensor, { key, ...options });
  await checkGolden(gpu, "dropout", {
    elements: call({ probability: 0.3, site: 5 }),
    features: call({ probability: 0.5, features: true }),
  });
});
