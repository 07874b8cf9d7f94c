import { expect, test } from "bun:test";
import { type AdapterClass, planGemm, tilesOfCore } from "../../src/kernels/gemm_plan.ts";

const hardware: AdapterClass = { software: false, subgroupSize: 32, maxInvocations: 1024, maxWorkgroups: 65535 };
const open: AdapterClass = { ...hardware, matrix: true };
const problem = { rows: 24_576, columns: 256, depth: 2304, batch: 1 };

test("the matrix core is chosen where the gate opened it, and only there", () => {
  expect(planGemm(problem, open)).toMatchObject({ core: "matrix", tileRows: 128, tileColumns: 128, spec: { LANES: 32, A_ALONG_ROWS: false } });
  expect(planGemm({ ...problem, alongRows: true }, open).spec["A_ALONG_ROWS"]).toBe(true);
  expect(planGemm(problem, { ...open, matrix: false }).core).toBe("tile");
  expect(planGemm(problem, hardware).core).toBe("tile");
  expect(planGemm(problem, open, { core: "tile" }).core).toBe("tile");
  expect(planGemm({ ...problem, alongRows: true }, hardware).spec).not.toHaveProperty("A_ALONG_ROWS");
  expect(() => planGemm(problem, { ...open, subgroupSize: undefined })).toThrow("the matrix core needs subgroups of a fixed size");
});

test("of its tiles narrow results get narrow ones, and adapters with small workgroups small ones", () => {
  expect(planGemm({ ...problem, columns: 64 }, open).tileColumns).toBe(64);
  expect(planGemm({ ...problem, rows: 48, columns: 17 }, open)).toMatchObject({ tileRows: 64, tileColumns: 64 });
  expect(tilesOfCore("matrix", { ...open, maxInvocations: 128 }).map(({ spec }) => spec["TILE_ROWS"])).toEqual([64]);
  expect(tilesOfCore("matrix", { ...open, subgroupSize: 64, maxInvocations: 256 })).toHaveLength(1);
});

test("every tile keeps what gemm/core_matrix.wgsl asks of the host, in 32 KiB of workgroup memory", () => {
  const tiles = tilesOfCore("matrix", open);
  expect(tiles.length).toBeGreaterThan(2);
  for (const { spec } of tiles) {
    const { TILE_ROWS = 0, TILE_COLUMNS = 0, TILE_DEPTH = 0, REGION_ROWS = 0, REGION_COLUMNS = 0 } = spec;
    const regions = (TILE_ROWS / REGION_ROWS) * (TILE_COLUMNS / REGION_COLUMNS);
    const threads = 32 * regions;
    for (const divisor of [TILE_DEPTH, 32, TILE_COLUMNS]) expect(threads % divisor).toBe(0);
    for (const size of [TILE_ROWS * TILE_DEPTH, TILE_COLUMNS * TILE_DEPTH]) expect(size % threads).toBe(0);
    for (const side of [REGION_ROWS, REGION_COLUMNS, TILE_DEPTH]) expect(side % 16).toBe(0);
    const gap = 8;
    const operands = Math.max(TILE_ROWS * (TILE_DEPTH + gap), TILE_DEPTH * (TILE_ROWS + gap)) + TILE_DEPTH * (TILE_COLUMNS + gap);
    expect(2 * operands + 4 * regions * 16 * 16).toBeLessThanOrEqual(32 * 1024);
  }
});
