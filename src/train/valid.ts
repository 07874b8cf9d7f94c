/** Validation of stored weights on the test set of a configuration. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../files.ts";
import { openDevice } from "../gpu/device.ts";
import { networkName } from "../models/build.ts";
import { prepareData, readSet, SampleSource } from "./data.ts";
import { evaluateNetworks, mainPrediction, mainRow } from "./evaluate.ts";
import { drawPredictionGrid } from "./figures.ts";
import { renderTable, RunLog } from "./log.ts";
import { writePredictions } from "./report.ts";
import type { ValidRequest } from "./requests.ts";
import { loadNetwork } from "./state.ts";

/** Prints the ten figures of COCO, writes results and a grid of predictions into the run's folder. */
export async function runValidation({ loaded, folder, modelFile, allowPartial }: ValidRequest): Promise<void> {
  const { config } = loaded;
  const log = new RunLog({ linePeriod: 1_000_000 });
  await prepareData(config, (line) => log.line(line));
  const set = await readSet(config, "test", { say: (line) => log.line(line) });
  const gpu = await openDevice();
  const { network } = await loadNetwork(gpu, { modelFile, config, allowPartial, say: (line) => log.line(line) });
  const source = new SampleSource(config);
  await mkdir(folder, { recursive: true });
  await log.begin("validation", Math.ceil(set.records.length / Math.min(config.TEST.BATCH_SIZE, set.records.length)));
  const evaluation = await evaluateNetworks([network], { set, source, config, progress: (done) => log.advance(done, {}) });
  log.end();
  const rows = mainRow(evaluation);
  await writePredictions(folder, { evaluation, set, prefix: "valid_" });
  await writeFileAtomic(join(folder, "valid_results.json"), `${JSON.stringify({ modelFile, scores: Object.fromEntries(rows) }, undefined, 2)}\n`);
  await drawPredictionGrid(join(folder, "valid_predictions.png"), mainPrediction(evaluation).predictions, source.skeleton);
  console.log(await renderTable(["", ...rows.map(([name]) => name)], [[networkName(config), ...rows.map(([, value]) => value.toFixed(4))]]));
}
