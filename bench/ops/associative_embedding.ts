import { add } from "../../src/ops/elementwise.ts";
import { associativeEmbedding } from "../../src/ops/associative_embedding.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const [IMAGES, PEOPLE, JOINTS, SIDE] = [8, 30, 17, 128];
const SIZE = SIDE * SIDE * JOINTS;
/** Four persons an image, all joints. */
const place = (n: number, p: number, j: number) => (p < 4 ? (((n * 31 + p * 577 + j * 7919) % (SIDE * SIDE)) * JOINTS + j) : -1);
let index: Tensor | undefined;

export const cases: Case[] = opCases({
  name: "associativeEmbedding 8x128x128x17",
  shapes: [[IMAGES, SIDE, SIDE, JOINTS]],
  op: (input) => {
    const tags = input as Tensor;
    index ??= persistentTensor(tags.gpu, [IMAGES, PEOPLE, JOINTS], {
      data: Int32Array.from({ length: IMAGES * PEOPLE * JOINTS }, (_, i) => place(Math.floor(i / JOINTS / PEOPLE), Math.floor(i / JOINTS) % PEOPLE, i % JOINTS)),
      dtype: "i32",
    });
    const { pull, push } = associativeEmbedding(tags, { joints: index, push: "exp" });
    return add(pull, push);
  },
  expected: (n, [tags]) => {
    const means: number[] = [];
    let loss = 0;
    for (let p = 0; p < 4; p++) {
      const own = Array.from({ length: JOINTS }, (_, j) => tags?.[n * SIZE + place(n, p, j)] ?? 0);
      const mean = own.reduce((sum, tag) => sum + tag, 0) / JOINTS;
      loss += own.reduce((sum, tag) => sum + (tag - mean) ** 2, 0) / JOINTS / 4;
      for (const other of means) loss += Math.exp(-((mean - other) ** 2)) / 12;
      means.push(mean);
    }
    return loss;
  },
});
