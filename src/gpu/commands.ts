/**
 * Encoding and submitting. Dispatches go into one open compute pass; a pass is closed and submitted every
 * SEGMENT_DISPATCHES, so that the device starts while the host still encodes. Uniforms of a segment live in one arena
 * that is written once per submit and addressed by dynamic offset. Pipelines and bind groups are made once and cached.
 */
import { GpuError } from "../error.ts";
import type { BufferRange, Memory } from "./buffer.ts";
import { DerivedRanges } from "./derived.ts";
import { type BufferRecord, elementTypesOf, type Kernel, type LinkedKernel, linkKernel, linkKey, packUniforms, type UniformRecord } from "./kernel.ts";
import { releaseComputePass } from "./native.ts";
import type { NonfiniteWatch } from "./nonfinite.ts";
import type { Profiler } from "./profile.ts";
import type { ElementTypes, Spec } from "./wgsl.ts";

/** Dispatches per submit. One queue.submit costs tens of microseconds, an idle device costs more. */
export const SEGMENT_DISPATCHES = 96;
const UNIFORM_ARENA_BYTES = 64 * 1024;

/** A dispatch as a kernel's caller writes it. */
export interface Dispatch<B extends BufferRecord, U extends UniformRecord> {
  buffers: Readonly<Record<keyof B & string, BufferRange>>;
  uniforms: Readonly<Record<keyof U & string, number>>;
  spec?: Spec;
  workgroups: readonly [number, number, number];
  /** Direct-count operations of the dispatch, for the profile table. */
  flops?: number;
}

/** A pipeline with what is needed to bind to it. */
export interface CompiledKernel {
  readonly linked: LinkedKernel;
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** One encoded dispatch; what a recording keeps. */
export interface EncodedDispatch {
  readonly compiled: CompiledKernel;
  readonly ranges: readonly BufferRange[];
  readonly uniforms: Uint8Array;
  readonly workgroups: readonly [number, number, number];
  readonly flops: number;
}

function releasedError(kernel: Kernel, label: string): Error {
  return new Error(`kernel ${kernel.name}: buffer "${label}" is used after its release`);
}

/** Caches, the open pass and the uniform arena of one device. */
export class Commands {
  readonly device: GPUDevice;
  readonly uniformAlignment: number;
  readonly #memory: Memory;
  readonly #maxWorkgroups: number;
  readonly #compiled = new Map<string, CompiledKernel>();
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #uniformBuffer: GPUBuffer;
  readonly #uniformBytes = new Uint8Array(UNIFORM_ARENA_BYTES);
  readonly #offsets = new Uint32Array(1);
  #uniformEnd = 0;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #pending = 0;
  #lastLabels: string[] = [];
  /** Where dispatches are copied to while a step is recorded. */
  recorder: EncodedDispatch[] | undefined;
  /** What the driver reported last; thrown by the next check. */
  failure: GpuError | undefined;
  profiler: Profiler | undefined;
  watch: NonfiniteWatch | undefined;
  readonly derived = new DerivedRanges();
  /** Counts for the tests of the replayed step. */
  readonly counters = { bindGroups: 0, pipelines: 0, submits: 0, dispatches: 0, reads: 0 };

  constructor(device: GPUDevice, memory: Memory) {
    this.device = device;
    this.#memory = memory;
    this.uniformAlignment = Math.max(16, device.limits.minUniformBufferOffsetAlignment);
    this.#maxWorkgroups = device.limits.maxComputeWorkgroupsPerDimension;
    this.#uniformBuffer = device.createBuffer({ size: UNIFORM_ARENA_BYTES, usage: 0x40 | 0x08, label: "uniforms" });
  }

  /** Labels of the latest dispatches, newest last; what an error message quotes. */
  get lastLabels(): readonly string[] {
    return this.#lastLabels;
  }

