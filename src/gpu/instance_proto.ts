import { dlopen, JSCallback, ptr } from "bun:ffi";
export type DeviceMode = "fast" | "checked";
export interface AdapterInfo { vendor: string; architecture: string; device: string; description: string; kind: "hardware" | "lavapipe" | "swiftshader"; subgroupSize: number | undefined }
export interface NativeDevice {
  device: GPUDevice; info: AdapterInfo; features: ReadonlySet<string>; mode: DeviceMode;
  queueWait(): { poll(ms: number): boolean };
  mapRead(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer>;
}
let libAny: any;
export function releaseComputePass(pass: GPUComputePassEncoder): void { libAny.wgpuComputePassEncoderRelease((pass as any).ptr); }
export async function openNativeDevice(options: { adapter?: string; mode?: DeviceMode }): Promise<NativeDevice> {
  const libc = dlopen("libc.so.6", { setenv: { args: ["cstring", "cstring", "i32"], returns: "i32" } }).symbols;
  libc.setenv(Buffer.from("VK_DRIVER_FILES\0") as any, Buffer.from("/usr/share/vulkan/icd.d/lvp_icd.json\0") as any, 1);
  const { createGPUInstance } = await import("bun-webgpu");
  const g0: any = createGPUInstance();
  const lib = g0.lib; libAny = lib;
  const so = Bun.resolveSync("bun-webgpu-linux-x64/libwebgpu_wrapper.so", import.meta.dir);
  const x = dlopen(so, { wgpuCreateInstance: { args: ["ptr"], returns: "ptr" }, zwgpuInstanceWaitAny: { args: ["ptr", "u64", "ptr", "u64"], returns: "u32" }, zwgpuQueueOnSubmittedWorkDone: { args: ["ptr", "ptr"], returns: "u64" } }).symbols;
  const inst = x.wgpuCreateInstance(ptr(new BigUint64Array([0n, 0n, 1n, 64n])));
  const gpu: any = new g0.constructor(inst, lib);
  const mode = options.mode ?? "fast";
  const keep: any[] = [];
  const cstrs = (names: string[]) => { const bufs = names.map((n) => Buffer.from(n + "\0")); keep.push(bufs); const a = new BigUint64Array(bufs.map((b) => BigInt(ptr(b)))); keep.push(a); return a; };
  const on = mode === "fast" ? ["skip_validation", "disable_robustness", "allow_unsafe_apis"] : ["allow_unsafe_apis"];
  const off = ["timestamp_quantization"];
  const a1 = cstrs(on), a2 = cstrs(off);
  const d = new BigUint64Array([0n, 0x5000an, BigInt(on.length), BigInt(ptr(a1)), BigInt(off.length), BigInt(ptr(a2))]); keep.push(d);
  (globalThis as any).__keep = keep;
  const adapter = await gpu.requestAdapter({ nextInChain: ptr(d) });
  const limits: any = {};
  for (const k of ["maxStorageBuffersInVertexStage","maxStorageTexturesInVertexStage","maxStorageBuffersInFragmentStage","maxStorageTexturesInFragmentStage","maxImmediateSize","maxBufferSize","maxStorageBufferBindingSize","maxStorageBuffersPerShaderStage","maxComputeInvocationsPerWorkgroup","maxComputeWorkgroupSizeX","maxComputeWorkgroupStorageSize","minStorageBufferOffsetAlignment","minUniformBufferOffsetAlignment"]) limits[k] = adapter.limits[k];
  const device = await adapter.requestDevice({ requiredFeatures: ["subgroups", "timestamp-query", "shader-f16"], requiredLimits: limits, nextInChain: ptr(d) });
  const cb = new JSCallback(() => {}, { args: ["u32", "ptr", "ptr"], returns: "void" });
  return {
    device, mode, features: new Set(["subgroups", "timestamp-query", "shader-f16"]),
    info: { vendor: adapter.info.vendor, architecture: adapter.info.architecture, device: adapter.info.device, description: adapter.info.description, kind: "lavapipe", subgroupSize: 8 },
    queueWait() {
      const info = new BigUint64Array(5); const dv = new DataView(info.buffer);
      dv.setUint32(8, 1, true); dv.setBigUint64(16, BigInt(cb.ptr!), true);
      const f = x.zwgpuQueueOnSubmittedWorkDone((device.queue as any).ptr, ptr(info)) as unknown as bigint;
      const w = new BigUint64Array([BigInt(f), 0n]);
      return { poll(ms: number) { const r = x.zwgpuInstanceWaitAny(inst, 1n, ptr(w), BigInt(Math.round(ms * 1e6))); return r === 1; } };
    },
    async mapRead(buffer, bytes) { await buffer.mapAsync(1, 0, bytes); const a = buffer.getMappedRange(0, bytes).slice(0); buffer.unmap(); return a; },
  };
}
