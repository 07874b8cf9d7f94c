/** What the keys of a configuration do to a step: built as a run builds it, on a network of a few thousand weights. */
import { describe, expect, test } from "bun:test";
import { packCrops } from "../../src/augment/crop_batch.ts";
import { addInto } from "../../src/kernels/elementwise.ts";
import { buildMethod, viewPlan } from "../../src/methods/build.ts";
import { passSlots } from "../../src/methods/semi/consistency.ts";
import { buildModel, buildPrevious } from "../../src/models/build.ts";
import { Random } from "../../src/random.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { parse } from "../support/parsed_config.ts";

const gpu = await testDevice();
const BATCH = 3;
// Portrait: width and height are not to be confused.
const SIZE = [32, 64] as const;
const JOINTS = 17;
const ALL = Array.from({ length: JOINTS }, (_, joint) => joint);
const BASE = `
MODEL: {NAME: pose_cons, NUM_JOINTS: ${JOINTS}, IMAGE_SIZE: [32, 64], INIT_WEIGHTS: false, EXTRA: {NUM_LAYERS: 8, WIDTH: 8, NUM_DECONV_LAYERS: 2, NUM_DECONV_FILTERS: [16, 16]}}
DATASET: {TRAIN_DATASET: mix_coco_coco}
AUG_SIZE_SCALE: 0.25
`;
const MULTI = ["MULTI_AUGS=true", "USE_Cutout_AUG=true", "USE_CutMix_AUG=true"];

function crops(seed: number) {
  const random = new Random({ seed, stream: 950 });
  const [width, height] = SIZE;
  const samples = Array.from({ length: BATCH }, () => ({
    pixels: Uint8Array.from({ length: 3 * width * height }, () => random.integer(1, 256)),
    window: { x: 0, y: 0, width, height },
    imageSize: SIZE,
    flip: false,
    toInput: [1, 0, 0, 0, 1, 0] as const,
    joints: Float32Array.from({ length: 2 * JOINTS }, () => random.range(0, 32)),
    visible: new Uint8Array(JOINTS).fill(1),
    center: [0, 0] as const,
    scale: [1, 1] as const,
    rotationDegrees: 0,
    record: { imageId: 0, annotationId: 0, imagePath: "", imageSize: SIZE, center: [0, 0] as const, scale: [1, 1] as const, joints: new Float64Array(2 * JOINTS), visible: new Uint8Array(JOINTS), box: [0, 0, 1, 1] as const, score: 1 },
  }));
  return packCrops(samples, { batch: BATCH, size: SIZE, joints: JOINTS, rgb: true });
}

/** The first step of a run with these overrides, prepared. */
function firstStep(overrides: readonly string[], labelledJoints: readonly number[] = ALL) {
  const { config } = parse(BASE, overrides);
  const model = buildModel(config);
  const plan = viewPlan(config);
  model.store.materialise(gpu, 1, { slots: passSlots(plan?.mostViews ?? 0) });
  const crop = { batch: BATCH, size: SIZE, joints: JOINTS, rgb: true };
  const method = buildMethod(model, { config, plan, crop, labelledJoints, stepsPerEpoch: 4, previous: buildPrevious(config, gpu) });
  const place = { epoch: 0, stepInEpoch: 0, step: 0 };
  method.prepare({ labelled: crops(1), unlabelled: crops(2) }, place);
  method.endEpoch();
  const mode = method.mode(place);
  /** loss_pose and loss_cons. */
  const losses = async () => {
    const out = persistentTensor(gpu, [2]);
    gpu.scope(() => addInto(gpu, { a: method.encode(mode).range, b: undefined, out: out.range, count: 2 }));
    return [...(await out.toArray())] as [pose: number, cons: number];
  };
  return { method, mode, losses, store: model.store };
}

