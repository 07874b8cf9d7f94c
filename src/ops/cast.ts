/** The same values in another storage type. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { castInto } from "../kernels/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";

type FloatType = "f32" | "f16";

const op = defineOp<FloatType, undefined>({
  name: "cast",
  infer([x]) {
    const { shape, dtype } = x as Tensor;
    if (dtype !== "f32" && dtype !== "f16") throw new OpError({ code: "op/cast", message: `cast: x must be f32 or f16, got ${dtype}` });
    return shape;
  },
  dtype: (_, dtype) => dtype,
  forward([x], _, output) {
    castInto(output.gpu, { x: (x as Tensor).range, out: output.range, count: output.size });
    return undefined;
  },
  backward(gradient, { target }) {
    const into = target(0);
    castInto(into.gpu, { x: gradient.range, out: into.range, count: into.size });
    return [into];
  },
});

/**
 * x stored as `dtype`: f16 rounds to the nearest value of 11 bits, and beyond 65 504 to infinity; the gradient is rounded to
 * the type of x. A tensor that is stored so already comes back as it is. Errors: OpError for integers, GpuError where the
 * adapter has no f16.
 */
export function cast(x: Tensor, dtype: FloatType): Tensor {
  return x.dtype === dtype ? x : op([x], dtype);
}
