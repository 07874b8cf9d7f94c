import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const stems = readdirSync(join(ROOT, "src/ops")).map((file) => basename(file, ".ts"));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** Ops whose PyTorch case or bench row is in another file, and why that is the better place. */
const GOLDEN_ELSEWHERE: Record<string, string> = {
  heatmap_mse: "test/golden/make_golden.py", // the loss of the ten literal steps
  log_sum_exp: "test/golden/ops/reduce.py",
  reshape: "test/golden/ops/shape.py",
  reverse_gradient: "test/autograd/flow.test.ts", // PyTorch has no such op
};
const BENCH_ELSEWHERE: Record<string, string> = {
  heatmap_mse: "bench/run.ts",
  log_sum_exp: "bench/ops/reduce.ts",
  reshape: "bench/ops/shape.ts", // moves nothing
  reverse_gradient: "bench/ops/elementwise.ts", // a multiplication
};
const TEST_ELSEWHERE: Record<string, string> = { log_sum_exp: "test/ops/reduce.test.ts", reshape: "test/ops/shape.test.ts", reverse_gradient: "test/autograd/flow.test.ts" };

const place = (stem: string, elsewhere: Record<string, string>, usual: string) => elsewhere[stem] ?? usual;

for (const stem of stems) {
  test(`${stem} has a test, a PyTorch golden, a bench row and a line of documentation for all that it exports`, () => {
    const testFile = place(stem, TEST_ELSEWHERE, `test/ops/${stem}.test.ts`);
    expect(existsSync(join(ROOT, testFile)), testFile).toBe(true);
    const golden = place(stem, GOLDEN_ELSEWHERE, `test/golden/ops/${stem}.py`);
    expect(existsSync(join(ROOT, golden)), golden).toBe(true);
    const bench = place(stem, BENCH_ELSEWHERE, `bench/ops/${stem}.ts`);
    expect(existsSync(join(ROOT, bench)), bench).toBe(true);
    const source = read(`src/ops/${stem}.ts`);
    const exported = [...source.matchAll(/^(.*)\nexport function (\w+)/gm)];
    expect(exported.length).toBeGreaterThan(0);
    for (const [, before = "", name = ""] of exported) expect(`${name}: ${before.trimEnd().endsWith("*/") ? "documented" : "no documentation"}`).toBe(`${name}: documented`);
  });
}

test("the public API exports every op", () => {
  const api = read("src/index.ts");
  expect(stems.filter((stem) => !api.includes(`./ops/${stem}.ts`))).toEqual([]);
});
