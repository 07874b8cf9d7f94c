/** Who learns what from whom, on networks whose last layers are set by hand. */
import { expect, test } from "bun:test";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { type TinyTrainer, tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();
const BATCH = 3;
const [JOINTS, SIDE] = [17, 8];

type Trainer = ReturnType<typeof tinyTrainer>;

function setLastLayer({ store }: Pick<Trainer, "store">, prefix: string, value: (i: number) => number): void {
  for (const name of ["weight", "bias"]) {
    const { range, size } = store.parameter(`${prefix}final_layer.${name}`);
    gpu.write(range, Float32Array.from({ length: size }, (_, i) => value(i)));
  }
}

const zero = () => 0;
const waves = (i: number) => Math.sin(1 + 3 * i);

test("PoseDual: patches of one network's views lie at the joints of the other's teacher pass", async () => {
  const own = tinyTrainer(gpu, { batch: BATCH, networks: 2, views: ["JC"] });
  own.prepare(0);
  const cut = async () => (await own.method.unfold()).views[0]?.steps[0] ?? new Float32Array();
  const first = await cut();
  expect(first.length).toBe(BATCH * 32 * 32 * 3);
  setLastLayer(own, "resnet.", waves);
  expect(await cut()).toEqual(first);
  setLastLayer(own, "resnet2.", waves);
  expect(await cut()).not.toEqual(first);
});

test("PoseDual: each network's labels are the other's heatmaps; PoseCons' are its own", async () => {
  const labels = async ({ method }: Trainer) => {
    const { targets } = await method.inspect();
    return targets.subarray(targets.length / 2);
  };
  const pair = tinyTrainer(gpu, { batch: BATCH, networks: 2, views: [] });
  pair.prepare(0);
  setLastLayer(pair, "resnet2.", zero);
  expect(new Set(await labels(pair))).toEqual(new Set([0]));
  setLastLayer(pair, "resnet2.", waves);
  setLastLayer(pair, "resnet.", zero);
  expect(new Set(await labels(pair)).size).toBeGreaterThan(100);
  const single = tinyTrainer(gpu, { batch: BATCH, views: [] });
  single.prepare(0);
  setLastLayer({ store: single.store }, "", zero);
  expect(new Set(await labels(single))).toEqual(new Set([0]));
});

test("PoseDual: a teacher whose view is cut at joints takes the other's, which see the image as it is", async () => {
  const changed = async (teacher: string) => {
    const own = tinyTrainer(gpu, { batch: BATCH, networks: 2, views: [], couples: [[teacher, "A60"]] });
    own.prepare(0);
    // The first network's labels are the second's heatmaps.
    const before = (await own.method.inspect()).targets;
    setLastLayer(own, "resnet.", waves);
    return !Bun.deepEquals((await own.method.inspect()).targets, before);
  };
  expect(await changed("A30")).toBe(false);
  expect(await changed("CO")).toBe(false);
  expect(await changed("JC")).toBe(true);
  expect(await changed("JO")).toBe(true);
});

/** Place of the largest value of every map [n, h, w, joints], and the first of equals. */
function peaks(maps: Float32Array): [x: number, y: number][] {
  return Array.from({ length: BATCH * JOINTS }, (_, i) => {
    const base = Math.floor(i / JOINTS) * SIDE * SIDE * JOINTS + (i % JOINTS);
    let best = 0;
    for (let cell = 1; cell < SIDE * SIDE; cell++) if ((maps[base + cell * JOINTS] as number) > (maps[base + best * JOINTS] as number)) best = cell;
    return [best % SIDE, Math.floor(best / SIDE)];
  });
}

test("SSPCM: the third network learns the mean of the nearest pair of maps, now and before; up to the warm-up that of the maps now", async () => {
  const plain: TinyTrainer = { batch: BATCH, views: [], facts: { warp: false } };
  const three = (warmupEpoch: number) => {
    const { previous } = tinyTrainer(gpu, { ...plain, networks: 3 });
    if (!previous) throw new Error("no copy");
    for (const prefix of ["resnet.", "resnet2."]) setLastLayer(previous, prefix, zero); // maps of before are empty, with their peaks at (0, 0)
    const correction = { previous, warmupEpoch, featureAttack: false, scoreThreshold: undefined, scoreWeight: false, distance: "none", distanceThreshold: 0.6 } as const;
    return tinyTrainer(gpu, { ...plain, networks: 3, facts: { ...plain.facts, correction } });
  };
  const consistency = async (own: Trainer) => {
    own.prepare(0);
    if (own.previous) setLastLayer(own, "resnet3.", zero);
    for (const prefix of ["resnet.", "resnet2."]) setLastLayer(own, prefix, waves);
    gpu.scope(own.work);
    return (await own.state()).losses[1] as number;
  };
  const pair = tinyTrainer(gpu, { ...plain, networks: 2 });
  pair.prepare(0);
  for (const prefix of ["resnet.", "resnet2."]) setLastLayer(pair, prefix, waves);
  // Without a second affine the student sees what its teacher pass saw: predictions are the first network's maps, targets the second's.
  const { predictions, targets } = await pair.method.inspect();
  const [a, b] = [predictions, targets].map((both) => both.subarray(both.length / 2)) as [Float32Array, Float32Array];
  const empty = new Float32Array(a.length);
  /** Half the mean square of the label, which a network that gives zeros is apart from it. */
  const lossOf = (label: (i: number) => number) => empty.reduce((sum, _, i) => sum + label(i) ** 2, 0) / (2 * empty.length);
  const pairs = [[a, b], [empty, b], [a, empty], [empty, empty]] as const;
  const distances = pairs.map(([p, q]) => peaks(p).map(([x, y], i) => Math.hypot(x - (peaks(q)[i]?.[0] as number), y - (peaks(q)[i]?.[1] as number))));
  const chosen = peaks(a).map((_, i) => pairs[distances.reduce((best, own, k) => ((own[i] as number) < (distances[best]?.[i] as number) ? k : best), 0)] as readonly [Float32Array, Float32Array]);
  const jointOf = (i: number) => Math.floor(i / SIDE / SIDE / JOINTS) * JOINTS + (i % JOINTS);
  const corrected = lossOf((i) => (chosen[jointOf(i)] ?? []).reduce((sum, map) => sum + 0.5 * (map[i] as number), 0));
  const uncorrected = lossOf((i) => 0.5 * ((a[i] as number) + (b[i] as number)));
  expect(corrected).toBeLessThan(0.8 * uncorrected);
  const base = await consistency(tinyTrainer(gpu, { ...plain, networks: 2 }));
  expectClose([(await consistency(three(-1))) - base], [corrected], "torchGradient", "third network's loss");
  expectClose([(await consistency(three(0))) - base], [uncorrected], "torchGradient", "third network's loss before the correction");
});