describe("how many boxes a view cuts, by key and method (D-4):", () => {
  const counted = ["MASK_JOINT_NUM=6", "KP_CutMix_JOINT_NUM=3", "MASK_HOLES_NUM_CO=7", "MASK_HOLES_NUM_CM=8", "USE_JointCutMix_CutOut_AUG=true", "USE_JointCutout_CutMix_AUG=true", ...MULTI.slice(1)];
  const boxes = (...overrides: string[]) =>
    viewPlan(parse(BASE, [...counted, ...overrides]).config)?.stages[0]?.views.map((chain) => chain.map((step) => ("holes" in step ? step.holes : "patches" in step ? step.patches : 0)).join("+"));
  const asKeys = ["7", "8", "3+7", "6+8"];
  test.each([
    ["PoseCons", ["MULTI_AUGS=true", "PARITY=original"], asKeys],
    ["PoseDual corrected", ["MULTI_AUGS=true", "MODEL.NAME=pose_dual"], asKeys],
    ["PoseDual as published", ["MULTI_AUGS=true", "MODEL.NAME=pose_dual", "PARITY=original"], ["4", "2", "3+7", "6+7"]],
    ["PoseDual as published, repeated", ["REPEAT_AUG=true", "REPEAT_TIMES=1", "MODEL.NAME=pose_dual", "PARITY=original"], ["4", "2", "3+7", "6+7"]],
    ["PoseDual as published, but for this", ["MULTI_AUGS=true", "MODEL.NAME=pose_dual", "PARITY=original", "OPTIONS.DUAL_HOLE_COUNTS=as_configured"], asKeys],
    ["PoseDual in a chain", ["MODEL.NAME=pose_dual", "PARITY=original"], ["7+8+3+7+6+8"]],
  ])("%s", (_, overrides, expected) => {
    expect(boxes(...overrides)).toEqual(expected);
  });
  test("REPEAT_TIMES", () => {
    expect(boxes("REPEAT_AUG=true", "REPEAT_TIMES=3")).toEqual([...asKeys, ...asKeys, ...asKeys]);
  });
});

test("PROG_MODE goes by the run's epochs, with STEP_WISE by the steps of each", () => {
  const four = ["A30 > A60", "A30 > CM", "A30 > JC", "A30 > JC+CM"];
  const modes = (places: readonly (readonly [epoch: number, stepInEpoch: number])[], ...overrides: string[]) => {
    const { method } = firstStep(["PROG_MODE=PROG_5", "TRAIN.BEGIN_EPOCH=4", "TRAIN.END_EPOCH=8", ...overrides]);
    return places.map(([epoch, stepInEpoch]) => method.mode({ epoch, stepInEpoch, step: 0 }));
  };
  expect(modes([[4, 3], [5, 3], [6, 0], [7, 0]])).toEqual(four);
  expect(modes([[7, 0], [7, 1], [4, 2], [5, 3]], "STEP_WISE=true")).toEqual(four);
});

test("RAND_MAGNITUDE is that of RandAugment and of YOCO", () => {
  const chain = (...overrides: string[]) => viewPlan(parse(BASE, overrides).config)?.stages[0]?.views[0];
  expect(chain("USE_RandAug_AUG=true", "RAND_MAGNITUDE=[5, 25]")).toEqual([{ kind: "rand_augment", magnitude: [5, 25] }]);
  expect(chain("USE_YOCORA_AUG=true", "RAND_MAGNITUDE=7")).toEqual([{ kind: "yoco", policy: "rand_augment", magnitude: [7, 7] }]);
});

