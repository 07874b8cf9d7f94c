import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CollapseWatch } from "../../src/train/collapse.ts";
import { TinyProject } from "../support/tiny_run.ts";

setDefaultTimeout(300_000);
const project = new TinyProject();
afterAll(() => project.remove());

/** Lets a watch see as many steps of the same figures; what it said. */
function warnings(watch: CollapseWatch, steps: number, figures: Record<string, number>): string[] {
  return Array.from({ length: steps }, () => watch.see(figures)).filter((line) => line !== undefined);
}

const healthy = { labelled_peak: 0.6, teacher_peak: 0.55, teacher_flat: 0.01 };
const collapsed = { labelled_peak: 0.7, teacher_peak: 0.02, teacher_flat: 0.97 };

test("a collapse is named once, with its figures and what to do, and only after it has lasted", () => {
  const watch = new CollapseWatch();
  expect(warnings(watch, 200, healthy)).toEqual([]);
  expect(warnings(watch, 10, collapsed)).toEqual([]);
  const [warning = "", ...more] = warnings(watch, 400, collapsed);
  expect(more).toEqual([]);
  expect(warning).toContain("training has collapsed: on unlabelled images the heatmaps peak at 0.1");
  expect(warning).toContain("on labelled ones they peak at 0.6");
  expect(warning).toContain("easier view");
});

test("a network that has learnt nothing yet has not collapsed, and supervised training is not watched", () => {
  expect(warnings(new CollapseWatch(), 300, { labelled_peak: 0.03, teacher_peak: 0.001, teacher_flat: 1 })).toEqual([]);
  expect(warnings(new CollapseWatch(), 300, { loss_pose: 0.1, accuracy: 0.5 })).toEqual([]);
});

test("of a pair the network that has collapsed is named", () => {
  const figures = (n: number, own: Record<string, number>) => Object.fromEntries(Object.entries(own).map(([name, value]) => [`${name}_${n}`, value]));
  const [warning = ""] = warnings(new CollapseWatch(), 300, { ...figures(1, healthy), ...figures(2, collapsed) });
  expect(warning).toContain("the heatmaps of network 2 peak at 0.02 on average and 97 % are next to empty");
});

test("teacher and students on equally hard views collapse, an easy teacher of the same students does not", async () => {
  const keys = (couple: string) => [
    "DATASET.ROOT=collapse", "DATASET.SYNTHETIC.TRAIN_IMAGES=120", "DATASET.TRAIN_LEN=6", "DATASET.ROT_FACTOR=45", "USE_JointCutout_AUG=false",
    "PROG_MODE=PROG_1", `AUG_EASY_HARD_COUPLES.PROG_1=[[${couple}]]`,
    "TRAIN.LR=0.006", "TRAIN.LR_STEP=[]", "TRAIN.BATCH_SIZE=6", "TRAIN.END_EPOCH=18", "TEST.INTERVAL=18", "PRINT_FREQ=60",
  ];
  const logOf = async (name: string, couple: string) => readFileSync(join(await project.trained(name, ...keys(couple)), "train.log"), "utf8");
  expect(await logOf("hard", "A60,A60")).toMatch(/warning +step \d+: training has collapsed/);
  expect(await logOf("easy", "A30,A60")).not.toContain("collapsed");
});
