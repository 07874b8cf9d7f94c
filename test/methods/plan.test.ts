import { expect, test } from "bun:test";
import { type AugmentCode, type PlanFacts, ViewPlan } from "../../src/methods/semi/plan.ts";

const counts = { cutout: 5, cutmix: 2, jointCutout: 6, jointCutOcclusion: 3, cutoutInChain: 4, cutmixInChain: 7, randMagnitude: 20 } as const;

function plan(enabled: readonly AugmentCode[], facts: Partial<PlanFacts> = {}): ViewPlan {
  return new ViewPlan({ enabled: new Set(enabled), counts, mode: "sequential", repeat: 2, couples: [], stepWise: false, ...facts });
}

const kinds = ({ stages }: ViewPlan) => stages[0]?.views.map((chain) => chain.map(({ kind }) => kind));

test("one view takes all augmentations in the original's order, and JOCO and JCCM as the chains they are", () => {
  expect(kinds(plan([]))).toEqual([[]]);
  expect(plan([]).stages[0]?.viewNames).toEqual(["A60"]);
  expect(kinds(plan(["CM", "MU", "CO", "JO", "JC", "RA"]))).toEqual([["rand_augment", "joint_cutout", "joint_cut_occlusion", "cutout", "mixup", "cutmix"]]);
  expect(kinds(plan(["JOCO"]))).toEqual([["joint_cut_occlusion", "cutout"]]);
  expect(kinds(plan(["JCCM"]))).toEqual([["joint_cutout", "cutmix"]]);
});

test("several views: one for each augmentation, in the original's order", () => {
  const all: AugmentCode[] = ["JCCM", "JOCO", "YOCORA", "RA", "CM", "MU", "CO", "JO", "JC"];
  expect(plan(all, { mode: "multi" }).stages[0]?.viewNames).toEqual(["JC", "JO", "CO", "MU", "CM", "RA", "YOCORA", "JOCO", "JCCM"]);
  expect(plan(["JOCO", "JC"], { mode: "repeat", repeat: 3 }).stages[0]?.viewNames).toEqual(["JC", "JOCO", "JC", "JOCO", "JC", "JOCO"]);
  expect(plan(["JOCO", "JCCM", "JC", "JO"], { mode: "multi" }).mostViews).toBe(4);
});

test("boxes of each augmentation are those of its key; chains have their own", () => {
  const [views = []] = plan(["JC", "JO", "CO", "CM", "JOCO", "JCCM", "RA"], { mode: "multi" }).stages.map((stage) => stage.views);
  expect(views).toEqual([
    [{ kind: "joint_cutout", holes: 6 }],
    [{ kind: "joint_cut_occlusion", patches: 3 }],
    [{ kind: "cutout", holes: 5 }],
    [{ kind: "cutmix", holes: 2 }],
    [{ kind: "rand_augment", magnitude: 20 }],
    [{ kind: "joint_cut_occlusion", patches: 3 }, { kind: "cutout", holes: 4 }],
    [{ kind: "joint_cutout", holes: 6 }, { kind: "cutmix", holes: 7 }],
  ]);
});

test("progressive stages have equal shares of the run, or of each epoch", () => {
  const couples = [["A30", "A60"], ["A30", "CM"], ["A60", "JC"], ["CM", "JC+CM"]] as const;
  const run = { beginEpoch: 2, endEpoch: 10, stepsPerEpoch: 12 };
  const overRun = plan(["CO"], { couples });
  const names = (own: ViewPlan, places: { epoch: number; stepInEpoch: number }[]) => places.map((place) => own.at({ ...run, ...place }).name);
  expect(names(overRun, [2, 3, 4, 6, 8, 9].map((epoch) => ({ epoch, stepInEpoch: 11 })))).toEqual(["A30 > CO", "A30 > CO", "A30 > CO+CM", "A60 > JC+CO", "CM > JC+CO+CM", "CM > JC+CO+CM"]);
  expect(names(plan([], { couples, stepWise: true }), [0, 2, 3, 6, 9, 11].map((stepInEpoch) => ({ epoch: 5, stepInEpoch })))).toEqual(["A30 > A60", "A30 > A60", "A30 > CM", "A60 > JC", "CM > JC+CM", "CM > JC+CM"]);
  expect(overRun.stages.map(({ teacher }) => [teacher.warp, teacher.chain.length])).toEqual([[false, 0], [false, 0], [true, 0], [false, 1]]);
  expect(overRun.at({ ...run, epoch: 30, stepInEpoch: 0 }).name).toBe("CM > JC+CO+CM"); // a run that was made longer
});

test("a couple that names no view is refused with the names there are", () => {
  expect(() => plan([], { couples: [["A30", "JX"]] })).toThrow('"JX" names no view');
  expect(() => plan([], { couples: [["A90", "JC"]] })).toThrow('"A90" names no view');
});
