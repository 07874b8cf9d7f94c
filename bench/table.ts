/** Runs the rows of a table: ceilings first, then each row; prints them and writes the JSON file, whole behind every row. */
import { LimberError } from "../src/error.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { copyCeiling, fmaCeiling, gemmCeiling } from "../src/kernels/ceilings.ts";
import { renderTable } from "../src/train/log.ts";
import type { Case, Row } from "./case.ts";
import { chosen } from "./chosen.ts";
import { type Failure, openReport, tellFailure } from "./report.ts";

/** Largest relative error that a check lets pass. */
const ALLOWED_ERROR = 1e-4;

/** What to run, and what to call the results. */
export interface TableFacts {
  /** Names the file; "" for the table without a name. */
  name: string;
  cases: readonly Case[];
  only: string | undefined;
  out: string | undefined;
}

/** The adapter's, measured at the start. */
interface Ceilings {
  copyGbytes: number;
  gemmGflops: number;
  /** Of multiply-adds on registers. */
  fmaGflops: number;
}

function ceilingShare({ gflops, gbytes }: Row, { gemmGflops, copyGbytes }: Ceilings): number | undefined {
  if (gflops !== undefined) return gflops / gemmGflops;
  return gbytes === undefined ? undefined : gbytes / copyGbytes;
}

/** Runs all rows whose name contains `only`, also behind one that fails, unless the device is lost; returns whether every row ran and every check passed. */
export async function runTable(gpu: Gpu, { name: table, cases, only, out }: TableFacts): Promise<boolean> {
  const wanted = chosen(cases, only, ({ name }) => name);
  const report = await openReport(gpu, { name: table, out });
  const ceilings: Ceilings = { copyGbytes: copyCeiling(gpu), gemmGflops: gemmCeiling(gpu), fmaGflops: fmaCeiling(gpu) };
  await gpu.trim();
  console.error(`adapter  ${gpu.info.description || gpu.info.device} (${gpu.info.kind}), commit ${report.commit}`);
  console.error(`ceilings copy ${ceilings.copyGbytes.toFixed(1)} GB/s, product ${ceilings.gemmGflops.toFixed(1)} GFLOP/s, f32 arithmetic alone ${ceilings.fmaGflops.toFixed(1)} GFLOP/s`);
  const rows: Row[] = [];
  const failed: Failure[] = [];
  for (const item of wanted) {
    let lost = false;
    try {
      const row = await item.run(gpu);
      await gpu.trim();
      const share = ceilingShare(row, ceilings);
      const shares = { ...(share === undefined ? {} : { ceilingShare: share }), ...(row.gflops === undefined ? {} : { peakShare: row.gflops / ceilings.fmaGflops }) };
      rows.push({ ...row, ...shares });
      console.error(`${row.name}  ${row.ms.toFixed(2)} ms${row.gflops === undefined ? "" : `  ${row.gflops.toFixed(1)} GFLOP/s`}`);
    } catch (error) {
      failed.push(tellFailure(item.name, error));
      lost = error instanceof LimberError && error.code === "gpu/device-lost";
    }
    await report.write({ ceilings, rows, failed });
    if (lost) break;
  }
  const digits = (value: number | undefined, count: number) => (value === undefined ? "" : value.toFixed(count));
  const percent = (share: number | undefined, count: number) => digits(share === undefined ? undefined : 100 * share, count);
  const wrong = ({ error, allowedError = ALLOWED_ERROR }: Row) => error !== undefined && !(error <= allowedError);
  console.log(
    await renderTable(
      ["", "ms", "GFLOP/s", "GB/s", "ceiling %", "f32 peak %", "images/s", "host %", "MiB", "check"],
      rows.map((row) => [
        row.name,
        row.ms.toFixed(row.ms < 0.1 ? 4 : 2),
        digits(row.gflops, 1),
        digits(row.gbytes, 2),
        percent(row.ceilingShare, 0),
        percent(row.peakShare, 0),
        digits(row.images, 1),
        percent(row.hostShare, 2),
        digits(row.bytes === undefined ? undefined : row.bytes / 2 ** 20, 0),
        wrong(row) ? `WRONG ${row.error?.toExponential(1)}` : "right",
      ]),
    ),
  );
  for (const { name, error } of failed) console.log(`${name}: ${error}`);
  if (rows.length + failed.length < wanted.length) console.log(`${wanted.length - rows.length - failed.length} rows were not run, the device was lost`);
  console.error(`written  ${report.path}`);
  return rows.length === wanted.length && !rows.some(wrong);
}
