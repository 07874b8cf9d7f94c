/**
 * Subgroup matrices, Dawn's chromium-experimental-subgroup-matrix: whether an adapter has those that gemm/matrix_subgroup.wgsl
 * wants, 16x16x16 of half floats with sums in f32. The one place that knows how the binding names them.
 */
import { link } from "./wgsl.ts";

/** Our name for the feature, in `Gpu.features`. */
export const SUBGROUP_MATRIX = "subgroup-matrix";

/**
 * Names under which the binding may offer it, in the order of trial: those of bun-webgpu 0.1.7 are shifted by one against the
 * Dawn that it ships, so the second is the one that works there. What a device then compiles decides, not the name.
 */
const BINDING_NAMES = ["chromium-experimental-subgroup-matrix", "flexible-texture-views"] as const;

/** Features of WebGPU that the shaders with matrices need besides. */
const BESIDE = ["shader-f16", "subgroups"] as const;

/**
 * The binding's name of the feature where a device made with it compiles a product of subgroup matrices; else undefined.
 * @param offered features of the adapter
 * @param request the same adapter once more, for a device of the trial's own, and the toggles of both. Dawn's validation must be
 *   on: it tells of matrices that the hardware lacks.
 */
export async function findSubgroupMatrix(
  offered: ReadonlySet<string>,
  { requestAdapter, nextInChain }: { requestAdapter: () => Promise<GPUAdapter | null>; nextInChain: unknown },
): Promise<string | undefined> {
  for (const name of BINDING_NAMES) {
    const needed = [name, ...BESIDE];
    if (!needed.every((feature) => offered.has(feature))) continue;
    const adapter = await requestAdapter();
    if (!adapter) continue;
    const device = await adapter.requestDevice({ requiredFeatures: needed, nextInChain } as GPUDeviceDescriptor);
    const largest: unknown = Reflect.get(adapter.info, "subgroupMaxSize");
    const code = link(["gemm/matrix_probe.wgsl", "gemm/matrix_subgroup.wgsl"], { spec: { LANES: typeof largest === "number" ? largest : 32 } });
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code, label: "gemm/matrix_probe" });
    device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" }, label: "gemm/matrix_probe" });
    const problem = await device.popErrorScope();
    device.destroy();
    if (problem === null) return name;
  }
  return undefined;
}
