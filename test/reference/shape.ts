import { eachIndex, placeOf } from "./broadcast.ts";

/** out[index] = values[source(index)], element by element. */
export function gatherReference(
  values: ArrayLike<number>,
  { shape, out, source, background }: { shape: readonly number[]; out: readonly number[]; source: (index: readonly number[]) => number[] | undefined; background: number },
): number[] {
  const result: number[] = [];
  eachIndex(out, (index) => {
    const from = source(index);
    result.push(from ? (values[placeOf(from, shape)] as number) : background);
  });
  return result;
}
