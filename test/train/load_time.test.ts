/** Time and memory to load a large file; runs where LIMBER_SLOW is set. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Tensor, type StoredTensor } from "../../src/interop/safetensors.ts";
import { writeTorch } from "../../src/interop/torch_writer.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { networkShapes } from "../../src/train/weights_file.ts";

setDefaultTimeout(120_000);

const CHILD = join(import.meta.dir, "load_child.ts");

test.skipIf(process.env["LIMBER_SLOW"] === undefined)("slow: a .pth of 270 MB is on the device within two seconds, in less than 2.5 times its size", async () => {
  const folder = mkdtempSync(join(tmpdir(), "limber-load-"));
  try {
    const path = join(folder, "pose_resnet152.pth");
    const tensors = new Map<string, StoredTensor>();
    for (const [name, shape] of networkShapes(new PoseResnet({ depth: 152, joints: 17 }).store)) {
      const count = shape.reduce((product, size) => product * size, 1);
      const counter = name.endsWith("num_batches_tracked");
      tensors.set(name, counter ? { dtype: "I64", shape, data: new Uint8Array(8) } : float32Tensor(new Float32Array(count).fill(0.5), shape));
    }
    await writeTorch(path, tensors);
    const fileMib = statSync(path).size / 2 ** 20;
    expect(fileMib).toBeGreaterThan(257);
    const runs: { seconds: number; mib: number; before: number; parameters: number }[] = [];
    for (let i = 0; i < 3; i++) {
      const child = Bun.spawn([process.execPath, CHILD, path], { stdout: "pipe" });
      runs.push(JSON.parse(await new Response(child.stdout).text()));
      expect(await child.exited).toBe(0);
    }
    // The best of three: whatever else the machine does only adds to it.
    const { seconds, mib, before } = runs.toSorted((a, b) => a.seconds - b.seconds)[0] as (typeof runs)[number];
    console.log(`${fileMib.toFixed(0)} MiB: ${runs.map((run) => run.seconds.toFixed(2)).join(", ")} s; at most ${mib.toFixed(0)} MiB resident (${(mib / fileMib).toFixed(2)} of the file), ${before.toFixed(0)} before`);
    expect(runs[0]?.parameters).toBe(68_635_473);
    expect(seconds).toBeLessThan(2);
    expect(mib / fileMib).toBeLessThan(2.5);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
