/**
 * The memory of one network: parameters in one flat arena (gradients in another), running statistics of all batchnorms
 * in a third, the batch statistics of a step's passes in a fourth. So an optimiser is one dispatch, a checkpoint one
 * read, and the running averages of all layers one dispatch per pass.
 */
import { isOutlining } from "../autograd/op.ts";
import { plannedRange } from "../gpu/buffer.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { fill } from "../kernels/elementwise.ts";
import { type StatisticsPlace, updateRunning } from "../kernels/batchnorm.ts";
import { Random, STREAM } from "../random.ts";
import { byteCount, elementCount, Parameter, persistentTensor, type Shape, Tensor } from "../tensor/tensor.ts";
import type { WeightKind } from "../interop/layout.ts";
import type { Initialiser } from "./init.ts";

/** One learned tensor, before memory exists. */
export interface ParameterDeclaration {
  name: string;
  shape: Shape;
  kind: WeightKind;
  initialise: Initialiser;
}

/** One batchnorm's statistics. */
export interface StatisticsDeclaration {
  name: string;
  channels: number;
}

/** A tensor that a network computes with but neither learns nor saves. */
export interface ConstantDeclaration {
  name: string;
  shape: Shape;
  values: () => Float32Array;
}

const BATCHNORM_MOMENTUM = 0.1;

/** Passes of one step that may leave statistics behind, where nobody says how many there are. */
const SLOTS = 16;

/** Options of materialise(). */
export interface StoreOptions {
  /** Statistics slots: passes of one step whose batch statistics are kept apart. */
  slots?: number;
  /** False: no memory for gradients, for a network that is not trained. */
  gradients?: boolean;
  /** False: parameters are 0 until they are loaded; drawing them takes longer than loading. */
  values?: boolean;
}

/** Statistics of a network that has no memory. */
const UNPLACED = { running: plannedRange(0, "running statistics"), batch: plannedRange(0, "batch statistics") };

/** Declares, then materialises; after that hands out parameters and keeps the arenas. */
export class ParameterStore {
  readonly #declared: ParameterDeclaration[] = [];
  readonly #statistics: (StatisticsDeclaration & { offset: number })[] = [];
  readonly #fixed: ConstantDeclaration[] = [];
  readonly #constants = new Map<string, Tensor>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #frozen = new Set<string>();
  #channels = 0;
  #memory: { gpu: Gpu; parameters: BufferRange; gradients: BufferRange; running: BufferRange; batch: BufferRange } | undefined;
  /** Batches seen by every batchnorm so far (PyTorch's num_batches_tracked). */
  batchesTracked = 0;

