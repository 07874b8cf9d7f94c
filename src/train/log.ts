/**
 * What a run says: a progress bar on a terminal and plain lines elsewhere, the same lines in a text file, every step's
 * numbers in a JSONL file, and tables.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { basename, dirname, extname } from "node:path";
import { writeError, writeFileAtomic } from "../files.ts";
import { DataError } from "../error.ts";

/** Numbers of one step, in the order they are to be shown; texts are shown as they are. */
export type StepNumbers = Readonly<Record<string, number | string>>;

/** A stream that may be a terminal. */
type Screen = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** How a run's messages are shown. */
export interface RunLogOptions {
  /** Where to; standard error unless given. */
  stream?: Screen;
  /** Text files that get every line, also those that a bar replaces on the screen. Appended to; folders are made with the first line. */
  files?: readonly string[];
  /** Steps between two lines (PRINT_FREQ). */
  linePeriod: number;
  /** A line also appears when none has for so long. */
  quietSeconds?: number;
  /** Clock in ms; for tests. */
  now?: () => number;
}

interface Bar {
  update(value: number, numbers: string): void;
  log(line: string): void;
  stop(): void;
}

/** One stretch of work with a known number of steps, such as an epoch. */
interface Task {
  label: string;
  total: number;
  done: number;
  startedMs: number;
  lastLineMs: number;
  bar: Bar | undefined;
}

/** A status that is no progress of the task is worth a line after so long a silence. */
const STATUS_SECONDS = 5;

/** Shows the progress of a run. At most one task at a time. */
export class RunLog {
  readonly #stream: Screen;
  readonly #options: RunLogOptions;
  readonly #now: () => number;
  #task: Task | undefined;
  #foldersMade = false;

  constructor(options: RunLogOptions) {
    this.#stream = options.stream ?? process.stderr;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get #isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Prints a message, above the bar where there is one. */
  line(text: string): void {
    this.#toFile(text);
    if (this.#task?.bar) this.#task.bar.log(text);
    else this.#stream.write(`${text}\n`);
  }

  /** Puts a text into the files alone, such as a table that is printed elsewhere. */
  record(text: string): void {
    this.#toFile(text);
  }

  /** Begins a task, for example "epoch 1/30" of 120 steps. */
  async begin(label: string, total: number): Promise<void> {
    this.end();
    const now = this.#now();
    const bar = this.#isTerminal ? await openBar(this.#stream, label, total) : undefined;
    this.#task = { label, total, done: 0, startedMs: now, lastLineMs: now, bar };
  }

  /** Tells that `done` of the task's steps are finished, with the numbers of the last one. Cheap when nothing is due. */
  advance(done: number, numbers: StepNumbers): void {
    const task = this.#task;
    if (!task) throw new Error("advance() without begin()");
    task.done = done;
    const now = this.#now();
    const quietMs = 1000 * (this.#options.quietSeconds ?? 30);
    const due = done % this.#options.linePeriod === 0 || done === task.total || now - task.lastLineMs >= quietMs;
    if (!due && !task.bar) return;
    const shown = showNumbers(numbers);
    task.bar?.update(done, shown);
    if (!due) return;
    task.lastLineMs = now;
    const msPerStep = (now - task.startedMs) / Math.max(1, done);
    const left = showDuration((msPerStep * (task.total - done)) / 1000);
    const parts = [task.label, `${done}/${task.total}`, shown, `${showNumber(msPerStep)} ms/step`, `${left} left`];
    const text = parts.filter((part) => part !== "").join("  ");
    this.#toFile(text);
    if (!task.bar) this.#stream.write(`${text}\n`);
  }

  /** Tells what holds up the next step: behind the bar, or as a line where there has been none for a while. */
  status(text: string): void {
    const task = this.#task;
    if (!task) throw new Error("status() without begin()");
    task.bar?.update(task.done, text);
    const now = this.#now();
    if (now - task.lastLineMs < 1000 * STATUS_SECONDS) return;
    task.lastLineMs = now;
    this.#toFile(`${task.label}  ${text}`);
    if (!task.bar) this.#stream.write(`${task.label}  ${text}\n`);
  }

  /** Ends the task and removes its bar; nothing happens where there is none. */
  end(): void {
    this.#task?.bar?.stop();
    this.#task = undefined;
  }

  #toFile(text: string): void {
    for (const file of this.#options.files ?? []) {
      try {
        if (!this.#foldersMade) mkdirSync(dirname(file), { recursive: true });
        appendFileSync(file, `${text}\n`);
      } catch (error) {
        throw writeError(file, error);
      }
    }
    this.#foldersMade = true;
  }
}

/** A moment as names of files have it: YYYY-mm-dd-HH-MM. */
export function minuteName(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate()), two(date.getHours()), two(date.getMinutes())].join("-");
}

/** Name of a log as the original has it: <configuration file>_<moment>_<what>.log. Source: multiaugs §6.3. */
export function logName(configPath: string, what: "train" | "valid", moment = minuteName(new Date())): string {
  return `${basename(configPath, extname(configPath))}_${moment}_${what}.log`;
}

async function openBar(stream: Screen, label: string, total: number): Promise<Bar> {
  const { MultiBar } = await import("cli-progress");
  const bars = new MultiBar({
    stream,
    format: "{label} [{bar}] {value}/{total}  {numbers}  {eta_formatted} left",
    barCompleteChar: "=",
    barIncompleteChar: " ",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    forceRedraw: true,
    linewrap: false,
    gracefulExit: false,
    etaBuffer: 50,
  });
  const bar = bars.create(total, 0, { label, numbers: "" });
  return {
    update: (value, numbers) => bar.update(value, { numbers }),
    log: (line) => bars.log(`${line}\n`),
    stop: () => bars.stop(),
  };
}

/** Four significant digits, without a long tail of zeros. */
export function showNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(4))) : value.toExponential(3);
}

