import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DataError } from "../../src/error.ts";
import { Tuple } from "../../src/interop/pickle.ts";
import { openSafetensors, type StoredTensor } from "../../src/interop/safetensors.ts";
import { isTorchFile, openTorch, openTorchSource, stateDict, type TorchFile, tensorsBelow } from "../../src/interop/torch.ts";
import { Inert } from "../../src/interop/torch_graph.ts";
import type { ByteSource } from "../../src/interop/zip.ts";
import type { Random } from "../../src/random.ts";
import { testRandom } from "../support/random.ts";

const golden = (name: string) => fileURLToPath(new URL(`../golden/torch/${name}`, import.meta.url));

/** What PyTorch says the tensors are. */
async function expected(name: string): Promise<Map<string, StoredTensor>> {
  const file = await openSafetensors(golden(`${name}.safetensors`));
  const tensors = new Map<string, StoredTensor>();
  for (const key of file.entries.keys()) tensors.set(key, await file.read(key));
  return tensors;
}

async function expectSame(file: TorchFile, key: string, wanted: ReadonlyMap<string, StoredTensor>, prefix = ""): Promise<void> {
  const value = file.root instanceof Map && key !== "" ? file.root.get(key) : file.root;
  const found = tensorsBelow(value, file.path);
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].map((name) => prefix + name).sort());
  for (const [name, tensor] of wanted) {
    const view = found.get(prefix + name);
    if (!view) throw new Error(`no ${name}`);
    const read = await file.read(view);
    expect({ dtype: read.dtype, shape: [...read.shape] }, name).toEqual({ dtype: tensor.dtype, shape: [...tensor.shape] });
    expect(Buffer.compare(read.data, tensor.data), name).toBe(0);
  }
}

describe("what PyTorch wrote is read bit for bit:", () => {
  test.each([
    ["zip", "types.pth"],
    ["legacy", "types_legacy.pth"],
  ] as const)("all types, views, shared storages, scalars and empty tensors in a %s container", async (container, name) => {
    const file = await openTorch(golden(name));
    expect(file.container).toBe(container);
    await expectSame(file, "", await expected("types"));
    expect(stateDict(file).key).toBe("");
  });

  test("the TAR container with storages that are parts of others", async () => {
    const file = await openTorch(golden("tar.pth"));
    expect(file.container).toBe("tar");
    await expectSame(file, "", await expected("tar"));
  });

  test.each(["training.pth.tar", "training_legacy.pth.tar"])("a full training checkpoint: %s", async (name) => {
    const file = await openTorch(golden(name));
    const weights = await expected("training");
    await expectSame(file, "state_dict", weights, "module.");
    await expectSame(file, "best_state_dict", weights);
    const found = stateDict(file);
    expect(found.key).toBe("state_dict");
    expect([...found.tensors.keys()]).toEqual([...weights.keys()].map((key) => `module.${key}`));
    const root = file.root as Map<string, unknown>;
    expect(root.get("epoch")).toBe(210);
    expect(root.get("model")).toEqual(new Tuple(["pose", "full name"]));
    expect(root.get("perf")).toBe(0.744);
    expect(root.get("best_epoch")).toBe(-7);
    expect(root.get("long")).toBe(-(2 ** 40));
    expect(root.get("longer")).toBe(2n ** 70n);
    expect(root.get("nothing")).toBeNull();
    expect(root.get("size")).toEqual(new Tuple([3, 4]));
    expect(root.get("set")).toEqual(new Set([1, 2]));
    expect(root.get("array")).toEqual(new Inert("numpy.ndarray"));
    expect(root.get("args")).toEqual(new Inert("argparse.Namespace"));
    const optimiser = tensorsBelow(root.get("optimizer"), file.path);
    expect(optimiser.get("state.0.exp_avg")?.shape).toEqual([4, 3, 3, 3]);
    expect((root.get("schedule") as Map<string, unknown>).get("milestones")).toEqual(new Map([[170, 1], [200, 1]]));
  });
});

