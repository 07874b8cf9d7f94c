/** Runs a step eagerly twice, the second time under a recording, and replays it from then on. */
import type { Gpu, Recording } from "../gpu/device.ts";

/** Runs of one step, keyed by what its recording depends on. */
export class StepRunner {
  readonly #gpu: Gpu;
  readonly #work: () => void;
  #recording: Recording | undefined;
  #key: number | undefined;
  #eager = 0;
  /** Host time of replayed steps, ms, and how many there were. */
  readonly host = { ms: 0, steps: 0 };

  constructor(gpu: Gpu, work: () => void) {
    this.#gpu = gpu;
    this.#work = work;
  }

  /** Runs the step; another key than last time (a buffer has moved) makes a new recording. */
  run(key: number): void {
    if (key !== this.#key) {
      this.#recording?.dispose();
      this.#recording = undefined;
      this.#key = key;
    }
    if (this.#recording) {
      this.host.ms += this.#recording.replay();
      this.host.steps++;
      return;
    }
    if (this.#eager++ === 0) this.#gpu.scope(this.#work);
    else this.#recording = this.#gpu.record(this.#work);
    this.#gpu.flush();
  }

  /** The recording in force, once there is one. */
  get recording(): Recording | undefined {
    return this.#recording;
  }

  dispose(): void {
    this.#recording?.dispose();
    this.#recording = undefined;
  }
}
