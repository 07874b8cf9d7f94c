/**
 * Learning from real images: LSP Extended, 300 labelled persons (images 1 to 300), 1 to 1500 without labels, 1501 to 2000 for the test;
 * every method of configs/lspet with the same schedule, an epoch being one pass over the unlabelled images. Writes a table, a JSON file
 * and curves. Runs are kept, and gone on with when the bench is called again.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../src/files.ts";
import { renderTable } from "../src/train/log.ts";
import { drawCurves } from "../src/viz/curves.ts";
import { chosen } from "./chosen.ts";
import { commit } from "./report.ts";
import { finishedRun, trainRun } from "./training.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FIGURE = "PCK@0.1 of the box";

/** Configurations of configs/lspet by name in the table, with a colour for each of their seeds, which count from 1. */
const METHODS: Readonly<Record<string, { readonly cfg: string; readonly colors: readonly string[] }>> = {
  supervised: { cfg: "supervised", colors: ["#0072b2", "#8cbfe0"] },
  "PoseCons affine": { cfg: "pose_cons_affine", colors: ["#009e73"] },
  "PoseCons + JC": { cfg: "pose_cons_jc", colors: ["#cc79a7"] },
  "PoseCons MULTI": { cfg: "pose_cons_multi", colors: ["#d55e00", "#efb58c"] },
  "PoseDual MULTI": { cfg: "pose_dual_multi", colors: ["#000000"] },
};

export interface LspetBench {
  /** Folder that holds lspet/ (joints.mat, images/). */
  data: string;
  /** Folder of the runs; output/bench_lspet_<epochs> where absent. */
  runs?: string | undefined;
  /** Length of every run; the learning rate falls at 2/3 and 5/6 of it. */
  epochs: number;
  /** Runs of a method at most. */
  seeds?: number | undefined;
  /** Only methods whose name contains this. */
  only?: string | undefined;
  out?: string | undefined;
}

/** Trains every method with its seeds, one after another. */
export async function runLspetBench({ data, epochs, seeds, runs = join(ROOT, "output", `bench_lspet_${epochs}`), only, out }: LspetBench): Promise<void> {
  const schedule = [`TRAIN.END_EPOCH=${epochs}`, `TRAIN.LR_STEP=[${Math.round((2 / 3) * epochs)},${Math.round((5 / 6) * epochs)}]`];
  const rows = [];
  const lineColors: string[] = [];
  for (const [method, { cfg, colors }] of chosen(Object.entries(METHODS), only, ([name]) => name)) {
    for (const [i, color] of colors.slice(0, seeds).entries()) {
      const seed = i + 1;
      const output = join(runs, `${cfg}_${seed}`);
      mkdirSync(output, { recursive: true });
      const began = performance.now();
      const before = await finishedRun(output);
      const { final, best, scores } = before ?? (await trainRun(output, { cfg: `lspet/${cfg}.yaml`, keys: [`DATASET.ROOT=${data}`, `SEED=${seed}`, ...schedule] }));
      lineColors.push(color);
      rows.push({ method, seed, final: final[FIGURE] ?? Number.NaN, best, curve: scores.map(({ epoch, score }): [number, number] => [epoch, score]) });
      console.error(`${method}, seed ${seed}: ${final[FIGURE]?.toFixed(2)} (${before ? `read from ${output}` : `${((performance.now() - began) / 1000).toFixed(0)} s`})`);
    }
  }
  console.log(await renderTable([FIGURE, "seed", "final", "best", "at epoch"], rows.map(({ method, seed, final, best }) => [method, String(seed), final.toFixed(2), best.score.toFixed(2), String(best.epoch)])));
  const json = out ?? join(ROOT, "bench", "results", `lspet-${commit()}.json`);
  await writeFileAtomic(json, `${JSON.stringify({ commit: commit(), date: new Date().toISOString().slice(0, 10), figure: FIGURE, epochs, rows }, undefined, 2)}\n`);
  const plot = json.replace(/\.json$/, ".png");
  const series = rows.map(({ method, seed, curve }) => ({ name: `${method}, seed ${seed}`, points: curve, symbols: true }));
  await drawCurves({ title: "LSP Extended, 300 labelled and 1500 unlabelled persons", xLabel: "epoch", yLabels: [`${FIGURE}, %`], series, colors: lineColors, legend: "right", size: [860, 420] }, plot);
  console.error(`written  ${json}  ${plot}`);
}
