import { expect, test } from "bun:test";
import { chainName } from "../../src/augment/chain.ts";
import { attackMask } from "../../src/kernels/attack_mask.ts";
import { keyWords, STREAM } from "../../src/random.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { TINY_STEPS, type TinyTrainer, tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();
// A batch of 1 puts the second group of the weights where no adapter can bind; 16 where every adapter can.
const PLAIN: TinyTrainer = { batch: 3 };
const MULTI: TinyTrainer = { batch: 3, mode: "multi", views: ["JC", "JO", "JOCO", "JCCM"] };

async function eagerStep(options: TinyTrainer, step = 0) {
  const { prepare, work, state } = tinyTrainer(gpu, options);
  prepare(step);
  gpu.scope(work);
  return state();
}

for (const [name, options] of Object.entries({
  "PoseCons, batch 1": { batch: 1 },
  "PoseCons, batch 3": PLAIN,
  "PoseCons, batch 16": { batch: 16 },
  "PoseCons of four views": MULTI,
  "PoseDual of four views": { ...MULTI, networks: 2 },
  "PoseDual whose masked teacher sees an affine of its own": { ...PLAIN, networks: 2, couples: [["A60", "JO"]], facts: { confidence: 0.01 } },
  "SSPCM of two views": { ...MULTI, views: ["JC", "JOCO"], networks: 3 },
} satisfies Record<string, TinyTrainer>)) {
  test(`merged passes equal separate ones: ${name}`, async () => {
    const [a, b] = [await eagerStep(options), await eagerStep({ ...options, separate: true })];
    expectClose(a.losses, b.losses, "passes", "losses");
    expectClose(a.gradients, b.gradients, "passes", "gradients");
    expectClose(a.statistics, b.statistics, "passes", "running statistics");
  });
}

test("fused views have one loss, of the mean of their heatmaps", async () => {
  const fused = await eagerStep({ ...MULTI, facts: { fuse: true } });
  const apart = await eagerStep(MULTI);
  expect(fused.losses[0]).toBe(apart.losses[0] as number);
  // Jensen: the loss of a mean is at most the mean of the losses, of four views.
  expect(fused.losses[1]).toBeGreaterThan(0);
  expect(fused.losses[1]).toBeLessThan((apart.losses[1] as number) / 4);
  expect(() => tinyTrainer(gpu, { ...MULTI, separate: true, facts: { fuse: true } })).toThrow("cannot run one by one");
});

test("a mask of confidence that all joints pass changes nothing; one that none passes leaves no consistency", async () => {
  const plain = await eagerStep(PLAIN);
  const open = await eagerStep({ ...PLAIN, facts: { confidence: -1e9 } });
  expectClose(open.losses, plain.losses, "passes", "losses");
  expectClose(open.gradients, plain.gradients, "passes", "gradients");
  const closed = await eagerStep({ ...PLAIN, facts: { confidence: 1e9 } });
  expect(closed.losses[1]).toBe(0);
  const labelled = await eagerStep({ ...PLAIN, semi: false });
  expect(closed.losses[0]).toBe(labelled.losses[0] as number);
});

test("sharpened heatmaps leave next to no loss, as in the original", async () => {
  const plain = await eagerStep(PLAIN);
  const sharp = await eagerStep({ ...PLAIN, facts: { sharpen: true } });
  expect(sharp.losses[1]).toBeGreaterThan(0);
  expect(sharp.losses[1]).toBeLessThan(1e-3 * (plain.losses[1] as number));
});

test("a teacher that sees an affine of its own gives labels in the students' frame", async () => {
  // Without noise of interpolation the labels would be those of a teacher on the easy view: on a network that gives constant
  // maps they are, but for the borders; the teacher's draws have a stream of their own.
  const { method, prepare, work } = tinyTrainer(gpu, { ...PLAIN, views: [], couples: [["A30", "A60"], ["A60", "A60"]] });
  prepare(0);
  gpu.scope(work);
  const easy = await method.inspect(method.mode({ epoch: 0, stepInEpoch: 0, step: 0 }));
  prepare(0);
  const own = await method.inspect(method.mode({ epoch: 0, stepInEpoch: TINY_STEPS - 1, step: 0 }));
  expect(own.images).toEqual(easy.images);
  expect(own.targets).not.toEqual(easy.targets);
});