describe("OPTIONS:", () => {
  /** The views' images behind their last step, and whether each pixel of the first sample is the loader's. */
  async function cut(overrides: readonly string[], labelledJoints?: readonly number[]) {
    const { method } = firstStep(overrides, labelledJoints);
    const easy = await method.readEasy();
    const images = (await method.unfold()).views[0]?.steps.at(-1) ?? new Float32Array();
    expect(images.length).toBe(BATCH * SIZE[0] * SIZE[1] * 3);
    const rows = Array.from({ length: SIZE[1] }, (_, v) => Array.from({ length: BATCH }, (_, n) => n).some((n) => {
      const at = (n * SIZE[1] + v) * SIZE[0] * 3;
      return images.subarray(at, at + 3 * SIZE[0]).some((value, i) => value !== easy[at + i]);
    }));
    return { images, lastRow: rows.lastIndexOf(true) };
  }

  test("SWAP_CUT_LIMITS keeps boxes out of the lower half of an image of 32x64", async () => {
    const many = ["USE_Cutout_AUG=true", "MASK_HOLES_NUM_CO=60"];
    expect((await cut([...many, "OPTIONS.SWAP_CUT_LIMITS=true"])).lastRow).toBe(31);
    expect((await cut([...many, "OPTIONS.SWAP_CUT_LIMITS=false"])).lastRow).toBe(63);
    expect((await cut([...many, "PARITY=original"])).lastRow).toBe(31);
    expect((await cut(many)).lastRow).toBe(63);
  });

  test("SWAP_JOINT_AXES puts patches elsewhere", async () => {
    const [swapped, right, original, corrected] = await Promise.all(
      ["OPTIONS.SWAP_JOINT_AXES=true", "OPTIONS.SWAP_JOINT_AXES=false", "PARITY=original", "PARITY=corrected"].map((key) => cut(["USE_JointCutMix_AUG=true", key])),
    );
    expect(swapped?.images).toEqual(original?.images);
    expect(right?.images).toEqual(corrected?.images);
    expect(swapped?.images).not.toEqual(right?.images);
  });

  test("JOINT_POOL: labelled cuts at those joints alone", async () => {
    const many = ["USE_JointCutout_AUG=true", "MASK_JOINT_NUM=17"];
    const hidden = async (key: string) => (await cut([...many, key], [3])).images.filter((value) => value === 0).length;
    const one = await hidden("OPTIONS.JOINT_POOL=labelled");
    // One box a sample of at most 8x8 px, however often it is drawn.
    expect(one).toBeGreaterThan(0);
    expect(one).toBeLessThanOrEqual(BATCH * 8 * 8 * 3);
    expect(await hidden("PARITY=corrected")).toBe(one);
    expect(await hidden("OPTIONS.JOINT_POOL=all")).toBeGreaterThan(2 * one);
  });

  test("CENTRE_SHIFT moves the labels, not the images", async () => {
    const [shifted, aligned] = await Promise.all(["true", "false"].map((value) => firstStep([`OPTIONS.CENTRE_SHIFT=${value}`]).method.inspect()));
    expect(shifted?.images).toEqual(aligned?.images as Float32Array);
    expect(shifted?.targets).not.toEqual(aligned?.targets as Float32Array);
  });
});

const lossOf = (...overrides: string[]) => firstStep([...MULTI, ...overrides]).losses();
const plain = await lossOf();

describe("keys of the loss:", () => {
  test("HEAT_FUSION compares the mean of the views once", async () => {
    const [pose, cons] = await lossOf("HEAT_FUSION=true");
    expect(pose).toBe(plain[0]);
    expect(cons).toBeLessThan(plain[1] / 2);
    expect(cons).toBeGreaterThan(0);
  });

  test("SHARPEN_PRED leaves next to nothing", async () => {
    const [, cons] = await lossOf("SHARPEN_PRED=true");
    expect(cons).toBeGreaterThan(0);
    expect(cons).toBeLessThan(1e-3 * plain[1]);
  });

  test("CONF_MASKING leaves out what is not above CONF_THRESH, which alone does nothing", async () => {
    expect(await lossOf("CONF_THRESH=1")).toEqual(plain);
    const [none, some] = [await lossOf("CONF_MASKING=true", "CONF_THRESH=1"), await lossOf("CONF_MASKING=true", "CONF_THRESH=0.5")];
    const targets = (await firstStep(MULTI).method.inspect()).targets;
    const most = targets.subarray(targets.length / 2).reduce((a, b) => Math.max(a, b), 0);
    expect(none[1] === 0).toBe(most <= 1);
    expect(some[1]).toBeLessThan(plain[1]);
    expect(none[1]).toBeLessThanOrEqual(some[1]);
  });

  test("USE_TARGET_WEIGHT=false counts joints without labels too", async () => {
    const half = ALL.slice(0, 8);
    const cons = async (...overrides: string[]) => (await firstStep([...MULTI, ...overrides], half).losses())[1];
    expect(await cons()).toBeLessThan(0.8 * plain[1]);
    expect(await cons("LOSS.USE_TARGET_WEIGHT=false")).toBeGreaterThan(1.5 * (await cons()));
  });

  test("ACCUMULATE_VIEWS gives the same losses from less memory", async () => {
    const planned = (...overrides: string[]) => {
      const { method, mode } = firstStep([...MULTI, ...overrides]);
      const recording = gpu.record(() => void method.encode(mode), { execute: false });
      const { plannedBytes } = recording;
      recording.dispose();
      return plannedBytes;
    };
    expectClose(await lossOf("ACCUMULATE_VIEWS=true"), plain, "passes", "losses");
    expect(planned("ACCUMULATE_VIEWS=true")).toBeLessThan(0.6 * planned());
  });
});

