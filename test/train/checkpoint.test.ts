import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataError } from "../../src/error.ts";
import { writeSafetensors } from "../../src/interop/safetensors.ts";
import {
  type Checkpoint,
  hasCheckpoint,
  loadCheckpoint,
  loadCheckpointFile,
  saveCheckpoint,
} from "../../src/train/checkpoint.ts";
import { exampleCheckpoint } from "./checkpoint_example.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "limber-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function expectEqual(actual: Checkpoint, expected: Checkpoint): void {
  expect(actual.state).toEqual(expected.state);
  expect([...actual.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
  for (const [name, tensor] of expected.tensors) {
    const read = actual.tensors.get(name);
    expect(read?.dtype).toBe(tensor.dtype);
    expect([...(read?.shape ?? [])]).toEqual([...tensor.shape]);
    expect(Buffer.compare(read?.data ?? new Uint8Array(0), tensor.data)).toBe(0);
  }
}

function tensorFiles(): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
}

test("what is saved is loaded, and a newer one replaces only its own name", async () => {
  expect(await hasCheckpoint(folder, "latest")).toBe(false);
  await saveCheckpoint(folder, "best", exampleCheckpoint(1));
  await saveCheckpoint(folder, "latest", exampleCheckpoint(1));
  await saveCheckpoint(folder, "latest", exampleCheckpoint(2));
  expect(await hasCheckpoint(folder, "latest")).toBe(true);
  expectEqual(await loadCheckpoint(folder, "latest"), exampleCheckpoint(2));
  expectEqual(await loadCheckpoint(folder, "best"), exampleCheckpoint(1));
  expect(readdirSync(folder)).toHaveLength(4);
  for (const file of tensorFiles()) {
    expectEqual(await loadCheckpointFile(join(folder, file)), exampleCheckpoint(file.startsWith("best") ? 1 : 2));
  }
});

test("saving the same state twice keeps it", async () => {
  await saveCheckpoint(folder, "latest", exampleCheckpoint(1));
  await saveCheckpoint(folder, "latest", exampleCheckpoint(1));
  expectEqual(await loadCheckpoint(folder, "latest"), exampleCheckpoint(1));
});

test("killed before any file operation, the old or the new checkpoint loads, and the next save cleans up", async () => {
  const first = join(folder, "first");
  await saveCheckpoint(first, "latest", exampleCheckpoint(1));
  const writer = join(import.meta.dir, "checkpoint_writer.ts");
  const run = async (n: number) => {
    const into = join(folder, `n${n}`);
    cpSync(first, into, { recursive: true });
    const child = Bun.spawn([process.execPath, writer, into, String(n)], { stdout: "pipe", stderr: "pipe" });
    const [code, output, errors] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { into, code, signal: child.signalCode, output, errors };
  };
  const whole = await run(0);
  expect(whole.errors).toBe("");
  const operations = Number(whole.output.split(" ")[1]);
  expect(operations).toBeGreaterThan(12);
  const seen = new Set<number>();
  const numbers = Array.from({ length: operations }, (_, i) => i + 1);
  for (let i = 0; i < numbers.length; i += 4) {
    for (const { into, signal } of await Promise.all(numbers.slice(i, i + 4).map(run))) {
      expect(signal).toBe("SIGKILL");
      const loaded = await loadCheckpoint(into, "latest");
      expectEqual(loaded, exampleCheckpoint(loaded.state.epoch));
      seen.add(loaded.state.epoch);
      await saveCheckpoint(into, "latest", exampleCheckpoint(3));
      expect(readdirSync(into)).toHaveLength(2);
      expectEqual(await loadCheckpoint(into, "latest"), exampleCheckpoint(3));
    }
  }
  expect([...seen].sort()).toEqual([1, 2]);
}, 20_000);

describe("refused with a remedy:", () => {
  async function refusal(path?: string): Promise<DataError> {
    try {
      await (path === undefined ? loadCheckpoint(folder, "latest") : loadCheckpointFile(path));
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
      expect((error as DataError).fix).toBeDefined();
      expect((error as DataError).where).toStartWith(folder);
      return error as DataError;
    }
    throw new Error("accepted");
  }
  const edit = (change: (record: Record<string, unknown>) => unknown): void => {
    const path = join(folder, "latest.json");
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
  };
  beforeEach(() => saveCheckpoint(folder, "latest", exampleCheckpoint(1)));
  const tensorPath = (): string => join(folder, tensorFiles()[0] ?? "");

  test("no file, a folder", async () => {
    expect((await refusal(join(folder, "none.json"))).code).toBe("checkpoint/missing");
    expect((await refusal(join(folder, "none.safetensors"))).code).toBe("checkpoint/missing");
    expect((await refusal(folder)).message).toContain("is a folder");
  });
  test("not JSON, other JSON, an empty file", async () => {
    writeFileSync(join(folder, "latest.json"), "\x89PNG");
    expect((await refusal()).code).toBe("checkpoint/foreign");
    writeFileSync(join(folder, "latest.json"), '{"images": []}');
    expect((await refusal()).code).toBe("checkpoint/foreign");
    writeFileSync(join(folder, "latest.json"), "");
    expect((await refusal()).code).toBe("checkpoint/foreign");
  });
  test("a newer version", async () => {
    edit((record) => ({ ...record, version: 2 }));
    expect((await refusal()).message).toContain("has format version 2, this program reads version 1");
  });
  test("a state with a missing or wrong value", async () => {
    edit((record) => ({ ...record, state: { ...(record["state"] as object), step: "many" } }));
    expect((await refusal()).message).toContain("state.step");
  });
  test("a tensor file outside its folder", async () => {
    edit((record) => ({ ...record, tensors: { ...(record["tensors"] as object), file: "../x.safetensors" } }));
    expect((await refusal()).message).toContain("tensors.file");
  });
  test("tensor file gone, cut, or altered", async () => {
    const bytes = readFileSync(tensorPath());
    const path = tensorPath();
    writeFileSync(path, bytes.subarray(0, bytes.length - 1));
    expect((await refusal()).message).toContain(`expected ${bytes.length} bytes, the file has ${bytes.length - 1}`);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    writeFileSync(path, bytes);
    expect((await refusal()).message).toContain("SHA-256");
    rmSync(path);
    expect((await refusal()).message).toContain("does not exist");
  });
  test("a safetensors file of other origin", async () => {
    await writeSafetensors(join(folder, "resnet.safetensors"), new Map());
    expect((await refusal(join(folder, "resnet.safetensors"))).code).toBe("checkpoint/foreign");
  });
  test("a name that leaves the folder is a bug of the caller", async () => {
    await expect(saveCheckpoint(folder, "../x", exampleCheckpoint(1))).rejects.toThrow("cannot name");
  });
});
