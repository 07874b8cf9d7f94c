/** In which order the passes of a step move the running statistics: computed again from the images that the passes see. */
import { expect, test } from "bun:test";
import { toFloat32 } from "../../src/interop/safetensors.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { type TinyTrainer, tinyTrainer } from "../support/tiny_trainer.ts";

const gpu = await testDevice();
const [BATCH, SIDE, WIDTH, KERNEL] = [3, 32, 8, 7];
const PIXELS = BATCH * SIDE * SIDE * 3;

/** Mean of every channel behind the first convolution: 7x7, stride 2, padding 3. */
function channelMeans(images: Float32Array, weight: Float32Array): number[] {
  const sums = new Float64Array(WIDTH);
  const half = SIDE / 2;
  const outputs = BATCH * half * half;
  for (let o = 0; o < outputs; o++) {
    const [n, row, column] = [Math.floor(o / half / half), Math.floor(o / half) % half, o % half];
    for (let k = 0; k < KERNEL * KERNEL; k++) {
      const [y, x] = [2 * row - 3 + Math.floor(k / KERNEL), 2 * column - 3 + (k % KERNEL)];
      if (y < 0 || x < 0 || y >= SIDE || x >= SIDE) continue;
      for (let c = 0; c < 3; c++) {
        const value = images[((n * SIDE + y) * SIDE + x) * 3 + c] as number;
        for (let out = 0; out < WIDTH; out++) sums[out] = (sums[out] as number) + value * (weight[(k * 3 + c) * WIDTH + out] as number);
      }
    }
  }
  return Array.from(sums, (sum) => sum / outputs);
}

for (const [name, options] of Object.entries({
  "PoseCons of three views": { batch: BATCH, mode: "multi", views: ["JC", "CO", "CM"] },
  "PoseCons of two views, one by one": { batch: BATCH, mode: "multi", views: ["JC", "CO"], separate: true },
  "PoseDual of two repeated views": { batch: BATCH, mode: "repeat", views: ["CO"], networks: 2 },
} satisfies Record<string, TinyTrainer>)) {
  test(`${name}: labelled, teacher's, then each view, each with a momentum of 0.1`, async () => {
    const { method, store, prepare, work } = tinyTrainer(gpu, options);
    prepare(0);
    const prefix = "networks" in options ? "resnet." : "";
    const { images } = await method.inspect();
    const weight = await store.parameter(`${prefix}conv1.weight`).toArray();
    const slices = Array.from({ length: images.length / PIXELS }, (_, i) => images.subarray(i * PIXELS, (i + 1) * PIXELS));
    const [labelled, ...views] = slices as [Float32Array, ...Float32Array[]];
    const means = [labelled, await method.readEasy(), ...views].map((own) => channelMeans(own, weight));
    const expected = Array.from({ length: WIDTH }, (_, c) => means.reduce((running, own) => 0.9 * running + 0.1 * (own[c] as number), 0));
    // Any other order is far off.
    const largest = Math.max(...expected.map(Math.abs));
    for (let i = 1; i < means.length; i++) expect(Math.max(...(means[i] ?? []).map((value, c) => Math.abs(value - (means[i - 1]?.[c] as number))))).toBeGreaterThan(0.02 * largest);
    gpu.scope(work);
    const tensor = (await readStateDict(store)).get(`${prefix}bn1.running_mean`);
    if (!tensor) throw new Error("no running mean");
    expectClose(toFloat32(tensor, "bn1"), expected, "torchNetwork", "running mean");
  });
}
