import { expect } from "bun:test";
import { type ToleranceName, TOLERANCES } from "../tolerances.ts";

/** Fails with the worst element: where, what, what was expected. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: ToleranceName, label: string): void {
  const { absolute, relative } = TOLERANCES[tolerance];
  expect(actual.length, `${label}: length`).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i] as number));
  const allowed = absolute + relative * largest;
  let [worst, at] = [-1, -1];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    if (!(difference <= worst)) [worst, at] = [difference, i];
    if (Number.isNaN(difference)) break;
  }
  if (!(worst <= allowed)) {
    throw new Error(`${label}: element ${at} is ${actual[at]}, expected ${expected[at]}; difference ${worst}, allowed ${allowed} (${tolerance})`);
  }
}
