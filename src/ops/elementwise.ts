/**
 * Elementwise functions with NumPy's broadcasting: rows of one table (src/kernels/map.ts), one op for all of them.
 * Operands are tensors or numbers. Where an operand was broadcast its gradient is summed back to its shape. Tensors are f32,
 * or all of them f16 and of one shape.
 */
import { checkDtype, defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { type ElementwiseFunction, type FunctionName, FUNCTIONS, mapForward, mapGradient, type MapOperand } from "../kernels/map.ts";
import { reduceAxes } from "../kernels/reduce.ts";
import { emptyTensor, sameShape, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";

/** A tensor, or a number that counts for every element. */
export type Operand = Tensor | number;

interface Attributes {
  name: FunctionName;
  /** Operands in order; "tensor" stands for the next input. */
  operands: readonly (number | "tensor")[];
  attributes: readonly [number, number];
}

/** The shape that all shapes broadcast to. Errors: OpError naming the axes that disagree. */
export function broadcastShape(op: string, shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = sizes.find((own) => own !== 1) ?? 1;
    if (sizes.some((own) => own !== 1 && own !== size)) {
      throw new OpError({ code: `op/${op}`, message: `${op}: shapes ${shapes.map(shapeText).join(" and ")} do not broadcast: axis ${axis} has ${sizes.join(" and ")}` });
    }
    return size;
  });
}

/** Axes of `from` along which a tensor of shape `to` was repeated. */
function repeatedAxes(from: Shape, to: Shape): number[] {
  return from.map((_, axis) => axis).filter((axis) => (to[axis - from.length + to.length] ?? 1) === 1 && from[axis] !== 1);
}

/** x summed over the axes along which a tensor of `shape` was broadcast, into `target`. */
export function sumTo(x: Tensor, target: Tensor): void {
  reduceAxes(x.gpu, "sum", { x: x.range, y: target.range, shape: x.shape, axes: repeatedAxes(x.shape, target.shape) });
}

function operandsOf(inputs: readonly Tensor[], { operands }: Attributes): MapOperand[] {
  let next = 0;
  return operands.map((operand) => (operand === "tensor" ? (inputs[next++] as Tensor) : operand));
}

const op = defineOp<Attributes, undefined>({
  name: ({ name }) => name,
  infer: (inputs, { name }) => broadcastShape(name, inputs.map(({ shape }) => shape)),
  dtype(inputs, { name }) {
    if (!inputs.some(({ dtype }) => dtype === "f16")) return "f32";
    const shape = broadcastShape(name, inputs.map((input) => input.shape));
    inputs.forEach((tensor, i) => {
      checkDtype(name, `operand ${i}`, { tensor, dtype: "f16" });
      if (!sameShape(tensor.shape, shape)) throw new OpError({ code: `op/${name}`, message: `${name}: operands in f16 must have one shape, got ${inputs.map((input) => shapeText(input.shape)).join(" and ")}` });
    });
    return "f16";
  },
  forward(inputs, attributes, output) {
    mapForward(output.gpu, attributes.name, { operands: operandsOf(inputs, attributes), shape: output.shape, attributes: attributes.attributes, y: output.range });
    return undefined;
  },
  backward(gradient, { inputs, attributes, needs, target }) {
    const { name, operands } = attributes;
    const places = operands.flatMap((operand, place) => (operand === "tensor" ? [place] : []));
    return inputs.map((input, i) => {
      const place = places[i] as number;
      const { passes: ones, constant }: ElementwiseFunction = FUNCTIONS[name];
      if (!needs[i] || constant?.includes(place)) return undefined;
      const whole = sameShape(input.shape, gradient.shape);
      const passes = ones?.includes(place);
      if (passes && whole) return gradient;
      const into = target(i);
      let slope = gradient;
      if (!passes) {
        slope = whole ? into : emptyTensor(gradient.gpu, gradient.shape, { label: `${name}.gradient` });
        mapGradient(gradient.gpu, name, {
          operands: operandsOf(inputs, attributes),
          shape: gradient.shape,
          attributes: attributes.attributes,
          input: place,
          dy: gradient.range,
          dx: slope.range,
        });
      }
      if (!whole) sumTo(slope, into);
      return into;
    });
  },
});

function call(name: FunctionName, operands: readonly Operand[], attributes: readonly [number, number] = [0, 0]): Tensor {
  const inputs = operands.filter((operand) => typeof operand !== "number");
  if (inputs.length === 0) throw new OpError({ code: `op/${name}`, message: `${name}: at least one operand must be a tensor, got ${operands.filter((operand) => typeof operand === "number").join(" and ")}` });
  return op(inputs, { name, operands: operands.map((operand) => (typeof operand === "number" ? operand : "tensor")), attributes });
}

