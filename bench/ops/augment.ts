import { Augmenter, type AugmentStep, chainName } from "../../src/augment/chain.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { keyWords, STREAM } from "../../src/random.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { type Case, memoryCase, uploadRandom } from "../case.ts";

const BATCH = 8;
const [WIDTH, HEIGHT] = [192, 256];
const JOINTS = 17;
const SHAPE = [BATCH, HEIGHT, WIDTH, 3];
const INNER = HEIGHT * WIDTH * 3;

/** Largest distance of an element to what a right one may be. */
type Check = (x: Float32Array, y: Float32Array) => number;

/** Hidden, or as in some image of the batch at the same place. */
const boxes: Check = (x, y) => y.reduce((worst, value, i) => (value === 0 || Array.from({ length: BATCH }, (_, n) => x[n * INNER + (i % INNER)]).includes(value) ? worst : 1), 0);
/** Hidden, or a value of the batch. */
const patches: Check = (x, y) => {
  const known = new Set(x).add(0);
  return y.every((value) => known.has(value)) ? 0 : 1;
};
/** Between the least and the largest. */
const mixed: Check = (x, y) => {
  const least = x.reduce((a, b) => Math.min(a, b));
  const largest = x.reduce((a, b) => Math.max(a, b));
  return y.every((value) => value >= least - 1e-6 && value <= largest + 1e-6) ? 0 : 1;
};
/** Bytes. */
const bytes: Check = (_, y) =>
  y.reduce((worst, value, i) => {
    const byte = (value * ([0.229, 0.224, 0.225][i % 3] ?? 0) + ([0.485, 0.456, 0.406][i % 3] ?? 0)) * 255;
    return Math.max(worst, Math.abs(byte - Math.round(byte)) < 1e-3 ? 0 : 1);
  }, 0);

/** A chain, with each element of the batch read once and written once as its measure. */
function chainCase(chain: readonly AugmentStep[], check: Check): Case {
  return memoryCase(`augment ${chainName(chain)} ${SHAPE.join("x")}`, (gpu) => {
    const { range, values } = uploadRandom(gpu, BATCH * INNER, 90);
    gpu.free(range);
    const easy = persistentTensor(gpu, SHAPE, { data: values });
    const peaks = gpu.upload(Float32Array.from({ length: 3 * BATCH * JOINTS }, (_, i) => (37 * i) % WIDTH), "peaks");
    const keys = gpu.upload(keyWords({ seed: 1, stream: STREAM.augment }), "keys");
    const augmenter = new Augmenter(gpu, { pool: Array.from({ length: JOINTS }, (_, joint) => joint), joints: JOINTS, scale: 1, swapLimits: true, swapJointAxes: true });
    const encode = () => augmenter.encode(chain, { easy, peaks, keys, lane: 0 });
    return {
      work: () => void encode(),
      bytes: 8 * values.length,
      check: async () => {
        const kept = gpu.persistent(4 * values.length, "result");
        gpu.scope(() => addInto(gpu, { a: encode().range, b: undefined, out: kept, count: values.length }));
        const error = check(values, await gpu.readFloats(kept));
        gpu.free(kept);
        return error;
      },
      free: [easy.range, peaks, keys],
    };
  });
}

export const cases: Case[] = [
  chainCase([{ kind: "joint_cutout", holes: 5 }, { kind: "cutmix", holes: 2 }], boxes),
  chainCase([{ kind: "joint_cut_occlusion", patches: 2 }, { kind: "cutout", holes: 5 }], patches),
  chainCase([{ kind: "mixup" }], mixed),
  chainCase([{ kind: "rand_augment", magnitude: 20 }], bytes),
  chainCase([{ kind: "trivial_augment" }], bytes),
  chainCase([{ kind: "yoco", policy: "rand_augment", magnitude: 20 }], bytes),
];
