import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { DataError } from "../../src/error.ts";
import { readStepLog, renderTable, RunLog, showDuration, showNumber, StepLog } from "../../src/train/log.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "limber-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A stream that remembers what was written. */
class Screen extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 120;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: unknown, _: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

describe("progress", () => {
  test("off a terminal there are plain lines every linePeriod steps, at the end and after a long silence", async () => {
    const screen = new Screen(false);
    let nowMs = 0;
    const log = new RunLog({ stream: screen, linePeriod: 10, quietSeconds: 5, now: () => nowMs });
    log.line("hello");
    await log.begin("epoch 1/2", 24);
    for (let step = 1; step <= 24; step++) {
      nowMs += step === 15 ? 6000 : 100;
      log.advance(step, { loss: 0.123456, lr: 0.001, note: "x" });
    }
    log.end();
    const lines = screen.text.split("\n");
    expect(lines[0]).toBe("hello");
    expect(lines[1]).toBe("epoch 1/2  10/24  loss 0.1235  lr 0.001  note x  100 ms/step  1 s left");
    expect(lines.slice(1, -1).map((line) => line.split("  ")[1])).toEqual(["10/24", "15/24", "20/24", "24/24"]);
    expect(screen.text).not.toContain("\u001b");
  });

  test("on a terminal there is a bar, messages appear above it, and the file gets the plain lines", async () => {
    const screen = new Screen(true);
    const file = join(folder, "run/train.log");
    const log = new RunLog({ stream: screen, linePeriod: 2, files: [file] });
    await log.begin("epoch 1/1", 4);
    for (let step = 1; step <= 4; step++) {
      await Bun.sleep(60);
      log.advance(step, { loss: step });
      if (step === 2) log.line("best so far");
    }
    await Bun.sleep(120);
    log.end();
    expect(screen.text).toContain("epoch 1/1 [");
    expect(screen.text).toContain("4/4  loss 4");
    expect(screen.text).toContain("best so far");
    expect(screen.text).toContain("\u001b[?25h");
    const lines = readFileSync(file, "utf8").split("\n");
    expect(lines.map((line) => line.split("  ").slice(0, 3).join("  "))).toEqual([
      "epoch 1/1  2/4  loss 2",
      "best so far",
      "epoch 1/1  4/4  loss 4",
      "",
    ]);
  });

  test("what holds up a step stands behind the bar; elsewhere it is a line after five silent seconds", async () => {
    const [bare, terminal] = [new Screen(false), new Screen(true)];
    let nowMs = 0;
    const log = new RunLog({ stream: bare, linePeriod: 10, now: () => nowMs });
    expect(() => log.status("lost")).toThrow("begin");
    await log.begin("epoch 1/2", 24);
    for (let kernels = 1; kernels <= 12; kernels++) {
      nowMs += 1000;
      log.status(`compiling: ${kernels} of 12 kernels`);
    }
    log.end();
    expect(bare.text).toBe("epoch 1/2  compiling: 5 of 12 kernels\nepoch 1/2  compiling: 10 of 12 kernels\n");

    const shown = new RunLog({ stream: terminal, linePeriod: 10 });
    await shown.begin("epoch 1/2", 24);
    shown.status("compiling: 3 of 12 kernels");
    await Bun.sleep(120);
    shown.end();
    expect(terminal.text).toContain("0/24  compiling: 3 of 12 kernels");
  });

  test("a line file on a full disk is a DataError", () => {
    const log = new RunLog({ stream: new Screen(false), linePeriod: 1, files: ["/dev/full"] });
    expect(() => log.line("x")).toThrow(DataError);
  });

  test("numbers and durations are short", () => {
    expect([0, 3, 0.1 + 0.2, 1e-5, 123456.7, Number.NaN, -0.5].map(showNumber)).toEqual([
      "0",
      "3",
      "0.3",
      "1.000e-5",
      "1.235e+5",
      "NaN",
      "-0.5",
    ]);
    expect([0, 59.6, 125, 3725, Number.NaN].map(showDuration)).toEqual([
      "0 s",
      "1 min 00 s",
      "2 min 05 s",
      "1 h 02 min",
      "?",
    ]);
  });
});

describe("step log", () => {
  test("every step has its line; not-numbers become texts", async () => {
    const path = join(folder, "a/steps.jsonl");
    const log = await StepLog.open(path);
    for (let step = 1; step <= 200; step++)
      log.write({ step, loss: step === 3 ? Number.NaN : 1 / step, best: null, up: Number.POSITIVE_INFINITY });
    log.close();
    const records = await readStepLog(path);
    expect(records).toHaveLength(200);
    expect(records[2]).toEqual({ step: 3, loss: "NaN", best: null, up: "Infinity" });
    expect(records[199]).toMatchObject({ step: 200, loss: 0.005 });
  });

  test("a resumed run drops later steps and a torn line, and goes on", async () => {
    const path = join(folder, "steps.jsonl");
    const first = await StepLog.open(path);
    for (let step = 1; step <= 5; step++) first.write({ step });
    first.close();
    appendFileSync(path, '{"step": 6, "lo');
    const second = await StepLog.open(path, { resumedStep: 3 });
    second.write({ step: 4, again: 1 });
    second.close();
    expect(await readStepLog(path)).toEqual([{ step: 1 }, { step: 2 }, { step: 3 }, { step: 4, again: 1 }]);
    (await StepLog.open(path)).close();
    expect(readFileSync(path, "utf8")).toBe("");
  });

  test("a foreign file is refused with its line, and stays as it is", async () => {
    const path = join(folder, "steps.jsonl");
    writeFileSync(path, '{"step": 1}\nhello\n{"step": 3}\n');
    await expect(StepLog.open(path, { resumedStep: 3 })).rejects.toMatchObject({
      code: "log/damaged",
      where: `${path}:2`,
    });
    expect(readFileSync(path, "utf8")).toContain("hello");
  });
});

test("tables set the first column left and numbers right", async () => {
  expect(
    await renderTable(
      ["method", "AP"],
      [
        ["pose_cons", "0.75"],
        ["x", "12.5"],
      ],
    ),
  ).toBe("method       AP\n---------  ----\npose_cons  0.75\nx          12.5");
  const columns = Array.from({ length: 30 }, (_, i) => `column ${i}`);
  const turned = (await renderTable(["", ...columns], [["final", ...columns.map((_, i) => `${i}.5`)]])).split("\n");
  expect(turned[0]).toBe("           final");
  expect(turned.slice(2)).toEqual(columns.map((name, i) => name.padEnd(11) + `${i}.5`.padStart(5)));
});
