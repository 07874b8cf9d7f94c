import { eachIndex, placeOf } from "./broadcast.ts";

/** y[.., i, ..] = x[.., index[.., i, ..], ..], 0 outside, by multi-indices. */
export function gatherAxisReference(x: ArrayLike<number>, shape: readonly number[], { index, indexShape, axis }: { index: ArrayLike<number>; indexShape: readonly number[]; axis: number }): number[] {
  const out: number[] = [];
  eachIndex(indexShape, (at) => {
    const chosen = index[placeOf(at, indexShape)] as number;
    out.push(chosen < (shape[axis] as number) ? (x[placeOf(at.with(axis, chosen), shape)] as number) : 0);
  });
  return out;
}

/** base plus values at their indices, f64. */
export function scatterAddReference(base: ArrayLike<number>, shape: readonly number[], { index, values, indexShape, axis }: { index: ArrayLike<number>; values: ArrayLike<number>; indexShape: readonly number[]; axis: number }): Float64Array {
  const out = Float64Array.from(base);
  eachIndex(indexShape, (at) => {
    const place = placeOf(at, indexShape);
    const cell = placeOf(at.with(axis, index[place] as number), shape);
    out[cell] = (out[cell] as number) + (values[place] as number);
  });
  return out;
}
