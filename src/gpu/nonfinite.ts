/** Finds the first dispatch that writes a number which is not finite: every written float buffer is counted behind it. */
import type { BufferRange } from "./buffer.ts";
import type { CompiledKernel, EncodedDispatch } from "./commands.ts";
import { defineKernel, type LinkedKernel, linearGrid, packUniforms } from "./kernel.ts";

/** The first tensor with NaN or infinite numbers. */
export interface NonfiniteFinding {
  kernel: string;
  /** The kernel's name for the buffer, and the allocation's label. */
  buffer: string;
  label: string;
  /** What the dispatch read and wrote, with the kernel's names. */
  bound: ReadonlyMap<string, BufferRange>;
  /** Number of the dispatch, from 0. */
  dispatch: number;
  /** Numbers in the buffer, and how many of them are NaN or infinite. */
  size: number;
  nan: number;
  infinite: number;
}

/** Written buffers of one step that can be watched. */
export const WATCHED_BUFFERS = 65_536;
const WORDS = 32;
const WORKGROUP = 64;

const countKernel = defineKernel({
  name: "debug/count_nonfinite",
  fragments: ["debug/count_nonfinite.wgsl", "lib/grid.wgsl"],
  buffers: { x: "read", counts: "read_write" },
  uniforms: { count: "u32", row: "u32" },
});

const floatBuffers = new WeakMap<LinkedKernel, ReadonlySet<string>>();

/** Names of a program's storage buffers that hold floats, vectors of them included. */
export function floatBuffersOf(linked: LinkedKernel): ReadonlySet<string> {
  let names = floatBuffers.get(linked);
  if (!names) {
    const plain = linked.code.replace(/\/\/[^\n]*/g, "");
    const floats = plain.matchAll(/var<\s*storage[^>]*>\s*(\w+)\s*:\s*array<\s*(?:vec[234]<\s*)?(?:f32|f16|Elem[A-Z]?|vec[234][fh])\b/g);
    names = new Set([...floats].map(([, name = ""]) => name));
    floatBuffers.set(linked, names);
  }
  return names;
}

/** What the watch needs of the device. */
export interface WatchHost {
  compile(kernel: typeof countKernel, spec: { HALF: boolean; WORDS: number }): CompiledKernel;
  encode(dispatch: EncodedDispatch): void;
}

/** Counts behind every dispatch; made by Gpu.findNonfinite. */
export class NonfiniteWatch {
  readonly #host: WatchHost;
  readonly #counts: BufferRange;
  readonly #rows: Omit<NonfiniteFinding, "nan" | "infinite">[] = [];
  #dispatches = 0;

  /** @param counts [WATCHED_BUFFERS, 2] u32, zeros. */
  constructor(host: WatchHost, counts: BufferRange) {
    this.#host = host;
    this.#counts = counts;
  }

  /** Encodes the counts of what a dispatch has written. */
  after({ compiled, ranges }: EncodedDispatch): void {
    const dispatch = this.#dispatches++;
    const names = Object.entries(compiled.kernel.buffers);
    const floats = floatBuffersOf(compiled.linked);
    names.forEach(([buffer, access], i) => {
      const range = ranges[i];
      if (access !== "read_write" || !floats.has(buffer) || !range) return;
      const row = this.#rows.length;
      if (row >= WATCHED_BUFFERS) throw new Error(`a watched step may write ${WATCHED_BUFFERS} buffers`);
      const half = range.allocation.element === "f16";
      const size = Math.floor(range.bytes / (half ? 2 : 4));
      const bound = new Map(names.map(([name], k) => [name, ranges[k] as BufferRange]));
      this.#rows.push({ kernel: compiled.kernel.name, buffer, label: range.allocation.label, bound, dispatch, size });
      const counter = this.#host.compile(countKernel, { HALF: half, WORDS });
      const uniforms = new Uint8Array(counter.linked.uniformBytes);
      packUniforms(countKernel, { count: size, row }, new DataView(uniforms.buffer));
      const workgroups = linearGrid(Math.ceil(range.bytes / 4 / WORDS), WORKGROUP);
      this.#host.encode({ compiled: counter, ranges: [range, this.#counts], uniforms, workgroups, flops: 0 });
    });
  }

  /** The first buffer with a count, from the values of the table. */
  first(counts: Uint32Array): NonfiniteFinding | undefined {
    for (const [row, facts] of this.#rows.entries()) {
      const [nan = 0, infinite = 0] = counts.subarray(2 * row, 2 * row + 2);
      if (nan + infinite > 0) return { ...facts, nan, infinite };
    }
    return undefined;
  }
}
