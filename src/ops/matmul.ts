/** Products of matrices, batched, with transposes as attributes. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import type { GemmForce } from "../kernels/gemm_plan.ts";
import { matmul as product, type MatrixProduct } from "../kernels/matmul.ts";
import { elementCount, sameShape, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

/** Which operands are stored transposed. */
export interface MatmulOptions {
  /** a is [.., k, m]; nothing is copied. */
  transposeA?: boolean;
  /** b is [.., n, k]. */
  transposeB?: boolean;
  /** Forces an algorithm, for tests and benches. */
  force?: GemmForce;
}

interface Attributes {
  transposeA: boolean;
  transposeB: boolean;
  force?: GemmForce | undefined;
}

function fail(expected: string, got: string): never {
  throw new OpError({ code: "op/matmul", message: `matmul: ${expected}, got ${got}` });
}

/** Sizes of the product, and the batch axes of its result. */
function productOf(a: Shape, b: Shape, { transposeA, transposeB }: Attributes): { sizes: MatrixProduct; batchShape: Shape } {
  if (a.length < 2) fail("a must have at least two axes", shapeText(a));
  if (b.length < 2) fail("b must have at least two axes", shapeText(b));
  const [aBatch, bBatch] = [a.slice(0, -2), b.slice(0, -2)];
  if (aBatch.length > 0 && bBatch.length > 0 && !sameShape(aBatch, bBatch)) {
    fail("batch axes of a and b must be equal, or one of them a single matrix", `${shapeText(a)} and ${shapeText(b)}`);
  }
  const [aLast, aFirst] = [a.at(-1) as number, a.at(-2) as number];
  const [bLast, bFirst] = [b.at(-1) as number, b.at(-2) as number];
  const [rows, depth] = transposeA ? [aLast, aFirst] : [aFirst, aLast];
  const [bDepth, columns] = transposeB ? [bLast, bFirst] : [bFirst, bLast];
  if (bDepth !== depth) {
    fail(`b must have ${depth} along axis ${b.length - (transposeB ? 1 : 2)} (axis ${a.length - (transposeA ? 2 : 1)} of a ${shapeText(a)})`, shapeText(b));
  }
  const batchShape = aBatch.length > 0 ? aBatch : bBatch;
  const batch = elementCount(batchShape);
  // A single matrix without a batch beside it is no special case.
  const shared = batchShape.length > 0;
  const sizes = { rows, columns, depth, batch, transposeA, transposeB, sharedA: shared && aBatch.length === 0, sharedB: shared && bBatch.length === 0, summed: false };
  return { sizes, batchShape };
}

const op = defineOp<Attributes, MatrixProduct>({
  name: "matmul",
  infer([a, b], attributes) {
    const { sizes, batchShape } = productOf((a as Tensor).shape, (b as Tensor).shape, attributes);
    return [...batchShape, sizes.rows, sizes.columns];
  },
  forward([a, b], attributes, output) {
    const [left, right] = [a as Tensor, b as Tensor];
    const { sizes } = productOf(left.shape, right.shape, attributes);
    product(output.gpu, { a: left.range, b: right.range, c: output.range, product: sizes, force: attributes.force });
    return sizes;
  },
  backward(gradient, { inputs: [a, b], saved, attributes: { force }, needs, target }) {
    const { rows, columns, depth, batch, transposeA, transposeB, sharedA, sharedB } = saved;
    const { gpu, range: c } = gradient;
    const [left, right] = [(a as Tensor).range, (b as Tensor).range];
    const whole = { batch, sharedA: false, sharedB: false, summed: false };
    const gradA = needs[0] ? target(0) : undefined;
    // The gradient of a transposed operand is made transposed: (G B')' = B G', written as it is stored.
    if (gradA && !transposeA) {
      const sizes = { ...whole, rows, columns: depth, depth: columns, transposeA: false, transposeB: !transposeB, sharedB, summed: sharedA };
      product(gpu, { a: c, b: right, c: gradA.range, product: sizes, force });
    } else if (gradA) {
      const sizes = { ...whole, rows: depth, columns: rows, depth: columns, transposeA: transposeB, transposeB: true, sharedA: sharedB, summed: sharedA };
      product(gpu, { a: right, b: c, c: gradA.range, product: sizes, force });
    }
    const gradB = needs[1] ? target(1) : undefined;
    if (gradB && !transposeB) {
      const sizes = { ...whole, rows: depth, columns, depth: rows, transposeA: !transposeA, transposeB: false, sharedA, summed: sharedB };
      product(gpu, { a: left, b: c, c: gradB.range, product: sizes, force });
    } else if (gradB) {
      const sizes = { ...whole, rows: columns, columns: depth, depth: rows, transposeA: true, transposeB: transposeA, sharedB: sharedA, summed: sharedB };
      product(gpu, { a: c, b: left, c: gradB.range, product: sizes, force });
    }
    return [gradA, gradB];
  },
});

/**
 * c[.., i, j] = sum over k of a[.., i, k] b[.., k, j].
 * @param a [.., m, k], with transposeA [.., k, m]  @param b [.., k, n], with transposeB [.., n, k]; batch axes are equal,
 * or one operand is a single matrix that serves the whole batch.
 * @returns [.., m, n]. Errors: OpError naming the operand.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  return op([a, b], { transposeA: options.transposeA ?? false, transposeB: options.transposeB ?? false, force: options.force });
}