/** a + b. After a batchnorm its `residual` option saves a pass over memory. */
export function add(a: Operand, b: Operand): Tensor {
  return call("add", [a, b]);
}

/** a - b. */
export function sub(a: Operand, b: Operand): Tensor {
  return call("sub", [a, b]);
}

/** a b. */
export function mul(a: Operand, b: Operand): Tensor {
  return call("mul", [a, b]);
}

/** a / b. */
export function div(a: Operand, b: Operand): Tensor {
  return call("div", [a, b]);
}

/** a to the power of b; a negative base takes integer exponents, others give NaN. */
export function pow(a: Operand, b: Operand): Tensor {
  return call("pow", [a, b]);
}

/** The smaller of a and b; where they tie each takes half of the gradient. */
export function minimum(a: Operand, b: Operand): Tensor {
  return call("minimum", [a, b]);
}

/** The larger of a and b; where they tie each takes half of the gradient. */
export function maximum(a: Operand, b: Operand): Tensor {
  return call("maximum", [a, b]);
}

/** -x. */
export function neg(x: Tensor): Tensor {
  return call("neg", [x]);
}

/** Square root; its gradient at 0 is infinite, see safeSqrt. */
export function sqrt(x: Tensor): Tensor {
  return call("sqrt", [x]);
}

/** Square root whose gradient at 0 is 0, for norms that may vanish. */
export function safeSqrt(x: Tensor): Tensor {
  return call("safeSqrt", [x]);
}

/** 1 / sqrt(x). */
export function rsqrt(x: Tensor): Tensor {
  return call("rsqrt", [x]);
}

/** x x. */
export function square(x: Tensor): Tensor {
  return call("square", [x]);
}

/** e to the power of x. */
export function exp(x: Tensor): Tensor {
  return call("exp", [x]);
}

/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return call("log", [x]);
}

/** Magnitude; its gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  return call("abs", [x]);
}

/** -1, 0 or 1; its gradient is 0. */
export function sign(x: Tensor): Tensor {
  return call("sign", [x]);
}

/** Sine of radians. */
export function sin(x: Tensor): Tensor {
  return call("sin", [x]);
}

/** Cosine of radians. */
export function cos(x: Tensor): Tensor {
  return call("cos", [x]);
}

/** Hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return call("tanh", [x]);
}

/** 1 / (1 + e^-x). */
export function sigmoid(x: Tensor): Tensor {
  return call("sigmoid", [x]);
}

/** max(x, 0); the gradient at 0 is 0 and a NaN stays one. After a batchnorm its `relu` option saves a pass over memory. */
export function relu(x: Tensor): Tensor {
  return call("relu", [x]);
}

/** x where positive, else slope x. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return call("leakyRelu", [x], [slope, 0]);
}

/** log(1 + e^x), without overflow. */
export function softplus(x: Tensor): Tensor {
  return call("softplus", [x]);
}

/** x limited to [low, high]; the gradient passes inside, limits included. */
export function clamp(x: Tensor, { low = -Infinity, high = Infinity }: { low?: number; high?: number }): Tensor {
  if (!(low <= high)) throw new OpError({ code: "op/clamp", message: `clamp: low must not be above high, got ${low} and ${high}` });
  const finite = (limit: number) => Math.max(-3.4028234663852886e38, Math.min(3.4028234663852886e38, limit));
  return call("clamp", [x], [finite(low), finite(high)]);
}

/** a where the condition is not 0, else b; no gradient to the condition. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return call("where", [condition, a, b]);
}

/** 1 where a = b, else 0; comparisons have no gradient. */
export function equal(a: Operand, b: Operand): Tensor {
  return call("equal", [a, b]);
}

/** 1 where a and b differ, else 0. */
export function notEqual(a: Operand, b: Operand): Tensor {
  return call("notEqual", [a, b]);
}

/** 1 where a < b, else 0. */
export function less(a: Operand, b: Operand): Tensor {
  return call("less", [a, b]);
}

/** 1 where a <= b, else 0. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return call("lessEqual", [a, b]);
}

/** 1 where a > b, else 0. */
export function greater(a: Operand, b: Operand): Tensor {
  return call("greater", [a, b]);
}

/** 1 where a >= b, else 0. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return call("greaterEqual", [a, b]);
}
