import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Row } from "../../bench/case.ts";
import { adapterSlug } from "../../bench/report.ts";
import { runTable } from "../../bench/table.ts";
import { GpuError } from "../../src/error.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("a table gives shares of measured ceilings, writes adapter, commit and rows, and fails where a check fails", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-table-"));
  try {
    const out = join(folder, "table.json");
    const row = (name: string, facts: Partial<Row>) => ({ name, run: async (): Promise<Row> => ({ name, ms: 1, ...facts }) });
    const cases = [row("product", { gflops: 3, error: 1e-6 }), row("copy", { gbytes: 2, error: 0 }), row("another", { error: Number.NaN })];
    const { live } = gpu.memory;
    expect(await runTable(gpu, { name: "test", cases, only: "o", out })).toBe(false);
    expect(await runTable(gpu, { name: "test", cases, only: "p", out })).toBe(true);
    expect(gpu.memory.live).toBe(live); // what the ceilings were measured with is given back
    const { adapter, commit, modified, ceilings, rows } = JSON.parse(await readFile(out, "utf8"));
    expect([adapter.kind, typeof commit, typeof modified]).toEqual([gpu.info.kind, "string", "boolean"]);
    expect(adapter.description).toBe(gpu.info.description); // with the driver's version
    expect(rows.map((one: Row) => one.name)).toEqual(["product", "copy"]);
    expect(rows[0].ceilingShare).toBeCloseTo(3 / ceilings.gemmGflops, 9);
    expect(rows[0].peakShare).toBeCloseTo(3 / ceilings.fmaGflops, 9);
    expect(rows[1].peakShare).toBeUndefined();
    expect(rows[1].ceilingShare).toBeCloseTo(2 / ceilings.copyGbytes, 9);
    expect(ceilings.gemmGflops).toBeGreaterThan(0.01);

    const broken = { name: "refused", run: () => Promise.reject(new Error("no such instruction")) };
    const lost = { name: "lost", run: () => Promise.reject(new GpuError({ code: "gpu/device-lost", message: "gone" })) };
    expect(await runTable(gpu, { name: "test", cases: [broken, ...cases.slice(0, 1), lost, ...cases.slice(1, 2)], only: undefined, out })).toBe(false);
    const partial = JSON.parse(await readFile(out, "utf8"));
    expect(partial.rows.map((one: Row) => one.name)).toEqual(["product"]); // also behind one that fails, but on no device that is lost
    expect(partial.failed).toEqual([{ name: "refused", error: "no such instruction" }, { name: "lost", error: "gone" }]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);

test("results of a software driver are named by it, those of a GPU by the device", () => {
  expect(adapterSlug({ ...gpu.info, kind: "lavapipe" })).toBe("lavapipe");
  expect(adapterSlug({ ...gpu.info, kind: "hardware", device: "NVIDIA H200", vendor: "nvidia" })).toBe("nvidia-h200");
  expect(adapterSlug({ ...gpu.info, kind: "hardware", device: "", vendor: "nvidia" })).toBe("nvidia");
});
