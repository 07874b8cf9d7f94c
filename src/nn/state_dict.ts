/** A network's tensors under PyTorch's names and layouts, to and from host memory. */
import { DataError } from "../error.ts";
import type { BufferRange } from "../gpu/device.ts";
import { fromTorch, torchShape, toTorch } from "../interop/layout.ts";
import { float32Tensor, type StoredTensor, toFloat32 } from "../interop/safetensors.ts";
import { byteCount, elementCount, shapeText } from "../tensor/tensor.ts";
import type { ParameterStore } from "./store.ts";

/** An arena that mirrors the parameters (the parameters themselves, an optimiser's moments), tensor by tensor. */
export async function readArena(store: ParameterStore, arena: BufferRange): Promise<Map<string, StoredTensor>> {
  const values = await store.gpu.readFloats(arena);
  return new Map(
    store.declarations.map(({ name, shape, kind }) => {
      const first = store.parameter(name).range.offset / 4;
      const own = values.subarray(first, first + elementCount(shape));
      return [name, float32Tensor(toTorch(own, shape, kind), torchShape(shape, kind))];
    }),
  );
}

/** Writes tensors into an arena that mirrors the parameters. Errors: DataError naming the missing or misshapen tensor. */
export function writeArena(store: ParameterStore, arena: BufferRange, tensors: { get(name: string): StoredTensor | undefined; where: string }): void {
  for (const { name, shape, kind } of store.declarations) {
    const data = expectTensor(tensors, name, torchShape(shape, kind));
    const { offset } = store.parameter(name).range;
    store.gpu.write({ allocation: arena.allocation, offset, bytes: byteCount(shape) }, fromTorch(data, shape, kind));
  }
}

function expectTensor({ get, where }: { get(name: string): StoredTensor | undefined; where: string }, name: string, shape: readonly number[]): Float32Array {
  const tensor = get(name);
  if (!tensor || shapeText(tensor.shape) !== shapeText(shape)) {
    throw new DataError({
      code: "checkpoint/mismatch",
      where,
      message: tensor ? `tensor ${name} has shape ${shapeText(tensor.shape)}, the network wants ${shapeText(shape)}` : `tensor ${name} is missing`,
      fix: "use the configuration that the file was trained with; a run keeps it as config.yaml in its folder",
    });
  }
  return toFloat32(tensor, name);
}

/** Parameters and running statistics, as PyTorch's state_dict has them. */
export async function readStateDict(store: ParameterStore): Promise<Map<string, StoredTensor>> {
  const tensors = await readArena(store, store.parameterArena);
  const running = await store.gpu.readFloats(store.runningArena);
  const total = running.length / 2;
  for (const { name, channels, offset } of store.statisticsDeclarations) {
    tensors.set(`${name}.running_mean`, float32Tensor(running.slice(offset, offset + channels), [channels]));
    tensors.set(`${name}.running_var`, float32Tensor(running.slice(total + offset, total + offset + channels), [channels]));
    tensors.set(`${name}.num_batches_tracked`, { dtype: "I64", shape: [], data: new Uint8Array(BigInt64Array.of(BigInt(store.batchesTracked)).buffer) });
  }
  return tensors;
}

/** Bytes that wait on the host for the device before the next tensor is read. */
const STAGED_BYTES = 8 * 2 ** 20;

/**
 * Loads the named parameters and running statistics, reading each when its turn comes; all others stay as they are.
 * Errors: DataError naming the misshapen tensor.
 */
export async function streamStateDict(store: ParameterStore, names: Iterable<string>, { read, where }: { read(name: string): Promise<StoredTensor>; where: string }): Promise<void> {
  const { gpu, runningArena } = store;
  const parameters = new Map(store.declarations.map((declaration) => [declaration.name, declaration]));
  const statistics = new Map<string, { channels: number; at: number }>();
  for (const { name, channels, offset } of store.statisticsDeclarations) {
    statistics.set(`${name}.running_mean`, { channels, at: 4 * offset });
    statistics.set(`${name}.running_var`, { channels, at: runningArena.bytes / 2 + 4 * offset });
  }
  let staged = 0;
  for (const name of names) {
    const tensor = await read(name);
    const values = (shape: readonly number[]) => expectTensor({ where, get: () => tensor }, name, shape);
    const [declaration, place] = [parameters.get(name), statistics.get(name)];
    if (declaration) {
      const { shape, kind } = declaration;
      gpu.write(store.parameter(name).range, fromTorch(values(torchShape(shape, kind)), shape, kind));
    } else if (place) gpu.write(runningArena, values([place.channels]), place.at);
    else if (!name.endsWith(".num_batches_tracked")) throw new Error(`the network has no tensor ${name}`);
    else if (tensor.dtype === "I64") store.batchesTracked = batchCount(tensor);
    staged += tensor.data.byteLength;
    if (staged < STAGED_BYTES) continue;
    await gpu.fence();
    Bun.gc(true); // the engine does not hurry for the bytes of files: they would pile up to the size of the whole
    staged = 0;
  }
}

function batchCount({ data }: StoredTensor): number {
  return Number(new DataView(data.buffer, data.byteOffset).getBigInt64(0, true));
}

/** Loads parameters and running statistics. Errors: DataError naming the missing or misshapen tensor. */
export function writeStateDict(store: ParameterStore, tensors: { get(name: string): StoredTensor | undefined; where: string }): void {
  writeArena(store, store.parameterArena, tensors);
  const total = store.runningArena.bytes / 8;
  const running = new Float32Array(2 * total);
  for (const { name, channels, offset } of store.statisticsDeclarations) {
    running.set(expectTensor(tensors, `${name}.running_mean`, [channels]), offset);
    running.set(expectTensor(tensors, `${name}.running_var`, [channels]), total + offset);
    const counter = tensors.get(`${name}.num_batches_tracked`);
    if (counter?.dtype === "I64") store.batchesTracked = batchCount(counter);
  }
  store.gpu.write(store.runningArena, running);
}
