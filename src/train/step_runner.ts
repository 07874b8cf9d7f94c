/** Records a step without running it and replays it from its first run on; several recordings where its control flow differs. */
import type { Gpu, Recording } from "../gpu/device.ts";

interface Held {
  readonly recording: Recording;
  readonly generation: number;
}

/** Options of a StepRunner. */
export interface StepRunnerOptions {
  /** Runs every step eagerly and records nothing: for debugging. */
  eager?: boolean;
}

/** Runs of one step. What differs from run to run is data, or has a mode of its own. */
export class StepRunner {
  readonly #gpu: Gpu;
  readonly #work: (mode: string) => void;
  readonly #eager: boolean;
  readonly #held = new Map<string, Held>();
  #latest: Recording | undefined;
  #mode = "";
  /** Places in the first run of the newest recording, with the number of kernels dispatched up to there. */
  #marks: { kernels: number; finished: () => Promise<void> }[] = [];
  /** Host time of the steps, ms, and how many there were; whoever prepares them adds what that took. */
  readonly host = { ms: 0, steps: 0 };

  /** @param work encodes the step; `mode` is what run() was given. */
  constructor(gpu: Gpu, work: (mode: string) => void, { eager = false }: StepRunnerOptions = {}) {
    this.#gpu = gpu;
    this.#work = work;
    this.#eager = eager;
  }

  /**
   * Runs the step.
   * @param generation another one than this mode's last (a buffer has moved) makes a new recording in place of the old.
   * @param mode names a variant of the step's control flow (a phase of the epoch, a progressive stage); each has a
   * recording of its own, and all are kept.
   */
  run(generation: number, mode = ""): void {
    this.#mode = mode;
    if (this.#eager) {
      const started = performance.now();
      this.#gpu.scope(() => this.#work(mode));
      this.#gpu.flush();
      this.host.ms += performance.now() - started;
      this.host.steps++;
      return;
    }
    let held = this.#held.get(mode);
    const isNew = held?.generation !== generation;
    if (held === undefined || isNew) {
      held?.recording.dispose();
      this.#held.delete(mode); // a step that throws while it is recorded leaves no disposed recording behind
      held = { recording: this.#gpu.record(() => this.#work(mode), { execute: false }), generation };
      this.#held.set(mode, held);
    }
    this.#latest = held.recording;
    this.#marks = [];
    const mark = (kernels: number) => this.#marks.push({ kernels, finished: this.#gpu.mark() });
    this.host.ms += held.recording.replay(isNew ? mark : undefined);
    this.host.steps++;
    this.#gpu.flush();
  }

  /**
   * Waits for the step where it was the first of its recording: drivers compile a kernel when it is created or when it
   * is first dispatched, minutes in all on some. Returns at once behind any other step.
   * @param report is told how many kernels of how many have run so far.
   */
  async firstRun(report: (kernels: number, of: number) => void): Promise<void> {
    const marks = this.#marks;
    this.#marks = [];
    for (const { kernels, finished } of marks) {
      await finished();
      report(kernels, marks.at(-1)?.kernels ?? kernels);
    }
  }

  /** The mode that ran last. */
  get mode(): string {
    return this.#mode;
  }

  /** The recording that ran last. */
  get recording(): Recording | undefined {
    return this.#latest;
  }

  /** Modes with a recording, oldest first. */
  get modes(): string[] {
    return [...this.#held.keys()];
  }

  dispose(): void {
    for (const { recording } of this.#held.values()) recording.dispose();
    this.#held.clear();
    this.#latest = undefined;
  }
}
