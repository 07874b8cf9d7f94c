/**
 * Watches for collapse: teacher and student agree ever better on empty heatmaps of unlabelled images, while those of labelled
 * images rise. The subject of Xie et al., "An Empirical Study of the Collapsing Problem in Semi-Supervised 2D Human Pose
 * Estimation" (ICCV 2021).
 */

/** What a step tells, by the names of a method's watched figures. */
export type WatchedFigures = Readonly<Record<string, number>>;

/** Weight of a new step in the running means: some fifty steps count. */
const RATE = 0.04;
/** Steps before the running means are judged. */
const SETTLED_STEPS = 50;
/** Below this the network has not learnt its labelled images yet; nothing can be said. */
const LEARNT_PEAK = 0.2;
/** A teacher whose peaks are below this share of those on labelled images has collapsed. */
const COLLAPSED_SHARE = 0.25;

interface Means {
  labelled: number;
  teacher: number;
  flat: number;
}

/** Running means of each network's peaks. */
export class CollapseWatch {
  readonly #means = new Map<string, Means>();
  #steps = 0;
  #warned = false;

  /** Takes a step's figures; says in words that training has collapsed, once, when it has. */
  see(figures: WatchedFigures): string | undefined {
    this.#steps++;
    for (const [name, labelled] of Object.entries(figures)) {
      const suffix = /^labelled_peak(.*)$/.exec(name)?.[1];
      if (suffix === undefined) continue;
      const [teacher, flat] = [figures[`teacher_peak${suffix}`], figures[`teacher_flat${suffix}`]];
      if (teacher === undefined || flat === undefined) continue;
      const means = this.#means.get(suffix) ?? { labelled, teacher, flat };
      const follow = (mean: number, value: number) => mean + RATE * (value - mean);
      this.#means.set(suffix, { labelled: follow(means.labelled, labelled), teacher: follow(means.teacher, teacher), flat: follow(means.flat, flat) });
    }
    if (this.#warned || this.#steps < SETTLED_STEPS) return undefined;
    for (const [suffix, { labelled, teacher, flat }] of this.#means) {
      if (labelled < LEARNT_PEAK || teacher > COLLAPSED_SHARE * labelled) continue;
      this.#warned = true;
      const network = suffix === "" ? "" : ` of network ${suffix.slice(1)}`;
      return (
        `training has collapsed: on unlabelled images the heatmaps${network} peak at ${teacher.toFixed(2)} on average and ${(100 * flat).toFixed(0)} % are next to empty, ` +
        `on labelled ones they peak at ${labelled.toFixed(2)}; give the teacher an easier view than the students (PROG_MODE, AUG_EASY_HARD_COUPLES) or more labels`
      );
    }
    return undefined;
  }
}
