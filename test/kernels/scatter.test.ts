import { expect, test } from "bun:test";
import { planFixedPoint, scatterAdd, type ScatterCall } from "../../src/kernels/scatter.ts";
import { testDevice } from "../support/device.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();

interface Case {
  outer: number;
  count: number;
  size: number;
  inner: number;
  contributions?: number;
}

type Steps = NonNullable<ScatterCall["indexSteps"]>;

const SHARED: Steps = { outer: 0, row: 1, inner: 0 };

async function run(values: Float32Array, index: Uint32Array, sizes: Case & { indexSteps?: Steps; accumulatorBytes?: number }): Promise<Float32Array> {
  const ranges = [gpu.upload(values, "values"), gpu.upload(index, "index"), gpu.persistent(4 * sizes.outer * sizes.size * sizes.inner, "out")] as const;
  gpu.write(ranges[2], new Float32Array(sizes.outer * sizes.size * sizes.inner).fill(77));
  gpu.scope(() => scatterAdd(gpu, { values: ranges[0], index: ranges[1], out: ranges[2], ...sizes }));
  const out = await gpu.readFloats(ranges[2]);
  for (const range of ranges) gpu.free(range);
  return out;
}

/** Sums and sums of magnitudes, f64; an index of `size` or more adds nothing. */
function reference(values: Float32Array, index: Uint32Array, { outer, count, size, inner, indexSteps: steps = SHARED }: Case & { indexSteps?: Steps }): { sums: Float64Array; counts: Uint32Array } {
  const sums = new Float64Array(outer * size * inner);
  const counts = new Uint32Array(sums.length);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < count; i++)
      for (let k = 0; k < inner; k++) {
        const a = index[o * steps.outer + i * steps.row + k * steps.inner] as number;
        if (a >= size) continue;
        const cell = k + inner * (a + size * o);
        sums[cell] = (sums[cell] as number) + (values[k + inner * (i + count * o)] as number);
        counts[cell] = (counts[cell] as number) + 1;
      }
  return { sums, counts };
}

/** Every cell is as exact as its fixed point and the rounding of the result allow, and not a bit less. */
function expectExact(actual: Float32Array, values: Float32Array, { sums, counts }: { sums: Float64Array; counts: Uint32Array }, { contributions, label }: { contributions: number; label: string }): void {
  const { words, wordBits } = planFixedPoint(contributions);
  const largest = values.reduce((bound, value) => Math.max(bound, Math.abs(value)), 0);
  const half = 2 ** (Math.floor(Math.log2(largest)) - words * wordBits);
  for (const [i, sum] of sums.entries()) {
    const allowed = (counts[i] as number) * half + 1.5 * 2 ** -24 * Math.abs(sum) + 1e-37;
    const difference = Math.abs((actual[i] as number) - sum);
    if (!(difference <= allowed)) throw new Error(`${label}: cell ${i} is ${actual[i]}, expected ${sum} within ${allowed}`);
  }
}

const CASES: Record<string, Case & { indexSteps?: Steps; accumulatorBytes?: number }> = {
  "rows of primes": { outer: 3, count: 101, size: 7, inner: 13 },
  "one cell": { outer: 1, count: 257, size: 1, inner: 1 },
  "one value": { outer: 1, count: 1, size: 5, inner: 1 },
  "an index per element": { outer: 2, count: 37, size: 11, inner: 5, indexSteps: { outer: 185, row: 5, inner: 1 } },
  "an index per outer row": { outer: 5, count: 23, size: 3, inner: 4, indexSteps: { outer: 23, row: 1, inner: 0 } },
  "accumulators in windows": { outer: 3, count: 64, size: 17, inner: 3, accumulatorBytes: 8 * 29 },
  "three words": { outer: 1, count: 99, size: 4, inner: 3, contributions: 2 ** 17 },
  "five words": { outer: 1, count: 99, size: 4, inner: 3, contributions: 2 ** 24 },
  "many values": { outer: 1, count: 70_001, size: 1009, inner: 3 },
};

