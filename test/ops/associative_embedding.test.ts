import { expect, test } from "bun:test";
import { backward } from "../../src/autograd/tape.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { associativeEmbedding } from "../../src/ops/associative_embedding.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { stack } from "../../src/ops/shape.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { embeddingReference } from "../reference/associative_embedding.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { checkGolden } from "../support/golden_op.ts";
import { checkGradient } from "../support/gradient_check.ts";
import { randomValues, testRandom } from "../support/random.ts";

const gpu = await testDevice();
const KINDS = ["exp", "max"] as const;

/** Persons of each image as lists of places, into the op's index of `slots` a person; what is left is absent in one of its two ways. */
function indexOf(images: readonly (readonly (readonly number[])[])[], { people, slots, size }: { people: number; slots: number; size: number }): Tensor {
  const data = new Int32Array(images.length * people * slots);
  data.forEach((_, i) => (data[i] = i % 2 === 0 ? -1 : size));
  images.forEach((persons, n) => persons.forEach((places, p) => data.set(places, (n * people + p) * slots)));
  return persistentTensor(gpu, [images.length, people, slots], { data, dtype: "i32" });
}

test("the check of the specification: pull, and push in both kinds", async () => {
  const tags = persistentTensor(gpu, [1, 40], { data: Float32Array.from({ length: 40 }, (_, i) => 0.1 * i) });
  const joints = indexOf([[[3, 22], [10, 30]]], { people: 30, slots: 17, size: 40 });
  for (const [kind, expected] of [["exp", 0.2849], ["max", 0.125]] as const) {
    const { pull, push } = associativeEmbedding(tags, { joints, push: kind });
    expect(Number((await pull.toArray())[0]?.toFixed(4))).toBe(0.9513);
    expect(Number((await push.toArray())[0]?.toFixed(4))).toBe(expected);
  }
});

/** Images with none, one and several persons, persons without joints, joints on one place. */
function crowd({ images, people, slots, size }: { images: number; people: number; slots: number; size: number }) {
  const random = testRandom(1);
  return Array.from({ length: images }, (_, n) =>
    Array.from({ length: n === 1 ? 0 : n === 2 ? 1 : random.integer(2, people + 1) }, (_, p) =>
      p === 1 ? [] : Array.from({ length: random.integer(1, slots + 1) }, (_, k) => (n === 0 && k === 0 ? 5 : random.integer(0, size))),
    ),
  ).map((persons) => persons.map((places) => [...new Set(places)]));
}

test("images of every kind: pull, push and gradient against f64; places that persons share get the sum", async () => {
  for (const shape of [{ images: 3, people: 4, slots: 2, h: 1, w: 7, joints: 1 }, { images: 7, people: 30, slots: 17, h: 13, w: 11, joints: 17 }, { images: 67, people: 3, slots: 5, h: 5, w: 4, joints: 3 }]) {
    const { images, people, slots, h, w, joints } = shape;
    const size = h * w * joints;
    const persons = crowd({ images, people, slots, size });
    const values = randomValues(images * size, 2).map((value) => 1.5 * value);
    const tags = persistentTensor(gpu, [images, h, w, joints], { data: values, requiresGradient: true });
    const index = indexOf(persons, { people, slots, size });
    for (const kind of KINDS) {
      const label = `${kind}, ${JSON.stringify(shape)}`;
      const { pull, push } = associativeEmbedding(tags, { joints: index, push: kind });
      const [pullFactors, pushFactors] = [randomValues(images, 3), randomValues(images, 4)];
      const expected = persons.map((own, n) =>
        embeddingReference(values.subarray(n * size, (n + 1) * size), { persons: own, kind, pullFactor: pullFactors[n] as number, pushFactor: pushFactors[n] as number }),
      );
      expect([...pull.shape, ...push.shape]).toEqual([images, images]);
      expectClose(await pull.toArray(), expected.map((own) => own.pull), "transcendental", `${label}: pull`);
      expectClose(await push.toArray(), expected.map((own) => own.push), "transcendental", `${label}: push`);
      const total = add(mul(pull, persistentTensor(gpu, [images], { data: pullFactors })), mul(push, persistentTensor(gpu, [images], { data: pushFactors })));
      const gradient = await (backward(total, { leaves: [tags] }).get(tags) as Tensor).toArray();
      expectClose(gradient, expected.flatMap((own) => [...own.gradient]), "transcendental", `${label}: gradient`);
      expect(gradient.some((value) => value !== 0)).toBe(true);
    }
  }
});