test("a file of a big-endian machine is turned round", async () => {
  const bytes = new Uint8Array(readFileSync(golden("types_legacy.pth")));
  const fact = Buffer.from(bytes.buffer).indexOf("little_endian") + "little_endian".length;
  const at = bytes.indexOf(0x88, fact); // True
  expect(at - fact).toBeLessThan(4);
  bytes[at] = 0x89;
  const file = await openTorchSource(memory(bytes));
  const wanted = await expected("types");
  for (const [name, size] of [["float32", 4], ["int64", 8], ["half_transposed", 2], ["uint8", 1]] as const) {
    const tensor = stateDict(file).tensors.get(name);
    const little = wanted.get(name);
    if (!tensor || !little) throw new Error(`no ${name}`);
    const turned = little.data.slice();
    for (let i = 0; i < turned.length; i += size) turned.subarray(i, i + size).reverse();
    expect((await file.read(tensor)).data).toEqual(turned);
  }
});

test("a file's kind is told by its first bytes", async () => {
  for (const name of ["types.pth", "types_legacy.pth", "tar.pth"]) expect(await isTorchFile(golden(name))).toBe(true);
  expect(await isTorchFile(golden("types.safetensors"))).toBe(false);
  expect(await isTorchFile(golden("none.pth"))).toBe(false);
});

async function refusal(work: Promise<unknown>): Promise<DataError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return error as DataError;
  }
  throw new Error("was accepted");
}

