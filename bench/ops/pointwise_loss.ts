import { bceWithLogits, l1, lsgan, mse, smoothL1 } from "../../src/ops/pointwise_loss.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const SHAPE = [8, 64, 48, 64];
const COUNT = 8 * 64 * 48 * 64;

function meanOf(values: readonly Float32Array[], loss: (x: number, t: number) => number): number {
  let sum = 0;
  for (let i = 0; i < COUNT; i++) sum += loss(values[0]?.[i] ?? 0, values[1]?.[i] ?? 0);
  return sum / COUNT;
}

/** The check asks for the same scalar many times. */
function once(compute: (values: readonly Float32Array[]) => number) {
  let known: number | undefined;
  return (_: number, values: readonly Float32Array[]) => (known ??= compute(values));
}

const LOSSES = {
  mse: { op: mse, value: (x: number, t: number) => (x - t) ** 2 },
  l1: { op: l1, value: (x: number, t: number) => Math.abs(x - t) },
  smoothL1: { op: smoothL1, value: (x: number, t: number) => (Math.abs(x - t) < 1 ? (x - t) ** 2 / 2 : Math.abs(x - t) - 0.5) },
  bceWithLogits: { op: bceWithLogits, value: (x: number, t: number) => Math.log1p(Math.exp(x)) - x * t },
};

export const cases: Case[] = [
  ...Object.entries(LOSSES).flatMap(([name, { op, value }]) =>
    opCases({ name: `${name} loss 8x64x48x64`, shapes: [SHAPE, SHAPE], op: (x, t) => op(x as Tensor, { target: t as Tensor }), expected: once((values) => meanOf(values, value)) }),
  ),
  ...opCases({ name: "lsgan loss 8x64x48x64", shapes: [SHAPE], op: (x) => lsgan(x as Tensor, { real: true }), expected: once((values) => meanOf(values, (x) => (x - 1) ** 2)) }),
];
