/** Single ops against PyTorch: the files of test/golden/op_cases.py. */
import { fileURLToPath } from "node:url";
import { expect } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { openSafetensors, toFloat32 } from "../../src/interop/safetensors.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import type { ToleranceName } from "../tolerances.ts";
import { expectClose } from "./compare.ts";

/**
 * Runs every case of test/golden/ops/<op>.safetensors through the op of its name: output and all gradients equal
 * PyTorch's. A case without an op, or an op without a case, is an error.
 */
export async function checkGolden(gpu: Gpu, op: string, calls: Record<string, (...inputs: Tensor[]) => Tensor>, tolerance: ToleranceName = "torchLayer"): Promise<void> {
  const file = await openSafetensors(fileURLToPath(new URL(`../golden/ops/${op}.safetensors`, import.meta.url)));
  const names = new Set([...file.entries.keys()].map((key) => key.slice(0, key.indexOf("."))));
  expect([...names].sort()).toEqual(Object.keys(calls).sort());
  for (const [name, call] of Object.entries(calls)) {
    const inputs: Tensor[] = [];
    for (let i = 0; file.entries.has(`${name}.input${i}`); i++) {
      const stored = await file.read(`${name}.input${i}`);
      const options = { label: `input ${i}` };
      if (stored.dtype === "I32") {
        const { buffer, byteOffset, byteLength } = stored.data.slice();
        inputs.push(persistentTensor(gpu, stored.shape, { ...options, data: new Int32Array(buffer, byteOffset, byteLength / 4), dtype: "i32" }));
      } else inputs.push(persistentTensor(gpu, stored.shape, { ...options, data: toFloat32(stored, name), requiresGradient: true }));
    }
    const output = call(...inputs);
    const expected = await file.read(`${name}.output`);
    expect(output.shape.join("x")).toBe(expected.shape.join("x"));
    expectClose(await output.toArray(), toFloat32(expected, name), tolerance, `${op}, ${name}: output`);
    const upstream = toFloat32(await file.read(`${name}.upstream`), name);
    const wanted = inputs.filter((_, i) => file.entries.has(`${name}.gradient${i}`));
    const gradients = backward(output, { gradient: persistentTensor(gpu, output.shape, { data: upstream }), leaves: wanted });
    for (const [i, input] of inputs.entries()) {
      if (!wanted.includes(input)) continue;
      const gradient = gradients.get(input);
      if (!gradient) throw new Error(`${op}, ${name}: no gradient for input ${i}`);
      expectClose(await gradient.toArray(), toFloat32(await file.read(`${name}.gradient${i}`), name), tolerance, `${op}, ${name}: gradient ${i}`);
    }
  }
}