  /** Links, checks and compiles a kernel on first use. */
  compile(kernel: Kernel, spec: Spec | undefined, elements?: ElementTypes): CompiledKernel {
    const key = linkKey(kernel, spec, elements);
    const known = this.#compiled.get(key);
    if (known) return known;
    const linked = linkKernel(kernel, spec, elements);
    const module = this.device.createShaderModule({ code: linked.code, label: kernel.name });
    // Without validation an invalid module brings the process down at pipeline creation: stop here.
    this.check();
    const layout = this.device.createBindGroupLayout({
      label: kernel.name,
      entries: linked.reflection.bindings.map((binding) => ({
        binding: binding.index,
        visibility: 4, // COMPUTE
        buffer:
          binding.access === "uniform"
            ? { type: "uniform" as const, hasDynamicOffset: true, minBindingSize: linked.uniformBytes }
            : { type: binding.access === "read" ? ("read-only-storage" as const) : ("storage" as const) },
      })),
    });
    const pipelineLayout = this.device.createPipelineLayout({ bindGroupLayouts: [layout], label: kernel.name });
    const pipeline = this.device.createComputePipeline({
      label: kernel.name,
      layout: pipelineLayout,
      compute: { module, entryPoint: "main" },
    });
    const compiled: CompiledKernel = { linked, kernel, pipeline, layout };
    this.#compiled.set(key, compiled);
    this.counters.pipelines++;
    return compiled;
  }

  /** Binds ranges to a compiled kernel; `uniforms` is the buffer that holds its uniform struct. */
  createBindGroup(compiled: CompiledKernel, ranges: readonly BufferRange[], uniforms: GPUBuffer): GPUBindGroup {
    const { linked } = compiled;
    const entries: GPUBindGroupEntry[] = ranges.map((range, i) => {
      if (!range.allocation.buffer) {
        throw releasedError(compiled.kernel, range.allocation.label);
      }
      if (range.bytes > this.device.limits.maxStorageBufferBindingSize) {
        throw new GpuError({
          code: "gpu/binding-too-large",
          message: `kernel ${compiled.kernel.name}: "${range.allocation.label}" has ${range.bytes} bytes, the adapter binds ${this.device.limits.maxStorageBufferBindingSize} at most`,
          fix: "use a smaller batch or image size (TRAIN.BATCH_SIZE, TEST.BATCH_SIZE, MODEL.IMAGE_SIZE)",
        });
      }
      return {
        binding: linked.bufferBindings[i] as number,
        resource: { buffer: range.allocation.buffer.handle, offset: range.offset, size: Math.max(4, Math.ceil(range.bytes / 4) * 4) },
      };
    });
    if (linked.uniformBytes > 0) {
      entries.unshift({ binding: 0, resource: { buffer: uniforms, offset: 0, size: linked.uniformBytes } });
    }
    this.counters.bindGroups++;
    return this.device.createBindGroup({ layout: compiled.layout, entries, label: compiled.kernel.name });
  }

