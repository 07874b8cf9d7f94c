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
  /** Host time of the steps, ms, and how many there were. */
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
    if (held?.generation !== generation) {
      held?.recording.dispose();
      this.#held.delete(mode); // a step that throws while it is recorded leaves no disposed recording behind
      held = { recording: this.#gpu.record(() => this.#work(mode), { execute: false }), generation };
      this.#held.set(mode, held);
    }
    this.#latest = held.recording;
    this.host.ms += held.recording.replay();
    this.host.steps++;
    this.#gpu.flush();
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
