import { expect, test } from "bun:test";
import { type AdapterClass, planGemm, planSplits, wantsPaddedColumns } from "../../src/kernels/gemm_plan.ts";

const software: AdapterClass = { software: true, subgroupSize: 8, maxInvocations: 1024, maxWorkgroups: 65535 };
const hardware: AdapterClass = { software: false, subgroupSize: 32, maxInvocations: 256, maxWorkgroups: 65535 };
const problem = { rows: 4096, columns: 64, depth: 576, batch: 1 };

test("software drivers get the lanes core, GPUs the tile core, and a missing subgroup size falls back to tiles", () => {
  expect(planGemm(problem, software).core).toBe("lanes");
  expect(planGemm(problem, hardware).core).toBe("tile");
  expect(planGemm(problem, { ...software, subgroupSize: undefined }).core).toBe("tile");
  expect(planGemm(problem, { ...software, subgroupSize: 4 }).core).toBe("lanes4");
  expect(() => planGemm(problem, software, { core: "lanes4" })).toThrow(/subgroups of 4/);
  expect(planGemm(problem, hardware, { core: "lanes" }).spec["LANES"]).toBe(32);
  expect(() => planGemm(problem, { ...software, subgroupSize: undefined }, { core: "lanes" })).toThrow(/subgroups/);
});

test("a plan's tile is what its constants say, and forced constants win", () => {
  for (const adapter of [software, hardware, { ...software, subgroupSize: 4 }]) {
    for (const columns of [1, 8, 17, 64, 1000]) {
      const plan = planGemm({ ...problem, columns }, adapter);
      const { spec } = plan;
      if (plan.core === "lanes") {
        expect(plan.tileRows).toBe(spec["ROWS"] as number);
        expect(plan.tileColumns).toBe((spec["LANES"] as number) * (spec["COLUMNS"] as number));
      } else if (plan.core === "lanes4") {
        expect([plan.tileRows, plan.tileColumns]).toEqual([16, 16]);
      } else {
        const threads = (plan.tileRows / (spec["THREAD_ROWS"] as number)) * (plan.tileColumns / (spec["THREAD_COLUMNS"] as number));
        expect(threads).toBeLessThanOrEqual(adapter.maxInvocations);
        expect(threads % (spec["TILE_DEPTH"] as number)).toBe(0);
      }
    }
  }
  expect(planGemm(problem, software, { spec: { ROWS: 4 } }).tileRows).toBe(4);
});

test("a weight gradient is split only where its product leaves the device idle", () => {
  const plan = planGemm(problem, hardware);
  expect(planSplits({ rows: 576, columns: 64, depth: 98304, batch: 1 }, plan, hardware)).toBeGreaterThan(8);
  expect(planSplits({ rows: 4608, columns: 4096, depth: 98304, batch: 1 }, plan, hardware)).toBe(1);
  expect(planSplits({ rows: 576, columns: 64, depth: 100, batch: 1 }, plan, hardware)).toBe(1);
  expect(planSplits(problem, plan, hardware, { splits: 5 })).toBe(5);
});

test("columns are padded only where rows of B alias", () => {
  const plan = planGemm(problem, software);
  expect(wantsPaddedColumns({ rows: 1024, columns: 1024, depth: 1024, batch: 1 }, plan)).toBe(true);
  expect(wantsPaddedColumns({ rows: 1024, columns: 1040, depth: 1024, batch: 1 }, plan)).toBe(false);
  expect(wantsPaddedColumns({ rows: 1024, columns: 1024, depth: 1024, batch: 1 }, planGemm(problem, hardware))).toBe(false);
});
