import { expect, test } from "bun:test";
import { Allocation, type BufferRange } from "../../src/gpu/buffer.ts";
import { sizeClass } from "../../src/gpu/buffer.ts";
import { planMemory } from "../../src/gpu/record.ts";
import { Random } from "../../src/random.ts";

const transient = (bytes: number): BufferRange => {
  const allocation = new Allocation({ id: 1, bytes, handle: undefined as never }, { bytes, label: "t", persistent: false });
  return { allocation, offset: 0, bytes };
};

test("two tensors share a slot only when their lifetimes do not overlap", () => {
  const random = new Random({ seed: 11, stream: 99 });
  for (let round = 0; round < 50; round++) {
    const tensors = Array.from({ length: 12 }, () => transient(random.integer(1, 5000)));
    const dispatches = Array.from({ length: 20 }, () => ({
      ranges: Array.from({ length: random.integer(1, 4) }, () => tensors[random.integer(0, tensors.length)] as BufferRange),
    }));
    const plan = planMemory(dispatches);
    const uses = new Map<Allocation, number[]>();
    dispatches.forEach(({ ranges }, i) => {
      for (const { allocation } of ranges) uses.set(allocation, [...(uses.get(allocation) ?? []), i]);
    });
    for (const [a, slotA] of plan.slots) {
      expect(plan.slotBytes[slotA]).toBeGreaterThanOrEqual(sizeClass(a.bytes));
      for (const [b, slotB] of plan.slots) {
        if (a === b || slotA !== slotB) continue;
        const [usesA, usesB] = [uses.get(a) ?? [], uses.get(b) ?? []];
        const apart = Math.max(...usesA) < Math.min(...usesB) || Math.max(...usesB) < Math.min(...usesA);
        expect(apart).toBe(true);
      }
    }
  }
});

test("a chain of equal tensors needs two slots however long it is", () => {
  const chain = Array.from({ length: 30 }, () => transient(4096));
  const plan = planMemory(chain.slice(1).map((range, i) => ({ ranges: [chain[i] as BufferRange, range] })));
  expect(plan.slotBytes).toHaveLength(2);
  expect(plan.unsharedBytes).toBe(30 * 4096);
});
