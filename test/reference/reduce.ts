import { eachIndex } from "./broadcast.ts";

/** f of all elements that share the kept part of their multi-index, in the order of the kept axes; f64. */
export function reduceReference(
  f: (values: readonly number[]) => number,
  values: ArrayLike<number>,
  { shape, axes }: { shape: readonly number[]; axes: readonly number[] },
): Float64Array {
  const groups = new Map<string, number[]>();
  let at = 0;
  eachIndex(shape, (index) => {
    const key = index.filter((_, axis) => !axes.includes(axis)).join();
    const group = groups.get(key) ?? [];
    group.push(values[at++] as number);
    groups.set(key, group);
  });
  return Float64Array.from([...groups.values()].map(f));
}
