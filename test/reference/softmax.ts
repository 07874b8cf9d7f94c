import { eachIndex } from "./broadcast.ts";

/** Softmax along one axis by its definition, f64; the shift by the maximum is the identity's own. */
export function softmaxReference(values: ArrayLike<number>, { shape, axis, logarithm }: { shape: readonly number[]; axis: number; logarithm: boolean }): Float64Array {
  const lines = new Map<string, number[]>();
  let place = 0;
  eachIndex(shape, (index) => {
    const key = index.toSpliced(axis, 1).join();
    const line = lines.get(key) ?? [];
    line.push(place++);
    lines.set(key, line);
  });
  const y = new Float64Array(place);
  for (const line of lines.values()) {
    const largest = line.reduce((held, at) => Math.max(held, values[at] as number), -Infinity);
    const total = line.reduce((sum, at) => sum + Math.exp((values[at] as number) - largest), 0);
    for (const at of line) {
      const shifted = (values[at] as number) - largest;
      y[at] = logarithm ? shifted - Math.log(total) : Math.exp(shifted) / total;
    }
  }
  return y;
}
