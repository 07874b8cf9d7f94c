/** Another shape over the same elements, without a copy. */
import { defineOp, isOutlining } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { elementCount, reshapeView, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

const op = defineOp<Shape, undefined>({
  name: "reshape",
  infer: (_, shape) => shape,
  forward: () => undefined,
  backward: (gradient, { inputs: [x] }) => [reshapeView(gradient, (x as Tensor).shape)],
});

/** x's elements in row-major order under `shape`; one size may be -1 and follows. Errors: OpError where counts differ. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const open = shape.filter((size) => size === -1).length;
  const known = elementCount(shape.filter((size) => size !== -1));
  const resolved = shape.map((size) => (size === -1 ? x.size / known : size));
  if (open > 1 || elementCount(resolved) !== x.size || !resolved.every((size) => Number.isInteger(size) && size >= 1)) {
    throw new OpError({ code: "op/reshape", message: `reshape: shape must hold the ${x.size} elements of ${shapeText(x.shape)}, got ${shapeText(shape)}` });
  }
  return isOutlining() ? op([x], resolved) : op([x], resolved, reshapeView(x, resolved));
}
