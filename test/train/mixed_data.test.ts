/** What the keys of DATASET do to the samples of a mixed set. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTrainingData, prepareData, SampleSource } from "../../src/train/data.ts";
import { parse } from "../support/parsed_config.ts";

const root = mkdtempSync(join(tmpdir(), "limber-mixed-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const FILE = `
MODEL: {NAME: pose_cons, NUM_JOINTS: 17, IMAGE_SIZE: [32, 32], EXTRA: {NUM_LAYERS: 8, NUM_DECONV_LAYERS: 2}}
DATASET: {ROOT: ${root}, TRAIN_DATASET: mix_coco_coco, TRAIN_LEN: 3, SYNTHETIC: {TRAIN_IMAGES: 8, VAL_IMAGES: 1, IMAGE_SIZE: [48, 48]}}
TRAIN: {BATCH_SIZE: 4}
`;
const configOf = (...overrides: string[]) => parse(FILE, overrides).config;
beforeAll(() => prepareData(configOf(), () => {}));

async function opened(...overrides: string[]) {
  const config = configOf(...overrides);
  return openTrainingData(config, new SampleSource(config));
}

test("labels are those of the first TRAIN_LEN persons, and the unlabelled pool is all of them (D-26)", async () => {
  const { labelled, unlabelled = [], stepsPerEpoch } = await opened();
  expect(labelled).toHaveLength(3);
  expect(unlabelled.length).toBeGreaterThanOrEqual(8);
  expect(unlabelled.slice(0, 3).map(({ annotationId }) => annotationId)).toEqual(labelled.map(({ annotationId }) => annotationId));
  expect(stepsPerEpoch).toBe(Math.ceil(unlabelled.length / 4));
});

test("RAW_INPUT takes the loader's geometry from the unlabelled images alone", async () => {
  const [plain, raw] = [await opened(), await opened("RAW_INPUT=true")];
  const [usual, bare, still] = [await plain.batch(0, 1), await raw.batch(0, 1), await plain.batch(0, 1, { still: true })];
  expect(bare.unlabelled).toEqual(still.unlabelled as NonNullable<typeof still.unlabelled>);
  expect(bare.unlabelled?.tables).not.toEqual(usual.unlabelled?.tables as Int32Array<ArrayBuffer>);
  expect(bare.labelled).toEqual(usual.labelled);
  expect(still.labelled.tables).not.toEqual(usual.labelled.tables);
});

test("FLIP, SCALE_FACTOR and ROT_FACTOR are the spread of the loader's geometry, of labelled and unlabelled images apart", () => {
  const drawn = (...overrides: string[]) => {
    const source = new SampleSource(configOf(...overrides));
    return (["labelled", "unlabelled"] as const).map((role) => Array.from({ length: 40 }, (_, i) => source.geometry(0, i, role)));
  };
  const [own, other] = drawn();
  expect(own).not.toEqual(other);
  for (const list of drawn("DATASET.FLIP=false")) expect(list.some(({ flip }) => flip)).toBe(false);
  for (const list of drawn("DATASET.SCALE_FACTOR=0")) expect(new Set(list.map(({ scale }) => scale))).toEqual(new Set([1]));
  for (const list of drawn("DATASET.ROT_FACTOR=0")) expect(list.every(({ rotationDegrees }) => rotationDegrees === 0)).toBe(true);
});

test("PROB_HALF_BODY and NUM_JOINTS_HALF_BODY; sets named unlabelled have no half bodies", async () => {
  const halves = (role: "labelled" | "unlabelled", ...overrides: string[]) => {
    const source = new SampleSource(configOf("DATASET.PROB_HALF_BODY=1", ...overrides));
    return source.geometry(0, 1, role).halfBody !== undefined;
  };
  expect(halves("labelled")).toBe(true);
  expect(halves("unlabelled")).toBe(true);
  const wild = ["DATASET.TRAIN_UNSUP_SET=unlabeled2017", "DATASET.UNSUP_BBOX_FILE=boxes.json"];
  expect([halves("labelled", ...wild), halves("unlabelled", ...wild)]).toEqual([true, false]);
  const scales = async (joints: number) => {
    const config = configOf("DATASET.PROB_HALF_BODY=1", `DATASET.NUM_JOINTS_HALF_BODY=${joints}`);
    const source = new SampleSource(config);
    const { labelled } = await openTrainingData(config, source);
    return Promise.all(labelled.map(async (record, i) => (await source.sample(labelled, i, { scale: 1, rotationDegrees: 0, flip: false, halfBody: { preferUpper: true } })).scale[0] / record.scale[0]));
  };
  expect(await scales(17)).toEqual([1, 1, 1]); // no person has more than 17
  expect((await scales(0)).some((ratio) => ratio !== 1)).toBe(true);
});

test("a batch whose unlabelled images are corrupt fails at whoever waits for it, and nowhere else", async () => {
  const damaged = join(root, "damaged");
  cpSync(join(root, "coco"), join(damaged, "coco"), { recursive: true });
  const { labelled, unlabelled = [], batch } = await opened(`DATASET.ROOT=${damaged}`);
  const sound = new Set(labelled.map(({ imagePath }) => imagePath));
  for (const { imagePath } of unlabelled) if (!sound.has(imagePath)) truncateSync(imagePath, 300);
  // A rejection that nobody handles ends the process, and fails this test.
  await expect(batch(0, 0)).rejects.toMatchObject({ code: "data/image-corrupt" });
});
