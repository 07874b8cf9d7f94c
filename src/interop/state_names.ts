/**
 * Names of a network's tensors: what repositories put in front of them is taken off, and two sets of names and shapes
 * are compared, so that nothing is left out silently.
 */
import { DataError } from "../error.ts";
import type { StoredTensor } from "./safetensors.ts";

/** Prefixes that wrappers put before every name: DataParallel, half precision in a sequence, our own checkpoints. */
const WRAPPERS = ["module.", "1.", "model."];

/** mmpose's two halves. */
const MMPOSE_HEADS = ["head.", "keypoint_head."];

/** Names as a single network has them, with the name in the file, and what was done. */
export interface NormalisedNames {
  /** Name of the network's tensor to name in the file. */
  readonly names: ReadonlyMap<string, string>;
  /** In words: "module. taken off" and the like, in order. */
  readonly notes: readonly string[];
  /** Names of a second network (resnet2.) that were left out. */
  readonly otherNetwork: readonly string[];
}

/** What the names of network n of several begin with: "resnet.", "resnet2.", ... whatever the backbone is. */
export function networkPrefix(n: number): string {
  return `resnet${n === 1 ? "" : n}.`;
}

/**
 * Takes off wrappers (module., 1., model.), mmpose's backbone. and head., and the prefix of one network of several
 * (resnet., resnet2., ...); final_layer_1 becomes final_layer. A prefix goes only where all names have it.
 * @param options.network which of several; a file of a single network gives that one for each.
 */
export function normaliseNames(fileNames: Iterable<string>, { network = 1 }: { network?: number } = {}): NormalisedNames {
  let pairs = [...fileNames].map((name): [name: string, fileName: string] => [name, name]);
  const notes: string[] = [];
  const otherNetwork: string[] = [];
  const all = (test: (name: string) => boolean) => pairs.length > 0 && pairs.every(([name]) => test(name));
  const strip = (prefixes: readonly string[]) => {
    pairs = pairs.map(([name, fileName]) => [name.slice(prefixes.find((prefix) => name.startsWith(prefix))?.length ?? 0), fileName]);
    notes.push(`${prefixes.join(", ")} taken off`);
  };
  for (let wrapper: string | undefined = ""; wrapper !== undefined; ) {
    wrapper = WRAPPERS.find((prefix) => all((name) => name.startsWith(prefix)));
    if (wrapper !== undefined) strip([wrapper]);
  }
  if (all((name) => ["backbone.", ...MMPOSE_HEADS].some((prefix) => name.startsWith(prefix)))) strip(["backbone.", ...MMPOSE_HEADS]);
  // PARITY: the published code cuts seven letters from every name, which makes ".x" of "resnet2.x"; the point counts here.
  if (all((name) => /^resnet\d?\./.test(name))) {
    const prefixes = new Set(pairs.map(([name]) => name.slice(0, name.indexOf(".") + 1)));
    const own = prefixes.has(networkPrefix(network)) ? networkPrefix(network) : prefixes.size === 1 ? [...prefixes].join() : undefined;
    if (own !== undefined) {
      otherNetwork.push(...pairs.filter(([name]) => !name.startsWith(own)).map(([, fileName]) => fileName));
      pairs = pairs.filter(([name]) => name.startsWith(own));
      strip([own]);
      if (prefixes.size > 1) notes.push(`network ${network} of ${prefixes.size} taken`);
    }
  }
  if (pairs.some(([name]) => name.startsWith("final_layer_1."))) {
    pairs = pairs.map(([name, fileName]) => [name.replace(/^final_layer_1\./, "final_layer."), fileName]);
    notes.push("final_layer_1 called final_layer");
  }
  return { names: new Map(pairs), notes, otherNetwork };
}

/** How the tensors of a file fit those of a network. */
export interface NameReport {
  readonly matched: readonly string[];
  /** The network has them, the file does not. */
  readonly missing: readonly string[];
  /** The file has them, the network does not. */
  readonly unexpected: readonly string[];
  /** Both have them, in different shapes. */
  readonly reshaped: readonly { name: string; file: readonly number[]; network: readonly number[] }[];
}

/** Old files lack the counters of batches: PyTorch before 0.4.1 had none. */
function isOptional(name: string): boolean {
  return name.endsWith(".num_batches_tracked");
}

/** Compares a file's names and shapes with a network's. */
export function compareNames(file: ReadonlyMap<string, readonly number[]>, network: ReadonlyMap<string, readonly number[]>): NameReport {
  const matched: string[] = [];
  const missing: string[] = [];
  const reshaped: { name: string; file: readonly number[]; network: readonly number[] }[] = [];
  for (const [name, shape] of network) {
    const found = file.get(name);
    if (!found) {
      if (!isOptional(name)) missing.push(name);
    } else if (found.join() === shape.join()) matched.push(name);
    else reshaped.push({ name, file: found, network: shape });
  }
  return { matched, missing, unexpected: [...file.keys()].filter((name) => !network.has(name)), reshaped };
}

