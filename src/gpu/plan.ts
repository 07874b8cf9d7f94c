/**
 * Where a recorded step's transient memory lies. Lifetimes are known (first and last dispatch that binds an allocation),
 * so this is packing of rectangles, time by bytes, into few device buffers. WebGPU tracks usage by whole buffers: what a
 * dispatch reads and what it writes must lie in different ones.
 */
import { Random, STREAM } from "../random.ts";
import type { Allocation, BufferRange } from "./buffer.ts";
import type { BufferAccess } from "./kernel.ts";

/** What the planner sees of a dispatch. */
export interface PlannedDispatch {
  readonly ranges: readonly BufferRange[];
  /** How each range is bound. */
  readonly access: readonly BufferAccess[];
}

/** A place in one of the plan's device buffers; offset in bytes. */
export interface PlannedPlace {
  readonly buffer: number;
  readonly offset: number;
}

/** Where each transient allocation of a recording lives. */
export interface MemoryPlan {
  readonly places: ReadonlyMap<Allocation, PlannedPlace>;
  readonly bufferBytes: readonly number[];
  /** Bytes that the same step would take if nothing were reused. */
  readonly unsharedBytes: number;
  /** Most bytes that are in use at one dispatch: no plan can take less. */
  readonly liveBytes: number;
}

/** Options of planMemory. */
export interface PlanOptions {
  /** Largest buffer of the device. */
  maxBufferBytes?: number;
  /** Which allocations the plan may place; all that are not persistent where absent. */
  plans?: (allocation: Allocation) => boolean;
}

/** Every binding offset that WebGPU requires is a divisor of this. */
const ALIGNMENT_BYTES = 256;

interface Item {
  readonly allocation: Allocation;
  readonly bytes: number;
  readonly first: number;
  last: number;
  /** Items that some dispatch binds with the other access. */
  readonly apart: Set<Item>;
}

interface Placed {
  readonly item: Item;
  readonly offset: number;
}

interface Arena {
  bytes: number;
  /** By offset. */
  readonly placed: Placed[];
}

function collect(dispatches: readonly PlannedDispatch[], plans: (allocation: Allocation) => boolean): Item[] {
  const items = new Map<Allocation, Item>();
  dispatches.forEach(({ ranges, access }, i) => {
    const bound = ranges.map(({ allocation }) => {
      if (!plans(allocation)) return undefined;
      let item = items.get(allocation);
      if (!item) {
        const bytes = Math.max(1, Math.ceil(allocation.bytes / ALIGNMENT_BYTES)) * ALIGNMENT_BYTES;
        items.set(allocation, (item = { allocation, bytes, first: i, last: i, apart: new Set() }));
      }
      item.last = i;
      return item;
    });
    bound.forEach((a, k) => {
      for (let l = 0; l < k; l++) {
        const b = bound[l];
        if (!a || !b || a === b || access[k] === access[l]) continue;
        a.apart.add(b);
        b.apart.add(a);
      }
    });
  });
  return [...items.values()];
}

/** The tightest gap of an arena that holds the item for its lifetime, or the place that makes the arena grow least. */
function bestPlace({ bytes, placed }: Arena, item: Item): { offset: number; growth: number; slack: number } {
  let best: { offset: number; growth: number; slack: number } | undefined;
  let end = 0;
  for (const { item: other, offset } of placed) {
    if (other.last < item.first || item.last < other.first) continue;
    const gap = offset - end;
    if (gap >= item.bytes && (!best || gap - item.bytes < best.slack)) best = { offset: end, growth: 0, slack: gap - item.bytes };
    end = Math.max(end, offset + other.bytes);
  }
  const rest = bytes - end;
  if (rest >= item.bytes ? !best || rest - item.bytes < best.slack : !best) {
    best = { offset: end, growth: Math.max(0, item.bytes - rest), slack: Math.max(0, rest - item.bytes) };
  }
  return best as { offset: number; growth: number; slack: number };
}

interface Packing {
  readonly arenas: readonly Arena[];
  readonly total: number;
  /** The last item that made an arena grow. */
  readonly grownBy: Item | undefined;
}