describe("refused with one clear error:", () => {
  test.each([
    ["evil.pth", "torch/global", 'names "posix.system"'],
    ["evil_legacy.pth", "torch/global", 'names "posix.system"'],
    ["module.pth", "torch/global", 'names "__main__.Net"'],
    ["script.pth", "torch/script", "TorchScript"],
    ["types.safetensors", "torch/kind", "not a PyTorch file"],
    ["none.pth", "torch/unreadable", "does not exist"],
  ])("%s", async (name, code, text) => {
    const error = await refusal(openTorch(golden(name)));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(error.where).toBe(golden(name));
  });

  /** A legacy stream whose object is the given pickle. */
  function legacy(...object: (number | string)[]): Uint8Array {
    const text = new TextEncoder();
    const bytes = (parts: readonly (number | string)[]) => parts.flatMap((part) => (typeof part === "string" ? [...text.encode(part)] : [part]));
    const head = [...readFileSync(golden("types_legacy.pth")).subarray(0, 15)];
    const facts = bytes([0x80, 2, 0x7d, 0x58, 13, 0, 0, 0, "little_endian", 0x88, 0x73, 0x2e]);
    return Uint8Array.from([...head, 0x80, 2, 0x4d, 0xe9, 3, 0x2e, ...facts, ...bytes(object), 0x80, 2, 0x5d, 0x2e]);
  }

  const storage = ["(", 0x58, 7, 0, 0, 0, "storage", "ctorch\nFloatStorage\n", 0x58, 1, 0, 0, 0, "0", 0x58, 3, 0, 0, 0, "cpu"];
  const i32 = (value: number) => ["J", ...new Uint8Array(Int32Array.of(value).buffer)];
  const tensor = (count: number, size: readonly (number | string)[], stride: readonly (number | string)[]) => [
    0x80, 2, "ctorch._utils\n_rebuild_tensor_v2\n", "(", ...storage, ...i32(count), "N", "t", "Q", ...i32(0), ...size, ...stride, 0x89, "N", "t", "R", ".",
  ];

  test.each([
    ["a text of 4 GB", legacy(0x80, 2, 0x58, 0xff, 0xff, 0xff, 0xff), "cut off"],
    ["bytes of 2^63", legacy(0x80, 4, 0x8e, ...Array<number>(8).fill(0x7f)), "cut off"],
    ["an integer of 100 KB", legacy(0x80, 2, 0x8b, 0xa0, 0x86, 1, 0, "x".repeat(100_000), "."), "an integer of 100000 bytes"],
    ["an empty stack", legacy(0x80, 2, "R."), "stack"],
    ["a memo never set", legacy(0x80, 2, "h", 3, "."), "memo 3"],
    ["an opcode of protocol 0", legacy("I1\n."), "opcode 0x49"],
    ["a storage larger than the file", legacy(...tensor(2 ** 30, ["J", 1, 0, 0, 0, 0x85], ["J", 1, 0, 0, 0, 0x85])), "claims 4294967296 bytes"],
    ["a tensor beyond its storage", legacy(...tensor(4, [...i32(5), 0x85], [...i32(1), 0x85])), "beyond its storage"],
    ["a tensor repeated to 2^58 elements", legacy(...tensor(4, [...i32(2 ** 29), ...i32(2 ** 29), 0x86], [...i32(0), ...i32(0), 0x86])), "tensor of [536870912, 536870912]"],
    ["a tensor repeated to 2 GB", legacy(...tensor(4, [...i32(2 ** 29), 0x85], [...i32(0), 0x85])), "far larger than the file"],
    ["a negative size", legacy(...tensor(4, [...i32(-1), 0x85], [...i32(1), 0x85])), "-1"],
    ["a call of a list", legacy(0x80, 2, "])R."), "cannot be called"],
    ["a class by an inherited name", legacy(0x80, 2, "ctoString\nconstructor\n."), '"toString.constructor"'],
  ])("%s", async (_, bytes, text) => {
    expect((await refusal(openTorchSource(memory(bytes)))).message).toContain(text);
  });

  test("a dictionary that holds itself, one nested ten thousand deep, and one that repeats itself 2^40 times", async () => {
    const own = await openTorchSource(memory(legacy(0x80, 2, "}", "q", 0, 0x58, 1, 0, 0, 0, "a", "h", 0, "s.")));
    const deep = await openTorchSource(memory(legacy(0x80, 2, ...Array.from({ length: 10_000 }, () => ["}", 0x58, 1, 0, 0, 0, "a"]).flat(), "N", ...Array.from({ length: 10_000 }, () => "s"), ".")));
    const doubled = (level: number) => ["]", "q", level + 1, "h", level, "a", "h", level, "a"];
    const laughs = await openTorchSource(memory(legacy(0x80, 2, "]q", 0, ...Array.from({ length: 40 }, (__, level) => doubled(level)).flat(), ".")));
    for (const { root } of [own, deep, laughs]) expect((await refusal(Promise.resolve().then(() => tensorsBelow(root, "x.pth")))).message).toContain("nested too deep");
    for (const file of [own, deep, laughs]) await refusal(Promise.resolve().then(() => stateDict(file)));
  });

  test("an ordered dictionary that copies a long list over and over", async () => {
    const pairs = Array.from({ length: 20_000 }, () => ["K", 1, "K", 2, 0x86]).flat();
    const copies = Array.from({ length: 2000 }, () => ["ccollections\nOrderedDict\n", "h", 0, 0x85, "R0"]).flat();
    expect((await refusal(openTorchSource(memory(legacy(0x80, 2, "]q", 0, "(", ...pairs, "e", ...copies, "N."))))).message).toContain("again and again");
  });

  test.each([
    ["../escape/12", "a path outside"],
    ["types/../../", "a path outside"],
    ["/etc/passwd0", "a path outside"],
    ["types\\data\\9", "a path outside"],
    ["types/data/8", "listed twice"],
  ])("a ZIP with the member %s", async (member, text) => {
    const bytes = new Uint8Array(readFileSync(golden("types.pth")));
    const archive = Buffer.from(bytes.buffer);
    archive.write(member, archive.lastIndexOf("types/data/9")); // the last one is in the table of contents
    expect((await refusal(openTorchSource(memory(bytes)))).message).toContain(text);
  });

  test("a ZIP whose numbers are huge", async () => {
    const bytes = new Uint8Array(readFileSync(golden("types.pth")));
    const end64 = Buffer.from(bytes.buffer).lastIndexOf(Uint8Array.of(0x50, 0x4b, 6, 6));
    for (const [field, text] of [[32, "members cannot be listed"], [40, "claims"], [48, "lies outside"]] as const) {
      const spoilt = bytes.slice();
      new DataView(spoilt.buffer).setBigUint64(end64 + field, 2n ** 62n, true);
      expect((await refusal(openTorchSource(memory(spoilt)))).message).toContain(text);
    }
  });

  test("a tensor whose bytes were flipped in a ZIP", async () => {
    const bytes = new Uint8Array(readFileSync(golden("types.pth")));
    const whole = (await expected("types")).get("int64")?.data ?? new Uint8Array(1);
    const at = Buffer.from(bytes.buffer).indexOf(whole);
    bytes[at + 9] = (bytes[at + 9] ?? 0) ^ 4;
    const file = await openTorchSource(memory(bytes));
    const tensor = stateDict(file).tensors.get("int64");
    if (!tensor) throw new Error("no int64");
    expect((await refusal(file.read(tensor))).message).toContain("CRC-32");
  });
});