/** Names of a kind in a report before "and N more". */
const SHOWN = 8;

/** The report as lines of text. */
export function reportLines({ matched, missing, unexpected, reshaped }: NameReport, { shown = SHOWN }: { shown?: number } = {}): string[] {
  const list = (names: readonly string[]) => (names.length <= shown ? names.join(", ") : `${names.slice(0, shown).join(", ")} and ${names.length - shown} more`);
  const shape = (sizes: readonly number[]) => `[${sizes.join(", ")}]`;
  const lines = [`matched ${matched.length}`];
  if (missing.length > 0) lines.push(`missing ${missing.length}: ${list(missing)}`);
  if (unexpected.length > 0) lines.push(`unexpected ${unexpected.length}: ${list(unexpected)}`);
  if (reshaped.length > 0) lines.push(`reshaped ${reshaped.length}: ${list(reshaped.map((one) => `${one.name} ${shape(one.file)} for ${shape(one.network)}`))}`);
  return lines;
}

/** Whether file and network are the same set of names and shapes. */
export function fitsExactly({ missing, unexpected, reshaped }: NameReport): boolean {
  return missing.length + unexpected.length + reshaped.length === 0;
}

const EXACT_FIX = "use the configuration that the file was trained with, or --allow-partial to take what fits";

/**
 * Refuses a report that is not an exact fit.
 * @throws DataError with the report.
 */
export function requireExactFit(report: NameReport, where: string, { fix = EXACT_FIX }: { fix?: string } = {}): void {
  if (fitsExactly(report)) return;
  throw new DataError({
    code: "checkpoint/mismatch",
    message: `the tensors do not fit the network: ${reportLines(report, { shown: 3 }).join("; ")}`,
    fix,
    where,
  });
}

/** What a set of names and shapes is recognised as. */
export interface RecognisedModel {
  /** For people, for example "PoseResNet-50, 17 joints". */
  readonly text: string;
  /** What the network is made of, where this program has it. */
  readonly network?: NetworkShape;
}

/** What of a network shows in its tensors. */
export type NetworkShape = PoseResnetShape | PoseHrnetShape | HigherHrnetShape | HourglassShape | RsgnetShape | PartGeneratorShape;

/** PoseResNet. */
export interface PoseResnetShape {
  readonly family: "pose_resnet";
  readonly depth: number;
  readonly joints: number;
  readonly width: number;
  readonly deconvFilters: readonly number[];
  readonly deconvKernels: readonly number[];
  readonly deconvBias: boolean;
  readonly finalKernel: number;
  readonly refine: boolean;
}

/** HRNet with its published stages. */
export interface PoseHrnetShape {
  readonly family: "pose_hrnet";
  readonly width: number;
  readonly stem: number;
  readonly joints: number;
  readonly finalKernel: number;
  readonly refine: boolean;
}

/** HigherHRNet with its published stages and one doubling. */
export interface HigherHrnetShape {
  readonly family: "pose_higher_hrnet";
  readonly width: number;
  readonly stem: number;
  readonly joints: number;
  readonly tags: readonly boolean[];
  readonly tagPerJoint: boolean;
}

/** Stacked hourglass. */
export interface HourglassShape {
  readonly family: "pose_hourglass";
  readonly stacks: number;
  readonly joints: number;
  readonly channels: number;
  readonly modules: number;
  readonly reductions: number;
  readonly stem: number;
}

/** RSGNet; which joints its limbs join, and the size of its input, no tensor tells. */
export interface RsgnetShape {
  readonly family: "pose_rsgnet";
  readonly width: number;
  readonly stem: number;
  readonly joints: number;
  readonly limbCount: number;
  readonly wordLength: number;
  readonly upScale: 1 | 2;
  readonly subSample: boolean;
}

/** ASDA's generator. */
export interface PartGeneratorShape {
  readonly family: "part_generator";
  readonly depth: number;
  readonly width: number;
  readonly categories: number;
  readonly hidden: number;
}

/** Blocks of the four stages ("b": bottleneck) by depth. */
const RESNETS: Readonly<Record<string, number>> = { "1,1,1": 8, "1,1,1,1": 10, "2,2,2,2": 18, "3,4,6,3": 34, "b3,4,6,3": 50, "b3,4,23,3": 101, "b3,8,36,3": 152 };

/** A tensor of the refine module. */
const REFINE = "prm.conv_bn_relu_prm_1.conv.weight";

type Shapes = ReadonlyMap<string, readonly number[]>;

/** One more than the largest number that stands at `#` in a name: pattern "layer1.#.conv1.weight". */
function countAt(shapes: Shapes, pattern: string): number {
  const [before = "", after = ""] = pattern.split("#");
  let count = 0;
  while (shapes.has(`${before}${count}${after}`)) count++;
  return count;
}

