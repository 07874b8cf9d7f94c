/** Conversion of weights between files, and a look into one. */
import { ConfigError, DataError } from "../error.ts";
import { type StoredTensor, toFloat32, writeSafetensors } from "../interop/safetensors.ts";
import { normaliseNames, type NetworkShape, recogniseModel, reportLines, requireExactFit, shapesOf } from "../interop/state_names.ts";
import { writeTorch } from "../interop/torch_writer.ts";
import { HigherHrnet } from "../models/higher_hrnet.ts";
import { StackedHourglass } from "../models/hourglass.ts";
import { hrnetStages, PoseHrnet } from "../models/hrnet.ts";
import type { PoseNetwork } from "../models/network.ts";
import { forwardCost } from "../models/cost.ts";
import { PartGenerator } from "../models/part_generator.ts";
import { PoseResnet } from "../models/pose_resnet.ts";
import type { ResnetDepth } from "../models/resnet.ts";
import { Rsgnet } from "../models/rsgnet.ts";
import { EVALUATION } from "../nn/layers.ts";
import { CONVERT_MODELS, type ConvertRequest } from "./requests.ts";
import { fitLines, fitOf, networkShapes, networksIn, openWeights, type WeightsFile } from "./weights_file.ts";

/** What all recognised networks have; ASDA's generator takes images of any size. */
export type RecognisedNetwork = Pick<PoseNetwork, "store" | "forward"> & Partial<Pick<PoseNetwork, "inputMultiple">>;

/** Size of the image that inspect states the multiplications for, px. */
const COST_SIZE = [192, 256] as const;

/** The network, without memory, that tensors were recognised as. */
export function buildRecognised(shape: NetworkShape): RecognisedNetwork {
  switch (shape.family) {
    case "pose_resnet":
      return new PoseResnet({ ...shape, depth: shape.depth as ResnetDepth });
    case "pose_hrnet":
      return new PoseHrnet({ ...shape, stages: hrnetStages(shape.width) });
    case "pose_higher_hrnet":
      return new HigherHrnet({ ...shape, stages: hrnetStages(shape.width) });
    case "pose_hourglass":
      return new StackedHourglass(shape);
    case "pose_rsgnet": {
      // Which joints a limb joins changes no tensor that is stored.
      const limbs = Array.from({ length: shape.limbCount }, (_, i) => [i % shape.joints, (i + 1) % shape.joints] as const);
      return new Rsgnet({ ...shape, limbs, inputSize: COST_SIZE, stages: hrnetStages(shape.width) });
    }
    case "part_generator":
      return new PartGenerator({ ...shape, depth: shape.depth as ResnetDepth });
  }
}

function recognise(file: WeightsFile, network = 1) {
  const shapes = shapesOf(file.tensors);
  const { names } = normaliseNames(file.tensors.keys(), { network });
  return recogniseModel(new Map([...names].map(([name, fileName]) => [name, shapes.get(fileName) ?? []])));
}

/** The tensors to write: new name to name in the file. Throws DataError where they do not fit the model. */
function chosenNames(file: WeightsFile, { model, network, allowPartial }: ConvertRequest): Map<string, string> {
  if (model === undefined && network === undefined) return new Map([...file.tensors.keys()].map((name) => [name, name]));
  if (model !== undefined && !CONVERT_MODELS.some((name) => name === model)) {
    throw new ConfigError({ code: "cli/bad-argument", message: `--model expects one of ${CONVERT_MODELS.join(", ")}, received "${model}"`, fix: "bun run inspect FILE says which network a file holds", where: "convert" });
  }
  const held = networksIn(file);
  if (network !== undefined && network > held) {
    throw new DataError({ code: "checkpoint/mismatch", message: `has no network ${network}: it holds ${held}`, fix: "bun run inspect FILE lists its tensors", where: file.path });
  }
  const recognised = recognise(file, network);
  const shape = recognised?.network;
  const fits = model === undefined || shape?.family === model || (model === "pose_cons" && (shape?.family === "pose_resnet" || shape?.family === "pose_hrnet"));
  if (!shape || !fits) {
    const wanted = model === undefined ? "" : `, not a ${model}`;
    throw new DataError({ code: "checkpoint/mismatch", message: `holds ${recognised?.text ?? "no network that is known"}${wanted}`, fix: "leave --model and --network out to keep all tensors with their names", where: file.path });
  }
  const fit = fitOf(file, networkShapes(buildRecognised(shape).store), network);
  console.log([`network     ${recognised?.text}`, ...fitLines(fit)].join("\n"));
  if (!allowPartial) requireExactFit(fit.report, file.path);
  const prefix = model === "pose_cons" ? "resnet." : "";
  return new Map(fit.report.matched.map((name) => [prefix + name, fit.normalised.names.get(name) ?? name]));
}

