/** Tensors: a shape over a range of GPU memory. No arithmetic here; ops are in src/ops. */
import { OpError } from "../error.ts";
import type { BufferRange, ElementType, Gpu } from "../gpu/device.ts";

/** Number type of a tensor's elements; f16 is a way to store activations, all arithmetic is f32. */
export type DType = "f32" | "f16" | "u32" | "i32";

/** How a type is stored, as far as kernels choose by it. */
export function elementOf(dtype: DType): ElementType {
  return dtype === "f16" ? "f16" : "f32";
}

export type Shape = readonly number[];

/** What made a tensor, as far as the tensor cares; the tape's nodes implement it. */
export interface Producer {
  readonly inputs: readonly Tensor[];
}

/** Writes a tensor's values once more into `copy`; `current` says where the values of other tensors are to be read. */
export type Recipe = (copy: Tensor, current: (tensor: Tensor) => Tensor) => void;

/** Product of all dimensions; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** "[2, 3, 4]", as error messages print shapes. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Bytes of a contiguous tensor, a multiple of 4: what WebGPU binds. */
export function byteCount(shape: Shape, dtype: DType = "f32"): number {
  return dtype === "f16" ? 4 * Math.ceil(elementCount(shape) / 2) : 4 * elementCount(shape);
}

/** A dense array on the device, row-major; images and features are [n, h, w, c]. */
export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly label: string;
  /** Set by the tape for results that take part in differentiation. */
  producer: Producer | undefined;
  /** Where there is one, backward passes read a copy that it fills, and this memory need not outlive the forward pass. */
  recipe: Recipe | undefined;
  /** True for leaves whose gradient is wanted. */
  readonly requiresGradient: boolean;
  readonly #gpu: Gpu | undefined;
  readonly #range: BufferRange | undefined;

  /** Without a device and a range it is a shape alone, see outline in autograd. */
  constructor(gpu: Gpu | undefined, facts: { shape: Shape; range?: BufferRange; dtype?: DType; label?: string; requiresGradient?: boolean }) {
    this.#gpu = gpu;
    this.shape = facts.shape;
    this.dtype = facts.dtype ?? "f32";
    this.label = facts.label ?? "tensor";
    this.requiresGradient = facts.requiresGradient ?? false;
    this.#range = facts.range;
  }

  /** The device that holds the elements. */
  get gpu(): Gpu {
    if (!this.#gpu) throw new Error(`tensor "${this.label}" is on no device`);
    return this.#gpu;
  }

  /** Where the elements are. */
  get range(): BufferRange {
    if (!this.#range) throw new Error(`tensor "${this.label}" has no memory`);
    return this.#range;
  }

  get size(): number {
    return elementCount(this.shape);
  }

  /** Elements on the host, after everything queued so far. For results and tests, not for a training step. */
  async toArray(): Promise<Float32Array> {
    if (this.dtype !== "f16") return this.gpu.readFloats(this.range);
    return Float32Array.from(new Float16Array(await this.gpu.read(this.range), 0, this.size));
  }
}

/** An uninitialised tensor in the current scope; whoever asks for it fills it completely. */
export function emptyTensor(gpu: Gpu, shape: Shape, options: { label?: string; dtype?: DType } = {}): Tensor {
  const { label = "tensor", dtype = "f32" } = options;
  return new Tensor(gpu, { shape, range: gpu.allocate(byteCount(shape, dtype), label, { element: elementOf(dtype) }), label, dtype });
}

/** A persistent tensor with host values (or uninitialised): parameters, step inputs, test data. As f16 they are rounded. */
export function persistentTensor(
  gpu: Gpu,
  shape: Shape,
  options: { data?: Float32Array | Uint32Array | Int32Array; label?: string; requiresGradient?: boolean; dtype?: DType } = {},
): Tensor {
  const { data, label = "tensor", dtype = "f32" } = options;
  if (data && data.length !== elementCount(shape)) {
    throw new OpError({
      code: "op/data-length",
      message: `tensor "${label}" of shape ${shapeText(shape)} needs ${elementCount(shape)} values, got ${data.length}`,
    });
  }
  const range = gpu.persistent(byteCount(shape, dtype), label, { element: elementOf(dtype) });
  if (data) gpu.write(range, dtype === "f16" ? new Uint8Array(Float16Array.from(data).buffer) : data);
  return new Tensor(gpu, { shape, range, label, dtype, requiresGradient: options.requiresGradient ?? false });
}

/** Batch rows [first, first + count) of a tensor, without a copy. The offset must satisfy the adapter's alignment. */
export function batchView(tensor: Tensor, first: number, count: number): Tensor {
  const [n, ...rest] = tensor.shape;
  if (n === undefined || first < 0 || count < 1 || first + count > n) {
    throw new OpError({
      code: "op/view-range",
      message: `batchView: rows ${first}..${first + count} of a tensor of shape ${shapeText(tensor.shape)}`,
    });
  }
  const bytes = (tensor.dtype === "f16" ? 2 : 4) * elementCount(rest);
  const { allocation, offset } = tensor.range;
  const start = offset + first * bytes;
  const alignment = tensor.gpu.limits.minStorageBufferOffsetAlignment;
  if (start % alignment !== 0) {
    throw new OpError({
      code: "op/view-alignment",
      message: `batchView: offset ${start} of "${tensor.label}" is not a multiple of the adapter's ${alignment} bytes`,
      fix: "use a batch or image size whose rows are a multiple of that",
    });
  }
  return new Tensor(tensor.gpu, {
    shape: [count, ...rest],
    range: { allocation, offset: start, bytes: byteCount([count, ...rest], tensor.dtype) },
    dtype: tensor.dtype,
    label: `${tensor.label}[${first}..]`,
  });
}

/** The same elements under another shape. Not differentiable by itself; see ops/reshape. */
export function reshapeView(tensor: Tensor, shape: Shape): Tensor {
  if (elementCount(shape) !== tensor.size) {
    throw new OpError({
      code: "op/reshape",
      message: `reshape of ${shapeText(tensor.shape)} to ${shapeText(shape)}: element counts differ`,
    });
  }
  return new Tensor(tensor.gpu, { shape, range: tensor.range, dtype: tensor.dtype, label: tensor.label });
}

/** The same values, through which no gradient flows. */
export function stopGradient(tensor: Tensor): Tensor {
  return new Tensor(tensor.gpu, { shape: tensor.shape, range: tensor.range, dtype: tensor.dtype, label: tensor.label });
}

/** A learned tensor: a view into the flat parameter arena, with its gradient in the flat gradient arena. */
export class Parameter extends Tensor {
  /** Gradient, same shape. */
  readonly gradient: Tensor;
  /** False until a backward pass has written the gradient since the last zeroGradients(). */
  gradientFilled = false;
  /** True: backward passes leave it out; gradients still flow through the ops that use it. Read when an op is called. */
  frozen = false;

  constructor(gpu: Gpu | undefined, facts: { shape: Shape; range: BufferRange; gradientRange: BufferRange; label: string }) {
    super(gpu, { shape: facts.shape, range: facts.range, label: facts.label, requiresGradient: true });
    this.gradient = new Tensor(gpu, { shape: facts.shape, range: facts.gradientRange, label: `${facts.label}.gradient` });
  }
}
