/** Validation of stored weights on the test set of a configuration. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { scoreRows } from "../eval/coco_eval.ts";
import { writeResults } from "../eval/results.ts";
import { writeFileAtomic } from "../files.ts";
import { openDevice } from "../gpu/device.ts";
import { networkName } from "../models/build.ts";
import { prepareData, readPersons, SampleSource } from "./data.ts";
import { evaluateNetwork } from "./evaluate.ts";
import { drawPredictionGrid } from "./figures.ts";
import { renderTable, RunLog } from "./log.ts";
import type { ValidRequest } from "./requests.ts";
import { loadNetwork } from "./state.ts";

/** Prints the ten figures of COCO, writes results and a grid of predictions into the run's folder. */
export async function runValidation({ loaded, folder, modelFile, allowPartial }: ValidRequest): Promise<void> {
  const { config } = loaded;
  const log = new RunLog({ linePeriod: 1_000_000 });
  await prepareData(config, (line) => log.line(line));
  const set = await readPersons(config, "test");
  const gpu = await openDevice();
  const { network } = await loadNetwork(gpu, { modelFile, config, allowPartial, say: (line) => log.line(line) });
  const source = new SampleSource(config);
  await mkdir(folder, { recursive: true });
  await log.begin("validation", Math.ceil(set.records.length / Math.min(config.TEST.BATCH_SIZE, set.records.length)));
  const evaluation = await evaluateNetwork(network, { set, source, config, progress: (done) => log.advance(done, {}) });
  log.end();
  const rows = scoreRows(evaluation.scores);
  await writeResults(join(folder, "valid_keypoints_results.json"), evaluation.results);
  await writeFileAtomic(join(folder, "valid_results.json"), `${JSON.stringify({ modelFile, scores: Object.fromEntries(rows) }, undefined, 2)}\n`);
  await drawPredictionGrid(join(folder, "valid_predictions.png"), evaluation.predictions, source.skeleton);
  console.log(await renderTable(["", ...rows.map(([name]) => name)], [[networkName(config), ...rows.map(([, value]) => value.toFixed(4))]]));
}
