import { expect, test } from "bun:test";
import { defineOp } from "../../src/autograd/op.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { mapForward } from "../../src/kernels/map.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { checkAdjoint, checkGradient } from "./gradient_check.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

const inputs = [{ shape: [3, 5] }];

/** y = 2x with a backward pass of another factor, or one that ignores the incoming gradient. */
function doubled(backwardFactor: number, ignoresGradient = false) {
  const op = defineOp<undefined, undefined>({
    name: "doubled",
    infer: ([x]) => (x as Tensor).shape,
    forward([x], _, output) {
      mapForward(gpu, "mul", { operands: [x as Tensor, 2], shape: output.shape, y: output.range });
      return undefined;
    },
    backward(gradient, { target }) {
      const gradX = target(0);
      const source = ignoresGradient ? persistentTensor(gpu, gradX.shape, { data: new Float32Array(gradX.size).fill(1) }) : gradient;
      mapForward(gpu, "mul", { operands: [source, backwardFactor], shape: gradX.shape, y: gradX.range });
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
