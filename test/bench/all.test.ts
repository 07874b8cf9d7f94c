import { expect, test } from "bun:test";
import { runAll } from "../../bench/all.ts";

test("a part that fails is told, and the next one runs all the same", async () => {
  const parts = [
    { name: "wrong", command: ["bench", "nothing"] },
    { name: "right", command: ["bench", "--help"] },
  ];
  expect((await runAll(parts)).map(({ name, code }) => ({ name, code }))).toEqual([{ name: "wrong", code: 1 }, { name: "right", code: 0 }]);
}, 30_000);
