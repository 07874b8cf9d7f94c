/**
 * Compiles every product of the matrix core on Dawn's null backend, which has all features, checks all and computes nothing: links
 * each kernel for each way it can be stored and specialised, makes its pipeline, prints what Dawn says. A process of its own,
 * with no driver in its environment.
 */
import { Commands } from "../../src/gpu/commands.ts";
import { Memory } from "../../src/gpu/buffer.ts";
import { declaredKernels, type Kernel, linkKernel } from "../../src/gpu/kernel.ts";
import { packToggles, togglesFor } from "../../src/gpu/native.ts";
import { findSubgroupMatrix } from "../../src/gpu/subgroup_matrix.ts";
import { readFragment, type ElementTypes } from "../../src/gpu/wgsl.ts";
import { tilesOfCore } from "../../src/kernels/gemm_plan.ts";
import "../../src/kernels/conv.ts";
import "../../src/kernels/matmul.ts";

const { createGPUInstance } = await import("bun-webgpu");
const instance: GPU = createGPUInstance();
const nextInChain = packToggles(togglesFor("checked"));
const requestAdapter = () => instance.requestAdapter({ nextInChain } as GPURequestAdapterOptions);
const adapter = await requestAdapter();
if (!adapter || !adapter.info.device.includes("null-backend")) {
  console.log(JSON.stringify({ skipped: "Dawn gives no null backend here" }));
  process.exit(0);
}
const feature = await findSubgroupMatrix(adapter.features, { requestAdapter, nextInChain });
if (feature === undefined) {
  console.log(JSON.stringify({ skipped: "Dawn's null backend offers no subgroup matrices" }));
  process.exit(0);
}
const requiredFeatures = [feature, "shader-f16", "subgroups"];
const device = await adapter.requestDevice({ requiredFeatures, nextInChain } as GPUDeviceDescriptor);
const commands = new Commands(device, new Memory(device, device.limits.maxBufferSize));

// The null backend's largest subgroup has 128 lanes, its workgroups 256 invocations and 16 KiB.
const tile = { LANES: 128, TILE_ROWS: 64, TILE_COLUMNS: 64, TILE_DEPTH: 32, REGION_ROWS: 32, REGION_COLUMNS: 64 };
const problems: string[] = [];
let [pipelines, modules] = [0, 0];

/** The first error of what `make` does on the device. */
async function errorOf(make: () => void): Promise<string | undefined> {
  device.pushErrorScope("validation");
  make();
  return (await device.popErrorScope())?.message;
}

for (const variants of declaredKernels().values()) {
  for (const kernel of variants.filter(({ fragments }) => fragments.includes("gemm/matrix_subgroup.wgsl"))) {
    const text = kernel.fragments.map(readFragment).join("\n");
    const flags = ["DILATED", "TRANSPOSED"].filter((name) => text.includes(`const ${name}: bool`));
    const specs = ["A_ALONG_ROWS", ...flags].reduce<Record<string, boolean>[]>((all, name) => all.flatMap((spec) => [spec, { ...spec, [name]: true }]), [{}]);
    const stored: ElementTypes[] = [{}, { Elem: "f16" }, { Elem: "f16", ElemB: "f16" }, { Elem: "f16", ElemC: "f16" }];
    for (const spec of specs) {
      for (const elements of stored) {
        const problem = await errorOf(() => void commands.compile(kernel, { ...tile, ...spec }, elements));
        pipelines++;
        if (problem !== undefined) problems.push(`${kernel.name} ${JSON.stringify({ spec, elements })}: ${problem}`);
      }
    }
  }
}
// The tiles for GPUs need larger workgroups than the null backend has: their modules alone.
for (const { spec } of tilesOfCore("matrix", { software: false, subgroupSize: 32, maxInvocations: 1024, maxWorkgroups: 65535 })) {
  const [kernel] = (declaredKernels().get("gemm/matmul") ?? []).filter(({ fragments }) => fragments.includes("gemm/matrix_subgroup.wgsl"));
  for (const A_ALONG_ROWS of [false, true]) {
    const problem = await errorOf(() => void device.createShaderModule({ code: linkKernel(kernel as Kernel, { LANES: 32, ...spec, A_ALONG_ROWS }).code }));
    modules++;
    if (problem !== undefined) problems.push(`${JSON.stringify(spec)}: ${problem}`);
  }
}
// That the validator does refuse what is wrong.
const refused = await errorOf(() => {
  const code = `enable f16;\nenable chromium_experimental_subgroup_matrix;\nvar<workgroup> t: array<f32, 256>;
@compute @workgroup_size(128) fn main() { var m = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>>(&t, 0u, false, 16u); }`;
  device.createShaderModule({ code });
});
console.log(JSON.stringify({ pipelines, modules, problems, refused }));
process.exit(0);
