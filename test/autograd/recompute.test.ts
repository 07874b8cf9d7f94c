import { expect, test } from "bun:test";
import { defineOp, withRecompute } from "../../src/autograd/op.ts";
import { backward } from "../../src/autograd/tape.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { ResidualBlock } from "../../src/models/resnet.ts";
import { uniformFanIn } from "../../src/nn/init.ts";
import { Conv2d } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { add, mul } from "../../src/ops/elementwise.ts";
import { maxPool } from "../../src/ops/maxpool.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";
import { randomValues } from "../support/random.ts";
import { tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();

for (const facts of [{ semi: false }, { semi: true }, { semi: true, separate: true }]) {
  test(`a training step with recomputation gives the same bits in less memory: ${JSON.stringify(facts)}`, async () => {
    const [kept, remade] = [0, 1].map(() => tinyTrainer(gpu, { batch: 16, ...facts }));
    if (!kept || !remade) throw new Error("two trainers");
    kept.prepare(0);
    const plain = gpu.record(kept.work, { execute: false });
    remade.prepare(0);
    const lean = gpu.record(() => withRecompute(remade.work), { execute: false });
    for (let step = 0; step < 4; step++) {
      if (step > 0) for (const { prepare } of [kept, remade]) prepare(step);
      plain.replay();
      lean.replay();
    }
    expect(await remade.state()).toEqual(await kept.state());
    expect(lean.plannedBytes).toBeLessThan(0.8 * plain.plannedBytes);
    for (const recording of [plain, lean]) recording.dispose();
  });
}

test("an eager step with recomputation gives the same bits", async () => {
  const [kept, remade] = [0, 1].map(() => tinyTrainer(gpu, { batch: 3 }));
  if (!kept || !remade) throw new Error("two trainers");
  for (const { prepare } of [kept, remade]) prepare(0);
  gpu.scope(kept.work);
  gpu.scope(() => withRecompute(remade.work));
  expect(await remade.state()).toEqual(await kept.state());
});

/** A pool, a stage of residual blocks with a chain of identities, and an output that several passes start from. */
function chain(blocks: number) {
  const store = new ParameterStore();
  const stem = new Conv2d(store, "stem", { from: 3, to: 8, kernel: 3, padding: 1, initialise: uniformFanIn(27) });
  const stage = Array.from({ length: blocks }, (_, i) => new ResidualBlock(store, `block${i}`, { block: "basic", from: 8, planes: 8, stride: 1, start: "framework" }));
  store.materialise(gpu, 3);
  const x = persistentTensor(gpu, [2, 12, 9, 3], { data: randomValues(2 * 12 * 9 * 3, 80), requiresGradient: true });
  const forward = () => {
    let y = maxPool(stem.forward(x), { kernel: 2 });
    for (const block of stage) y = block.forward(y, { training: true, groups: 1, slot: 0 });
    return y;
  };
  const gradients = async (passes: number, flat = false) => {
    store.zeroGradients();
    const y = flat ? reshape(forward(), [2, -1]) : forward();
    const upstream = persistentTensor(gpu, y.shape, { data: randomValues(y.size, 81) });
    let gradX: Tensor | undefined;
    for (let pass = 0; pass < passes; pass++) gradX = backward(y, { gradient: upstream, leaves: [x] }).get(x);
    return { x: await gradX?.toArray(), parameters: await gpu.readFloats(store.gradientArena), y: await y.toArray() };
  };
  return { gradients };
}

test("a chain of residual blocks is made again from its beginning, also for a second backward pass and through views", async () => {
  const { gradients } = chain(4);
  for (const [passes, flat] of [[1, false], [2, false], [1, true]] as const) {
    const kept = await gradients(passes, flat);
    expect(await withRecompute(() => gradients(passes, flat))).toEqual(kept);
    expect(kept.parameters.some((value) => value !== 0)).toBe(true);
  }
});

test("of a chain of blocks a recorded step keeps convolutions only: memory grows by half as much per block", () => {
  const planned = (blocks: number, recompute: boolean) => {
    const store = new ParameterStore();
    const stage = Array.from({ length: blocks }, (_, i) => new ResidualBlock(store, `block${i}`, { block: "basic", from: 8, planes: 8, stride: 1, start: "framework" }));
    store.materialise(gpu, 3);
    const x = persistentTensor(gpu, [4, 32, 32, 8], { requiresGradient: true });
    const upstream = persistentTensor(gpu, [4, 32, 32, 8]);
    const work = () => {
      store.zeroGradients();
      let y: Tensor = x;
      for (const block of stage) y = block.forward(y, { training: true, groups: 1, slot: 0 });
      backward(y, { gradient: upstream });
    };
    const recording = gpu.record(recompute ? () => withRecompute(work) : work, { execute: false });
    recording.dispose();
    return recording.plan.liveBytes;
  };
  const unit = 4 * 4 * 32 * 32 * 8;
  expect(Math.round((planned(10, false) - planned(4, false)) / 6 / unit)).toBe(4);
  // The blocks' outputs are back when the chain begins to be differentiated, but neither their relus nor a gradient beside them.
  expect((planned(10, true) - planned(4, true)) / 6 / unit).toBeLessThan(3.1);
});

/** y = x, and whether backward might have overwritten its gradient, call by call. */
function watcher() {
  const owned: boolean[] = [];
  const op = defineOp<undefined, undefined>({
    name: "watch",
    infer: ([x]) => (x as Tensor).shape,
    forward([x], _, output) {
      addInto(gpu, { a: (x as Tensor).range, b: undefined, out: output.range, count: output.size });
      return undefined;
    },
    backward(gradient, { ownsGradient }) {
      owned.push(ownsGradient);
      return [gradient];
    },
  });
  return { owned, watch: (x: Tensor) => op([x], undefined) };
}

test("a gradient may be overwritten only by its last user", () => {
  const leaf = () => persistentTensor(gpu, [6], { data: randomValues(6, 90), requiresGradient: true });
  const run = (graph: (x: Tensor, watch: (x: Tensor) => Tensor) => { root: Tensor; leaves?: Tensor[]; gradient?: Tensor }) => {
    const { owned, watch } = watcher();
    const { root, ...options } = graph(leaf(), watch);
    backward(root, options);
    return owned;
  };
  // Made by the op behind it, and nobody else's.
  expect(run((x, watch) => ({ root: mul(watch(x), 2) }))).toEqual([true]);
  // The caller's.
  expect(run((x, watch) => ({ root: watch(x), gradient: leaf() }))).toEqual([false]);
  // `add` hands one tensor to both sides: the second to run is its last user.
  expect(run((x, watch) => ({ root: mul(add(watch(mul(x, 3)), watch(mul(x, 4))), 2) }))).toEqual([false, true]);
  // Asked for by the caller, under this tensor and, through a view, under another.
  const middle = (watch: (x: Tensor) => Tensor, x: Tensor) => {
    const y = watch(x);
    return { root: mul(reshape(y, [2, 3]), 2), leaves: [y] };
  };
  expect(run((x, watch) => middle(watch, x))).toEqual([false]);
  expect(run((x, watch) => ({ root: mul(watch(watch(x)), 2) }))).toEqual([true, true]);
});
