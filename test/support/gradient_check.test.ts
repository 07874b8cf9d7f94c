import { expect, test } from "bun:test";
import { defineOp } from "../../src/autograd/op.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { scaleGroups } from "../../src/kernels/heatmap_mse.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { checkAdjoint, checkGradient } from "./gradient_check.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const inputs = [{ shape: [3, 5] }];

/** y = 2x with a backward pass of another factor, or one that ignores the incoming gradient. */
function doubled(backwardFactor: number, ignoresGradient = false) {
  const factors = [2, backwardFactor].map((value) => persistentTensor(gpu, [1], { data: Float32Array.of(value) }));
  const op = defineOp<undefined, undefined>({
    name: "doubled",
    infer: ([x]) => (x as Tensor).shape,
    forward([x], _, output) {
      const { range, size } = x as Tensor;
      scaleGroups(gpu, { x: range, scale: (factors[0] as Tensor).range, y: output.range, count: size, length: size });
      return undefined;
    },
    backward(gradient, { target }) {
      const gradX = target(0);
      const source = ignoresGradient ? persistentTensor(gpu, gradX.shape, { data: new Float32Array(gradX.size).fill(1) }) : gradient;
      scaleGroups(gpu, { x: source.range, scale: (factors[1] as Tensor).range, y: gradX.range, count: gradX.size, length: gradX.size });
      return [gradX];
    },
  });
  return (x?: Tensor) => op([x as Tensor], undefined);
}

/** y = x whose backward pass writes into the incoming gradient. */
const overwriting = defineOp<undefined, undefined>({
  name: "overwriting",
  infer: ([x]) => (x as Tensor).shape,
  forward([x], _, output) {
    addInto(gpu, { a: (x as Tensor).range, b: undefined, out: output.range, count: output.size });
    return undefined;
  },
  backward(gradient, { target }) {
    const gradX = target(0);
    addInto(gpu, { a: gradient.range, b: undefined, out: gradX.range, count: gradX.size });
    addInto(gpu, { a: gradX.range, b: gradX.range, out: gradient.range, count: gradX.size });
    return [gradX];
  },
});

test("the checks pass a right backward pass", async () => {
  await checkGradient(gpu, { label: "doubled", inputs, op: doubled(2) });
  await checkAdjoint(gpu, { label: "doubled", inputs, op: doubled(2) });
});

test("the checks refuse a factor that is 3 % off, and a pass that ignores the incoming gradient", async () => {
  await expect(checkGradient(gpu, { label: "wrong factor", inputs, op: doubled(2.06) })).rejects.toThrow("wrong factor: gradient along");
  await expect(checkAdjoint(gpu, { label: "wrong factor", inputs, op: doubled(2.0005) })).rejects.toThrow("wrong factor: <x, A'y>");
  await expect(checkGradient(gpu, { label: "ignoring", inputs, op: doubled(2, true) })).rejects.toThrow("ignoring: gradient along");
});

test("the check refuses a backward pass that writes into the incoming gradient", async () => {
  await expect(checkGradient(gpu, { label: "overwriting", inputs, op: (x) => overwriting([x as Tensor], undefined) })).rejects.toThrow("overwriting: gradient along");
});
