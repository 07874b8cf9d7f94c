import { expect, test } from "bun:test";
import { tuneProducts } from "../../bench/tune.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();
const { subgroupSize = 0 } = gpu.info;

test.skipIf(subgroupSize < 8)("tuning holds candidates against the definition and ranks those that are right alone", async () => {
  const right = { ROWS: 16, COLUMNS: 2 };
  const wrong = { ROWS: 16, COLUMNS: 2, LANES: subgroupSize / 2 }; // half of the columns stay unwritten
  const refused = { ROWS: 16, COLUMNS: 2, NOTHING: 1 }; // no such constant
  const tuned = await tuneProducts(gpu, "lanes", [right, wrong, refused].map((spec) => ({ core: "lanes", spec })));
  expect(tuned.map(({ spec }) => spec)).toEqual([right]);
  expect(tuned[0]?.gflops).toBeGreaterThan(0);
});