/** Places items one by one, each where the sum of all arenas grows least. */
function pack(items: readonly Item[], { maxBufferBytes, spread }: { maxBufferBytes: number; spread: boolean }): Packing {
  const arenas: Arena[] = [];
  let grownBy: Item | undefined;
  const arenaOf = new Map<Item, Arena>();
  for (const item of items) {
    const closed = new Set<Arena>();
    for (const other of item.apart) {
      const arena = arenaOf.get(other);
      if (arena) closed.add(arena);
    }
    let [chosen, at]: [Arena | undefined, ReturnType<typeof bestPlace>] = [undefined, { offset: 0, growth: spread ? item.bytes : item.bytes + 1, slack: 0 }];
    for (const arena of arenas) {
      if (closed.has(arena)) continue;
      const place = bestPlace(arena, item);
      if (arena.bytes + place.growth > maxBufferBytes) continue;
      if (place.growth < at.growth || (chosen && place.growth === at.growth && place.slack < at.slack)) [chosen, at] = [arena, place];
    }
    if (!chosen) {
      chosen = { bytes: 0, placed: [] };
      at = { offset: 0, growth: item.bytes, slack: 0 };
      arenas.push(chosen);
    }
    chosen.bytes += at.growth;
    if (at.growth > 0) grownBy = item;
    const { offset } = at;
    const behind = chosen.placed.findIndex((other) => other.offset > offset);
    chosen.placed.splice(behind < 0 ? chosen.placed.length : behind, 0, { item, offset });
    arenaOf.set(item, chosen);
  }
  return { arenas, total: arenas.reduce((sum, { bytes }) => sum + bytes, 0), grownBy };
}

const ORDERS: readonly ((a: Item, b: Item) => number)[] = [
  (a, b) => b.bytes - a.bytes || b.last - b.first - (a.last - a.first) || a.first - b.first,
  (a, b) => b.bytes * (b.last - b.first + 1) - a.bytes * (a.last - a.first + 1) || a.first - b.first,
  (a, b) => b.last - b.first - (a.last - a.first) || b.bytes - a.bytes || a.first - b.first,
];

function largestLive(items: readonly Item[], length: number): number {
  const change = new Float64Array(length + 1);
  for (const { first, last, bytes } of items) {
    change[first] = (change[first] as number) + bytes;
    change[last + 1] = (change[last + 1] as number) - bytes;
  }
  let [live, most] = [0, 0];
  for (const step of change) most = Math.max(most, (live += step));
  return most;
}

/** Packings that are tried: fewer for long steps, of which each costs more; a few hundred milliseconds in all. */
function triesFor(dispatches: number): number {
  return Math.min(1200, Math.max(180, Math.round(260_000 / Math.max(1, dispatches))));
}

/** How much larger an order's packing may be than the one before, to go on from it. */
const STRAY = 1.1;

/** Moves an item to somewhere before its place. */
function promoted(items: readonly Item[], item: Item, random: Random): Item[] {
  const at = items.indexOf(item);
  return items.toSpliced(at, 1).toSpliced(random.integer(0, at + 1), 0, item);
}

/**
 * Places transient allocations by lifetime in program order: greedily in several orders, then in orders that serve an item
 * earlier which came too late to fit; the smallest result wins. The same dispatches always give the same plan.
 */
export function planMemory(dispatches: readonly PlannedDispatch[], options: PlanOptions = {}): MemoryPlan {
  const { maxBufferBytes = Infinity, plans = ({ persistent }) => !persistent } = options;
  const items = collect(dispatches, plans);
  const liveBytes = largestLive(items, dispatches.length);
  const tries = triesFor(dispatches.length);
  let best: Packing | undefined;
  const random = new Random({ seed: 0, stream: STREAM.memoryPlan });
  for (const order of ORDERS) {
    for (const spread of [false, true]) {
      let sorted = items.toSorted(order);
      let current: Packing | undefined;
      for (let i = 0; i < tries / (2 * ORDERS.length) && best?.total !== liveBytes; i++) {
        const trial: Item[] = current?.grownBy ? promoted(sorted, current.grownBy, random) : sorted;
        const packed = pack(trial, { maxBufferBytes, spread });
        if (!best || packed.total < best.total) best = packed;
        if (!packed.grownBy) break;
        // A little worse may lead on; much worse does not.
        if (current && packed.total > STRAY * current.total) continue;
        [sorted, current] = [trial, packed];
      }
    }
  }
  const { arenas } = best ?? { arenas: [] };
  const places = new Map<Allocation, PlannedPlace>();
  arenas.forEach(({ placed }, buffer) => {
    for (const { item, offset } of placed) places.set(item.allocation, { buffer, offset });
  });
  return {
    places,
    bufferBytes: arenas.map(({ bytes }) => bytes),
    unsharedBytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
    liveBytes,
  };
}