test("SCALE_FACTOR and ROT_FACTOR are the spread of the second affine; without it views are the loader's", async () => {
  const [still, turned, scaled] = [["DATASET.SCALE_FACTOR=0", "DATASET.ROT_FACTOR=0"], ["DATASET.SCALE_FACTOR=0"], ["DATASET.ROT_FACTOR=0"]].map((keys) => firstStep(keys));
  const [easy, without] = await Promise.all([still?.method.readEasy(), firstStep(["UNSUP_TRANSFORM=false"]).method.unfold()]);
  const warped = async (own: typeof still) => (await own?.method.unfold())?.warped ?? new Float32Array();
  expect(without.warped).toEqual(easy as Float32Array);
  expectClose(await warped(still), easy as Float32Array, "warp", "a spread of zero");
  for (const own of [turned, scaled]) expect(await warped(own)).not.toEqual(await warped(still));
  expect(await warped(turned)).not.toEqual(await warped(scaled));
});

const sspcm = async (...keys: string[]) => (await firstStep(["MODEL.NAME=pose_sspcm", ...keys.map((key) => `SSPCM.${key}`)]).losses())[1];
const UNFILTERED = "SCORE_FILTER=false";
const free = await sspcm(UNFILTERED);

describe("SSPCM:", () => {
  test("SCORE_FILTER and its threshold", async () => {
    expect(free).toBeGreaterThan(0);
    expect(await sspcm("SCORE_FILTER_THRESH=0")).toBeLessThanOrEqual(free);
    expect(await sspcm("SCORE_FILTER_THRESH=1")).toBeLessThan(0.5 * free);
    expect(await sspcm("SCORE_FILTER_THRESH=1", UNFILTERED)).toBe(free);
  });

  test("SCORE_WEIGHT, DISTANCE_FILTER, DISTANCE_THRESH, FEATURE_ATTACK", async () => {
    expect(await sspcm(UNFILTERED, "SCORE_WEIGHT=true")).toBeLessThan(free);
    const dropped = await sspcm(UNFILTERED, "DISTANCE_FILTER=drop", "DISTANCE_THRESH=0");
    const weighed = await sspcm(UNFILTERED, "DISTANCE_FILTER=weight");
    expect(dropped).toBeLessThan(weighed); // the third network's part is gone
    expect(weighed).toBeLessThan(free);
    expect(await sspcm(UNFILTERED, "DISTANCE_FILTER=drop", "DISTANCE_THRESH=1")).toBe(free);
    const masked = await sspcm("SCORE_FILTER_THRESH=1", "DISTANCE_FILTER=mask", "DISTANCE_THRESH=1");
    expect(masked).toBe(free); // near enough for all, however low the score
    expect(await sspcm(UNFILTERED, "FEATURE_ATTACK=true")).not.toBe(free);
  });

  test("OTHER_MODEL is the third network alone", () => {
    const layers = (keys: readonly string[]) => [1, 2, 3].map((n) => firstStep(["MODEL.NAME=pose_sspcm", "MODEL.EXTRA.NUM_LAYERS=10", "MODEL.EXTRA.NUM_DECONV_LAYERS=3", "MODEL.EXTRA.NUM_DECONV_FILTERS=[16, 16, 16]", ...keys]).store.declarations.filter(({ name }) => name.startsWith(`resnet${n === 1 ? "" : n}.`)).length);
    const [a, b, c] = layers([]);
    expect([b, c]).toEqual([a, a]);
    const [d, e, f] = layers(["SSPCM.OTHER_MODEL.BACKBONE=resnet", "SSPCM.OTHER_MODEL.NUM_LAYERS=18"]);
    expect([d, e]).toEqual([a, a]);
    expect(f).toBeGreaterThan(a ?? 0);
  });
});
