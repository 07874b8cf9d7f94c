/**
 * A recorded step: the dispatches of one eager run, its transient memory planned by lifetime, its bind groups made.
 * Replaying encodes and submits them and does nothing else: no allocation, no bind group, no read-back. What changes
 * from step to step is data in persistent buffers, never a uniform.
 */
import type { Allocation, BufferRange, DeviceBuffer } from "./buffer.ts";
import { sizeClass } from "./buffer.ts";
import { type Commands, type EncodedDispatch, SEGMENT_DISPATCHES } from "./commands.ts";

interface Command {
  readonly dispatch: EncodedDispatch;
  readonly group: GPUBindGroup;
  readonly offset: Uint32Array;
}

/** Where each transient allocation of a recording lives, as the planner decided. */
export interface MemoryPlan {
  /** Slot of each allocation. */
  slots: Map<Allocation, number>;
  /** Bytes of each slot. */
  slotBytes: number[];
  /** Bytes that the same step would take if nothing were reused. */
  unsharedBytes: number;
}

/** Places transient allocations on slots by first and last use in program order; a freed slot of fitting size is reused. */
export function planMemory(dispatches: readonly { ranges: readonly BufferRange[] }[]): MemoryPlan {
  const uses = new Map<Allocation, { first: number; last: number }>();
  dispatches.forEach(({ ranges }, i) => {
    for (const { allocation } of ranges) {
      if (allocation.persistent) continue;
      const use = uses.get(allocation);
      if (use) use.last = i;
      else uses.set(allocation, { first: i, last: i });
    }
  });
  const starts: Allocation[][] = dispatches.map(() => []);
  const ends: Allocation[][] = dispatches.map(() => []);
  let unsharedBytes = 0;
  for (const [allocation, { first, last }] of uses) {
    starts[first]?.push(allocation);
    ends[last]?.push(allocation);
    unsharedBytes += sizeClass(allocation.bytes);
  }
  const slots = new Map<Allocation, number>();
  const slotBytes: number[] = [];
  const free = new Set<number>();
  for (let i = 0; i < dispatches.length; i++) {
    for (const allocation of starts[i] ?? []) {
      const need = sizeClass(allocation.bytes);
      // Best fit, but never a slot more than twice as large: a small tensor must not pin a large slot.
      let best = -1;
      for (const slot of free) {
        const bytes = slotBytes[slot] as number;
        if (bytes >= need && bytes <= 2 * need && (best < 0 || bytes < (slotBytes[best] as number))) best = slot;
      }
      if (best < 0) best = slotBytes.push(need) - 1;
      free.delete(best);
      slots.set(allocation, best);
    }
    for (const allocation of ends[i] ?? []) free.add(slots.get(allocation) as number);
  }
  return { slots, slotBytes, unsharedBytes };
}

/** A step that can be replayed. Dispose of it when its shapes no longer hold. */
export class Recording {
  readonly #commands: Commands;
  readonly #steps: Command[] = [];
  readonly #slots: DeviceBuffer[] = [];
  readonly #uniforms: GPUBuffer;
  readonly plan: MemoryPlan;
  readonly dispatches: number;
  #disposed = false;

  /** @param encoded dispatches of one eager run, in order. */
  constructor(commands: Commands, encoded: readonly EncodedDispatch[]) {
    this.#commands = commands;
    this.dispatches = encoded.length;
    this.plan = planMemory(encoded);
    for (const bytes of this.plan.slotBytes) this.#slots.push(commands.memory.acquireBuffer(bytes, "step slot"));

    const align = commands.uniformAlignment;
    const stride = (dispatch: EncodedDispatch) => Math.ceil(dispatch.uniforms.byteLength / align) * align;
    const total = encoded.reduce((sum, dispatch) => sum + stride(dispatch), 0);
    const bytes = new Uint8Array(Math.max(total, 16));
    this.#uniforms = commands.device.createBuffer({ size: bytes.byteLength, usage: 0x40 | 0x08, label: "step uniforms" });

    const groups = new Map<string, GPUBindGroup>();
    let offset = 0;
    for (const dispatch of encoded) {
      const ranges = dispatch.ranges.map((range) => this.#place(range));
      let key = dispatch.compiled.linked.key;
      for (const range of ranges) key += `;${range.allocation.buffer?.id ?? "released"}:${range.offset}:${range.bytes}`;
      let group = groups.get(key);
      if (!group) {
        group = commands.createBindGroup(dispatch.compiled, ranges, this.#uniforms);
        groups.set(key, group);
      }
      bytes.set(dispatch.uniforms, offset);
      this.#steps.push({ dispatch, group, offset: Uint32Array.of(offset) });
      offset += stride(dispatch);
    }
    commands.device.queue.writeBuffer(this.#uniforms, 0, bytes);
  }

  #place(range: BufferRange): BufferRange {
    const slot = this.plan.slots.get(range.allocation);
    if (slot === undefined) return range;
    const { bytes, label, persistent, element } = range.allocation;
    const allocation: Allocation = { buffer: this.#slots[slot], bytes, label, persistent, element };
    return { ...range, allocation };
  }

  /** Encodes and submits the step once more. Returns the host's time in ms. */
  replay(): number {
    if (this.#disposed) throw new Error("a disposed recording was replayed");
    const started = performance.now();
    const commands = this.#commands;
    commands.flush();
    const { device } = commands;
    for (let first = 0; first < this.#steps.length; first += SEGMENT_DISPATCHES) {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      let current: GPUComputePipeline | undefined;
      const end = Math.min(first + SEGMENT_DISPATCHES, this.#steps.length);
      for (let i = first; i < end; i++) {
        const { dispatch, group, offset } = this.#steps[i] as Command;
        const { compiled, workgroups } = dispatch;
        if (compiled.pipeline !== current) {
          pass.setPipeline(compiled.pipeline);
          current = compiled.pipeline;
        }
        if (compiled.linked.uniformBytes > 0) pass.setBindGroup(0, group, offset);
        else pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
        commands.note(compiled.kernel.name);
      }
      pass.end();
      commands.releasePass(pass);
      commands.submit(encoder);
    }
    return performance.now() - started;
  }

  /** Runs the step once, one pass per dispatch, under a profiler. */
  profileOnce(): void {
    for (const { dispatch } of this.#steps) {
      this.#commands.encode({ ...dispatch, ranges: dispatch.ranges.map((range) => this.#place(range)) });
    }
    this.#commands.flush();
  }

  /** Bytes of the slots that the step's transient tensors share. */
  get plannedBytes(): number {
    return this.plan.slotBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Arithmetic of one step, direct count. */
  get flops(): number {
    return this.#steps.reduce((sum, { dispatch }) => sum + dispatch.flops, 0);
  }

  /** Returns its memory to the pool. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const slot of this.#slots) this.#commands.memory.recycleBuffer(slot);
    this.#uniforms.destroy();
  }
}
