import { expect, setDefaultTimeout, test } from "bun:test";
import { Allocation, type BufferRange } from "../../src/gpu/buffer.ts";
import { type MemoryPlan, type PlannedDispatch, planMemory } from "../../src/gpu/plan.ts";
import { Random } from "../../src/random.ts";
import { TEST_SEED } from "../support/random.ts";

setDefaultTimeout(60_000);

const range = (bytes: number, persistent = false): BufferRange => {
  const allocation = new Allocation({ id: 1, bytes, handle: undefined as never }, { bytes, label: "t", persistent });
  return { allocation, offset: 0, bytes };
};
const dispatch = (reads: readonly BufferRange[], writes: readonly BufferRange[]): PlannedDispatch => ({
  ranges: [...reads, ...writes],
  access: [...reads.map(() => "read" as const), ...writes.map(() => "read_write" as const)],
});
const planned = ({ bufferBytes }: MemoryPlan) => bufferBytes.reduce((sum, bytes) => sum + bytes, 0);
const rounded = (bytes: number) => Math.max(256, Math.ceil(bytes / 256) * 256);

/** Most bytes in use at one dispatch, by asking every allocation at every dispatch. */
function bruteForceBound(dispatches: readonly PlannedDispatch[]): number {
  const all = [...new Set(dispatches.flatMap(({ ranges }) => ranges.map(({ allocation }) => allocation)))].filter(({ persistent }) => !persistent);
  return Math.max(
    ...dispatches.map((_, i) => {
      const uses = (from: number, to: number, allocation: Allocation) => dispatches.slice(from, to).some(({ ranges }) => ranges.some((own) => own.allocation === allocation));
      const live = all.filter((allocation) => uses(0, i + 1, allocation) && uses(i, dispatches.length, allocation));
      return live.reduce((sum, { bytes }) => sum + rounded(bytes), 0);
    }),
  );
}

/** Fails where two allocations overlap in time and place, or a dispatch reads and writes one device buffer. */
function expectSound(dispatches: readonly PlannedDispatch[], plan: MemoryPlan): void {
  const uses = new Map<Allocation, [first: number, last: number]>();
  dispatches.forEach(({ ranges }, i) => {
    for (const { allocation } of ranges) if (!allocation.persistent) uses.set(allocation, [uses.get(allocation)?.[0] ?? i, i]);
  });
  expect(new Set(plan.places.keys())).toEqual(new Set(uses.keys()));
  const all = [...plan.places];
  for (const [a, placeA] of all) {
    expect(placeA.offset % 256).toBe(0);
    expect(placeA.offset + a.bytes).toBeLessThanOrEqual(plan.bufferBytes[placeA.buffer] ?? 0);
    for (const [b, placeB] of all) {
      if (a === b || placeA.buffer !== placeB.buffer) continue;
      const apartInPlace = placeA.offset + a.bytes <= placeB.offset || placeB.offset + b.bytes <= placeA.offset;
      const [[firstA, lastA], [firstB, lastB]] = [uses.get(a) ?? [0, 0], uses.get(b) ?? [0, 0]];
      expect(apartInPlace || lastA < firstB || lastB < firstA).toBe(true);
    }
  }
  for (const { ranges, access } of dispatches) {
    const buffers = (kind: string) => ranges.filter((_, k) => access[k] === kind).flatMap(({ allocation }) => plan.places.get(allocation)?.buffer ?? []);
    const written = new Set(buffers("read_write"));
    expect(buffers("read").filter((buffer) => written.has(buffer))).toEqual([]);
  }
}

test("random programs: sound, never below the bound by brute force, the same twice", () => {
  for (let round = 0; round < 60; round++) {
    const random = new Random({ seed: TEST_SEED, stream: 700, index: round });
    const ranges = Array.from({ length: 14 }, (_, i) => range(random.integer(1, 9000), i < 2));
    const pick = (count: number) => Array.from({ length: count }, () => ranges[random.integer(0, ranges.length)] as BufferRange);
    const dispatches = Array.from({ length: 24 }, () => {
      const reads = new Set(pick(random.integer(0, 4)));
      const writes = new Set(pick(random.integer(1, 3)).filter((own) => !reads.has(own)));
      return dispatch([...reads], [...writes]);
    });
    const plan = planMemory(dispatches);
    expectSound(dispatches, plan);
    const bound = bruteForceBound(dispatches);
    expect(plan.liveBytes).toBe(bound);
    expect(planned(plan)).toBeGreaterThanOrEqual(bound);
    expect(planned(plan)).toBeLessThanOrEqual(plan.unsharedBytes);
    expect(planMemory(dispatches)).toEqual(plan);
  }
});

/** A network's step: features that grow and shrink, kept for the way back, with scratch beside them. */
function network(random: Random, depth: number): PlannedDispatch[] {
  const input = range(4096, true);
  const dispatches: PlannedDispatch[] = [];
  const features = [input];
  const size = () => 1024 * random.integer(1, 200);
  for (let i = 0; i < depth; i++) {
    const [x, y, scratch, moments] = [features.at(-1) as BufferRange, range(size()), range(size()), range(random.integer(1, 500))];
    dispatches.push(dispatch([x], [scratch]), dispatch([x, scratch], [y]), dispatch([y], [moments]));
    features.push(y);
  }
  let gradient = range(features.at(-1)?.bytes ?? 4);
  dispatches.push(dispatch([features.at(-1) as BufferRange], [gradient]));
  for (let i = depth; i > 1; i--) {
    const next = range(features[i - 1]?.bytes ?? 4);
    dispatches.push(dispatch([gradient, features[i] as BufferRange], [next]), dispatch([gradient, features[i - 1] as BufferRange], [range(1024)]));
    gradient = next;
  }
  return dispatches;
}

test("steps of networks: within 12 % of the bound that no plan can beat, and far below no reuse", () => {
  for (let round = 0; round < 20; round++) {
    const dispatches = network(new Random({ seed: TEST_SEED, stream: 701, index: round }), 20 + round);
    const plan = planMemory(dispatches);
    expectSound(dispatches, plan);
    expect(planned(plan)).toBeLessThan(1.12 * plan.liveBytes);
    expect(planned(plan)).toBeLessThan(0.75 * plan.unsharedBytes);
  }
});

test("a chain of equal tensors needs two places however long it is", () => {
  const chain = Array.from({ length: 30 }, () => range(4096));
  const plan = planMemory(chain.slice(1).map((own, i) => dispatch([chain[i] as BufferRange], [own])));
  expect(plan.bufferBytes).toEqual([4096, 4096]);
  expect(plan.unsharedBytes).toBe(30 * 4096);
});

test("small tensors share the place of a large one that is dead", () => {
  const [large, ...small] = [64 * 1024, 4096, 4096, 4096].map((bytes) => range(bytes)) as [BufferRange, ...BufferRange[]];
  const plan = planMemory([dispatch([], [large]), dispatch([], small)]);
  expect(plan.bufferBytes).toEqual([64 * 1024]);
});

test("no buffer grows beyond what the device allows", () => {
  const all = Array.from({ length: 9 }, () => range(1000));
  const plan = planMemory([dispatch([], all)], { maxBufferBytes: 4096 });
  expect(plan.bufferBytes.toSorted((a, b) => b - a)).toEqual([4096, 4096, 1024]);
  expectSound([dispatch([], all)], plan);
});
