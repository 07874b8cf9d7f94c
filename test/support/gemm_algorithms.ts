import type { Gpu } from "../../src/gpu/device.ts";
import type { GemmForce } from "../../src/kernels/gemm_plan.ts";

/** What a test of a product forces: the plan, every core that the adapter has, slices of depth. */
export function gemmAlgorithms(gpu: Gpu): Record<string, GemmForce> {
  const { subgroupSize } = gpu.info;
  const lanes = subgroupSize === 4 ? "lanes4" : "lanes";
  return {
    planned: {},
    tile: { core: "tile" },
    narrow_tile: { core: "tile", spec: { TILE_ROWS: 32, TILE_COLUMNS: 32, TILE_DEPTH: 8, THREAD_ROWS: 2, THREAD_COLUMNS: 4 } },
    ...(subgroupSize ? { lanes: { core: lanes }, split: { core: lanes, splits: 3 } } : { split: { core: "tile", splits: 3 } }),
    ...(subgroupSize && lanes === "lanes" ? { tall_lanes: { core: lanes, spec: { ROWS: 16, COLUMNS: 1 } } } : {}),
  };
}