function memory(bytes: Uint8Array): ByteSource {
  return {
    path: "memory.pth",
    sizeBytes: bytes.length,
    read(offset, count) {
      if (!(offset >= 0 && count >= 0 && offset + count <= bytes.length)) return Promise.reject(new DataError({ code: "torch/malformed", message: "cut off", where: "memory.pth" }));
      return Promise.resolve(bytes.slice(offset, offset + count));
    },
  };
}

/** A copy with some bits flipped, bytes replaced, a piece cut out, doubled, zeroed or set to ones, or the end cut off. */
function mutate(original: Uint8Array, random: Random): Uint8Array {
  let bytes = original.slice();
  for (let n = random.integer(1, 4); n > 0; n--) {
    const at = random.integer(0, bytes.length);
    const end = Math.min(bytes.length, at + random.integer(1, 40));
    switch (random.integer(0, 7)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 8));
        break;
      case 1:
        bytes[at] = random.integer(0, 256);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(end)]);
        break;
      case 4:
        bytes = Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(at)]);
        break;
      case 5:
        bytes.fill(0, at, end);
        break;
      default:
        bytes.fill(0xff, at, end);
    }
  }
  return bytes;
}

/** Removes the check sums from a ZIP's table of contents, so that damage reaches what they guard. */
function withoutSums(bytes: Uint8Array): Uint8Array {
  const archive = Buffer.from(bytes.buffer);
  for (let at = archive.indexOf("PK\x01\x02"); at >= 0; at = archive.indexOf("PK\x01\x02", at + 1)) bytes.fill(0, at + 16, at + 20);
  return bytes;
}

describe("damage at random, 500 files of each kind: read, or one DataError, soon:", () => {
  const files = ["types.pth", "types_legacy.pth", "tar.pth", "training.pth.tar", "training_legacy.pth.tar"];
  test.each([...files.map((name) => [name, true] as const), ["types.pth", false], ["training.pth.tar", false]] as const)("%s, check sums: %p", async (name, sums) => {
    const read = new Uint8Array(readFileSync(golden(name)));
    const original = sums ? read : withoutSums(read);
    const random = testRandom(name.length);
    let refused = 0;
    let slowestMs = 0;
    for (let i = 0; i < 500; i++) {
      const began = performance.now();
      const bytes = mutate(original, random);
      try {
        const file = await openTorchSource(memory(bytes));
        for (const tensor of stateDict(file).tensors.values()) await file.read(tensor);
      } catch (error) {
        if (!(error instanceof DataError)) throw new Error(`mutation ${i} of ${name}`, { cause: error });
        refused++;
      }
      slowestMs = Math.max(slowestMs, performance.now() - began);
    }
    expect(refused).toBeGreaterThan(100);
    expect(slowestMs).toBeLessThan(2000);
  });
});
