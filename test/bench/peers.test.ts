import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { raceStep } from "../../bench/peers.ts";
import { pythonWith, Twin } from "../../bench/peers/twin.ts";
import { DUAL_MULTI_4, QUICKSTART, stepProblem } from "../../bench/step.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const python = pythonWith("torch");

test("a twin answers line by line, and its last words are told where it ends", async () => {
  const program = `for await (const line of console) { if (line === "die") throw new Error("no more"); console.log("noise"); console.log(JSON.stringify({ echo: line })); }`;
  const twin = new Twin([process.execPath, "-e", program]);
  expect(await twin.ask("one")).toEqual({ echo: "one" });
  expect(await twin.ask({ two: 2 })).toEqual({ echo: '{"two":2}' });
  await expect(twin.ask("die")).rejects.toThrow("no more");
  await twin.end();
});

test.skipIf(!python)("PyTorch's step of PoseDual with four views has our loss of labels, and about our loss of other random views", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-peers-"));
  try {
    const problem = stepProblem("PoseDual MULTI K=4", ...QUICKSTART.filter((key) => !key.startsWith("TRAIN.BATCH_SIZE")), "TRAIN.BATCH_SIZE=4", ...DUAL_MULTI_4);
    const { ours, theirs, error, ratio, medianRatio } = await raceStep(gpu, { problem, precision: "fp32", threads: 1, floor: 0, aim: 0 }, { python: python ?? "", folder, rounds: 1 });
    expect(error).toBeLessThan(1e-5);
    expect((ours.lossCons ?? 0) / (theirs.lossCons ?? 1)).toBeWithin(0.8, 1.25);
    expect(Object.keys(theirs)).toEqual(Object.keys(ours).filter((key) => key !== "bytes"));
    expect(ratio).toBeCloseTo(theirs.ms / ours.ms, 9);
    expect(medianRatio).toBeCloseTo(theirs.medianMs / ours.medianMs, 9);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
