/** Dense f64 arrays and plain-loop ops on them, for graphs that are evaluated again on the host. */
import { broadcastReference, eachIndex, placeOf } from "./broadcast.ts";
import { reduceReference } from "./reduce.ts";
import { gatherReference } from "./shape.ts";

export interface HostArray {
  shape: readonly number[];
  values: Float64Array;
}

/** f of operands broadcast to `shape`. */
export function hostMap(f: (...values: number[]) => number, operands: readonly HostArray[], shape: readonly number[]): HostArray {
  return { shape, values: broadcastReference(f, operands, shape) };
}

/** f of the elements along axes, which stay with size 1. */
export function hostReduce(f: (values: readonly number[]) => number, x: HostArray, axes: readonly number[]): HostArray {
  return { shape: x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)), values: reduceReference(f, x.values, { shape: x.shape, axes }) };
}

/** out[index] = x[source(index)], `background` where there is no source. */
export function hostGather(x: HostArray, out: readonly number[], source: (index: readonly number[]) => number[] | undefined, background = 0): HostArray {
  return { shape: out, values: Float64Array.from(gatherReference(x.values, { shape: x.shape, out, source, background })) };
}

/** Arrays behind one another along an axis. */
export function hostConcat(arrays: readonly HostArray[], axis: number): HostArray {
  const [first] = arrays as [HostArray];
  const shape = first.shape.with(axis, arrays.reduce((sum, array) => sum + (array.shape[axis] as number), 0));
  const values: number[] = [];
  eachIndex(shape, (index) => {
    let at = index[axis] as number;
    for (const array of arrays) {
      const size = array.shape[axis] as number;
      if (at < size) {
        values.push(array.values[placeOf(index.with(axis, at), array.shape)] as number);
        return;
      }
      at -= size;
    }
  });
  return { shape, values: Float64Array.from(values) };
}

/** a [m, k] times b [k, n]. */
export function hostMatmul(a: HostArray, b: HostArray): HostArray {
  const [m = 0, k = 0] = a.shape;
  const n = b.shape[1] as number;
  const values = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) for (let q = 0; q < k; q++) values[i * n + j] = (values[i * n + j] as number) + (a.values[i * k + q] as number) * (b.values[q * n + j] as number);
  return { shape: [m, n], values };
}
