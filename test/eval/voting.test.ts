import { expect, test } from "bun:test";
import fc from "fast-check";
import { averageMaps, voteJoints } from "../../src/eval/voting.ts";

test("the far candidate is voted out, each joint by itself", () => {
  // Mean x of the first joint is 4; distances 4, 3, 7, mean 4.67: the first two stay.
  expect([...voteJoints([[0, 0, 0.2, 5, 5, 1], [1, 0, 0.4, 5, 5, 1], [11, 0, 0.9, 5, 5, 0.4]])]).toEqual([0.5, 0, expect.closeTo(0.3, 12), 5, 5, expect.closeTo(0.8, 12)]);
  expect([...voteJoints([[3, 4, 0.5]])]).toEqual([3, 4, 0.5]);
});

test("votes lie within the candidates, and there always is one", () => {
  const candidate = fc.tuple(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));
  fc.assert(
    fc.property(fc.array(candidate, { minLength: 1, maxLength: 6 }), (candidates) => {
      const vote = voteJoints(candidates);
      for (const k of [0, 1, 2] as const) {
        const values = candidates.map((values) => values[k]);
        expect(vote[k]).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
        expect(vote[k]).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
      }
    }),
  );
});

test("an ensemble's maps are the mean of its networks'", () => {
  expect([...averageMaps([Float32Array.of(1, 2), Float32Array.of(3, -2)])]).toEqual([2, 0]);
});
