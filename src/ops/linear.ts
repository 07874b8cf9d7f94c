/** A linear layer as a function. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { columnSum } from "../kernels/conv.ts";
import type { GemmForce } from "../kernels/gemm_plan.ts";
import { matmul, type MatrixProduct } from "../kernels/matmul.ts";
import { elementCount, shapeText, type Tensor } from "../tensor/tensor.ts";

/** Bias of a linear layer, and an algorithm to force. */
export interface LinearOptions {
  bias?: Tensor | undefined;
  /** Forces an algorithm, for tests and benches. */
  force?: GemmForce;
}

interface Attributes {
  force?: GemmForce | undefined;
}

function productOf(x: Tensor, weight: Tensor): MatrixProduct {
  const [depth = 0, columns = 0] = weight.shape;
  return { rows: x.size / depth, columns, depth, batch: 1, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false };
}

const op = defineOp<Attributes, MatrixProduct>({
  name: "linear",
  infer([x, weight, bias]) {
    const [xs, ws] = [(x as Tensor).shape, (weight as Tensor).shape];
    const fail = (argument: string, expected: string, got: string): never => {
      throw new OpError({ code: "op/linear", message: `linear: ${argument} must be ${expected}, got ${got}` });
    };
    if (xs.length < 1) fail("x", "[.., k]", shapeText(xs));
    if (ws.length !== 2) fail("weight", "[k, n]", shapeText(ws));
    if (ws[0] !== xs.at(-1)) fail("weight[0]", `${xs.at(-1)} (the last axis of x ${shapeText(xs)})`, String(ws[0]));
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== ws[1])) fail("bias", `[${ws[1]}]`, shapeText(bias.shape));
    return [...xs.slice(0, -1), ws[1] as number];
  },
  multiplications: ([x], output) => elementCount(output) * ((x as Tensor).shape.at(-1) as number),
  forward([x, weight, bias], { force }, output) {
    const [xt, wt] = [x as Tensor, weight as Tensor];
    const product = productOf(xt, wt);
    matmul(output.gpu, { a: xt.range, b: wt.range, c: output.range, bias: bias?.range, product, force });
    return product;
  },
  backward(gradient, { inputs: [x, weight, bias], needs, saved: product, attributes: { force }, target }) {
    const { rows, columns, depth } = product;
    const { gpu, range } = gradient;
    const gradX = needs[0] ? target(0) : undefined;
    if (gradX) {
      const sizes = { ...product, columns: depth, depth: columns, transposeB: true };
      matmul(gpu, { a: range, b: (weight as Tensor).range, c: gradX.range, product: sizes, force });
    }
    const gradW = needs[1] ? target(1) : undefined;
    if (gradW) {
      const sizes = { ...product, rows: depth, depth: rows, transposeA: true };
      matmul(gpu, { a: (x as Tensor).range, b: range, c: gradW.range, product: sizes, force });
    }
    if (!bias) return [gradX, gradW];
    const gradBias = needs[2] ? target(2) : undefined;
    if (gradBias) columnSum(gpu, { x: range, out: gradBias.range, rows: elementCount(gradient.shape) / columns, columns });
    return [gradX, gradW, gradBias];
  },
});

/**
 * y[.., j] = sum over k of x[.., k] weight[k, j] (+ bias[j]).
 * @param x [.., k]  @param weight [k, n]: the transpose of PyTorch's
 * @returns [.., n]. Errors: OpError naming the argument.
 */
export function linear(x: Tensor, weight: Tensor, options: LinearOptions = {}): Tensor {
  return op(options.bias ? [x, weight, options.bias] : [x, weight], { force: options.force });
}
