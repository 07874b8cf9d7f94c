/** Files of weights of every kind, opened alike: PyTorch's, safetensors, our own checkpoints; and loading them with a report. */
import { DataError } from "../error.ts";
import { torchShape } from "../interop/layout.ts";
import { openSafetensors, type StoredTensor } from "../interop/safetensors.ts";
import { compareNames, type NameReport, type NormalisedNames, normaliseNames, reportLines, requireExactFit, shapesOf } from "../interop/state_names.ts";
import { isTorchFile, openTorch, stateDict } from "../interop/torch.ts";
import { readStateDict, writeStateDict } from "../nn/state_dict.ts";
import type { ParameterStore } from "../nn/store.ts";
import { CHECKPOINT_FORMAT, loadCheckpointFile } from "./checkpoint.ts";

/** An opened file of weights. */
export interface WeightsFile {
  readonly path: string;
  /** For people, for example "PyTorch (zip), under state_dict". */
  readonly kind: string;
  /** Types and shapes by name, in the file's order. */
  readonly tensors: ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>;
  /** Reads one tensor. Throws DataError where the file is damaged. */
  read(name: string): Promise<StoredTensor>;
}

const OWN_PREFIX = "model.";
const TORCH_NAME = /\.(pth|pt|ckpt|bin)(\.tar)?$|\.tar$/i;

function known<T>(tensors: ReadonlyMap<string, T>, name: string): T {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name}`);
  return tensor;
}

function ownTensors<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...tensors].filter(([name]) => name.startsWith(OWN_PREFIX)).map(([name, tensor]) => [name.slice(OWN_PREFIX.length), tensor]));
}

/**
 * Whether a file holds bare weights, of PyTorch or as safetensors, in contrast to a checkpoint of this program, which
 * also holds the configuration.
 */
export async function isBareWeights(path: string): Promise<boolean> {
  if ((await isTorchFile(path)) || TORCH_NAME.test(path)) return true;
  if (!path.endsWith(".safetensors") || !(await Bun.file(path).exists())) return false;
  return (await openSafetensors(path)).metadata["format"] !== CHECKPOINT_FORMAT;
}

/**
 * Opens a file of weights. Of a training checkpoint only the network's tensors are taken.
 * @throws DataError naming the file where it is missing, damaged or of another kind.
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  if ((await isTorchFile(path)) || TORCH_NAME.test(path)) {
    const file = await openTorch(path);
    const { key, tensors } = stateDict(file);
    return { path, kind: `PyTorch (${file.container})${key === "" ? "" : `, under ${key}`}`, tensors, read: (name) => file.read(known(tensors, name)) };
  }
  if (path.endsWith(".safetensors")) {
    const file = await openSafetensors(path);
    if (file.metadata["format"] !== CHECKPOINT_FORMAT) return { path, kind: "safetensors", tensors: file.entries, read: (name) => file.read(name) };
    return { path, kind: "tensors of a checkpoint", tensors: ownTensors(file.entries), read: (name) => file.read(OWN_PREFIX + name) };
  }
  const { tensors } = await loadCheckpointFile(path);
  const own = ownTensors(tensors);
  return { path, kind: "checkpoint", tensors: own, read: (name) => Promise.resolve(known(own, name)) };
}

/** Names and shapes of a network's tensors as PyTorch's state_dict has them. */
export function networkShapes(store: ParameterStore): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>(store.declarations.map(({ name, shape, kind }) => [name, torchShape(shape, kind)]));
  for (const { name, channels } of store.statisticsDeclarations) {
    shapes.set(`${name}.running_mean`, [channels]);
    shapes.set(`${name}.running_var`, [channels]);
    shapes.set(`${name}.num_batches_tracked`, []);
  }
  return shapes;
}

/** How a file fits a network. */
export interface Fit {
  readonly report: NameReport;
  readonly normalised: NormalisedNames;
}

/** Compares a file's names, freed of prefixes, with a network's. */
export function fitOf(file: Pick<WeightsFile, "tensors">, network: ReadonlyMap<string, readonly number[]>): Fit {
  const normalised = normaliseNames(file.tensors.keys());
  const shapes = shapesOf(file.tensors);
  const report = compareNames(new Map([...normalised.names].map(([name, fileName]) => [name, shapes.get(fileName) ?? []])), network);
  return { report, normalised };
}

/** Lines of a fit for people: what was done to the names, then the report. */
export function fitLines({ report, normalised }: Fit): string[] {
  const other = normalised.otherNetwork.length;
  return [...normalised.notes, ...(other > 0 ? [`left out ${other} tensors of the other network`] : []), ...reportLines(report)];
}

/** Names of the part of a PoseResNet or HRNet that depends on the joints or is never pretrained. */
const HEAD = /^(deconv_layers|final_layer|final_layers|prm)\./;

/**
 * Loads a file's tensors into a network that has memory, and says what fitted.
 * `need`: "all" wants an exact fit; "some" takes what fits and keeps the initial values of the rest; "backbone" is how
 * MODEL.PRETRAINED works: everything but the head must be there, whatever else the file has, and a head of another shape
 * stays as it is (pose-estimation checkpoints with other joints, ImageNet classifiers).
 * @throws DataError with the report where the file does not give what is needed.
 */
export async function loadWeights(store: ParameterStore, path: string, { need, say }: { need: "all" | "some" | "backbone"; say: (line: string) => void }): Promise<NameReport> {
  const file = await openWeights(path);
  const fit = fitOf(file, networkShapes(store));
  const { report, normalised } = fit;
  if (need === "all") requireExactFit(report, path);
  if (need === "backbone") {
    requireExactFit({ ...report, unexpected: [], missing: report.missing.filter((name) => !HEAD.test(name)), reshaped: report.reshaped.filter(({ name }) => !HEAD.test(name)) }, path);
  }
  if (report.matched.length === 0) {
    throw new DataError({ code: "checkpoint/mismatch", message: "not one of its tensors fits the network", fix: "use weights of the configured network", where: path });
  }
  for (const line of fitLines(fit)) say(`weights   ${line}`);
  // PARITY: the published loader drops final_layer of a PRETRAINED file even where its shape fits.
  const kept = need === "backbone" ? report.matched.filter((name) => !name.startsWith("final_layer.")) : report.matched;
  // What the file does not give keeps its initial values.
  const whole = kept.length === report.matched.length && report.missing.length + report.reshaped.length === 0;
  const tensors = whole ? new Map<string, StoredTensor>() : await readStateDict(store);
  for (const name of kept) tensors.set(name, await file.read(normalised.names.get(name) ?? name));
  writeStateDict(store, { where: path, get: (name) => tensors.get(name) });
  return report;
}
