/** Validation of stored weights on the test set of a configuration. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../error.ts";
import { type Gpu, openDevice } from "../gpu/device.ts";
import { buildModel, modelTitle, networkName } from "../models/build.ts";
import { networksOf, type PoseNetwork } from "../models/network.ts";
import { prepareData, readSet, SampleSource, type Say } from "./data.ts";
import { writeValidationGrids } from "./debug_grids.ts";
import { evaluateNetworks } from "./evaluate.ts";
import { logName, renderTable, RunLog } from "./log.ts";
import { writeOriginalPredictions } from "./original_files.ts";
import { scoreTable, writeReport } from "./report.ts";
import type { ValidRequest } from "./requests.ts";
import { loadModel } from "./state.ts";
import { loadWeights, networksIn, openWeights } from "./weights_file.ts";

/** The networks to score: those of the configuration with the weights of every file, and with `ensemble` all that a file holds. */
async function loadNetworks(gpu: Gpu, { loaded: { config }, modelFiles, allowPartial, ensemble }: ValidRequest, say: Say): Promise<PoseNetwork[]> {
  const networks: PoseNetwork[] = [];
  for (const modelFile of modelFiles) {
    const { model } = await loadModel(gpu, { modelFile, config, allowPartial, say });
    networks.push(...networksOf(model));
    if (!ensemble || model.networks.length > 1) continue;
    const held = networksIn(await openWeights(modelFile));
    for (let number = 2; number <= held; number++) {
      const { store, networks: more } = buildModel(config);
      store.materialise(gpu, config.SEED, { slots: 1, gradients: false, values: allowPartial });
      await loadWeights(store, modelFile, { need: allowPartial ? "some" : "all", say: (line) => say(`net ${number}: ${line}`), number });
      networks.push(more[0].network);
    }
  }
  return networks;
}

/** Prints the table of the data set's figures; writes results, tables and figures into the run's folder. */
export async function runValidation(request: ValidRequest): Promise<void> {
  const { loaded, folder, modelFiles } = request;
  const { config } = loaded;
  const log = new RunLog({ linePeriod: config.PRINT_FREQ, files: [join(folder, logName(loaded.path, "valid"))] });
  const say = (line: string) => log.line(line);
  await prepareData(config, say);
  const set = await readSet(config, "test", say);
  await mkdir(folder, { recursive: true });
  for (const note of loaded.notes) say(`note      ${note}`);
  const gpu = await openDevice();
  const [first, ...more] = await loadNetworks(gpu, request, say);
  if (!first || (request.ensemble && more.length === 0)) {
    throw new ConfigError({ code: "cli/bad-argument", where: modelFiles.join(", "), message: "one network is no ensemble", fix: "give weights of several networks, or --model-file several times" });
  }
  const source = new SampleSource(config);
  source.report = say;
  await log.begin("validation", Math.ceil(set.records.length / Math.min(config.TEST.BATCH_SIZE, set.records.length)));
  const evaluation = await evaluateNetworks([first, ...more], { set, source, config, progress: (done) => log.advance(done, {}) });
  log.end();
  await writeValidationGrids(folder, [first, ...more], { set, source, config });
  const [label, tableTitle] = [networkName(config), modelTitle(config)];
  await writeOriginalPredictions(folder, { evaluation, set, config });
  const figures = await writeReport(folder, { evaluation, set, network: source.skeleton, label, modelFiles, setName: config.DATASET.TEST_SET, tableTitle, saveResults: config.TEST.SAVE_RESULT });
  const { head, rows } = scoreTable(evaluation, { label, title: tableTitle });
  const table = await renderTable(head, rows);
  console.log(table);
  log.record(table);
  if (source.corrupt.size > 0) say(`passed over ${source.corrupt.size} images that could not be decoded`);
  say(`figures   ${figures.join("  ")}`);
}
