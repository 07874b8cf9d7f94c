import { expect, test } from "bun:test";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { raceStep } from "../../bench/peers.ts";
import { pythonWith, Twin } from "../../bench/peers/twin.ts";
import { DUAL_MULTI_4, QUICKSTART, stepProblem } from "../../bench/step.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const python = pythonWith("torch");
const problem = stepProblem("PoseDual MULTI K=4", ...QUICKSTART.filter((key) => !key.startsWith("TRAIN.BATCH_SIZE")), "TRAIN.BATCH_SIZE=4", ...DUAL_MULTI_4);

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
    const { ours, theirs, error, ratio, medianRatio } = await raceStep(gpu, { problem, precision: "fp32", threads: 1, floor: 0, aim: 0 }, { python: python ?? "", folder, rounds: 1 });
    expect(error).toBeLessThan(1e-5);
    expect((ours.lossCons ?? 0) / (theirs.lossCons ?? 1)).toBeWithin(0.8, 1.25);
    const keys = (side: object) => Object.keys(side).filter((key) => key !== "bytes"); // PyTorch tells only on CUDA
    expect(keys(theirs)).toEqual(keys(ours));
    expect(ratio).toBeCloseTo(theirs.ms / ours.ms, 9);
    expect(medianRatio).toBeCloseTo(theirs.medianMs / ours.medianMs, 9);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);

test.skipIf(!python)("PyTorch's step for CUDA leaves no tensor on the CPU, in TF32 and in AMP; without CUDA it is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-peers-"));
  try {
    const standIn = async (name: string, line: string) => {
      await writeFile(join(folder, name), `#!/bin/sh\n${line} "$@"\n`);
      await chmod(join(folder, name), 0o755);
      return join(folder, name);
    };
    const pretending = await standIn("pretending", `exec "${python}" "${join(import.meta.dir, "pretend_cuda.py")}"`);
    const without = await standIn("without", `CUDA_VISIBLE_DEVICES= exec "${python}"`);
    const race = (precision: "tf32" | "amp", own: string) => raceStep(gpu, { problem, precision, threads: 1, floor: 0, aim: 0 }, { python: own, folder, rounds: 1 });
    for (const precision of ["tf32", "amp"] as const) {
      const { theirs } = await race(precision, pretending);
      expect([theirs.lossPose, theirs.lossCons]).toEqual([1, 1]);
    }
    await expect(race("amp", without)).rejects.toThrow("needs a PyTorch with CUDA");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