function showNumbers(numbers: StepNumbers): string {
  return Object.entries(numbers)
    .map(([name, value]) => `${name} ${typeof value === "number" ? showNumber(value) : value}`)
    .join("  ");
}

/** Seconds as "4 s", "2 min 05 s" or "1 h 02 min". */
export function showDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** One line of the step file; `step` counts from 1 over the whole run. */
export type StepRecord = Readonly<{ step: number } & Record<string, number | string | null>>;

/** Lines that are kept back at most, so that a step does not wait for the disk. */
const BUFFERED_LINES = 64;

/**
 * A JSONL file with one line per step. NaN and infinities, which JSON lacks, are written as texts. Call flush() before
 * a checkpoint is saved: then a resumed run finds at least the lines of all steps before it.
 */
export class StepLog {
  readonly path: string;
  readonly #file: number;
  #lines: string[] = [];

  private constructor(path: string, file: number) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Opens the file. A new run starts empty; a resumed one keeps the lines of the steps up to `resumedStep` and drops
   * later ones and a last line that a kill has cut.
   * @throws DataError where the file cannot be written, or is not such a file.
   */
  static async open(path: string, options: { resumedStep?: number } = {}): Promise<StepLog> {
    const { resumedStep } = options;
    const kept = resumedStep === undefined ? [] : (await readStepLog(path)).filter(({ step }) => step <= resumedStep);
    await writeFileAtomic(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
    try {
      return new StepLog(path, openSync(path, "a"));
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Adds the line of one step. */
  write(record: StepRecord): void {
    this.#lines.push(`${JSON.stringify(record, spellOut)}\n`);
    if (this.#lines.length >= BUFFERED_LINES) this.flush();
  }

  /** Hands all lines to the operating system. @throws DataError where the disk is full. */
  flush(): void {
    const bytes = new TextEncoder().encode(this.#lines.join(""));
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(this.#file, bytes, written);
    } catch (error) {
      throw writeError(this.path, error);
    }
    this.#lines = [];
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

function spellOut(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/**
 * The records of a step file, oldest first; an absent file has none. A cut last line is left out.
 * @throws DataError that names the line where the file is not such a file.
 */
export async function readStepLog(path: string): Promise<StepRecord[]> {
  const file = Bun.file(path);
  if (!(await file.exists())) return [];
  const lines = (await file.text()).split("\n");
  // Text behind the last line end is a line that was being written when the process died.
  lines.pop();
  return lines.map((line, i) => {
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      record = undefined; // Reported below with the lines that are JSON but no record.
    }
    if (isStepRecord(record)) return record;
    throw new DataError({
      code: "log/damaged",
      message: "is not a line of a step log",
      fix: "remove or rename the file; it is only a record and is not needed to continue",
      where: `${path}:${i + 1}`,
    });
  });
}

function isStepRecord(value: unknown): value is StepRecord {
  return typeof value === "object" && value !== null && "step" in value && Number.isSafeInteger(value.step);
}

/** Characters of a line that most terminals show. */
const WIDEST_LINE = 140;

/** A table with a head line: the first column is set left, the others right. One that is too wide comes turned, its columns as rows. */
export async function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): Promise<string> {
  const { default: Table } = await import("cli-table3");
  const rule = { mid: "-", "mid-mid": "  ", "left-mid": "", "right-mid": "" };
  const none = {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
    "bottom-right": "",
  };
  const table = new Table({
    head: [...head],
    chars: { ...none, ...rule, left: "", right: "", middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((_, column) => (column === 0 ? "left" : "right")),
  });
  for (const row of rows) table.push([...row]);
  // cli-table3 rules off every row; only the one below the head is wanted.
  const lines = table.toString().split("\n");
  const isRule = (line: string): boolean => /^[- ]+$/.test(line) && line.includes("--");
  if ((lines[0]?.length ?? 0) > WIDEST_LINE && head.length > rows.length + 1) {
    const [corner = "", ...names] = head;
    return renderTable([corner, ...rows.map(([name = ""]) => name)], names.map((name, i) => [name, ...rows.map((row) => row[i + 1] ?? "")]));
  }
  return lines
    .filter((line, i) => i < 2 || !isRule(line))
    .map((line) => line.trimEnd())
    .join("\n");
}