/** Recognises a network by its normalised names and shapes; undefined where it is none that is known. */
export function recogniseModel(shapes: Shapes): RecognisedModel | undefined {
  const size = (name: string, axis: number) => shapes.get(name)?.[axis] ?? 0;
  if (shapes.has("hourglass.start.conv.weight")) return recogniseHourglass(shapes);
  if (shapes.has("stage2.0.branches.0.0.conv1.weight")) {
    const width = size("stage2.0.branches.0.0.conv1.weight", 0);
    const stem = size("conv1.weight", 0);
    if (shapes.has("final_layers.0.weight")) {
      // Heatmaps and tags at a quarter of the input, heatmaps at half.
      const [first, joints] = [size("final_layers.0.weight", 0), size("final_layers.1.weight", 0)];
      const facts = { width, stem, joints, tags: [first > joints, false], tagPerJoint: first !== joints + 1 };
      return { text: `HigherHRNet-W${width}, ${joints} joints`, network: { family: "pose_higher_hrnet", ...facts } };
    }
    const joints = size("final_layer.weight", 0);
    if (shapes.has("word_map.weight")) {
      const upScale = shapes.has("predict.deconv.0.weight") ? 2 : 1;
      const facts = { width, stem, joints, limbCount: size("limb.matrix", 0), wordLength: size("word_map.weight", 0), upScale, subSample: shapes.has("relation.deconv.0.weight") } as const;
      return { text: `RSGNet-W${width}, ${joints} joints, ${facts.limbCount} limbs`, network: { family: "pose_rsgnet", ...facts } };
    }
    if (size("final_layer.weight", 1) !== width) return { text: `HRNet-W${width} without a head for joints` };
    return { text: `HRNet-W${width}, ${joints} joints`, network: { family: "pose_hrnet", width, stem, joints, finalKernel: size("final_layer.weight", 2), refine: shapes.has(REFINE) } };
  }
  if (shapes.has("fc_locs.2.weight")) {
    const depth = resnetDepth(shapes, "trunk.");
    if (depth === undefined) return undefined;
    const facts = { depth, width: size("trunk.conv1.weight", 0), categories: size("fc_locs.2.weight", 0) / 3, hidden: size("fc_locs.2.weight", 1) };
    return { text: `generator of ASDA, ResNet-${depth}, ${facts.categories} categories`, network: { family: "part_generator", ...facts } };
  }
  const depth = resnetDepth(shapes, "");
  if (depth === undefined) return undefined;
  const width = size("conv1.weight", 0);
  const thin = width === 64 ? "" : `, width ${width}`;
  const deconvs: number[] = [];
  while (shapes.has(`deconv_layers.${3 * deconvs.length}.weight`)) deconvs.push(3 * deconvs.length);
  if (!shapes.has("final_layer.weight") || deconvs.length === 0) {
    return { text: `ResNet-${depth}${thin}${shapes.has("fc.weight") ? `, ${size("fc.weight", 0)} classes` : ""}` };
  }
  const joints = size("final_layer.weight", 0);
  return {
    text: `PoseResNet-${depth}${thin}, ${joints} joints`,
    network: {
      family: "pose_resnet",
      depth,
      joints,
      width,
      deconvFilters: deconvs.map((at) => size(`deconv_layers.${at}.weight`, 1)),
      deconvKernels: deconvs.map((at) => size(`deconv_layers.${at}.weight`, 2)),
      deconvBias: shapes.has("deconv_layers.0.bias"),
      finalKernel: size("final_layer.weight", 2),
      refine: shapes.has(REFINE),
    },
  };
}

/** Depth of the ResNet under a prefix; undefined where there is none. */
function resnetDepth(shapes: Shapes, prefix: string): number | undefined {
  if (!shapes.has(`${prefix}conv1.weight`)) return undefined;
  const blocks = [1, 2, 3, 4].map((stage) => countAt(shapes, `${prefix}layer${stage}.#.conv1.weight`)).filter((count) => count > 0);
  return RESNETS[`${shapes.has(`${prefix}layer1.0.conv3.weight`) ? "b" : ""}${blocks.join()}`];
}

function recogniseHourglass(shapes: Shapes): RecognisedModel {
  const size = (name: string, axis: number) => shapes.get(name)?.[axis] ?? 0;
  const stacks = countAt(shapes, "hourglass.chantojoints.#.weight");
  const joints = size("hourglass.chantojoints.0.weight", 0);
  let reductions = 1;
  while (shapes.has(`hourglass.hourglass.0.${"hg.".repeat(reductions)}skip.0.cb.cbr1.conv.weight`)) reductions++;
  return {
    text: `Hourglass-${stacks}, ${joints} joints`,
    network: {
      family: "pose_hourglass",
      stacks,
      joints,
      channels: size("hourglass.chantojoints.0.weight", 1),
      modules: countAt(shapes, "hourglass.hourglass.0.skip.#.cb.cbr1.conv.weight"),
      reductions,
      stem: size("hourglass.start.conv.weight", 0),
    },
  };
}

/** Names of tensors to their shapes. */
export function shapesOf(tensors: ReadonlyMap<string, Pick<StoredTensor, "shape">>): Map<string, readonly number[]> {
  return new Map([...tensors].map(([name, { shape }]) => [name, shape]));
}
