import { expect, test } from "bun:test";
import fc from "fast-check";
import { fromTorch, permute, torchShape, toTorch, type WeightKind } from "../../src/interop/layout.ts";

/** Every element says where it is: digit k is its index on axis k. */
function labelled(shape: readonly number[]): Float32Array {
  const out = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < out.length; i++) {
    let rest = i;
    let label = 0;
    for (let axis = shape.length - 1, unit = 1; axis >= 0; axis--, unit *= 10) {
      const size = shape[axis] ?? 1;
      label += unit * (rest % size);
      rest = Math.floor(rest / size);
    }
    out[i] = label;
  }
  return out;
}

const OURS = [2, 3, 4, 5]; // [kh, kw, ci, co]

test("a convolution's weight [kh, kw, ci, co] is PyTorch's [co, ci, kh, kw]", () => {
  expect(torchShape(OURS, "conv")).toEqual([5, 4, 2, 3]);
  const torch = toTorch(labelled(OURS), OURS, "conv");
  for (let co = 0; co < 5; co++)
    for (let ci = 0; ci < 4; ci++)
      for (let kh = 0; kh < 2; kh++) for (let kw = 0; kw < 3; kw++) expect(torch[((co * 4 + ci) * 2 + kh) * 3 + kw]).toBe(1000 * kh + 100 * kw + 10 * ci + co);
});

test("a deconvolution's weight [kh, kw, ci, co] is PyTorch's [ci, co, kh, kw]", () => {
  expect(torchShape(OURS, "deconv")).toEqual([4, 5, 2, 3]);
  const torch = toTorch(labelled(OURS), OURS, "deconv");
  for (let ci = 0; ci < 4; ci++)
    for (let co = 0; co < 5; co++)
      for (let kh = 0; kh < 2; kh++) for (let kw = 0; kw < 3; kw++) expect(torch[((ci * 5 + co) * 2 + kh) * 3 + kw]).toBe(1000 * kh + 100 * kw + 10 * ci + co);
});

test("by hand: a 1x2 kernel from two channels to one", () => {
  // ours, [kw][ci]: left pixel (1, 2), right pixel (3, 4)
  expect([...toTorch(Float32Array.of(1, 2, 3, 4), [1, 2, 2, 1], "conv")]).toEqual([1, 3, 2, 4]); // [ci][kw]
  expect([...toTorch(Float32Array.of(1, 2, 3, 4), [1, 2, 2, 1], "deconv")]).toEqual([1, 3, 2, 4]);
  // from one channel to two: the same numbers are [kw][co]
  expect([...toTorch(Float32Array.of(1, 2, 3, 4), [1, 2, 1, 2], "conv")]).toEqual([1, 3, 2, 4]);
});

test("a linear layer's weight [ci, co] is PyTorch's [co, ci]; a table stays as it is", () => {
  expect(torchShape([2, 3], "linear")).toEqual([3, 2]);
  expect([...toTorch(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], "linear")]).toEqual([1, 4, 2, 5, 3, 6]);
  expect([...fromTorch(Float32Array.of(1, 4, 2, 5, 3, 6), [2, 3], "linear")]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(torchShape([2, 3], "table")).toEqual([2, 3]);
  expect([...toTorch(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], "table")]).toEqual([1, 2, 3, 4, 5, 6]);
});

test("vectors stay as they are, as copies", () => {
  const own = Float32Array.of(3, 1, 2);
  const torch = toTorch(own, [3], "vector");
  expect(torchShape([3], "vector")).toEqual([3]);
  expect([...torch]).toEqual([3, 1, 2]);
  expect(torch.buffer).not.toBe(own.buffer);
});

test("images: NCHW to NHWC", () => {
  const nhwc = permute(labelled([2, 3, 4, 5]), [2, 3, 4, 5], [0, 2, 3, 1]);
  for (let n = 0; n < 2; n++)
    for (let h = 0; h < 4; h++) for (let w = 0; w < 5; w++) for (let c = 0; c < 3; c++) expect(nhwc[((n * 4 + h) * 5 + w) * 3 + c]).toBe(1000 * n + 100 * c + 10 * h + w);
});

test("to PyTorch and back is the same bits, NaN and -0 too", () => {
  const size = fc.integer({ min: 1, max: 5 });
  const kind = fc.constantFrom<WeightKind>("conv", "deconv");
  fc.assert(
    fc.property(fc.tuple(size, size, size, size), kind, fc.infiniteStream(fc.float()), (shape, layout, values) => {
      const own = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => values.next().value);
      const torch = toTorch(own, shape, layout);
      expect(new Uint32Array(fromTorch(torch, shape, layout).buffer)).toEqual(new Uint32Array(own.buffer));
      expect(torchShape(shape, layout).toSorted()).toEqual(shape.toSorted());
    }),
  );
});

test("a permutation and its inverse cancel", () => {
  const axes = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 });
  const size = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(fc.tuple(size, size, size, size), axes, (shape, order) => {
      const data = labelled(shape);
      const there = permute(data, shape, order);
      const back = permute(there, order.map((axis) => shape[axis] ?? 0), [0, 1, 2, 3].map((axis) => order.indexOf(axis)));
      expect(back).toEqual(data);
    }),
  );
});
