import { expect, test } from "bun:test";
import fc from "fast-check";
import { cosineSchedule, linearSchedule, multiStepSchedule, productSchedule, type Schedule, sequenceSchedule } from "../../src/optim/schedule.ts";
import { Golden } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";

const golden = await Golden.open("optim");
const RATE = 0.4;

const CASES: Record<string, Schedule> = {
  "multi step": multiStepSchedule({ milestones: [5, 9, 9, 20], factor: 0.3 }),
  lambda: (epoch) => 1 - epoch / 51,
  cosine: cosineSchedule({ over: 23, to: 0.02 / RATE }),
  "warm up": linearSchedule({ over: 7, from: 0.001 }),
  "warm up and steps": productSchedule(linearSchedule({ over: 4, from: 0.1 }), multiStepSchedule({ milestones: [8, 15], factor: 0.1 })),
  "warm up then cosine": sequenceSchedule({ schedule: linearSchedule({ over: 4, from: 0.1 }), lasts: 4 }, { schedule: cosineSchedule({ over: 20 }) }),
  "three parts": sequenceSchedule({ schedule: linearSchedule({ over: 5, from: 0.25 }), lasts: 5 }, { schedule: multiStepSchedule({ milestones: [3], factor: 0.5 }), lasts: 7 }, { schedule: (epoch) => 0.9 ** epoch }),
};

for (const [name, schedule] of Object.entries(CASES)) {
  test(`${name}: 24 epochs equal PyTorch's`, () => {
    const expected = golden.floats(`rate.${name}`);
    expectClose(Array.from(expected, (_, epoch) => RATE * schedule(epoch)), expected, "kernel", name);
  });
}

test("every schedule of the golden file is held against one", () => {
  expect(golden.names().filter((key) => key.startsWith("rate.")).sort()).toEqual(Object.keys(CASES).map((name) => `rate.${name}`).sort());
});

test("the exponent of AC-Loss: 0.01, 0.154982 at a quarter, 0.505 at half, 1 at the end and from there on", () => {
  const exponent = cosineSchedule({ from: 0.01, to: 1, over: 100 });
  expect([0, 25, 50, 100, 140].map((epoch) => Number(exponent(epoch).toFixed(6)))).toEqual([0.01, 0.154982, 0.505, 1, 1]);
});

test("warm-up and cosine stay between their ends and are monotonic; a sequence is its parts, shifted", () => {
  const end = fc.double({ min: 0, max: 2, noNaN: true });
  const over = fc.integer({ min: 1, max: 500 });
  fc.assert(
    fc.property(end, end, over, fc.nat(600), (from, to, length, at) => {
      for (const make of [cosineSchedule, linearSchedule]) {
        const schedule = make({ over: length, from, to });
        const [now, next] = [schedule(at), schedule(at + 1)];
        expect(now).toBeGreaterThanOrEqual(Math.min(from, to) - 1e-12);
        expect(now).toBeLessThanOrEqual(Math.max(from, to) + 1e-12);
        expect((next - now) * (to - from)).toBeGreaterThanOrEqual(-1e-12);
        const behind = sequenceSchedule({ schedule: () => 7, lasts: length }, { schedule });
        expect(behind(at)).toBe(at < length ? 7 : schedule(at - length));
      }
    }),
  );
});

test("wrong lengths are refused by name", () => {
  expect(() => cosineSchedule({ over: 0 })).toThrow("cosineSchedule: over must be above 0, got 0");
  expect(() => linearSchedule({ over: Number.NaN })).toThrow("linearSchedule: over must be above 0, got NaN");
  expect(() => sequenceSchedule({ schedule: () => 1 }, { schedule: () => 1 })).toThrow("sequenceSchedule: lasts of part 0 must be above 0, got NaN");
  expect(() => sequenceSchedule()).toThrow("sequenceSchedule: needs at least one part, got none");
});
