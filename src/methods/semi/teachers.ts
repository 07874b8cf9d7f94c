/** The teachers' part of a step: their passes over the easy view, and what each network learns from them. */
import type { AugmentStep } from "../../augment/chain.ts";
import type { BufferRange } from "../../gpu/device.ts";
import type { ModelNetwork, PoseModel } from "../../models/network.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { correctedLessons } from "./correction.ts";
import type { ConsistencyFacts, TeachingFacts } from "./facts.ts";
import { type Lesson, look, peaksOf } from "./lesson.ts";
import type { Stage } from "./plan.ts";
import { laneOf, TEACHER_LANE, type UnlabelledViews } from "./views.ts";

/** What teachers leave in a step. */
export interface Teaching {
  easy: Tensor;
  /** By teacher, the peaks that it gives. */
  given: BufferRange[];
  /** By network, what it takes. */
  lessons: Lesson[];
}

/** Whether a chain cuts at joints. */
export function needsJoints(chain: readonly AugmentStep[]): boolean {
  return chain.some(({ kind }) => kind === "joint_cutout" || kind === "joint_cut_occlusion");
}

/** Networks that teach: all but SSPCM's third. */
export function teachersOf({ networks }: PoseModel, { semi }: Pick<ConsistencyFacts, "semi">): readonly ModelNetwork[] {
  return semi?.correction ? networks.slice(0, 2) : networks;
}

/** The networks of a model as teachers of one another. */
export class Teachers {
  readonly #networks: readonly ModelNetwork[];
  readonly #facts: TeachingFacts;
  readonly #views: UnlabelledViews;
  /** What joints of pseudo labels count [batch, joints]. */
  readonly #weight: BufferRange;

  constructor(model: PoseModel, { views, ...facts }: TeachingFacts & { views: UnlabelledViews }) {
    const { batch, labelledJoints, useTargetWeight } = facts;
    const { joints } = model.networks[0].network;
    this.#networks = teachersOf(model, facts);
    this.#facts = facts;
    this.#views = views;
    const weight = new Float32Array(batch * joints);
    for (let n = 0; n < batch; n++) for (const joint of labelledJoints) weight[n * joints + joint] = 1;
    this.#weight = model.store.gpu.upload(useTargetWeight ? weight : weight.fill(1), "unlabelled weight");
  }

  /** Whose lessons network n takes: its own, or of a pair the other's. */
  #teacherOf(n: number): number {
    return this.#networks.length === 1 ? 0 : 1 - n;
  }

  /** Passes over the easy view: what each network learns, and the peaks of what each teaches. */
  teach({ teacher, views }: Stage, { corrected }: { corrected: boolean }): Teaching {
    const { batch, size: [width, height], heatmapSize: [mapWidth], semi } = this.#facts;
    const scale = width / mapWidth;
    const easy = this.#views.easy();
    const slot = views.length + 1;
    const joints = needsJoints(teacher.chain) ? this.#networks.map((own) => peaksOf(look(own, { image: easy, slot: slot + 1 }), { batch, scale })) : undefined;
    const given = this.#networks.map((network, n): Lesson => {
      const augmented = this.#views.augment(easy, { chain: teacher.chain, peaks: joints?.[this.#teacherOf(n)], lane: laneOf(n, TEACHER_LANE) });
      const { image, toEasy, toStudent } = this.#views.asTeacher(n, { image: augmented, warp: teacher.warp });
      const taught = look(network, { image, slot });
      const peaks = peaksOf(toEasy ? this.#views.warpMaps(taught, { theta: toEasy, label: "easy maps" }) : taught, { batch, scale });
      return { taught, toStudent, peaks, weight: this.#weight };
    });
    const lessons = this.#networks.map((_, n) => given[this.#teacherOf(n)] as Lesson);
    const { correction } = semi;
    const all = correction ? correctedLessons(lessons, { correction, easy, given, corrected, base: this.#weight, batch, diagonal: Math.hypot(width, height), scale }) : lessons;
    return { easy, given: given.map(({ peaks }) => peaks), lessons: all };
  }
}