test("the stages of a progression have recordings of their own", async () => {
  const { method } = tinyTrainer(gpu, { ...PLAIN, views: [], couples: [["A30", "A60"], ["A30", "CM"], ["JC", "JC+CM"]] });
  const modes = [0, 40, 80].map((stepInEpoch) => method.mode({ epoch: 0, stepInEpoch, step: stepInEpoch }));
  expect(modes).toEqual(["A30 > A60", "A30 > CM", "JC > JC+CM"]);
  // A teacher whose image is cut at joints needs a pass for the joints.
  expect(modes.map((mode) => method.passes(mode))).toEqual([3, 3, 4]);
});

test("a stage whose name begins with another's is itself: those of PROG_5 and PROG_6", async () => {
  for (const students of [["A60", "CM", "JC", "JC+CM"], ["A60", "CO", "JO", "JO+CO"]]) {
    const { method, prepare } = tinyTrainer(gpu, { ...PLAIN, views: [], couples: students.map((student) => ["A30", student] as const) });
    for (const [i, student] of students.entries()) {
      prepare(0);
      const { views } = await method.unfold(method.mode({ epoch: 0, stepInEpoch: (TINY_STEPS / students.length) * i, step: 0 }));
      expect(views.map(({ chain }) => chainName(chain))).toEqual([student]);
    }
  }
});

test("a replayed step equals an eager one bit for bit, whatever changes between steps", async () => {
  for (const options of [PLAIN, { ...PLAIN, semi: false }, { ...MULTI, networks: 2 }, { ...PLAIN, networks: 3 }] satisfies TinyTrainer[]) {
    const [eager, replayed] = [0, 1].map(() => tinyTrainer(gpu, options));
    if (!eager || !replayed) throw new Error("two trainers");
    const rates = [1e-3, 5e-4, 2e-3, 1e-3, 1e-4];
    for (const [step, learningRate] of rates.entries()) {
      eager.prepare(step, { learningRate });
      gpu.scope(eager.work);
    }
    replayed.prepare(0, { learningRate: rates[0] as number });
    gpu.scope(replayed.work);
    replayed.prepare(1, { learningRate: rates[1] as number });
    const recording = gpu.record(replayed.work);
    for (let step = 2; step < rates.length; step++) {
      replayed.prepare(step, { learningRate: rates[step] as number });
      recording.replay();
    }
    expect(await replayed.state()).toEqual(await eager.state());
    recording.dispose();
  }
});

test("a replayed step sees its batch, its learning rate and its place in the run, each by itself", async () => {
  const results: string[] = [];
  for (const change of [{}, { seed: 9 }, { learningRate: 5e-3 }, { step: 7 }]) {
    const { prepare, work, state } = tinyTrainer(gpu, { batch: 3 });
    prepare(0);
    gpu.scope(work);
    prepare(1);
    const recording = gpu.record(work);
    const { step = 2, ...facts } = change as { step?: number; seed?: number; learningRate?: number };
    prepare(step, { seed: 2, ...facts });
    recording.replay();
    results.push(Bun.hash((await state()).parameters.buffer).toString(16));
    recording.dispose();
  }
  expect(new Set(results).size).toBe(4);
});

test("replaying makes no buffer, no bind group, no pipeline, and reads nothing", async () => {
  const { prepare, work } = tinyTrainer(gpu, { batch: 3 });
  prepare(0);
  gpu.scope(work);
  prepare(1);
  const recording = gpu.record(work);
  const counts: unknown[] = [];
  for (let step = 2; step < 34; step++) {
    prepare(step);
    recording.replay();
    await gpu.fence();
    const { bindGroups, pipelines, reads } = gpu.counters;
    if (step === 3 || step === 33) counts.push({ bindGroups, pipelines, reads, memory: gpu.memory });
  }
  expect(counts[1]).toEqual(counts[0]);
  recording.dispose();
});

test("a look at the views changes nothing and shows what the coming step would see", async () => {
  const batch = 3;
  const [looked, plain] = [tinyTrainer(gpu, { batch }), tinyTrainer(gpu, { batch })];
  for (const { prepare, work } of [looked, plain]) {
    prepare(0);
    gpu.scope(work);
    prepare(1);
  }
  const before = gpu.memory.liveBytes;
  const { slices, images, targets, predictions, batch: each } = await looked.method.inspect();
  expect(gpu.memory.liveBytes).toBe(before);
  expect({ slices, each }).toEqual({ slices: ["labelled", "JC"], each: batch });
  expect(images).toHaveLength(2 * batch * 32 * 32 * 3);
  for (const maps of [targets, predictions]) expect(maps).toHaveLength(2 * batch * 8 * 8 * 17);
  expect(Math.max(...targets.subarray(0, targets.length / 2))).toBeGreaterThan(0.5); // Gaussians at labelled joints
  for (const { work } of [looked, plain]) gpu.scope(work);
  expect(await looked.state()).toEqual(await plain.state());
});