/**
 * Writes the weights of one file into another; the ending of the name says which kind: .pth, .pt, .pth.tar (PyTorch's ZIP) or
 * .safetensors.
 * @throws DataError where the input is damaged or does not fit the model; ConfigError for an unknown ending or model.
 */
export async function runConvert(request: ConvertRequest): Promise<void> {
  const { input, output } = request;
  const kind = /\.(pth|pt|pth\.tar)$/.test(output) ? "torch" : output.endsWith(".safetensors") ? "safetensors" : undefined;
  if (!kind) throw new ConfigError({ code: "cli/bad-argument", message: `the output must end in .pth, .pt, .pth.tar or .safetensors, received "${output}"`, fix: "for example: bun run convert best.json weights.pth", where: "convert" });
  const file = await openWeights(input);
  const names = chosenNames(file, request);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, fileName] of names) tensors.set(name, await file.read(fileName));
  await (kind === "torch" ? writeTorch(output, tensors) : writeSafetensors(output, tensors));
  console.log(`${output}: ${tensors.size} tensors of ${input} (${file.kind})`);
}

/** Numbers of one tensor in a line: lowest, highest, mean, standard deviation; what is not finite is counted. */
function statisticsText(tensor: StoredTensor, name: string): string {
  const values = numbersOf(tensor, name);
  let [low, high, sum, finite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    finite++;
    sum += value;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const mean = sum / finite;
  let squares = 0;
  for (const value of values) if (Number.isFinite(value)) squares += (value - mean) ** 2;
  const show = (value: number) => (Number.isInteger(value) ? String(value) : value.toPrecision(4));
  const broken = values.length - finite;
  const text = finite === 0 ? "no finite values" : finite === 1 ? show(low) : `${show(low)} to ${show(high)}, mean ${show(mean)}, deviation ${show(Math.sqrt(squares / finite))}`;
  return broken > 0 && values.length > 0 ? `${text}, NOT FINITE ${broken}` : text;
}

function numbersOf(tensor: StoredTensor, name: string): ArrayLike<number> & Iterable<number> {
  const bytes = tensor.data.slice().buffer;
  switch (tensor.dtype) {
    case "F64": return new Float64Array(bytes);
    case "I64": return Float64Array.from(new BigInt64Array(bytes), Number);
    case "U64": return Float64Array.from(new BigUint64Array(bytes), Number);
    case "I32": return new Int32Array(bytes);
    case "U32": return new Uint32Array(bytes);
    case "I16": return new Int16Array(bytes);
    case "U16": return new Uint16Array(bytes);
    case "I8": return new Int8Array(bytes);
    case "U8":
    case "BOOL": return new Uint8Array(bytes);
    case "F8_E4M3":
    case "F8_E5M2": return new Float32Array(0);
    default: return toFloat32(tensor, name);
  }
} // prettier-ignore

/** Multiplications of a pass, for people. */
function costText(network: RecognisedNetwork): string {
  const { inputMultiple = 1 } = network;
  const size = COST_SIZE.map((px) => Math.ceil(px / inputMultiple) * inputMultiple) as [number, number];
  const { gigaMacs, printedGigaMacs } = forwardCost((x) => network.forward(x, EVALUATION), size);
  return `${gigaMacs.toFixed(3)} x 10^9 multiplications for ${size.join("x")} px; ${printedGigaMacs.toFixed(2)} x 2^30 as repositories count`;
}

/**
 * Prints what a file holds: kind, recognised network, every tensor with type, shape and statistics.
 * @throws DataError where the file is damaged or of another kind.
 */
export async function runInspect(path: string): Promise<void> {
  const file = await openWeights(path);
  const recognised = recognise(file);
  const { notes } = normaliseNames(file.tensors.keys());
  const rows: [string, string, string, string][] = [];
  let values = 0;
  for (const [name, { dtype, shape }] of file.tensors) {
    const elements = shape.reduce((product, side) => product * side, 1);
    values += elements;
    const complex = dtype === "C64" || dtype === "C128";
    rows.push([name, dtype, `[${shape.join(", ")}]`, complex ? "complex" : elements === 0 ? "empty" : statisticsText(await file.read(name), name)]);
  }
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
  console.log([...lines, "", `file        ${file.kind}`, `network     ${recognised?.text ?? "none that is known"}`, ...notes.map((note) => `names       ${note}`), `tensors     ${rows.length}, ${values.toLocaleString("en")} values`].join("\n"));
  const shape = recognised?.network;
  if (!shape) return;
  const network = buildRecognised(shape);
  const { report } = fitOf(file, networkShapes(network.store));
  // What the tensors do not fit says nothing of the file's network.
  const fits = report.missing.length + report.reshaped.length === 0;
  const facts = fits ? [`parameters  ${network.store.parameterCount.toLocaleString("en")}`, `costs       ${costText(network)}`] : [];
  console.log([...facts, ...reportLines(report).map((line) => `            ${line}`)].join("\n"));
}
