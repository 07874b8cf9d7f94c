/**
 * Which views a semi-supervised step makes: the teacher's and the students' augmentations by mode and progress. Plain
 * data, no device. Source: MultiAugs, multiaugs §3.6, §4.2.
 */
import type { AugmentStep } from "../../augment/chain.ts";
import { ConfigError } from "../../error.ts";

/** Augmentations by the source system's codes. YOCO has one code for each of its two policies. */
export type AugmentCode = "RA" | "TA" | "YOCORA" | "YOCOTA" | "JC" | "JO" | "CO" | "MU" | "CM" | "JOCO" | "JCCM";

/** How many boxes an augmentation cuts, and how strong RandAugment is. */
export interface AugmentCounts {
  cutout: number;
  cutmix: number;
  jointCutout: number;
  jointCutOcclusion: number;
  /** Boxes of the cutout in JOCO and of the cutmix in JCCM. */
  cutoutInChain: number;
  cutmixInChain: number;
  randMagnitude: number | readonly [low: number, high: number];
}

/** A stage of training: what the teacher sees and what the students see. */
export interface Stage {
  /** Names the recording of its step: "A30 > JOCO, JCCM". */
  readonly name: string;
  readonly teacher: TeacherView;
  /** One chain per view; an empty chain is the image as it is, before the second affine. */
  readonly views: readonly (readonly AugmentStep[])[];
  /** Names of the views. */
  readonly viewNames: readonly string[];
}

/** The teacher's view: the loader's crop, through an affine of its own, and through augmentations. */
export interface TeacherView {
  readonly name: string;
  readonly warp: boolean;
  readonly chain: readonly AugmentStep[];
}

export interface PlanFacts {
  /** Augmentations that are switched on. */
  enabled: ReadonlySet<AugmentCode>;
  counts: AugmentCounts;
  /** One view by all augmentations in turn, one view each, or one view each `repeat` times over. */
  mode: "sequential" | "multi" | "repeat";
  repeat: number;
  /** [teacher, student] in the order of progress; empty: A30 and what is switched on, throughout. */
  couples: readonly (readonly [teacher: string, student: string])[];
  /** Progress within each epoch instead of over the run. */
  stepWise: boolean;
}

/** Where a step is in its run, for progressive stages. */
export interface Progress {
  epoch: number;
  beginEpoch: number;
  endEpoch: number;
  stepInEpoch: number;
  stepsPerEpoch: number;
}

/** The order in which a single view takes them, and in which views of their own follow one another. */
const SEQUENTIAL: readonly AugmentCode[] = ["RA", "TA", "YOCORA", "YOCOTA", "JC", "JO", "CO", "MU", "CM", "JOCO", "JCCM"];
const MULTIPLE: readonly AugmentCode[] = ["JC", "JO", "CO", "MU", "CM", "RA", "TA", "YOCORA", "YOCOTA", "JOCO", "JCCM"];
const REPEATED: readonly AugmentCode[] = ["JC", "JO", "CO", "MU", "CM", "JOCO", "JCCM"];
/** Codes that a couple may name; combined ones are written "JC+CM". */
const NAMED: readonly AugmentCode[] = ["YOCORA", "YOCOTA", "RA", "TA", "JC", "JO", "CO", "MU", "CM"];

/** The steps of one augmentation. */
function chainOf(code: AugmentCode, counts: AugmentCounts): AugmentStep[] {
  switch (code) {
    case "RA":
      return [{ kind: "rand_augment", magnitude: counts.randMagnitude }];
    case "TA":
      return [{ kind: "trivial_augment" }];
    case "YOCORA":
      return [{ kind: "yoco", policy: "rand_augment", magnitude: counts.randMagnitude }];
    case "YOCOTA":
      return [{ kind: "yoco", policy: "trivial_augment" }];
    case "JC":
      return [{ kind: "joint_cutout", holes: counts.jointCutout }];
    case "JO":
      return [{ kind: "joint_cut_occlusion", patches: counts.jointCutOcclusion }];
    case "CO":
      return [{ kind: "cutout", holes: counts.cutout }];
    case "MU":
      return [{ kind: "mixup" }];
    case "CM":
      return [{ kind: "cutmix", holes: counts.cutmix }];
    case "JOCO":
      return [...chainOf("JO", counts), { kind: "cutout", holes: counts.cutoutInChain }];
    case "JCCM":
      return [...chainOf("JC", counts), { kind: "cutmix", holes: counts.cutmixInChain }];
  }
}

/** Whether a couple's label has a word; "YOCORA" ends in RA, so parts of words do not count. */
function names(label: string, word: string): boolean {
  return label.split("+").includes(word);
}

/** @throws ConfigError for a word that is no view. */
function checkLabel(label: string): void {
  const wrong = label.split("+").find((word) => word !== "A30" && word !== "A60" && !NAMED.some((code) => code === word));
  if (wrong === undefined) return;
  throw new ConfigError({ code: "config/couple", message: `AUG_EASY_HARD_COUPLES: "${label}" names no view`, fix: `use A30, A60 or ${NAMED.join(", ")}, joined by +` });
}

function teacherView(label: string, counts: AugmentCounts): TeacherView {
  checkLabel(label);
  const chain = SEQUENTIAL.filter((code) => names(label, code)).flatMap((code) => chainOf(code, counts));
  return { name: label, warp: names(label, "A60"), chain };
}

function studentViews(label: string, { enabled, counts, mode, repeat }: PlanFacts): { codes: string; chain: AugmentStep[] }[] {
  if (mode === "sequential") {
    checkLabel(label);
    const codes = SEQUENTIAL.filter((code) => enabled.has(code) || names(label, code));
    return [{ codes: codes.join("+") || "A60", chain: codes.flatMap((code) => chainOf(code, counts)) }];
  }
  const order = (mode === "multi" ? MULTIPLE : REPEATED).filter((code) => enabled.has(code));
  const rounds = mode === "multi" ? 1 : repeat;
  return Array.from({ length: rounds }, () => order.map((code) => ({ codes: code, chain: chainOf(code, counts) }))).flat();
}

/** The stages of a run and which of them a step belongs to. */
export class ViewPlan {
  readonly stages: readonly Stage[];
  readonly #stepWise: boolean;

  /** Errors: ConfigError for couples that name no view. */
  constructor(facts: PlanFacts) {
    const couples = facts.couples.length > 0 ? facts.couples : [["A30", "A60"] as const];
    this.#stepWise = facts.stepWise;
    this.stages = couples.map(([teacherLabel, studentLabel]) => {
      const teacher = teacherView(teacherLabel, facts.counts);
      const students = studentViews(studentLabel, facts);
      const viewNames = students.map(({ codes }) => codes);
      return { name: `${teacher.name} > ${viewNames.join(", ")}`, teacher, views: students.map(({ chain }) => chain), viewNames };
    });
  }

  /** The most views that a step makes. */
  get mostViews(): number {
    return Math.max(...this.stages.map(({ views }) => views.length));
  }

  /** PARITY: equal shares of the run, or of each epoch, in the order of the couples. */
  at({ epoch, beginEpoch, endEpoch, stepInEpoch, stepsPerEpoch }: Progress): Stage {
    const share = this.#stepWise ? stepInEpoch / stepsPerEpoch : (epoch - beginEpoch) / (endEpoch - beginEpoch);
    const last = this.stages.length - 1;
    return this.stages[Math.min(last, Math.max(0, Math.floor(share * this.stages.length)))] as Stage;
  }
}