test("gradient check in the middle of a graph", async () => {
  const joints = indexOf([[[0, 7, 3], [7, 2], [], [9, 1, 5]], [[4, 8]]], { people: 4, slots: 3, size: 10 });
  // The means of the first image are apart by 0.3 to 0.75: off the kink of "max" at 1, and off that at 0.
  const values = Float32Array.of(0.1, 0.8, -0.5, 0.35, 0, 0.6, 0, -0.3, 0, 1, 0, 0, 0, 0, 0.7, 0, 0, 0, -0.4, 0);
  for (const kind of KINDS) {
    for (const part of ["pull", "push"] as const) {
      await checkGradient(gpu, { label: `${part}, ${kind}`, inputs: [{ shape: [2, 10], values }], op: (tags) => associativeEmbedding(tags as Tensor, { joints, push: kind })[part] });
    }
  }
});

test("joints are data: a replayed step follows them, with the bits of an eager one", async () => {
  const tags = persistentTensor(gpu, [2, 30], { data: randomValues(60, 5), requiresGradient: true });
  const sizes = { people: 3, slots: 4, size: 30 };
  const joints = indexOf([[[1], [2]], [[3]]], sizes);
  const kept = gpu.persistent(4 * 60, "gradient");
  const gradientOf = () => {
    const { pull, push } = associativeEmbedding(tags, { joints, push: "exp" });
    return backward(add(pull, push), { leaves: [tags] }).get(tags) as Tensor;
  };
  const recording = gpu.record(() => addInto(gpu, { a: gradientOf().range, b: undefined, out: kept, count: 60 }));
  for (const persons of [[[[0, 1, 2], [5, 6], [2, 9]], []], [[], [[29, 28, 3, 4], [], [7]]]]) {
    const next = Int32Array.from({ length: 24 }, () => -1);
    persons.forEach((own, n) => own.forEach((places, p) => next.set(places, (n * 3 + p) * 4)));
    gpu.write(joints.range, next);
    recording.replay();
    expect(await gpu.readFloats(kept)).toEqual(await gradientOf().toArray());
  }
});

test("wrong arguments are refused by name", () => {
  const tags = persistentTensor(gpu, [2, 10]);
  const joints = persistentTensor(gpu, [2, 3, 4], { dtype: "i32" });
  expect(() => associativeEmbedding(persistentTensor(gpu, [2]), { joints, push: "exp" })).toThrow("associativeEmbedding: tags must be [n, ...], got [2]");
  expect(() => associativeEmbedding(tags, { joints: persistentTensor(gpu, [3, 3, 4], { dtype: "i32" }), push: "exp" })).toThrow("associativeEmbedding: joints must be [2, people, slots], got [3, 3, 4]");
  expect(() => associativeEmbedding(tags, { joints: persistentTensor(gpu, [2, 3, 4]), push: "exp" })).toThrow("associativeEmbedding: joints must be i32, got f32");
});

test("equals PyTorch, with the gradient of the tags", async () => {
  const both = (push: "exp" | "max") => (tags?: Tensor, joints?: Tensor) => {
    const loss = associativeEmbedding(tags as Tensor, { joints: joints as Tensor, push });
    return stack([loss.pull, loss.push]);
  };
  await checkGolden(gpu, "associative_embedding", { exp: both("exp"), max: both("max") });
});
