import { describe, expect, test } from "bun:test";
import { refusal } from "../support/parsed_config.ts";

describe("mistakes are refused with place, expectation and remedy:", () => {
  const cases: [string, string, string[], string[]][] = [
    ["unknown key", "TRAIN:\n  LRR: 1\n", [], ["a.yaml:2:3: TRAIN.LRR: unknown key; did you mean TRAIN.LR?"]],
    ["key that two sections have", "BATCH_SIZ: 1\n", [], ["BATCH_SIZ: unknown key; did you mean TRAIN.BATCH_SIZE?"]],
    ["key with a word of another", "TRAIN:\n  NUM_EPOCHS: 1\n", [], ["TRAIN.NUM_EPOCHS: unknown key; did you mean TRAIN.BEGIN_EPOCH or TRAIN.END_EPOCH or TRAIN.STEPS_PER_EPOCH?"]],
    ["key by what another means", "", ["TRAIN.LEARNING_RATE=1"], ["TRAIN.LEARNING_RATE: unknown key; did you mean TRAIN.LR or TRAIN.LR_STEP or TRAIN.LR_FACTOR?"]],
    ["key in the wrong section", "LR: 1\n", [], ["a.yaml:1:1: LR: unknown key; did you mean TRAIN.LR?"]],
    [
      "key beside those without effect",
      "CUDNN:\n  ENABLE: true\n",
      [],
      ["a.yaml:2:3: CUDNN.ENABLE: unknown key; did you mean CUDNN.ENABLED?"],
    ],
    ["wrong type", "TRAIN:\n  LR: fast\n", [], ['a.yaml:2:7: TRAIN.LR: expected a number, received "fast"']],
    [
      "Python boolean words",
      "DATASET:\n  FLIP: yes\n",
      [],
      ["a.yaml:2:9", 'expected true or false, received "yes"', "YAML 1.2"],
    ],
    [
      "not one of the names",
      "MODEL:\n  NAME: pose_kons\n",
      [],
      ['expected "pose_resnet" or "pose_hrnet" or "pose_hourglass" or "pose_cons" or "pose_dual" or "pose_sspcm", received "pose_kons"'],
    ],
    [
      "not one of the numbers",
      "MODEL: {NUM_JOINTS: 15}\n",
      [],
      ["a.yaml:1:21: MODEL.NUM_JOINTS: expected 14 or 16 or 17 or 24, received 15"],
    ],
    ["fraction", "TRAIN:\n  BATCH_SIZE: 1.5\n", [], ["a.yaml:2:15: TRAIN.BATCH_SIZE: expected a whole number from 1 to 4096, received 1.5"]],
    ["too small", "TRAIN:\n  BATCH_SIZE: 0\n", [], ["expected a whole number from 1 to 4096, received 0"]],
    ["too large", "", ["TRAIN.BATCH_SIZE=100000"], ["from command line: TRAIN.BATCH_SIZE: expected a whole number from 1 to 4096, received 100000"]],
    ["a side too large", "", ["MODEL.IMAGE_SIZE=[64,65536]"], ["from command line: MODEL.IMAGE_SIZE.1: expected a whole number from 16 to 4096, received 65536"]],
    ["zero learning rate", "TRAIN:\n  LR: 0\n", [], ["expected a number above 0, at most 1000, received 0"]],
    ["not a number", "TRAIN:\n  LR: .nan\n", [], ["TRAIN.LR: expected a number, received NaN"]],
    ["infinite", "TRAIN:\n  LR: .inf\n", [], ["expected a number above 0, at most 1000, received Infinity"]],
    [
      "width not a multiple of 4",
      "",
      ["MODEL.EXTRA.WIDTH=18"],
      ["from command line: MODEL.EXTRA.WIDTH: expected a multiple of 4 from 4 to 1024, received 18"],
    ],
    ["no value", "TRAIN:\n  LR:\n", [], ["a.yaml:2:3: TRAIN.LR: expected a number, received nothing"]],
    [
      "value in place of a section",
      "TRAIN: 3\n",
      [],
      ["a.yaml:1:8: TRAIN: expected a section with keys such as LR", "received 3"],
    ],
    [
      "element of a list",
      "TRAIN:\n  LR_STEP: [1, x]\n",
      [],
      ['a.yaml:2:16: TRAIN.LR_STEP.1: expected a number, received "x"'],
    ],
    [
      "three sides",
      "MODEL:\n  IMAGE_SIZE: [1, 2, 3]\n",
      [],
      ["expected [width, height] or one number for both, received a list of 3"],
    ],
    ["syntax", "TRAIN:\n\tLR: 1\n", [], ["a.yaml:2:1: not valid YAML"]],
    ["key given twice", "SEED: 1\nSEED: 2\n", [], ["a.yaml:2:1: not valid YAML", "unique"]],
    ["foreign tag", "SEED: !!python/object:x 1\n", [], ["a.yaml:1:7: not valid YAML"]],
    ["a list at the top", "- 1\n", [], ['expected keys such as "TRAIN:"']],
    ["a list as a key", "a: 1\n? [1, 2]\n: x\n", [], ["a.yaml:2:3: expected a name before the colon"]],
    ["unknown alias", "SEED: *x\n", [], ["a.yaml", "not"]],
    ["override without value", "", ["foo"], ['from command line: "foo" is not an override, expected KEY=VALUE']],
    ["override of a section", "", ["TRAIN=1"], ["TRAIN is a section", "TRAIN.LR=..."]],
    [
      "override of an unknown key",
      "",
      ["TRAIN.LRR=1"],
      ["from command line: TRAIN.LRR: unknown key; did you mean TRAIN.LR?"],
    ],
    ["override of an object member", "", ["__proto__.LR=1"], ["from command line: __proto__.LR: unknown key"]],
    ["override that is not YAML", "", ["TRAIN.LR_STEP=[1"], ['"[1" is not a value', "quote"]],
    [
      "override of the wrong type",
      "",
      ["TRAIN.LR=yes"],
      ['from command line: TRAIN.LR: expected a number, received "yes"'],
    ],
  ];
  test.each(cases)("%s", (_, text, overrides, expected) => {
    const message = refusal(text, overrides);
    for (const part of expected) expect(message).toContain(part);
    expect(message).not.toContain("    at ");
  });

  test("several at once, in the order of the file, the command line last", () => {
    const message = refusal("TRAIN:\n  LR: x\n  OPTIMISER: adam\nSEEED: 1\n", ["WORKERS=0"]);
    const lines = message.split("\n");
    expect(lines[0]).toBe("a.yaml: 4 mistakes:");
    expect(lines.slice(1, 5).map((line) => line.trim().split(" ")[0])).toEqual([
      "a.yaml:2:7",
      "a.yaml:3:3",
      "a.yaml:4:1",
      "from",
    ]);
  });
});
