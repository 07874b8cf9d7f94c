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

/** Reorders axes: out[i0, i1, ...] = data[...] where out axis k is data axis axes[k]. */
export function permute(data: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const outShape = axes.map((axis) => shape[axis] as number);
  const outStrides = axes.map((axis) => strides[axis] as number);
  const out = new Float32Array(data.length);
  const index = outShape.map(() => 0);
  let source = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[source] as number;
    for (let axis = outShape.length - 1; axis >= 0; axis--) {
      source += outStrides[axis] as number;
      const next = (index[axis] as number) + 1;
      index[axis] = next;
      if (next < (outShape[axis] as number)) break;
      source -= (outStrides[axis] as number) * (outShape[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
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
