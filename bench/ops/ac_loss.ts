import { acLoss } from "../../src/ops/ac_loss.ts";
import { elementCount, persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const SHAPE = [16, 64, 48, 17];
const COUNT = elementCount(SHAPE);
const PIXELS = COUNT / 16;
/** Mostly background, as heatmaps are. */
const heatmap = (i: number) => (i % 50 === 0 ? ((i / 50) % 10) / 10 : 0);
let target: Tensor | undefined;

export const cases: Case[] = opCases({
  name: "acLoss 16x64x48x17",
  shapes: [SHAPE],
  op: (input) => {
    const x = input as Tensor;
    target ??= persistentTensor(x.gpu, SHAPE, { data: Float32Array.from({ length: COUNT }, (_, i) => heatmap(i)) });
    return acLoss(x, { target, exponent: 0.1 });
  },
  expected: (at, [x]) => {
    let sum = 0;
    for (let i = at * PIXELS; i < (at + 1) * PIXELS; i++) {
      const [p, g] = [x?.[i] ?? 0, heatmap(i)];
      const q = g ** 0.1;
      const f = Math.min(1, g === 0 ? Math.abs(p) : Math.abs(q - p) * q);
      const d = Math.min(1, Math.abs(p - g));
      sum += (f + (1 - f) * d) * (p - g) ** 2;
    }
    return sum / PIXELS;
  },
});
