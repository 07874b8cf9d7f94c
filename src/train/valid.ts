/** Validation of stored weights on the test set of a configuration. */
import { mkdir } from "node:fs/promises";
import { openDevice } from "../gpu/device.ts";
import { networkName } from "../models/build.ts";
import { networksOf } from "../models/network.ts";
import { prepareData, readSet, SampleSource } from "./data.ts";
import { evaluateNetworks } from "./evaluate.ts";
import { renderTable, RunLog } from "./log.ts";
import { scoreTable, writeReport } from "./report.ts";
import type { ValidRequest } from "./requests.ts";
import { loadModel } from "./state.ts";

/** Prints the table of the data set's figures; writes results, tables and figures into the run's folder. */
export async function runValidation({ loaded, folder, modelFile, allowPartial }: ValidRequest): Promise<void> {
  const { config } = loaded;
  const log = new RunLog({ linePeriod: 1_000_000 });
  const say = (line: string) => log.line(line);
  await prepareData(config, say);
  const set = await readSet(config, "test", { say });
  const gpu = await openDevice();
  const { model } = await loadModel(gpu, { modelFile, config, allowPartial, say });
  const source = new SampleSource(config);
  await mkdir(folder, { recursive: true });
  await log.begin("validation", Math.ceil(set.records.length / Math.min(config.TEST.BATCH_SIZE, set.records.length)));
  const evaluation = await evaluateNetworks(networksOf(model), { set, source, config, progress: (done) => log.advance(done, {}) });
  log.end();
  const label = networkName(config);
  const figures = await writeReport(folder, { evaluation, set, network: source.skeleton, label, modelFiles: [modelFile], setName: config.DATASET.TEST_SET });
  const { head, rows } = scoreTable(evaluation, { label });
  console.log(await renderTable(head, rows));
  if (source.corrupt.size > 0) say(`passed over ${source.corrupt.size} images that could not be decoded`);
  say(`figures   ${figures.join("  ")}`);
}