test("SSPCM: the pair is trained as PoseDual's, and its copy is that of the last epoch's end", async () => {
  const [pair, three] = [tinyTrainer(gpu, { ...PLAIN, networks: 2 }), tinyTrainer(gpu, { ...PLAIN, networks: 3 })];
  const { previous, store } = three;
  if (!previous) throw new Error("no copy");
  const names = previous.store.declarations.map(({ name }) => name);
  const values = async (own: typeof store, name: string) => [...(await own.parameter(name).toArray())];
  three.method.endEpoch();
  const before = await Promise.all(names.map((name) => values(store, name)));
  for (const { prepare, work } of [pair, three]) {
    prepare(0);
    gpu.scope(work);
  }
  for (const [i, name] of names.entries()) {
    expect(await values(store, name)).toEqual(await values(pair.store, name));
    expect(await values(previous.store, name)).toEqual(before[i] as number[]);
  }
  three.method.endEpoch();
  for (const name of names) expect(await values(previous.store, name)).toEqual(await values(store, name));
});

test("SSPCM: filters that no joint passes leave the labelled loss alone", async () => {
  const rules = { warmupEpoch: 0, featureAttack: false, scoreWeight: false, distance: "none", distanceThreshold: 0.6 } as const;
  const facts = (scoreThreshold: number | undefined) => {
    const previous = tinyTrainer(gpu, { ...PLAIN, networks: 3 }).previous;
    if (!previous) throw new Error("no copy");
    return { correction: { ...rules, previous, scoreThreshold } };
  };
  const [open, closed] = [await eagerStep({ ...PLAIN, networks: 3, facts: facts(-1e9) }), await eagerStep({ ...PLAIN, networks: 3, facts: facts(1e9) })];
  const free = await eagerStep({ ...PLAIN, networks: 3, facts: facts(undefined) });
  expect(open.losses).toEqual(free.losses);
  expect(closed.losses[1]).toBe(0);
  expect(closed.losses[0]).toBe(open.losses[0] as number);
});

test("SSPCM's feature attack takes one cell from every student's deepest features, another one in every step, and nothing from labelled images", async () => {
  const rows = 4 * 3;
  const mask = gpu.persistent(4 * rows * 6, "mask");
  const draw = async (epoch: number) => {
    const keys = gpu.upload(keyWords({ seed: 5, stream: STREAM.augment, epoch, index: 40 }), "keys");
    attackMask(gpu, { keys, mask, rows, cells: 6, batch: 3, first: 3, site: 9 });
    return gpu.readFloats(mask);
  };
  const [a, b] = [await draw(0), await draw(1)];
  for (let row = 0; row < rows; row++) expect(a.subarray(6 * row, 6 * row + 6).reduce((sum, value) => sum + value, 0)).toBe(row < 3 ? 6 : 5);
  expect(a).not.toEqual(b);
  const previous = () => {
    const own = tinyTrainer(gpu, { ...PLAIN, networks: 3 }).previous;
    if (!own) throw new Error("no copy");
    return own;
  };
  const facts = (featureAttack: boolean) => ({ correction: { previous: previous(), warmupEpoch: -1, featureAttack, scoreThreshold: undefined, scoreWeight: false, distance: "none", distanceThreshold: 0.6 } as const });
  const [plain, attacked] = [await eagerStep({ ...PLAIN, networks: 3, facts: facts(false) }), await eagerStep({ ...PLAIN, networks: 3, facts: facts(true) })];
  expect(attacked.losses[0]).toBe(plain.losses[0] as number);
  expect(attacked.losses[1]).not.toBe(plain.losses[1] as number);
  const separate = await eagerStep({ ...PLAIN, networks: 3, separate: true, facts: facts(true) });
  expectClose(separate.losses, attacked.losses, "passes", "losses");
  expectClose(separate.gradients, attacked.gradients, "passes", "gradients");
});
