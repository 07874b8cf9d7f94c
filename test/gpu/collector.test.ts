import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

/**
 * Runs a device while the garbage collector works all the time. The binding packs structures that refer to one another by
 * address, and as published frees some before Dawn has read them: patches/ mends that, and a new version must not undo it.
 */
const PROGRAM = `
import { openDevice } from "./src/gpu/device.ts";
import { addInto } from "./src/kernels/elementwise.ts";
const sums = [];
for (let round = 0; round < 3; round++) {
  const gpu = await openDevice();
  const inputs = Array.from({ length: 40 }, (_, i) => gpu.upload(new Float32Array(64 + i).fill(i), "input " + i));
  const outputs = inputs.map(({ bytes }, i) => gpu.persistent(bytes, "output " + i));
  inputs.forEach((a, i) => addInto(gpu, { a, b: a, out: outputs[i], count: 64 + i }));
  for (const output of outputs) sums.push((await gpu.readFloats(output)).reduce((sum, value) => sum + value, 0));
  await gpu.close();
}
console.log(sums.join(" "));
`;

test("a device gives the right numbers while the garbage collector never rests", async () => {
  const child = Bun.spawn([process.execPath, "-e", PROGRAM], { cwd: fileURLToPath(new URL("../..", import.meta.url)), env: { ...process.env, BUN_JSC_collectContinuously: "1" }, stdout: "pipe", stderr: "pipe" });
  const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(errors).toBe("");
  const round = Array.from({ length: 40 }, (_, i) => 2 * i * (64 + i));
  expect(out.trim().split(" ").map(Number)).toEqual([...round, ...round, ...round]);
}, 60_000);
