import { expect, test } from "bun:test";
import type { StoredTensor } from "../../src/interop/safetensors.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { readArena, readStateDict, writeArena, writeStateDict } from "../../src/nn/state_dict.ts";
import { DataError } from "../../src/error.ts";
import { openWeights } from "../../src/train/weights_file.ts";
import { torchPath } from "../golden/load.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const NETWORKS = [
  ["pose_resnet10", { depth: 10, joints: 17, width: 8, deconvFilters: [16, 16, 16] }],
  ["pose_resnet50", { depth: 50, joints: 5, width: 4, deconvFilters: [8, 8, 8] }],
] as const;

/** The state dict that PyTorch wrote before the golden step. */
async function torchState(name: string): Promise<Map<string, StoredTensor>> {
  const file = await openWeights(torchPath(`${name}.pth`));
  return new Map(await Promise.all([...file.tensors.keys()].map(async (key) => [key, await file.read(key)] as const)));
}

function network(facts: (typeof NETWORKS)[number][1]): PoseResnet {
  const built = new PoseResnet(facts);
  built.store.materialise(gpu, 0);
  return built;
}

for (const [name, facts] of NETWORKS) {
  test(`${name}: PyTorch's state dict goes in and comes out with the same names, shapes and bytes`, async () => {
    const state = await torchState(name);
    const { store } = network(facts);
    writeStateDict(store, { where: name, get: (key) => state.get(key) });
    const found = await readStateDict(store);
    expect([...found.keys()].toSorted()).toEqual([...state.keys()].toSorted());
    for (const [key, { dtype, shape, data }] of state) {
      const own = found.get(key);
      expect({ dtype: own?.dtype, shape: own?.shape }, key).toEqual({ dtype, shape });
      expect(Buffer.from(own?.data ?? []).equals(Buffer.from(data)), key).toBe(true);
    }
  });
}

test("an optimiser's moments go through the same layouts, each to its own parameter", async () => {
  const { store } = network(NETWORKS[0][1]);
  const arena = gpu.persistent(store.parameterArena.bytes, "moments");
  const sent = await readArena(store, store.parameterArena);
  writeArena(store, arena, { where: "moments", get: (name) => sent.get(name) });
  const found = await readArena(store, arena);
  expect([...found.keys()]).toEqual(store.declarations.map(({ name }) => name));
  for (const [name, tensor] of sent) expect(found.get(name), name).toEqual(tensor);
  expect(Array.from(sent.get("conv1.weight")?.shape ?? [])).toEqual([8, 3, 7, 7]);
});

test("a missing or misshapen tensor is named, with both shapes", async () => {
  const state = await torchState("pose_resnet10");
  const { store } = network(NETWORKS[0][1]);
  const load = (get: (key: string) => StoredTensor | undefined) => () => writeStateDict(store, { where: "a.safetensors", get });
  expect(load((key) => (key === "bn1.running_var" ? undefined : state.get(key)))).toThrow("tensor bn1.running_var is missing");
  const wider = load((key) => (key === "conv1.weight" ? { dtype: "F32", shape: [16, 3, 7, 7], data: new Uint8Array(4 * 16 * 3 * 49) } : state.get(key)));
  expect(wider).toThrow("tensor conv1.weight has shape [16, 3, 7, 7], the network wants [8, 3, 7, 7]");
  expect(wider).toThrow(DataError);
});
