/**
 * The border to bun-webgpu: an instance of our own with timed waits (the binding polls in a loop, which took a third of
 * the CPU on a software driver), Dawn's toggles, the adapter's full limits, and what the binding never releases.
 */
import { JSCallback, type Pointer, ptr } from "bun:ffi";
import { GpuError } from "../error.ts";
import { type AdapterChoice, driverCandidates, parseAdapterChoice, quietly } from "./driver.ts";
import { findSubgroupMatrix, SUBGROUP_MATRIX } from "./subgroup_matrix.ts";

/** fast: no validation, no bounds checks. checked: Dawn's defaults, for tests and for finding a wrong call. */
export type DeviceMode = "fast" | "checked";

/** Which adapter a device is on. */
export interface AdapterInfo {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  kind: "hardware" | "lavapipe" | "swiftshader";
  /** Lanes of a subgroup, where the adapter has one size only. */
  subgroupSize: number | undefined;
}

/** A device with the waits and reads that the binding lacks. */
export interface NativeDevice {
  readonly device: GPUDevice;
  readonly info: AdapterInfo;
  /** Optional features that the device has: those of WebGPU by their names, and SUBGROUP_MATRIX. */
  readonly features: ReadonlySet<string>;
  readonly mode: DeviceMode;
  readonly toggles: Toggles;
  /** Marks the work submitted so far; poll waits up to so many ms and tells whether it is done. */
  queueWait(): { poll(ms: number): boolean };
  /** The first bytes of a MAP_READ buffer, copied. */
  mapRead(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer>;
}

/** Names of Dawn toggles that are forced on and off. */
export interface Toggles {
  enabled: readonly string[];
  disabled: readonly string[];
}

/** The C functions of the binding's library that this file calls itself. */
interface Library {
  wgpuCreateInstance(descriptor: Pointer): Pointer | null;
  wgpuInstanceWaitAny(instance: Pointer, count: bigint, waits: Pointer, timeoutNs: bigint): number;
  wgpuDeviceTick(device: Pointer): void;
  wgpuQueueOnSubmittedWorkDone(queue: Pointer, callback: Pointer): bigint | number;
  wgpuComputePassEncoderRelease(pass: Pointer): void;
}

/** bun-webgpu's object for an instance, and how to make one for another instance. */
type Instance = GPU;

const OPTIONAL_FEATURES = ["subgroups", "timestamp-query", "shader-f16"] as const;

/** The adapter's own values are asked for; the binding refuses a device without the last five. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxBindingsPerBindGroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "minStorageBufferOffsetAlignment",
  "minUniformBufferOffsetAlignment",
  "maxStorageBuffersInVertexStage",
  "maxStorageTexturesInVertexStage",
  "maxStorageBuffersInFragmentStage",
  "maxStorageTexturesInFragmentStage",
  "maxImmediateSize",
] as const;

/**
 * Fast mode drops what costs on every call or load. Buffers are zeroed on first use in both modes: what a kernel would
 * read too early must not differ from run to run.
 */
export function togglesFor(mode: DeviceMode): Toggles {
  return mode === "fast"
    ? { enabled: ["skip_validation", "disable_robustness", "disable_workgroup_init", "allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"], disabled: ["timestamp_quantization"] }
    : { enabled: ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"], disabled: ["timestamp_quantization"] };
}

/** Packed structures that Dawn may read later; dropping a reference would be a use after free. */
const rooted: unknown[] = [];

function cStrings(names: readonly string[]): BigUint64Array {
  const texts = names.map((name) => Buffer.from(`${name}\0`));
  const pointers = new BigUint64Array(Math.max(1, texts.length));
  texts.forEach((text, i) => {
    pointers[i] = BigInt(ptr(text));
  });
  rooted.push(texts, pointers);
  return pointers;
}

/** A DawnTogglesDescriptor to chain into adapter options and device descriptors. */
export function packToggles({ enabled, disabled }: Toggles): Pointer {
  const descriptor = BigUint64Array.of(
    0n,
    0x5000an, // sType
    BigInt(enabled.length),
    BigInt(ptr(cStrings(enabled))),
    BigInt(disabled.length),
    BigInt(ptr(cStrings(disabled))),
  );
  rooted.push(descriptor);
  return ptr(descriptor);
}

function isLibrary(value: unknown): value is Library {
  const names = ["wgpuCreateInstance", "wgpuInstanceWaitAny", "wgpuDeviceTick", "wgpuQueueOnSubmittedWorkDone", "wgpuComputePassEncoderRelease"];
  return typeof value === "object" && value !== null && names.every((name) => typeof Reflect.get(value, name) === "function");
}

let library: Library | undefined;

/** Frees a compute pass encoder after its end; the binding never does. */
export function releaseComputePass(pass: GPUComputePassEncoder): void {
  library?.wgpuComputePassEncoderRelease(Reflect.get(pass, "ptr") as Pointer);
}

/** A Dawn instance with timed waits, as the binding's GPU object. */
async function createInstance(): Promise<{ gpu: Instance; pointer: Pointer; library: Library }> {
  const { createGPUInstance } = await import("bun-webgpu");
  const own = createGPUInstance();
  const symbols: unknown = Reflect.get(own, "lib");
  if (!isLibrary(symbols)) throw new Error("this version of bun-webgpu does not expose the functions that Limber needs");
  library = symbols;
  // {nextInChain, {nextInChain, timedWaitAnyEnable, timedWaitAnyMaxCount}}
  const descriptor = BigUint64Array.of(0n, 0n, 1n, 64n);
  rooted.push(descriptor);
  const pointer = symbols.wgpuCreateInstance(ptr(descriptor));
  if (!pointer) throw new GpuError({ code: "gpu/instance", message: "Dawn could not create an instance with timed waits" });
  const Constructor = own.constructor as new (instance: Pointer, lib: Library) => Instance;
  return { gpu: new Constructor(pointer, symbols), pointer, library: symbols };
}

function adapterKind({ vendor, architecture, device, description }: GPUAdapterInfo): AdapterInfo["kind"] | "null" {
  // Dawn's null backend names itself in `device` alone.
  const text = `${vendor} ${architecture} ${device} ${description}`.toLowerCase();
  if (text.includes("null-backend")) return "null";
  if (text.includes("swiftshader")) return "swiftshader";
  if (text.includes("llvmpipe") || architecture === "software") return "lavapipe";
  return "hardware";
}

interface FoundAdapter {
  adapter: GPUAdapter;
  instance: Awaited<ReturnType<typeof createInstance>>;
  kind: AdapterInfo["kind"];
}

/** Tries the candidates in order; what Dawn cannot use (its null backend included) is passed over. */
async function findAdapter(choice: AdapterChoice | undefined, toggles: Pointer): Promise<FoundAdapter> {
  const refused: string[] = [];
  for (const candidate of driverCandidates(choice)) {
    await candidate.apply();
    const instance = await createInstance();
    const options = { powerPreference: "high-performance", nextInChain: toggles } as GPURequestAdapterOptions;
    const adapter = await quietly(() => instance.gpu.requestAdapter(options).catch(() => null));
    const kind = adapter ? adapterKind(adapter.info) : "null";
    if (adapter && kind !== "null" && (choice === undefined || kind === choice)) return { adapter, instance, kind };
    refused.push(`${candidate.kind}: ${kind === "null" ? "Dawn finds no usable driver (null-backend)" : `found ${kind}`}`);
  }
  throw new GpuError({
    code: "gpu/no-driver",
    message: `no usable ${choice ?? "Vulkan"} adapter (${refused.join("; ")})`,
    fix:
      choice === "hardware"
        ? "install the GPU's Vulkan driver, or unset ADAPTER to run on the CPU"
        : "install mesa-vulkan-drivers 25 or newer (Debian 12: from bookworm-backports; 22.3 is refused by Dawn), or use ADAPTER=swiftshader",
  });
}

/** Opens a device: hardware first, then an installed software driver, then the embedded one, unless told otherwise. */
export async function openNativeDevice(options: { adapter?: AdapterChoice; mode?: DeviceMode } = {}): Promise<NativeDevice> {
  const choice = options.adapter ?? parseAdapterChoice(process.env["ADAPTER"]);
  const mode = options.mode ?? (process.env["LIMBER_MODE"] === "checked" ? "checked" : "fast");
  const toggles = togglesFor(mode);
  const chain = packToggles(toggles);
  const { adapter, instance, kind } = await findAdapter(choice, chain);
  const plain = OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature));
  const validating = packToggles(togglesFor("checked"));
  // A driver that falls over them can be used without.
  const matrices = process.env["LIMBER_MATRIX"] === "off" ? undefined : await findSubgroupMatrix(adapter.features, {
    requestAdapter: () => instance.gpu.requestAdapter({ powerPreference: "high-performance", nextInChain: validating } as GPURequestAdapterOptions),
    nextInChain: validating,
  });
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    const value: unknown = Reflect.get(adapter.limits, name);
    if (typeof value === "number") requiredLimits[name] = value;
  }
  const { vendor, architecture, device: deviceName, description } = adapter.info;
  const smallest: unknown = Reflect.get(adapter.info, "subgroupMinSize");
  const largest: unknown = Reflect.get(adapter.info, "subgroupMaxSize");
  const descriptor = { requiredFeatures: matrices ? [...plain, matrices] : plain, requiredLimits, nextInChain: chain } as GPUDeviceDescriptor;
  const device = await adapter.requestDevice(descriptor);

  const done = new JSCallback(() => undefined, { args: ["u32", "ptr", "ptr"], returns: "void" });
  // {nextInChain, mode = WaitAnyOnly, callback, userdata1, userdata2}
  const callback = BigUint64Array.of(0n, 1n, BigInt(done.ptr ?? 0), 0n, 0n);
  rooted.push(done, callback);
  const { library: symbols, pointer } = instance;
  const [devicePointer, queuePointer] = [device, device.queue].map((object) => Reflect.get(object, "ptr")) as [Pointer, Pointer];

  return {
    device,
    mode,
    toggles,
    features: new Set(matrices ? [...plain, SUBGROUP_MATRIX] : plain),
    info: {
      vendor,
      architecture,
      device: deviceName,
      description,
      kind,
      subgroupSize: typeof smallest === "number" && smallest > 0 && smallest === largest ? smallest : undefined,
    },
    queueWait() {
      // Frees what earlier writes were staged in; Dawn does it on submits and ticks, and on ticks only while work is queued.
      symbols.wgpuDeviceTick(devicePointer);
      const future = symbols.wgpuQueueOnSubmittedWorkDone(queuePointer, ptr(callback));
      const wait = BigUint64Array.of(BigInt(future), 0n);
      return {
        poll(ms) {
          if (wait[1] !== 0n) return true;
          const status = symbols.wgpuInstanceWaitAny(pointer, 1n, ptr(wait), BigInt(Math.round(ms * 1e6)));
          if (status !== 1 && status !== 2) throw new GpuError({ code: "gpu/wait", message: `waiting for the device failed with status ${status}` });
          return status === 1;
        },
      };
    },
    async mapRead(buffer, bytes) {
      await buffer.mapAsync(1, 0, bytes);
      const data = buffer.getMappedRange(0, bytes).slice(0);
      buffer.unmap();
      return data;
    },
  };
}
