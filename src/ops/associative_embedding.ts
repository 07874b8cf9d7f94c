/** Associative embedding: the loss by which bottom-up systems learn which joints belong to one person. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { BufferRange } from "../gpu/device.ts";
import { personBytes, tagLoss, tagLossGradient, type TagShape } from "../kernels/associative_embedding.ts";
import { elementCount, shapeText, type Tensor } from "../tensor/tensor.ts";
import { reshape } from "./reshape.ts";
import { slice } from "./shape.ts";

function shapeOf(tags: Tensor, index: Tensor): TagShape {
  const [batch = 0, people = 0, slots = 0] = index.shape;
  return { batch, people, slots, size: elementCount(tags.shape.slice(1)) };
}

/** Output [2, n]: pull and push. Saved: joints, mean and spread of every person. */
const op = defineOp<{ hinge: boolean }, BufferRange>({
  name: "associative_embedding",
  infer([tags, index]) {
    const fail = (argument: string, expected: string, got: string): never => {
      throw new OpError({ code: "op/associative_embedding", message: `associativeEmbedding: ${argument} must be ${expected}, got ${got}` });
    };
    const [{ shape }, { shape: places, dtype }] = [tags as Tensor, index as Tensor];
    if (shape.length < 2) fail("tags", "[n, ...]", shapeText(shape));
    if (places.length !== 3 || places[0] !== shape[0]) fail("joints", `[${shape[0]}, people, slots]`, shapeText(places));
    if (dtype !== "i32") fail("joints", "i32", dtype);
    return [2, shape[0] as number];
  },
  forward([tags, index], { hinge }, output) {
    const shape = shapeOf(tags as Tensor, index as Tensor);
    const persons = output.gpu.allocate(personBytes(shape), "tags of persons");
    tagLoss(output.gpu, { tags: (tags as Tensor).range, index: (index as Tensor).range, persons, loss: output.range, hinge, shape });
    return persons;
  },
  backward(gradient, { inputs: [tags, index], attributes: { hinge }, saved, target }) {
    const into = target(0);
    tagLossGradient(gradient.gpu, {
      tags: (tags as Tensor).range,
      index: (index as Tensor).range,
      persons: saved,
      dy: gradient.range,
      gradient: into.range,
      hinge,
      shape: shapeOf(tags as Tensor, index as Tensor),
    });
    return [into, undefined];
  },
});

/**
 * Associative embedding (Newell et al. 2017, as in HigherHRNet) of each image. With the tags t of a person's joints and
 * their mean m: pull = mean over persons of mean((t - m)²); push = 1/2 * sum over ordered pairs of different persons of
 * e^-((m_a - m_b)²), for "max" of max(0, 1 - |m_a - m_b|), by P (P - 1). Persons without joints do not count; without
 * persons both are 0, with one push is. Joints of several persons on one place get the sum of their gradients.
 * @param tags [n, ...], such as [n, h, w, joints] @param options.joints i32 [n, people, slots]: position of each joint in
 * its image's tags, counted through their dense layout ((y w + x) joints + joint); negative or beyond them where there is none
 * @returns pull [n] and push [n]. Errors: OpError naming the argument.
 */
export function associativeEmbedding(tags: Tensor, { joints, push: kind }: { joints: Tensor; push: "exp" | "max" }): { pull: Tensor; push: Tensor } {
  const both = op([tags, joints], { hinge: kind === "max" });
  const [pull, push] = [0, 1].map((row) => reshape(slice(both, [{ start: row, end: row + 1 }]), [both.shape[1] as number])) as [Tensor, Tensor];
  return { pull, push };
}
