import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

/** Share of element `at` in the sum along its line of elements `step` apart. */
function share(values: Float32Array | undefined, { at, step, count }: { at: number; step: number; count: number }): number {
  const first = at - (Math.floor(at / step) % count) * step;
  let total = 0;
  for (let k = 0; k < count; k++) total += Math.exp(values?.[first + k * step] ?? 0);
  return Math.exp(values?.[at] ?? 0) / total;
}

export const cases: Case[] = [
  ...opCases({ name: "softmax over channels 8x64x48x64", shapes: [[8, 64, 48, 64]], op: (x) => softmax(x as Tensor, { axis: 3 }), expected: (at, [x]) => share(x, { at, step: 1, count: 64 }) }),
  ...opCases({ name: "softmax over pixels 16x3072x17", shapes: [[16, 3072, 17]], op: (x) => softmax(x as Tensor, { axis: 1 }), expected: (at, [x]) => share(x, { at, step: 17, count: 3072 }) }),
  ...opCases({ name: "logSoftmax over channels 8x64x48x64", shapes: [[8, 64, 48, 64]], op: (x) => logSoftmax(x as Tensor, { axis: 3 }), expected: (at, [x]) => Math.log(share(x, { at, step: 1, count: 64 })) }),
];