for (const [label, sizes] of Object.entries(CASES)) {
  const { outer, count, size, inner, indexSteps: steps = SHARED } = sizes;
  test(`scatter, ${label}: sums as in f64, the same bits again and in any order`, async () => {
    const random = testRandom(70);
    const values = Float32Array.from(randomValues(outer * count * inner, 71), (value) => value * 10 ** random.integer(-4, 5));
    const index = Uint32Array.from({ length: 1 + (outer - 1) * steps.outer + (count - 1) * steps.row + (inner - 1) * steps.inner }, () => random.integer(0, size + 1));
    const once = await run(values, index, sizes);
    expectExact(once, values, reference(values, index, sizes), { contributions: sizes.contributions ?? count, label });
    expect(await run(values, index, sizes)).toEqual(once);

    const order = random.permutation(count);
    const shuffledValues = values.map((_, at) => {
      const [k, row] = [at % inner, Math.floor(at / inner)];
      return values[k + inner * ((order[row % count] as number) + count * Math.floor(row / count))] as number;
    });
    const shuffledIndex = index.map((_, at) => {
      const o = steps.outer ? Math.floor(at / steps.outer) : 0;
      const rest = at - o * steps.outer;
      return index[o * steps.outer + (order[Math.floor(rest / steps.row)] as number) * steps.row + (rest % steps.row)] as number;
    });
    expect(await run(shuffledValues, shuffledIndex, sizes)).toEqual(once);
  });
}

test("no sum of the allowed number of contributions overflows a word, at any size of value", async () => {
  for (const count of [1, 2, 127, 128, 129, 4096, 16384, 65536, 131072]) {
    const sizes = { outer: 1, count, size: 2, inner: 1 };
    const index = new Uint32Array(count);
    // All bits set, in the first word alone, just below and above a power of two; tiny and huge.
    for (const value of [1 - 2 ** -24, -(1 - 2 ** -24), 1, 1 + 2 ** -23, 2 ** -16 * (1 - 2 ** -24), 1e-30, -1e30, 1e33]) {
      const values = new Float32Array(count).fill(value);
      const sums = Float64Array.of(count * Math.fround(value), 0);
      expectExact(await run(values, index, sizes), values, { sums, counts: Uint32Array.of(count, 0) }, { contributions: count, label: `${count} times ${value}` });
    }
  }
});

test("what cancels leaves the small rest", async () => {
  const values = Float32Array.of(3e5, 0.001, -3e5, 0.25, 1, -1, 1e-6);
  expect([...(await run(values, Uint32Array.of(0, 0, 0, 1, 2, 2, 2), { outer: 1, count: 7, size: 4, inner: 1 }))].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([0.001, 0.25, 1e-6, 0]);
});

test("single values of any size come back within half of the last unit", async () => {
  const count = 90;
  const values = randomValues(count, 72).map((value, i) => (i === 0 ? 1 : value * 2 ** -(i / 2)));
  const index = Uint32Array.from({ length: count }, (_, i) => i);
  for (const contributions of [1, 4096, 2 ** 17, 2 ** 24]) {
    const sizes = { outer: 1, count, size: count, inner: 1, contributions };
    expectExact(await run(values, index, sizes), values, { sums: Float64Array.from(values), counts: new Uint32Array(count).fill(1) }, { contributions, label: `${contributions} contributions` });
  }
});

test("a value that is not finite makes every sum NaN; zeros sum to zero", async () => {
  const sizes = { outer: 1, count: 5, size: 3, inner: 1 };
  const index = Uint32Array.of(0, 1, 1, 0, 0);
  for (const odd of [Number.NaN, -Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect([...(await run(Float32Array.of(1, 2, odd, 3, 4), index, sizes))]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  }
  expect([...(await run(new Float32Array(5), index, sizes))]).toEqual([0, 0, 0]);
});

test("bits per word follow from the contributions", () => {
  expect(planFixedPoint(1)).toEqual({ words: 2, wordBits: 24 });
  expect(planFixedPoint(4096)).toEqual({ words: 2, wordBits: 19 });
  expect(planFixedPoint(4097)).toEqual({ words: 2, wordBits: 18 });
  expect(planFixedPoint(16384)).toEqual({ words: 2, wordBits: 17 });
  expect(planFixedPoint(65537)).toEqual({ words: 3, wordBits: 14 });
  expect(planFixedPoint(2 ** 27)).toEqual({ words: 8, wordBits: 4 });
  for (const wrong of [0, 1.5, 2 ** 27 + 1]) expect(() => planFixedPoint(wrong)).toThrow(`contributions must be an integer from 1 to 2^27, got ${wrong}`);
});
