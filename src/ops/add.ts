/** Sum of two tensors. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { addInto } from "../kernels/elementwise.ts";
import { sameShape, shapeText, type Tensor } from "../tensor/tensor.ts";

const op = defineOp<undefined, undefined>({
  name: "add",
  infer([a, b]) {
    const [left, right] = [(a as Tensor).shape, (b as Tensor).shape];
    if (!sameShape(left, right)) throw new OpError({ code: "op/add", message: `add: b must be ${shapeText(left)} like a, got ${shapeText(right)}` });
    return left;
  },
  forward([a, b], _, output) {
    const [left, right] = [a as Tensor, b as Tensor];
    addInto(left.gpu, { a: left.range, b: right.range, out: output.range, count: left.size });
    return undefined;
  },
  // Both inputs get the incoming gradient itself: the walker never writes into a contribution.
  backward: (gradient, { needs }) => needs.map((need) => (need ? gradient : undefined)),
});

/** a + b of equal shapes, without broadcasting. Errors: OpError. After a batchnorm its `residual` saves a pass over memory. */
export function add(a: Tensor, b: Tensor): Tensor {
  return op([a, b], undefined);
}
