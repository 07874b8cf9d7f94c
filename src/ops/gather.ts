/** Elements by index: gather, indexSelect, and the sum the other way, scatterAdd. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { gatherAxis } from "../kernels/gather.ts";
import { type IndexSteps, scatterAdd as scatterRows } from "../kernels/scatter.ts";
import { elementCount, type Shape, shapeText, type Tensor } from "../tensor/tensor.ts";
import { add } from "./elementwise.ts";
import { resolveAxes } from "./reduce.ts";

interface Attributes {
  index: Tensor;
  indexSteps: IndexSteps;
  outer: number;
  inner: number;
  /** Length of the axis on the side of the index, and on the side that it points into. */
  count: number;
  size: number;
  shape: Shape;
}

const gatherOp = defineOp<Attributes, undefined>({
  name: "gather",
  infer: (_, { shape }) => shape,
  forward([x], { index, ...extents }, output) {
    gatherAxis(output.gpu, { x: (x as Tensor).range, index: index.range, y: output.range, ...extents });
    return undefined;
  },
  backward(gradient, { attributes: { index, ...extents }, target }) {
    const into = target(0);
    scatterRows(gradient.gpu, { values: gradient.range, index: index.range, out: into.range, ...extents });
    return [into];
  },
});

const scatterOp = defineOp<Attributes, undefined>({
  name: "scatterAdd",
  infer: (_, { shape }) => shape,
  forward([values], { index, ...extents }, output) {
    scatterRows(output.gpu, { values: (values as Tensor).range, index: index.range, out: output.range, ...extents });
    return undefined;
  },
  backward(gradient, { attributes: { index, ...extents }, target }) {
    const into = target(0);
    gatherAxis(gradient.gpu, { x: gradient.range, index: index.range, y: into.range, ...extents });
    return [into];
  },
});

function checkIndex(op: string, index: Tensor): void {
  if (index.dtype === "f32") throw new OpError({ code: `op/${op}`, message: `${op}: index must be whole numbers (u32 or i32), got f32 ${shapeText(index.shape)}` });
}

function extents(shape: Shape, axis: number): { outer: number; inner: number } {
  return { outer: elementCount(shape.slice(0, axis)), inner: elementCount(shape.slice(axis + 1)) };
}

/** One index for every element of `values`, which has the index's shape. */
function ownSteps(count: number, inner: number): IndexSteps {
  return { outer: count * inner, row: inner, inner: 1 };
}

function checkSides(op: string, { index, axis, x }: { index: Shape; axis: number; x: Shape }): void {
  if (index.length !== x.length || !index.every((size, own) => own === axis || size === x[own])) {
    throw new OpError({ code: `op/${op}`, message: `${op}: index must have the shape ${shapeText(x)} but for axis ${axis}, got ${shapeText(index)}` });
  }
}

/**
 * y[.., i, ..] = x[.., index[.., i, ..], ..] along `axis`; index has x's shape but for that axis (PyTorch's gather). An
 * index outside of the axis gives 0. The gradient of elements that were taken several times is summed in fixed point.
 */
export function gather(x: Tensor, index: Tensor, axis: number): Tensor {
  checkIndex("gather", index);
  const [at] = resolveAxes("gather", x.shape, axis) as [number];
  checkSides("gather", { index: index.shape, axis: at, x: x.shape });
  const { outer, inner } = extents(x.shape, at);
  const count = index.shape[at] as number;
  return gatherOp([x], { index, indexSteps: ownSteps(count, inner), outer, inner, count, size: x.shape[at] as number, shape: index.shape });
}

/** Slices of x along `axis` in the order of index [k]; an index outside of the axis gives 0. */
export function indexSelect(x: Tensor, index: Tensor, axis: number): Tensor {
  checkIndex("indexSelect", index);
  const [at] = resolveAxes("indexSelect", x.shape, axis) as [number];
  if (index.shape.length !== 1) throw new OpError({ code: "op/indexSelect", message: `indexSelect: index must be [k], got ${shapeText(index.shape)}` });
  const count = index.shape[0] as number;
  return gatherOp([x], { index, indexSteps: { outer: 0, row: 1, inner: 0 }, ...extents(x.shape, at), count, size: x.shape[at] as number, shape: x.shape.with(at, count) });
}

/** base with values[.., i, ..] added at base[.., index[.., i, ..], ..]; values and index have one shape. Fixed-point sums: the same bits every time. */
export function scatterAdd(base: Tensor, index: Tensor, { values, axis }: { values: Tensor; axis: number }): Tensor {
  checkIndex("scatterAdd", index);
  const [at] = resolveAxes("scatterAdd", base.shape, axis) as [number];
  checkSides("scatterAdd", { index: index.shape, axis: at, x: base.shape });
  if (shapeText(values.shape) !== shapeText(index.shape)) throw new OpError({ code: "op/scatterAdd", message: `scatterAdd: values must be ${shapeText(index.shape)} like index, got ${shapeText(values.shape)}` });
  const { outer, inner } = extents(base.shape, at);
  const count = index.shape[at] as number;
  const scattered = scatterOp([values], { index, indexSteps: ownSteps(count, inner), outer, inner, count, size: base.shape[at] as number, shape: base.shape });
  return add(base, scattered);
}
