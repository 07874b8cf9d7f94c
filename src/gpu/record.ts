/**
 * A recorded step: the dispatches of one eager run, its transient memory planned by lifetime, its bind groups made.
 * Replaying encodes and submits them and does nothing else: no allocation, no bind group, no read-back. What changes
 * from step to step is data in persistent buffers, never a uniform.
 */
import { Allocation, type BufferRange, type DeviceBuffer } from "./buffer.ts";
import { type Commands, type EncodedDispatch, SEGMENT_DISPATCHES } from "./commands.ts";
import { type MemoryPlan, planMemory } from "./plan.ts";

interface Command {
  readonly dispatch: EncodedDispatch;
  readonly group: GPUBindGroup;
  readonly offset: Uint32Array;
}

/** A step that can be replayed. Dispose of it when its shapes no longer hold. */
export class Recording {
  readonly #commands: Commands;
  readonly #steps: Command[] = [];
  readonly #buffers: DeviceBuffer[] = [];
  readonly #placed = new Map<Allocation, Allocation>();
  readonly #uniforms: GPUBuffer;
  readonly plan: MemoryPlan;
  readonly dispatches: number;
  #disposed = false;

  /**
   * @param encoded dispatches of one run, in order.
   * @param begin serial of the first allocation that is the step's own; older ones stay where they are.
   */
  constructor(commands: Commands, encoded: readonly EncodedDispatch[], begin: number) {
    this.#commands = commands;
    this.dispatches = encoded.length;
    const { memory } = commands;
    const bound = encoded.map(({ ranges, compiled }) => ({ ranges, access: Object.values(compiled.kernel.buffers) }));
    this.plan = planMemory(bound, { maxBufferBytes: memory.maxBytes, plans: ({ persistent, serial }) => !persistent && serial >= begin });
    const { uniformAlignment: align, device } = commands;
    const strides = encoded.map(({ uniforms }) => Math.ceil(uniforms.byteLength / align) * align);
    const uniformBytes = new Uint8Array(Math.max(strides.reduce((sum, stride) => sum + stride, 0), 16));
    this.#uniforms = device.createBuffer({ size: uniformBytes.byteLength, usage: 0x40 | 0x08, label: "step uniforms" });
    try {
      for (const bytes of this.plan.bufferBytes) this.#buffers.push(memory.createBuffer(bytes, "step memory"));
      this.#bind(encoded, strides, uniformBytes);
    } catch (error) {
      this.dispose(); // what the adapter refuses leaves nothing behind
      throw error;
    }
    device.queue.writeBuffer(this.#uniforms, 0, uniformBytes);
  }

  /** Makes the bind groups, and places the dispatches' uniforms `strides` apart in `uniformBytes`. */
  #bind(encoded: readonly EncodedDispatch[], strides: readonly number[], uniformBytes: Uint8Array): void {
    const groups = new Map<string, GPUBindGroup>();
    let offset = 0;
    encoded.forEach((dispatch, i) => {
      const ranges = dispatch.ranges.map((range) => this.#place(range));
      let key = dispatch.compiled.linked.key;
      for (const range of ranges) key += `;${range.allocation.buffer?.id ?? "released"}:${range.offset}:${range.bytes}`;
      let group = groups.get(key);
      if (!group) {
        group = this.#commands.createBindGroup(dispatch.compiled, ranges, this.#uniforms);
        groups.set(key, group);
      }
      uniformBytes.set(dispatch.uniforms, offset);
      this.#steps.push({ dispatch, group, offset: Uint32Array.of(offset) });
      offset += strides[i] as number;
    });
  }

  #place(range: BufferRange): BufferRange {
    const place = this.plan.places.get(range.allocation);
    if (!place) return range;
    let allocation = this.#placed.get(range.allocation);
    if (!allocation) {
      allocation = new Allocation(this.#buffers[place.buffer] as DeviceBuffer, range.allocation);
      this.#placed.set(range.allocation, allocation);
    }
    return { ...range, allocation, offset: place.offset + range.offset };
  }

  /**
   * Encodes and submits the step once more. Returns the host's time in ms.
   * @param submitted is called behind every submit with the number of different kernels dispatched so far.
   */
  replay(submitted?: (kernels: number) => void): number {
    if (this.#disposed) throw new Error("a disposed recording was replayed");
    const started = performance.now();
    const commands = this.#commands;
    commands.flush();
    commands.derived.forget();
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
      submitted?.(new Set(this.#steps.slice(0, end).map(({ dispatch }) => dispatch.compiled)).size);
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

  /** Bytes of the memory that the step's transient tensors share. */
  get plannedBytes(): number {
    return this.plan.bufferBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Arithmetic of one step, direct count. */
  get flops(): number {
    return this.#steps.reduce((sum, { dispatch }) => sum + dispatch.flops, 0);
  }

  /** Gives its memory back to the driver. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const buffer of this.#buffers) this.#commands.memory.destroyBuffer(buffer);
    this.#uniforms.destroy();
  }
}
