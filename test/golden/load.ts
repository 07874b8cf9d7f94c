import { fileURLToPath } from "node:url";
import { fromTorch, torchShape } from "../../src/interop/layout.ts";
import { openSafetensors, type StoredTensor, toFloat32 } from "../../src/interop/safetensors.ts";
import { permute } from "../../src/interop/layout.ts";
import type { ParameterStore } from "../../src/nn/store.ts";
import { writeStateDict } from "../../src/nn/state_dict.ts";
import { loadWeights } from "../../src/train/weights_file.ts";

/** A file of test/golden/torch, which PyTorch wrote. */
export function torchPath(name: string): string {
  return fileURLToPath(new URL(`./torch/${name}`, import.meta.url));
}

/** A golden file: tensors by name, in PyTorch's layout. */
export class Golden {
  readonly #tensors: Map<string, StoredTensor>;
  readonly name: string;

  private constructor(name: string, tensors: Map<string, StoredTensor>) {
    this.name = name;
    this.#tensors = tensors;
  }

  static async open(name: string): Promise<Golden> {
    const file = await openSafetensors(fileURLToPath(new URL(`./${name}.safetensors`, import.meta.url)));
    const tensors = new Map<string, StoredTensor>();
    for (const { name: key } of file.entries.values()) tensors.set(key, await file.read(key));
    return new Golden(name, tensors);
  }

  /** All keys of the file. */
  names(): string[] {
    return [...this.#tensors.keys()];
  }

  raw(key: string): StoredTensor {
    const tensor = this.#tensors.get(key);
    if (!tensor) throw new Error(`${this.name} has no tensor ${key}`);
    return tensor;
  }

  floats(key: string): Float32Array {
    return toFloat32(this.raw(key), key);
  }

  shape(key: string): readonly number[] {
    return this.raw(key).shape;
  }

  /** NCHW to NHWC. */
  images(key: string): Float32Array {
    return permute(this.floats(key), this.shape(key), [0, 2, 3, 1]);
  }

  /** Shape of `images(key)`. */
  imageShape(key: string): number[] {
    const [n = 0, c = 0, h = 0, w = 0] = this.shape(key);
    return [n, h, w, c];
  }

  /** A parameter's values in our layout, under a prefix such as "grad.". */
  parameter(prefix: string, declaration: ParameterStore["declarations"][number]): Float32Array {
    const { name, shape, kind } = declaration;
    if (String(this.shape(prefix + name)) !== String(torchShape(shape, kind))) throw new Error(`${this.name}: ${prefix + name} has another shape`);
    return fromTorch(this.floats(prefix + name), shape, kind);
  }

  /** Loads the network's weights from the .pth that PyTorch wrote beside this file; all tensors must fit. */
  async loadTorch(store: ParameterStore): Promise<void> {
    const { matched } = await loadWeights(store, torchPath(`${this.name}.pth`), { need: "all", say: () => undefined });
    if (matched.length !== store.declarations.length + 3 * store.statisticsDeclarations.length) throw new Error(`${this.name}.pth fills ${matched.length} tensors alone`);
  }

  /** Loads the tensors under "before." into a network. */
  load(store: ParameterStore): void {
    writeStateDict(store, { where: this.name, get: (name) => this.#tensors.get(`before.${name}`) });
  }
}