  /** Registers a learned tensor; returns how to get it once memory exists. */
  declare(declaration: ParameterDeclaration): () => Parameter {
    if (this.#memory) throw new Error(`parameter ${declaration.name} declared after materialise()`);
    this.#declared.push(declaration);
    return () => this.parameter(declaration.name);
  }

  /** Registers a constant, which exists with the parameters: a recorded step may not write one. */
  declareConstant(declaration: ConstantDeclaration): () => Tensor {
    if (this.#memory) throw new Error(`constant ${declaration.name} declared after materialise()`);
    this.#fixed.push(declaration);
    return () => {
      const { name: label, shape } = declaration;
      const tensor = this.#constants.get(label) ?? (isOutlining() ? new Tensor(undefined, { shape, label }) : undefined);
      if (!tensor) throw new Error(`constant ${declaration.name} has no memory yet: call materialise() first`);
      return tensor;
    };
  }

  /** Registers a batchnorm's statistics. */
  declareStatistics(declaration: StatisticsDeclaration): () => StatisticsPlace {
    const offset = this.#channels;
    this.#channels += declaration.channels;
    this.#statistics.push({ ...declaration, offset });
    return () => {
      const { running, batch } = this.#memory ?? (isOutlining() ? UNPLACED : this.#required());
      return { running, batch, arenaChannels: this.#channels, arenaOffset: offset };
    };
  }

  /** Allocates the arenas and fills them from the seed: every tensor's values depend on its name and the seed alone. */
  materialise(gpu: Gpu, seed: number, { slots = SLOTS, gradients: trains = true, values: initialises = true }: StoreOptions = {}): void {
    const alignment = gpu.limits.minStorageBufferOffsetAlignment;
    let bytes = 0;
    const offsets = this.#declared.map(({ shape }) => {
      const offset = bytes;
      bytes += Math.ceil(byteCount(shape) / alignment) * alignment;
      return offset;
    });
    const parameters = gpu.persistent(bytes, "parameters");
    const gradients = trains ? gpu.persistent(bytes, "gradients") : plannedRange(bytes, "gradients");
    // The gaps of the alignment too.
    fill(gpu, { out: parameters, count: bytes / 4, value: 0 });
    if (trains) fill(gpu, { out: gradients, count: bytes / 4, value: 0 });
    this.#declared.forEach(({ name, shape, initialise }, i) => {
      const offset = offsets[i] as number;
      const size = byteCount(shape);
      const range = { allocation: parameters.allocation, offset, bytes: size };
      if (initialises) {
        const values = new Float32Array(elementCount(shape));
        initialise(values, new Random({ seed, stream: STREAM.weights, index: hashName(name) }));
        gpu.write(range, values);
      }
      this.#parameters.set(name, new Parameter(gpu, { shape, label: name, range, gradientRange: { allocation: gradients.allocation, offset, bytes: size } }));
    });
    for (const { name, shape, values: data } of this.#fixed) this.#constants.set(name, persistentTensor(gpu, shape, { data: data(), label: name }));
    const count = Math.max(1, 2 * this.#channels);
    const running = gpu.upload(new Float32Array(count).fill(0, 0, this.#channels).fill(1, this.#channels), "running statistics");
    const batch = gpu.persistent(4 * slots * count, "batch statistics");
    fill(gpu, { out: batch, count: slots * count, value: 0 });
    this.#memory = { gpu, parameters, gradients, running, batch };
  }

  #required() {
    if (!this.#memory) throw new Error("the network has no memory yet: call materialise() first");
    return this.#memory;
  }

  get gpu(): Gpu {
    return this.#required().gpu;
  }

  get declarations(): readonly ParameterDeclaration[] {
    return this.#declared;
  }

  get statisticsDeclarations(): readonly (StatisticsDeclaration & { offset: number })[] {
    return this.#statistics;
  }

  /** Number of learned values, without alignment gaps. */
  get parameterCount(): number {
    return this.#declared.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  }

  parameter(name: string): Parameter {
    const parameter = this.#parameters.get(name) ?? (isOutlining() ? this.#outlined(name) : undefined);
    if (!parameter) throw new Error(`no parameter "${name}"`);
    return parameter;
  }

  /** A parameter's shape alone. */
  #outlined(name: string): Parameter | undefined {
    const shape = this.#declared.find((declaration) => declaration.name === name)?.shape;
    if (!shape) return undefined;
    const range = plannedRange(byteCount(shape), name);
    return new Parameter(undefined, { shape, label: name, range, gradientRange: range });
  }

  get parameters(): Parameter[] {
    return [...this.#parameters.values()];
  }

  /** The flat arenas, alignment gaps included (they hold zeros and stay zero). */
  get parameterArena(): BufferRange {
    return this.#required().parameters;
  }

  get gradientArena(): BufferRange {
    return this.#required().gradients;
  }

  get runningArena(): BufferRange {
    return this.#required().running;
  }

  /**
   * Freezes (or frees) the parameters whose names the test accepts: their gradients stay zero. An optimiser with weight
   * decay needs them in a parameter group of rate 0. A recorded step keeps what held when it was recorded.
   */
  freeze(which: (name: string) => boolean, frozen = true): void {
    for (const [name, parameter] of this.#parameters) if (which(name)) parameter.frozen = frozen;
  }

  /** Forgets the gradients; the next backward pass overwrites them. */
  zeroGradients(): void {
    for (const parameter of this.#parameters.values()) parameter.gradientFilled = false;
  }

  /** Writes zeros where no backward pass has left a gradient, so that an optimiser may read the whole arena. */
  completeGradients(): void {
    for (const { gradient, gradientFilled } of this.#parameters.values()) {
      if (!gradientFilled) fill(gradient.gpu, { out: gradient.range, count: gradient.size, value: 0 });
    }
  }

  /** Keeps a batchnorm's running averages as they are (or lets them follow again). A recorded step keeps what held when it was recorded. */
  freezeStatistics(name: string, frozen: boolean): void {
    if (!this.#statistics.some((own) => own.name === name)) throw new Error(`no batchnorm "${name}"`);
    if (frozen) this.#frozen.add(name);
    else this.#frozen.delete(name);
  }

  statisticsFrozen(name: string): boolean {
    return this.#frozen.has(name);
  }

  /**
   * Folds the statistics of the given passes into the running averages of what is not frozen, in that order.
   * @param prefix only batchnorms whose names begin so: one network of several.
   */
  updateRunning(slots: readonly number[], prefix = ""): void {
    const { gpu, running, batch } = this.#required();
    const count = 2 * this.#channels;
    const spans: { first: number; length: number }[] = [];
    for (const half of [0, this.#channels]) {
      for (const { name, channels, offset } of this.#statistics) {
        if (this.#frozen.has(name) || !name.startsWith(prefix)) continue;
        const first = half + offset;
        const last = spans.at(-1);
        if (last && last.first + last.length === first) last.length += channels;
        else spans.push({ first, length: channels });
      }
    }
    for (const slot of slots) for (const span of spans) updateRunning(gpu, { running, batch, count, slot, ...span, momentum: BATCHNORM_MOMENTUM });
  }
}

/** FNV-1a of a name, 32 bits. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
