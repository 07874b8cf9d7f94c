import { describe, expect, test } from "bun:test";
import { parseFlags } from "../../src/cli/command.ts";
import { parseBox } from "../../src/cli/predict.ts";
import { countingLine, TestCounter } from "../../src/cli/test.ts";
import { ConfigError } from "../../src/error.ts";

const FACTS = {
  name: "predict",
  flags: {
    "model-file": { type: "text", hint: "FILE", required: true, description: "" },
    bbox: { type: "text", hint: "X,Y,W,H", repeat: true, description: "" },
    out: { type: "text", description: "" },
    fast: { type: "switch", description: "" },
  },
  rest: { name: "KEY=VALUE", description: "" },
} as const;

function refusal(args: readonly string[], facts: Parameters<typeof parseFlags>[0] = FACTS): string {
  try {
    parseFlags(facts, args);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).toText();
  }
  throw new Error("accepted");
}

describe("flags", () => {
  test("texts, switches, repeated flags and the rest", () => {
    const { values, rest } = parseFlags(FACTS, [
      "A.B=1",
      "--model-file",
      "m",
      "--bbox",
      "1,2,3,4",
      "--bbox=-5,6,7,8",
      "--fast",
      "C=--x=2",
    ]);
    expect(values["model-file"]).toBe("m");
    expect(values.bbox).toEqual(["1,2,3,4", "-5,6,7,8"]);
    expect(values.out).toBeUndefined();
    expect(values.fast).toBe(true);
    expect(rest).toEqual(["A.B=1", "C=--x=2"]);
    expect(parseFlags(FACTS, ["--model-file=m"]).values.bbox).toEqual([]);
  });

  const cases: [string, string[], string][] = [
    ["unknown", ["--model-file", "m", "--bogus"], "predict: unknown flag --bogus"],
    ["misspelt", ["--model-flie", "m"], "unknown flag --model-flie; did you mean --model-file?"],
    ["short form", ["-o", "x"], "unknown flag -o"],
    ["a setting as a flag", ["--batch-size", "3"], "settings are given without dashes: TRAIN.BATCH_SIZE=..."],
    ["a dotted setting as a flag", ["--train.lr", "3"], "settings are given without dashes: TRAIN.LR=..."],
    ["no value", ["--model-file"], "--model-file expects FILE, received nothing"],
    ["a flag in place of the value", ["--model-file", "--fast"], "--model-file expects FILE, received nothing"],
    ["an empty value", ["--model-file="], "--model-file expects FILE, received nothing"],
    ["a switch with a value", ["--model-file=m", "--fast=no"], '--fast takes no value, received "no"'],
    ["given twice", ["--model-file=m", "--out=a", "--out=b"], '--out is given twice: "a" and "b"'],
    ["required and missing", ["--out=a"], "--model-file FILE is missing"],
    ["an object member's name", ["--constructor"], "unknown flag --constructor"],
  ];
  test.each(cases)("refused: %s", (_, args, expected) => {
    const text = refusal(args);
    expect(text).toContain(expected);
    expect(text).toContain("fix: bun run predict --help");
  });

  test("refused: an argument that is no flag where none is taken", () => {
    expect(refusal(["x"], { name: "doctor", flags: {} })).toContain('unexpected argument "x"');
  });

  test("boxes", () => {
    expect(parseBox("1,2.5,3,4")).toEqual([1, 2.5, 3, 4]);
    expect(parseBox("-1, -2, 3, 4")).toEqual([-1, -2, 3, 4]);
    for (const wrong of ["", "1,2,3", "1,2,3,4,5", "1,2,3,", "a,2,3,4", "1,2,0,4", "1,2,3,-4", "1,2,Infinity,4"]) {
      expect(() => parseBox(wrong)).toThrow(ConfigError);
    }
  });
});

describe("counting tests", () => {
  function count(report: string, exitCode: number, pieceLength = 7): string {
    const counter = new TestCounter();
    for (let i = 0; i < report.length; i += pieceLength) counter.add(report.slice(i, i + pieceLength));
    counter.add("\n");
    return countingLine(counter.counts(exitCode));
  }
  const summary =
    "\n 2 pass\n 1 skip\n 1 todo\n 3 fail\n 1 error\n 1 expect() calls\nRan 7 tests across 3 files. [4.00ms]\n";

  test("the summary counts, coloured or not, with skipped and to-do tests as skipped", () => {
    expect(count(summary, 1)).toBe("2 passed, 3 failed, 2 skipped");
    expect(
      count("\u001b[32m 12 pass\u001b[0m\n\u001b[2m 0 fail\u001b[0m\nRan 12 tests across 1 file. [1.00s]\n", 0),
    ).toBe("12 passed, 0 failed");
  });

  test("a test that prints such lines does not disturb", () => {
    expect(count(` 99 pass\n 7 fail\n(pass) a [0.1ms]\n 1 pass\n 0 fail\nRan 1 test across 1 file. [1ms]\n`, 0)).toBe(
      "1 passed, 0 failed",
    );
  });

  test("where the process died, its last words are counted and one failure is added", () => {
    expect(count("(pass) a\n(pass) b [1ms]\n(fail) c\n(skip) d\n", 139)).toBe("2 passed, 2 failed, 1 skipped");
    expect(count("", 1)).toBe("0 passed, 1 failed");
  });

  test("an exit code without a failed test is a failure", () => {
    expect(count(" 1 pass\n 0 fail\nRan 1 test across 1 file. [1ms]\n", 1)).toBe("1 passed, 1 failed");
  });
});
