/**
 * Learning from few labels on synthetic people: the quickstart's network with 1 labelled to 16 unlabelled persons, at three numbers
 * of labels, by every method with the same number of steps. Writes a table, a JSON file and a plot.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../src/files.ts";
import { renderTable } from "../src/train/log.ts";
import { drawCurves } from "../src/viz/curves.ts";
import { chosen } from "./chosen.ts";
import { commit } from "./report.ts";
import { trainRun } from "./training.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const UNLABELLED_PER_LABEL = 16;
const BATCH = 16;

/** By name: what differs from configs/quickstart.yaml. */
const VIEWS = ["USE_JointCutout_AUG=false", "MULTI_AUGS=true", "USE_JointCutMix_CutOut_AUG=true", "USE_JointCutout_CutMix_AUG=true", "PARITY=corrected"];
const METHODS: Readonly<Record<string, readonly string[]>> = {
  supervised: ["MODEL.NAME=pose_resnet"],
  PoseCons: ["MODEL.NAME=pose_cons"],
  PoseDual: ["MODEL.NAME=pose_dual"],
  "PoseCons MULTI": ["MODEL.NAME=pose_cons", ...VIEWS],
};

/** One training. */
export interface LearningRow {
  method: string;
  labels: number;
  unlabelled: number;
  /** Validation AP at the end; of a pair the mean of its networks. */
  ap: number;
  seconds: number;
}

export interface SyntheticBench {
  /** Numbers of labels. */
  labels: readonly number[];
  /** Steps of every training. */
  steps: number;
  /** Only methods whose name contains this. */
  only?: string | undefined;
  out?: string | undefined;
}

async function trainOne(method: string, labels: number, { steps, folder }: { steps: number; folder: string }): Promise<LearningRow> {
  const unlabelled = labels * UNLABELLED_PER_LABEL;
  const perEpoch = Math.ceil(unlabelled / BATCH);
  const epochs = Math.max(1, Math.round(steps / perEpoch));
  const output = join(folder, `${method} ${labels}`.replaceAll(" ", "_"));
  await mkdir(output);
  const keys = [
    `DATASET.ROOT=${join(folder, `data${labels}`)}`, `DATASET.TRAIN_LEN=${labels}`, `DATASET.SYNTHETIC.TRAIN_IMAGES=${unlabelled}`,
    `TRAIN.END_EPOCH=${epochs}`, `TRAIN.LR_STEP=[${[...new Set([0.7, 0.9].map((share) => Math.max(1, Math.round(share * epochs))))].join(",")}]`, `TEST.INTERVAL=${epochs}`, `PRINT_FREQ=${perEpoch}`,
    ...(METHODS[method] as readonly string[]),
  ];
  const began = performance.now();
  const { final } = await trainRun(output, { cfg: "quickstart.yaml", keys });
  return { method, labels, unlabelled, ap: final["AP"] ?? Number.NaN, seconds: (performance.now() - began) / 1000 };
}

/** Trains every method at every number of labels, one after another. */
export async function runSyntheticBench({ labels, steps, only, out }: SyntheticBench): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "limber-synthetic-"));
  const methods = chosen(Object.keys(METHODS), only, (name) => name);
  const rows: LearningRow[] = [];
  try {
    for (const count of labels) {
      for (const method of methods) {
        const row = await trainOne(method, count, { steps, folder });
        rows.push(row);
        console.error(`${method}, ${count} labelled, ${row.unlabelled} unlabelled: AP ${row.ap.toFixed(4)}, ${row.seconds.toFixed(0)} s`);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const apOf = (method: string, count: number) => rows.find((row) => row.method === method && row.labels === count)?.ap ?? 0;
  console.log(await renderTable(["AP", ...labels.map((count) => `${count} + ${count * UNLABELLED_PER_LABEL}`)], methods.map((method) => [method, ...labels.map((count) => apOf(method, count).toFixed(3))])));
  const json = out ?? join(ROOT, "bench", "results", `synthetic-${commit()}.json`);
  await writeFileAtomic(json, `${JSON.stringify({ commit: commit(), date: new Date().toISOString().slice(0, 10), steps, rows }, undefined, 2)}\n`);
  const plot = json.replace(/\.json$/, ".png");
  const series = methods.map((name) => ({ name, points: labels.map((count): [number, number] => [count, apOf(name, count)]), symbols: true }));
  await drawCurves({ title: "Synthetic people, 16 unlabelled to 1 labelled", xLabel: "labelled persons", yLabels: ["AP"], series, yRange: [0, 0.8] }, plot);
  console.error(`written  ${json}  ${plot}`);
}
