/** What a run notes of every step and every validation: steps.jsonl, scores.json, TensorBoard's events. */
import { join } from "node:path";
import { DataError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";
import type { ScoreRecord } from "./figures.ts";
import { StepLog } from "./log.ts";
import { EventFile } from "./tensorboard.ts";

/** The scores of the epochs before; a file that is absent has none. Errors: DataError where it is no such file. */
async function readScores(path: string, epochs: number): Promise<ScoreRecord[]> {
  const file = Bun.file(path);
  if (!(await file.exists())) return [];
  try {
    return ((await file.json()) as ScoreRecord[]).filter(({ epoch }) => epoch <= epochs);
  } catch (cause) {
    throw new DataError({ code: "log/damaged", where: path, message: "is not a list of scores", fix: "remove or rename the file; it is only a record and is not needed to continue" }, { cause });
  }
}

/** Open files of a run. Close them at its end. */
export class RunRecords {
  readonly scores: ScoreRecord[];
  readonly #scoresPath: string;
  readonly #steps: StepLog;
  readonly #board: EventFile;

  /**
   * Opens them in the folder of the run, events in one of their own. A run that goes on behind a step and epoch keeps what is from before.
   * @throws DataError where a file cannot be written or is damaged.
   */
  static async open(folder: string, { eventFolder, resumed }: { eventFolder: string; resumed: { step: number; epoch: number } | undefined }): Promise<RunRecords> {
    const from = resumed ? { resumedStep: resumed.step } : {};
    const steps = await StepLog.open(join(folder, "steps.jsonl"), from);
    const board = EventFile.open(eventFolder, from);
    const scoresPath = join(folder, "scores.json");
    return new RunRecords({ steps, board, scoresPath, scores: resumed ? await readScores(scoresPath, resumed.epoch) : [] });
  }

  private constructor({ steps, board, scoresPath, scores }: { steps: StepLog; board: EventFile; scoresPath: string; scores: ScoreRecord[] }) {
    this.#steps = steps;
    this.#board = board;
    this.#scoresPath = scoresPath;
    this.scores = scores;
  }

  /** Notes a step's numbers; `epoch` counts from 1. */
  step(step: number, epoch: number, numbers: Readonly<Record<string, number>>): void {
    this.#steps.write({ step, epoch, ...numbers });
    this.#board.scalars(step, numbers);
  }

  /** Hands everything to the operating system. */
  flush(): void {
    this.#steps.flush();
    this.#board.flush();
  }

  /** Notes a validation; one of the same epoch is replaced. */
  async score(record: ScoreRecord): Promise<void> {
    if (this.scores.at(-1)?.epoch === record.epoch) this.scores.pop(); // a finished run that was resumed
    this.scores.push(record);
    await writeFileAtomic(this.#scoresPath, `${JSON.stringify(this.scores)}\n`);
  }

  /** Numbers for TensorBoard alone. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    this.#board.scalars(step, values);
  }

  /** A PNG image for TensorBoard. */
  image(step: number, tag: string, png: Uint8Array): void {
    this.#board.image(step, tag, png);
  }

  close(): void {
    this.#steps.close();
    this.#board.close();
  }
}
