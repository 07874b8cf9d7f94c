/** Files of weights of every kind, opened alike: PyTorch's, safetensors, our own checkpoints; and loading them with a report. */
import { DataError } from "../error.ts";
import { torchShape } from "../interop/layout.ts";
import { openSafetensors, type StoredTensor } from "../interop/safetensors.ts";
import { compareNames, type NameReport, type NormalisedNames, normaliseNames, reportLines, requireExactFit, shapesOf } from "../interop/state_names.ts";
import { isTorchFile, openTorch, stateDict } from "../interop/torch.ts";
import { streamStateDict } from "../nn/state_dict.ts";
import type { PoseModel } from "../models/network.ts";
import type { ParameterStore } from "../nn/store.ts";
import { CHECKPOINT_FORMAT, loadCheckpointFile, MODEL_PREFIX } from "./checkpoint.ts";

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

const TORCH_NAME = /\.(pth|pt|ckpt|bin)(\.tar)?$|\.tar$/i;

function known<T>(tensors: ReadonlyMap<string, T>, name: string): T {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name}`);
  return tensor;
}

function ownTensors<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...tensors].filter(([name]) => name.startsWith(MODEL_PREFIX)).map(([name, tensor]) => [name.slice(MODEL_PREFIX.length), tensor]));
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
    return { path, kind: "tensors of a checkpoint", tensors: ownTensors(file.entries), read: (name) => file.read(MODEL_PREFIX + name) };
  }
  const { tensors } = await loadCheckpointFile(path);
  const own = ownTensors(tensors);
  return { path, kind: "checkpoint", tensors: own, read: (name) => Promise.resolve(known(own, name)) };
}

/** How many networks a file of weights holds: those of several are told by their prefixes. */
export function networksIn({ tensors }: { readonly tensors: ReadonlyMap<string, unknown> }): number {
  const prefixes = new Set([...tensors.keys()].map((name) => /^(?:module\.|model\.|1\.)*(resnet\d?)\./.exec(name)?.[1]).filter((prefix) => prefix !== undefined));
  return Math.max(1, prefixes.size);
}

/** Names and shapes of a network's tensors as PyTorch's state_dict has them; of several in a store those under a prefix, without it. */
export function networkShapes(store: ParameterStore, prefix = ""): Map<string, readonly number[]> {
  const own = <T extends { name: string }>(declarations: readonly T[]) =>
    declarations.filter(({ name }) => name.startsWith(prefix)).map((declaration) => ({ ...declaration, name: declaration.name.slice(prefix.length) }));
  const shapes = new Map<string, readonly number[]>(own(store.declarations).map(({ name, shape, kind }) => [name, torchShape(shape, kind)]));
  for (const { name, channels } of own(store.statisticsDeclarations)) {
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

/** Compares a file's names, freed of prefixes, with a network's. @param number which network of a file of several */
export function fitOf(file: Pick<WeightsFile, "tensors">, network: ReadonlyMap<string, readonly number[]>, number = 1): Fit {
  const normalised = normaliseNames(file.tensors.keys(), { network: number });
  const shapes = shapesOf(file.tensors);
  const report = compareNames(new Map([...normalised.names].map(([name, fileName]) => [name, shapes.get(fileName) ?? []])), network);
  return { report, normalised };
}

/** Lines of a fit for people: what was done to the names, then the report. */
export function fitLines({ report, normalised }: Fit): string[] {
  const other = normalised.otherNetwork.length;
  return [...normalised.notes, ...(other > 0 ? [`left out ${other} tensors of the other network`] : []), ...reportLines(report)];
}

/** Names of the part of a network that depends on the joints or is never pretrained. */
const HEAD = /^(deconv_layers|final_layer|final_layers|prm|hourglass\.(chantojoints|jointstochan))\./;

const BACKBONE_FIX = "use weights of the configured backbone, or leave MODEL.PRETRAINED empty to start from random weights";

/** How a file is to be loaded. */
export interface LoadOptions {
  /**
   * "all" wants an exact fit; "some" takes what fits and keeps the initial values of the rest; "backbone" is how
   * MODEL.PRETRAINED works: everything but the head must be there, whatever else the file has, and a head of another shape
   * stays as it is (pose-estimation checkpoints with other joints, ImageNet classifiers).
   */
  need: "all" | "some" | "backbone";
  /** Of a "backbone": take these parts only, by the first word of a name ("stage2"), or all where the first is "*": HRNet's PRETRAINED_LAYERS. */
  layers?: readonly string[] | undefined;
  /** Takes the report. */
  say: (line: string) => void;
}

/**
 * Loads a file's tensors into the networks of a model, as loadWeights does: each its own of a file of several, all the same of a
 * file of one, unless all weights are needed: then such a file is refused, whatever its kind (multiaugs §6.4, D-31).
 */
export async function loadModelWeights({ store, networks }: PoseModel, path: string, options: LoadOptions): Promise<void> {
  const held = options.need === "all" && networks.length > 1 ? networksIn(await openWeights(path)) : networks.length;
  if (held < networks.length) {
    const fix = held === 1 ? "name a single network by MODEL.NAME, for example pose_cons, or give --allow-partial, which takes its weights for every network" : "give the MODEL.NAME that the file was trained with";
    throw new DataError({ code: "checkpoint/mismatch", where: path, message: `expected weights of ${networks.length} networks, found those of ${held}`, fix });
  }
  for (const [i, { prefix }] of networks.entries()) {
    const say = (line: string) => options.say(networks.length === 1 ? line : `net ${i + 1}: ${line}`);
    await loadWeights(store, path, { ...options, say, prefix, number: i + 1 });
  }
}

/**
 * Loads a file's tensors into a network that has memory, and says what fitted.
 * `prefix` and `number` choose one network of a store of several, and of a file of several.
 * @throws DataError with the report where the file does not give what is needed.
 */
export async function loadWeights(store: ParameterStore, path: string, { need, layers, say, prefix = "", number = 1 }: LoadOptions & { prefix?: string; number?: number }): Promise<NameReport> {
  const file = await openWeights(path);
  const fit = fitOf(file, networkShapes(store, prefix), number);
  const { report, normalised } = fit;
  if (need === "all") requireExactFit(report, path);
  const chosen = (name: string) => layers === undefined || layers[0] === "*" || layers.includes(name.slice(0, name.indexOf(".")));
  if (need === "backbone") {
    const needed = (name: string) => chosen(name) && !HEAD.test(name);
    requireExactFit({ ...report, unexpected: [], missing: report.missing.filter(needed), reshaped: report.reshaped.filter(({ name }) => needed(name)) }, path, { fix: BACKBONE_FIX });
  }
  if (report.matched.length === 0) {
    throw new DataError({ code: "checkpoint/mismatch", message: "not one of its tensors fits the network", fix: "use weights of the configured network", where: path });
  }
  for (const line of fitLines(fit)) say(`weights   ${line}`);
  // PARITY: the published loader of ResNets drops final_layer of a PRETRAINED file even where its shape fits, but not that of a
  // pair, which it loads once more as a whole; that of HRNets goes by their list of layers alone.
  const drops = need === "backbone" && layers === undefined && !(prefix !== "" && normalised.otherNetwork.length > 0);
  const kept = report.matched.filter((name) => need !== "backbone" || (chosen(name) && !(drops && name.startsWith("final_layer."))));
  if (kept.length === 0) {
    throw new DataError({ code: "checkpoint/mismatch", message: `has no tensor of the layers ${layers?.join(", ")}`, fix: "correct MODEL.EXTRA.PRETRAINED_LAYERS", where: path });
  }
  if (kept.length < report.matched.length) say(`weights   taken ${kept.length} of these`);
  // What the file does not give keeps its initial values.
  const fileName = (name: string) => normalised.names.get(name.slice(prefix.length)) ?? name;
  await streamStateDict(store, kept.map((name) => prefix + name), { where: path, read: (name) => file.read(fileName(name)) });
  return report;
}
