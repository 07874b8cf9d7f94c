import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openDevice } from "../../src/gpu/device.ts";
import { embeddedPresent } from "../../src/gpu/embedded_driver.ts";
import { readJson, tensorHash, TinyProject } from "../support/tiny_run.ts";

setDefaultTimeout(120_000);
const project = new TinyProject();
afterAll(() => project.remove());
const gpu = await openDevice();
const half = gpu.features.has("shader-f16");
await gpu.close();

const MIXED = "PRECISION=mixed";

test.skipIf(!half)("a run in mixed precision killed half-way goes on to the same bytes, loss scale included; fp32 is refused as its continuation", async () => {
  const whole = await project.trained("whole", MIXED);
  expect(await project.interrupted("killed", { step: 10, signal: "SIGKILL", rest: [MIXED] })).toMatchObject({ signal: "SIGKILL" });
  const killed = await project.trained("killed", "--resume", MIXED);
  expect(tensorHash(killed)).toBe(tensorHash(whole));
  for (const name of ["steps.jsonl", "scores.json", "results.json"]) expect(readFileSync(join(killed, name), "utf8")).toBe(readFileSync(join(whole, name), "utf8"));
  const { counters, step } = readJson(join(killed, "latest.json")).state;
  expect(counters).toEqual(readJson(join(whole, "latest.json")).state.counters);
  expect(counters.lossScale * 2 ** counters.skippedSteps).toBe(2 ** 16);
  expect(counters.goodSteps).toBeWithin(1, step + 1);
  expect(readFileSync(join(whole, "train.log"), "utf8")).toContain(`precision mixed: loss scale ${counters.lossScale}, ${counters.skippedSteps} of ${step} steps left out`);

  const { code, errors } = await project.train("whole", "--resume", "PRECISION=fp32");
  expect(code).toBe(1);
  expect(errors).toContain('PRECISION was "mixed", is "fp32"');
});

test.skipIf(!embeddedPresent())("an adapter without shader-f16 ends the run with its name and the way out", async () => {
  const { code, errors } = await project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=none", MIXED], { ADAPTER: "swiftshader" });
  expect(code).toBe(1);
  expect(errors).toMatch(/SwiftShader.* has no shader-f16/);
  expect(errors).toContain("PRECISION=fp32");
  expect(errors).not.toContain("    at ");
});
