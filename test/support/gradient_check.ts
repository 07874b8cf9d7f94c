/**
 * Checks of an op's backward pass through the walker. The op stands in the middle of a graph: its inputs are results of
 * other ops and used twice, its output is multiplied by a coefficient and a term is added, so that a backward pass which
 * ignores or overwrites the incoming gradient, or adds to it in place, is found.
 */
import { backward } from "../../src/autograd/tape.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { elementCount, persistentTensor, type Shape, type Tensor } from "../../src/tensor/tensor.ts";
import { TOLERANCES, type ToleranceName } from "../tolerances.ts";
import { randomValues } from "./random.ts";

/** An input that the check differentiates; without values they are uniform in [-1, 1). */
export interface CheckedInput {
  shape: Shape;
  values?: Float32Array;
}

/** An op with its inputs; constants (targets, running statistics) belong inside `op`. */
export interface OpCase {
  label: string;
  inputs: readonly CheckedInput[];
  op: (...inputs: Tensor[]) => Tensor;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): { sum: number; spread: number } {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < a.length; i++) {
    const product = (a[i] as number) * (b[i] as number);
    sum += product;
    squares += product * product;
  }
  return { sum, spread: Math.sqrt(squares) };
}

function expectNear(actual: number, expected: number, { spread, tolerance, label }: { spread: number; tolerance: ToleranceName; label: string }): void {
  const { absolute, relative } = TOLERANCES[tolerance];
  const allowed = absolute + relative * Math.max(Math.abs(expected), spread);
  if (!(Math.abs(actual - expected) <= allowed)) throw new Error(`${label}: ${actual}, expected ${expected} within ${allowed} (${tolerance})`);
}

function valuesOf({ shape, values }: CheckedInput, stream: number): Float32Array {
  const count = elementCount(shape);
  if (values && values.length !== count) throw new Error(`${values.length} values for ${count} elements`);
  return values ?? randomValues(count, stream);
}

/** Runs the graph around the op. Its output's elements and shape come back with the tensors for a backward pass. */
async function runGraph(gpu: Gpu, { inputs, op }: OpCase, values: readonly Float32Array[]): Promise<{ leaves: Tensor[]; root: Tensor; output: Float32Array }> {
  const leaves = inputs.map(({ shape }, i) => persistentTensor(gpu, shape, { data: values[i] as Float32Array, requiresGradient: true, label: `input ${i}` }));
  const middle = leaves.map((leaf) => add(mul(leaf, 0.25), mul(leaf, 0.75)));
  const y = op(...middle);
  const scaled = add(mul(y, -0.6), mul(y, 1.9));
  // The second call shares its incoming gradient with `scaled`, which is differentiated after it.
  const root = add(scaled, op(...middle));
  return { leaves, root, output: await root.toArray() };
}

/**
 * Holds the gradient of a random projection of the graph against central differences, input by input and for all at
 * once. The values must stay off kinks by more than `step`.
 */
export async function checkGradient(gpu: Gpu, { step = 1 / 128, ...subject }: OpCase & { step?: number }): Promise<void> {
  const values = subject.inputs.map((input, i) => valuesOf(input, i));
  const { leaves, root, output } = await runGraph(gpu, subject, values);
  const weights = randomValues(output.length, 50);
  const seed = persistentTensor(gpu, root.shape, { data: weights });
  const gradients = backward(root, { gradient: seed, leaves });
  const analytic = await Promise.all(leaves.map((leaf, i) => {
    const gradient = gradients.get(leaf);
    if (!gradient) throw new Error(`${subject.label}: no gradient for input ${i}`);
    return gradient.toArray();
  }));

  const project = async (moved: readonly Float32Array[]) => dot((await runGraph(gpu, subject, moved)).output, weights).sum;
  const all = subject.inputs.map((_, i) => i);
  const choices = all.length > 1 ? [...all.map((i) => [i]), all] : [all, all];
  for (const [round, choice] of choices.entries()) {
    const moved = (sign: number) =>
      values.map((array, i) => {
        if (!choice.includes(i)) return array;
        const direction = randomValues(array.length, 100 + 10 * round + i);
        return array.map((value, k) => value + sign * step * (direction[k] as number));
      });
    const [plus, minus] = [moved(1), moved(-1)];
    const numeric = (await project(plus)) - (await project(minus));
    let expected = 0;
    let variance = 0;
    for (const i of choice) {
      // The difference of the rounded inputs, so that their rounding is no error of the check.
      const difference = Float64Array.from(plus[i] as Float32Array, (value, k) => value - ((minus[i] as Float32Array)[k] as number));
      const { sum, spread } = dot(analytic[i] as Float32Array, difference);
      expected += sum;
      variance += spread * spread;
    }
    expectNear(expected / (2 * step), numeric / (2 * step), {
      spread: Math.sqrt(variance) / (2 * step),
      tolerance: "gradientCheck",
      label: `${subject.label}: gradient along a direction of input ${choice.join(" and ")}`,
    });
  }
}

/** For ops that are linear in their single input: <A x, y> = <x, transpose(A) y>. */
export async function checkAdjoint(gpu: Gpu, { label, inputs, op }: OpCase): Promise<void> {
  const [input] = inputs;
  if (!input || inputs.length !== 1) throw new Error(`${label}: one input, the others inside op`);
  const values = valuesOf(input, 60);
  const x = persistentTensor(gpu, input.shape, { data: values, requiresGradient: true });
  const image = op(x);
  const other = randomValues(image.size, 61);
  const back = backward(image, { gradient: persistentTensor(gpu, image.shape, { data: other }), leaves: [x] }).get(x);
  if (!back) throw new Error(`${label}: no gradient`);
  const left = dot(await image.toArray(), other);
  const right = dot(values, await back.toArray());
  expectNear(right.sum, left.sum, { spread: Math.max(left.spread, right.spread), tolerance: "adjoint", label: `${label}: <x, A'y> against <Ax, y>` });
}