  /** Encodes one dispatch into the open pass. */
  run<B extends BufferRecord, U extends UniformRecord>(kernel: Kernel<B, U>, dispatch: Dispatch<B, U>): void {
    const ranges = Object.keys(kernel.buffers).map((name) => dispatch.buffers[name as keyof B & string]);
    const mixed = ranges.some(({ allocation }) => allocation.element !== "f32");
    const compiled = this.compile(kernel, dispatch.spec, mixed ? elementTypesOf(kernel, ranges.map(({ allocation }) => allocation.element)) : undefined);
    for (const count of dispatch.workgroups) {
      if (!(count >= 1 && count <= this.#maxWorkgroups)) {
        throw new Error(`kernel ${kernel.name}: workgroups [${dispatch.workgroups.join(", ")}] outside 1..${this.#maxWorkgroups}`);
      }
    }
    const uniforms = new Uint8Array(compiled.linked.uniformBytes);
    packUniforms(kernel, dispatch.uniforms, new DataView(uniforms.buffer));
    const encoded: EncodedDispatch = { compiled, ranges, uniforms, workgroups: dispatch.workgroups, flops: dispatch.flops ?? 0 };
    this.recorder?.push(encoded);
    this.derived.writtenBy(encoded);
    if (!this.#memory.planning) {
      this.encode(encoded);
      this.watch?.after(encoded);
      return;
    }
    for (const { allocation } of ranges) if (!allocation.buffer) throw releasedError(kernel, allocation.label);
    this.note(kernel.name);
  }

  /** Encodes a dispatch whose uniforms are packed already. */
  encode(encoded: EncodedDispatch): void {
    const { compiled, ranges, uniforms, workgroups } = encoded;
    const stride = Math.ceil(uniforms.byteLength / this.uniformAlignment) * this.uniformAlignment;
    if (this.#uniformEnd + stride > UNIFORM_ARENA_BYTES) this.flush();
    let key = compiled.linked.key;
    for (const { allocation, offset, bytes } of ranges) key += `;${allocation.buffer?.id ?? "released"}:${offset}:${bytes}`;
    let group = this.#bindGroups.get(key);
    if (!group) {
      group = this.createBindGroup(compiled, ranges, this.#uniformBuffer);
      this.#bindGroups.set(key, group);
    }
    this.#uniformBytes.set(uniforms, this.#uniformEnd);
    this.#offsets[0] = this.#uniformEnd;
    this.#uniformEnd += stride;

    const pass = this.#openPass(encoded);
    pass.setPipeline(compiled.pipeline);
    if (uniforms.byteLength > 0) pass.setBindGroup(0, group, this.#offsets);
    else pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
    this.note(compiled.kernel.name);
    if (this.profiler) this.#closePass();
    if (++this.#pending >= SEGMENT_DISPATCHES) this.flush();
  }

  #openPass(encoded: EncodedDispatch): GPUComputePassEncoder {
    this.#encoder ??= this.device.createCommandEncoder();
    const stamps = this.profiler?.begin(encoded);
    this.#pass ??= this.#encoder.beginComputePass(stamps ? { timestampWrites: stamps } : undefined);
    return this.#pass;
  }

  #closePass(): void {
    if (!this.#pass) return;
    this.#pass.end();
    this.releasePass(this.#pass);
    this.#pass = undefined;
  }

  /** Frees a finished pass; the binding itself never does. */
  releasePass(pass: GPUComputePassEncoder): void {
    releaseComputePass(pass);
  }

  /** Remembers a kernel's label for error messages. */
  note(label: string): void {
    this.counters.dispatches++;
    this.#lastLabels.push(label);
    if (this.#lastLabels.length > 64) this.#lastLabels = this.#lastLabels.slice(-8);
  }

  /** Copies bytes between allocations; closes the pass, so not for the step's inner loop. */
  copy(source: BufferRange, target: { buffer: GPUBuffer; offset: number }): void {
    if (!source.allocation.buffer) throw new Error(`copy from "${source.allocation.label}" after its release`);
    this.#closePass();
    this.#encoder ??= this.device.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(source.allocation.buffer.handle, source.offset, target.buffer, target.offset, Math.ceil(source.bytes / 4) * 4);
    this.#pending++;
  }

  /** Submits what is encoded. Cheap when nothing is. */
  flush(): void {
    this.#closePass();
    if (!this.#encoder) return;
    if (this.#uniformEnd > 0) this.device.queue.writeBuffer(this.#uniformBuffer, 0, this.#uniformBytes, 0, this.#uniformEnd);
    this.submit(this.#encoder);
    this.#encoder = undefined;
    this.#uniformEnd = 0;
    this.#pending = 0;
  }

  /** Finishes and submits an encoder, and releases what the binding does not release itself. */
  submit(encoder: GPUCommandEncoder): void {
    const buffer = encoder.finish();
    this.device.queue.submit([buffer]);
    buffer._destroy(); // finish() released the encoder; nothing releases the command buffer but this
    this.counters.submits++;
  }

  /** Drops cached bind groups; needed before the pool is trimmed. */
  forgetBindGroups(): void {
    this.#bindGroups.clear();
  }

  /** Throws what the driver reported since the last check. */
  check(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure) throw failure;
  }

  /** Turns a text of Dawn into the error that the user sees. */
  describeError(text: string): GpuError {
    const recent = this.#lastLabels.slice(-6).join(" → ");
    return new GpuError({
      code: "gpu/device-error",
      message: `the GPU driver reported: ${text.trim().split("\n").slice(0, 12).join("\n")}`,
      ...(recent ? { where: `after kernels ${recent}` } : {}),
      fix: "run again with LIMBER_MODE=checked in the environment to find the first wrong call",
    });
  }

  get memory(): Memory {
    return this.#memory;
  }
}
