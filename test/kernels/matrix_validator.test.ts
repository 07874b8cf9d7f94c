import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../support/null_validator.ts", import.meta.url));

interface Report {
  skipped?: string;
  pipelines: number;
  problems: string[];
  refused: string;
}

// The Vulkan loader reads this of the C environment, which only a new process has from its beginning.
const child = Bun.spawnSync([process.execPath, SCRIPT], { env: { ...process.env, VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" }, stderr: "ignore" });
const report = JSON.parse(child.stdout.toString() || '{"skipped":"the process that compiles on the null backend ended without a report"}') as Report;

test("the process that compiles on Dawn's null backend ends well", () => expect(child.exitCode).toBe(0));

test.skipIf(report.skipped !== undefined)(`every product of the matrix core, however stored and specialised, passes Dawn's validator${report.skipped ? ` (${report.skipped})` : ""}`, () => {
  expect(report.problems).toEqual([]);
  // 5 views by 4 ways of storing, and A along rows, dilation and transposed results where a view has them.
  expect(report.pipelines).toBeGreaterThanOrEqual(112);
  expect(report.refused).toContain("no matching call to 'subgroupMatrixLoad");
});
