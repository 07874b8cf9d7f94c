import { expect, test } from "bun:test";
import { type AdapterClass, planGemm, planSplits, type Tuning, wantsPaddedColumns } from "../../src/kernels/gemm_plan.ts";
import { TUNED } from "../../src/kernels/tuned.ts";
import { productsOf, tilesOf, type WinogradShape, winogradPays, winogradWeightPays } from "../../src/kernels/winograd_plan.ts";

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

const tuning: Tuning = {
  products: [
    { core: "lanes", spec: { ROWS: 24, COLUMNS: 8 }, gflops: 30 },
    { core: "lanes", spec: { ROWS: 16, COLUMNS: 2 }, gflops: 20 },
  ],
  winograd: { 2: { inputNs: 10, outputNs: 10, weightNs: 10 }, 3: { inputNs: 10, outputNs: 10, weightNs: 10 } },
};

test("of what was measured, the fastest with its padding is chosen", () => {
  const tuned = { ...software, tuning };
  expect(planGemm({ ...problem, columns: 64 }, tuned).spec).toEqual({ LANES: 8, ROWS: 24, COLUMNS: 8 });
  expect(planGemm({ ...problem, columns: 16 }, tuned).spec).toEqual({ LANES: 8, ROWS: 16, COLUMNS: 2 });
  // Half of the large tile would be padding, and its rate is only half as much again.
  expect(planGemm({ ...problem, rows: 16, columns: 48 }, tuned).spec["ROWS"]).toBe(16);
  expect(planGemm({ rows: 24, columns: 64, depth: 1e6, batch: 2 }, tuned).ms).toBeCloseTo((2 * 24 * 64 * 2e6) / 30e6, 6);
  // No table for a core: the planner still has a choice.
  expect(planGemm(problem, tuned, { core: "tile" }).core).toBe("tile");
});

test("F(2x2, 3x3) is chosen where its transforms cost less than it saves, and never unmeasured", () => {
  const layer = (fromC: number, toC: number, size = 32): WinogradShape => ({ batch: 8, inH: size, inW: size, fromC, outH: size, outW: size, toC, taps: 3, stride: 1, padH: 1, padW: 1, transposed: false });
  const tuned = { ...software, tuning };
  expect(winogradPays(layer(64, 64), software)).toBe(false);
  expect(winogradPays(layer(64, 64), tuned)).toBe(true);
  // A tile of one channel saves 40 multiply-adds an output channel, 2.7 ns, and costs 20 ns.
  expect(winogradPays(layer(3, 8), tuned)).toBe(false);
  // One tile: transforming the weights costs more than it saves.
  expect(winogradPays({ ...layer(64, 64, 2), batch: 1 }, tuned)).toBe(false);
  expect(winogradPays(layer(64, 64), { ...tuned, tuning: { ...tuning, winograd: { ...tuning.winograd, 3: { inputNs: 100, outputNs: 100, weightNs: 10 } } } })).toBe(false);
});

test("F(3x3, 2x2) is chosen by the same count: of a deconvolution, its gradients, and where tiles are mostly padding", () => {
  const tuned = { ...software, tuning };
  const shape = { batch: 8, inH: 32, inW: 24, fromC: 256, outH: 64, outW: 48, toC: 256, taps: 2, stride: 2, padH: 1, padW: 1, transposed: true } as const;
  const back = { ...shape, inH: 64, inW: 48, outH: 32, outW: 24, transposed: false } as const;
  for (const adapter of [software, tuned]) {
    expect([winogradPays(shape, adapter), winogradPays(back, adapter), winogradWeightPays(back, adapter)]).toEqual(Array.from({ length: 3 }, () => adapter === tuned));
  }
  // A tile of 3x3 of which one result exists: four times the direct product's multiplications.
  expect(winogradPays({ ...shape, inH: 1, inW: 1, outH: 2, outW: 2 }, tuned)).toBe(false);
});

test("the phases of a deconvolution of 4x4 taps, stride 2 and padding 1, and of the convolution that goes back", () => {
  const shape = { taps: 2, stride: 2, padH: 1, padW: 1, batch: 1, inH: 4, inW: 4, fromC: 1, outH: 8, outW: 8, toC: 1 } as const;
  // y[2i] = w[1] x[i] + w[3] x[i - 1], y[2i + 1] = w[0] x[i + 1] + w[2] x[i], along either axis.
  expect(productsOf({ ...shape, transposed: true }).map(([phase]) => phase)).toEqual([
    { tapH: 3, tapW: 3, fromH: -1, fromW: -1, toH: 0, toW: 0 },
    { tapH: 3, tapW: 2, fromH: -1, fromW: 0, toH: 0, toW: 1 },
    { tapH: 2, tapW: 3, fromH: 0, fromW: -1, toH: 1, toW: 0 },
    { tapH: 2, tapW: 2, fromH: 0, fromW: 0, toH: 1, toW: 1 },
  ]);
  // One sum of all phases: taps 0 and 2 meet x[2i - 1] and x[2i + 1], taps 1 and 3 x[2i] and x[2i + 2].
  expect(productsOf({ ...shape, transposed: false })).toEqual([
    [[0, 0], [0, 1], [1, 0], [1, 1]].map(([h = 0, w = 0]) => ({ tapH: h, tapW: w, fromH: h - 1, fromW: w - 1, toH: 0, toW: 0 })),
  ]);
  // Large weights are transformed a phase at a time, unless sums would be rounded to half floats.
  const large = { ...shape, fromC: 256, toC: 256, transposed: false };
  expect(productsOf(large)).toEqual(productsOf({ ...shape, transposed: false }).flat().map((phase) => [phase]));
  expect(productsOf({ ...large, half: true })).toHaveLength(1);
  expect(tilesOf({ ...shape, transposed: true })).toEqual({ tilesH: 2, tilesW: 2 });
});

test("the tables that are shipped: products of the class's core, fastest first", () => {
  expect(Object.keys(TUNED)).toEqual(expect.arrayContaining(["lavapipe", "swiftshader"]));
  for (const { tuning: table } of Object.values(TUNED)) {
    const rates = table.products.map(({ gflops }) => gflops);
    expect(rates.length).toBeGreaterThan(0);
    expect(rates).toEqual(rates.toSorted((a, b) => b - a));
    expect(Math.min(...rates, ...Object.values(table.winograd).flatMap((costs) => Object.values(costs)))).toBeGreaterThan(0);
  }
});
