/** Our weight layouts and PyTorch's: one table, used by checkpoints and golden tests alike. */

/** How a stored tensor is laid out in PyTorch's files. */
export type WeightKind = "conv" | "deconv" | "linear" | "table" | "vector";

/** For each kind, which of our axes is which of PyTorch's. Ours: conv and deconv [kh, kw, ci, co], linear [ci, co]. */
const TORCH_AXES: Readonly<Record<WeightKind, readonly number[]>> = {
  conv: [3, 2, 0, 1], // [co, ci, kh, kw]
  deconv: [2, 3, 0, 1], // [ci, co, kh, kw]
  linear: [1, 0], // [co, ci]
  table: [0, 1], // a matrix that is no layer's weight
  vector: [0],
};

/** Elements of the last axis that are moved together: what is read between them stays in the cache. */
const TILE = 32;

/** Reorders axes: out[i0, i1, ...] = data[...] where out axis k is data axis axes[k]. */
export function permute(data: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const strides = denseStrides(shape);
  const outShape = axes.map((axis) => shape[axis] as number);
  const outStrides = denseStrides(outShape);
  const out = new Float32Array(data.length);
  const run = outShape.at(-1) ?? 1;
  const step = axes.length === 0 ? 1 : (strides[axes.at(-1) as number] as number);
  // The lines along the other axes in the order of the data, so that it is read from front to back: weights are tens of millions of numbers.
  const others = axes.slice(0, -1).map((axis, k) => ({ size: shape[axis] as number, from: strides[axis] as number, to: outStrides[k] as number }));
  others.sort((a, b) => b.from - a.from);
  let lines = Int32Array.of(0);
  let targets = Int32Array.of(0);
  for (const { size, from, to } of others) {
    lines = spread(lines, size, from);
    targets = spread(targets, size, to);
  }
  for (let first = 0; first < run; first += TILE) {
    const count = Math.min(run - first, TILE);
    for (let line = 0; line < lines.length; line++) {
      let source = (lines[line] as number) + first * step;
      const begin = (targets[line] as number) + first;
      for (let to = begin; to < begin + count; to++, source += step) out[to] = data[source] as number;
    }
  }
  return out;
}

/** Every offset followed by those of the further places along an axis. */
function spread(offsets: Int32Array, size: number, step: number): Int32Array<ArrayBuffer> {
  const out = new Int32Array(offsets.length * size);
  for (let i = 0, at = 0; i < offsets.length; i++) for (let k = 0; k < size; k++, at++) out[at] = (offsets[i] as number) + k * step;
  return out;
}

function denseStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

/** PyTorch's shape of a tensor of ours. */
export function torchShape(shape: readonly number[], kind: WeightKind): number[] {
  return TORCH_AXES[kind].map((axis) => shape[axis] as number);
}

/** A tensor of ours in PyTorch's order. */
export function toTorch(data: Float32Array, shape: readonly number[], kind: WeightKind): Float32Array {
  return kind === "vector" ? data.slice() : permute(data, shape, TORCH_AXES[kind]);
}

/** PyTorch's tensor in our order; `shape` is ours. */
export function fromTorch(data: Float32Array, shape: readonly number[], kind: WeightKind): Float32Array {
  if (kind === "vector") return data.slice();
  const axes = TORCH_AXES[kind];
  return permute(data, torchShape(shape, kind), shape.map((_, axis) => axes.indexOf(axis)));
}
