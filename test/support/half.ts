/** Ops that take f16: they compute in f32, so that their results are those of f32, rounded once. */
import { expect } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { elementCount, persistentTensor, type Shape, type Tensor } from "../../src/tensor/tensor.ts";
import { randomValues } from "./random.ts";

const rounded = (values: Float32Array) => Float32Array.from(Float16Array.from(values));

/**
 * Runs `op` on an f16 input and on the same values as f32: output and gradient of the first are those of the second,
 * rounded. `roundings` is how often an element is rounded on its way; with one the bits are the same.
 */
export async function checkHalf(gpu: Gpu, { label, shape, op, roundings = 1 }: { label: string; shape: Shape; op: (x: Tensor) => Tensor; roundings?: number }): Promise<void> {
  const data = rounded(randomValues(elementCount(shape), 7));
  const run = async (dtype: "f16" | "f32") => {
    const x = persistentTensor(gpu, shape, { data, dtype, requiresGradient: true });
    const y = op(x);
    const upstream = persistentTensor(gpu, y.shape, { data: rounded(randomValues(y.size, 8)), dtype });
    const gradient = backward(y, { gradient: upstream, leaves: [x] }).get(x) as Tensor;
    expect([y.dtype, gradient.dtype], label).toEqual([dtype, dtype]);
    return { output: await y.toArray(), gradient: await gradient.toArray() };
  };
  const [half, full] = [await run("f16"), await run("f32")];
  for (const part of ["output", "gradient"] as const) {
    const expected = rounded(full[part]);
    if (roundings === 1) {
      expect(half[part], `${label}: ${part}`).toEqual(expected);
      continue;
    }
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (half[part][i] as number))), 0);
    expect(worst, `${label}: ${part}`).toBeLessThanOrEqual(roundings * 2 ** -11 * largest);
  }
}
