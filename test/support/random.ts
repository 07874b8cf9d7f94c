import { Random } from "../../src/random.ts";

/** Seed of the random shapes and values; printed by every failing test that uses it through its label. */
export const TEST_SEED = Number(process.env["TEST_SEED"] ?? 1);

/** Values uniform in [-1, 1). */
export function randomValues(count: number, stream: number): Float32Array {
  const random = new Random({ seed: TEST_SEED, stream: 1000 + stream });
  return Float32Array.from({ length: count }, () => random.range(-1, 1));
}

/** A generator for shapes and choices. */
export function testRandom(stream: number): Random {
  return new Random({ seed: TEST_SEED, stream: 2000 + stream });
}
