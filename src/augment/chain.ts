/**
 * Chains of MultiAugs' augmentations on batches of normalised images, encoded into a step: every draw is made on the device
 * from a key that is data, so that a replayed step augments anew. What a sample draws for itself depends on its index, not on
 * its place in the batch.
 */
import { OpError } from "../error.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type ColourChoice, colourOperation } from "../kernels/augment_colour.ts";
import { mixup, mixupDraws } from "../kernels/augment_mixup.ts";
import { applyPatches, cutoutPatches, type JointSource, jointCutoutPatches, jointOcclusionPatches, PATCH_BYTES, type PatchStep } from "../kernels/augment_patches.ts";
import { emptyTensor, shapeText, type Tensor } from "../tensor/tensor.ts";
import { type Magnitude, policyLevels, randAugment, trivialAugment } from "./colour_policy.ts";

/** Steps that hide or replace boxes of an image. */
type BoxStep =
  | { kind: "cutout"; holes: number }
  | { kind: "cutmix"; holes: number }
  | { kind: "joint_cutout"; holes: number }
  | { kind: "joint_cut_occlusion"; patches: number };

/** Steps that change colours, in bytes as Pillow does. */
type ColourStep =
  | { kind: "rand_augment"; magnitude: Magnitude; /** Operations behind one another; 2 where absent. */ count?: number }
  | { kind: "trivial_augment" }
  /** Half of the image from a second draw of the policy. */
  | { kind: "yoco"; policy: "rand_augment"; magnitude: Magnitude }
  | { kind: "yoco"; policy: "trivial_augment" };

/** One augmentation of a chain. */
export type AugmentStep = BoxStep | ColourStep | { kind: "mixup" };

/** What all chains of a training share. */
export interface AugmentOptions {
  /** Joints that joint steps draw from, with replacement. */
  pool: readonly number[];
  /** Joints of the peaks. */
  joints: number;
  /** Multiplies what is in px: 10..19 px half sides, 10 px jitter, RandAugment's square; 1 as published, for 192x256 px. */
  scale: number;
  /** PARITY: width and height confused in cutout, cutmix and joint cutout (multiaugs D-1). */
  swapLimits: boolean;
  /** PARITY: a joint's x taken for its row in joint cut-occlusion (multiaugs D-2). */
  swapJointAxes: boolean;
}

/** What a chain is applied to. */
export interface AugmentCall {
  /** Normalised images [n, h, w, 3], f32 or f16; only read. */
  easy: Tensor;
  /** [n, joints, 3]: x, y in image px and value; joint steps need it. */
  peaks?: BufferRange;
  /** u32 seed, stream (STREAM.augment), epoch, index of the first sample. */
  keys: BufferRange;
  /** Sets the draws of this view apart from those of all others that use the same keys. */
  lane: number;
}

/** A call on the images as the steps before left them; `site` is the first step's. */
type PlacedCall = AugmentCall & { site: number };

/** Sites of a lane: more than a chain has steps. */
const SITES_PER_LANE = 256;

/** Operations of RandAugment behind one another. */
const RAND_AUGMENT_COUNT = 2;

const CODES = {
  cutout: "CO",
  cutmix: "CM",
  mixup: "MU",
  joint_cutout: "JC",
  joint_cut_occlusion: "JO",
  rand_augment: "RA",
  trivial_augment: "TA",
  yoco: "YOCO",
} as const satisfies Record<AugmentStep["kind"], string>;

function stepName(step: AugmentStep): string {
  const policy = step.kind === "yoco" ? CODES[step.policy] : "";
  return CODES[step.kind] + policy;
}

/** A chain in the codes of the papers, in order: "JC+CM"; "A60", the mere second affine, for an empty one. */
export function chainName(chain: readonly AugmentStep[]): string {
  return chain.map(stepName).join("+") || "A60";
}

function patchCount(step: BoxStep): number {
  return step.kind === "joint_cut_occlusion" ? step.patches : step.holes;
}

function isBoxStep(step: AugmentStep): step is BoxStep {
  return step.kind === "cutout" || step.kind === "cutmix" || step.kind === "joint_cutout" || step.kind === "joint_cut_occlusion";
}

/** What a colour step draws from, and how often. */
function policyOf(step: ColourStep): { choice: ColourChoice; count: number } {
  if (step.kind === "trivial_augment" || (step.kind === "yoco" && step.policy === "trivial_augment")) return { choice: trivialAugment(), count: 1 };
  const count = (step.kind === "rand_augment" ? step.count : undefined) ?? RAND_AUGMENT_COUNT;
  if (!(Number.isInteger(count) && count > 0)) refuse(`augment: ${step.kind} needs a positive number of operations, got ${count}`);
  return { choice: randAugment(step.magnitude), count };
}

function refuse(message: string): never {
  throw new OpError({ code: "augment/chain", message });
}

/** Applies chains of augmentations to batches of images on the device. */
export class Augmenter {
  readonly #gpu: Gpu;
  readonly #options: AugmentOptions;
  readonly #pool: BufferRange;
  readonly #levels: BufferRange;

  /** Errors: OpError for a pool that is empty or names joints that there are not, and for a scale that is not positive. */
  constructor(gpu: Gpu, options: AugmentOptions) {
    const { pool, joints, scale } = options;
    const wrong = pool.find((joint) => !(Number.isInteger(joint) && joint >= 0 && joint < joints));
    if (pool.length === 0 || wrong !== undefined) refuse(`augment: the pool must name joints from 0 to ${joints - 1}, got ${wrong ?? "none"}`);
    if (!(scale > 0)) refuse(`augment: scale must be positive, got ${scale}`);
    this.#gpu = gpu;
    this.#options = options;
    this.#pool = gpu.upload(Uint32Array.from(pool), "joints to draw from");
    this.#levels = gpu.upload(policyLevels(scale), "levels of colour operations");
  }

  /**
   * Encodes a chain and returns the augmented images, [n, h, w, 3] of easy's type; easy itself for an empty chain. Boxes of
   * steps behind one another are drawn in one pass. May be recorded. Errors: OpError for easy of another shape, for a joint
   * step without peaks, for counts that are not positive integers.
   */
  encode(chain: readonly AugmentStep[], call: AugmentCall): Tensor {
    const { shape } = call.easy;
    if (shape.length !== 4 || shape[3] !== 3) refuse(`augment: images must be [n, h, w, 3], got ${shapeText(shape)}`);
    if (chain.length > SITES_PER_LANE) refuse(`augment: a chain has at most ${SITES_PER_LANE} steps, got ${chain.length}`);
    let images = call.easy;
    let boxes: BoxStep[] = [];
    const at = (place: number): PlacedCall => ({ ...call, easy: images, site: SITES_PER_LANE * call.lane + place });
    const drawBoxes = (end: number) => {
      if (boxes.length > 0) images = this.#drawBoxes(boxes, at(end - boxes.length));
      boxes = [];
    };
    chain.forEach((step, place) => {
      if (isBoxStep(step)) {
        boxes.push(step);
        return;
      }
      drawBoxes(place);
      images = step.kind === "mixup" ? this.#mix(at(place)) : this.#recolour(step, at(place));
    });
    drawBoxes(chain.length);
    return images;
  }

  /** Gives the persistent memory back. */
  free(): void {
    for (const range of [this.#pool, this.#levels]) this.#gpu.free(range);
  }

  #result(images: Tensor): Tensor {
    return emptyTensor(this.#gpu, images.shape, { label: "augmented", dtype: images.dtype });
  }

  #mix({ easy: images, keys, site }: PlacedCall): Tensor {
    const [batch = 0] = images.shape;
    const draws = this.#gpu.allocate(4 * (1 + batch), "mixup draws");
    mixupDraws(this.#gpu, { keys, draws, batch, site });
    const mixed = this.#result(images);
    mixup(this.#gpu, { x: images.range, draws, y: mixed.range, batch, inner: images.size / batch });
    return mixed;
  }

  /** RandAugment, TrivialAugment, or YOCO's two draws of one: the second writes its half over the first. */
  #recolour(step: ColourStep, { easy, keys, site }: PlacedCall): Tensor {
    const [batch = 0, height = 0, width = 0] = easy.shape;
    const { choice, count } = policyOf(step);
    const coloured = this.#result(easy);
    const copies = step.kind === "yoco" ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      let x = easy.range;
      for (let k = 0; k < count; k++) {
        const last = k + 1 === count;
        const y = last ? coloured.range : this.#gpu.allocate(4 * batch * height * width, "bytes of images");
        const format = { from: k === 0 ? "normalised" : "packed", to: last ? "normalised" : "packed" } as const;
        colourOperation(this.#gpu, { x, y, ...format, batch, size: [width, height], levels: this.#levels, choice, keys, site, place: copy * count + k, half: last && copy === 1 });
        x = y;
      }
    }
    return coloured;
  }

  /** Draws the boxes of steps behind one another in one pass. */
  #drawBoxes(steps: readonly BoxStep[], { easy, peaks, keys, site }: PlacedCall): Tensor {
    const [batch = 0, height = 0, width = 0, channels = 0] = easy.shape;
    const patches = steps.reduce((sum, step) => sum + patchCount(step), 0);
    const table = this.#gpu.allocate(PATCH_BYTES * batch * patches, "patches");
    let first = 0;
    steps.forEach((step, place) => {
      const count = patchCount(step);
      if (!(Number.isInteger(count) && count > 0)) refuse(`augment: ${step.kind} needs a positive number of boxes, got ${count}`);
      this.#boxesOf(step, { table, patches, first, count, step: place, keys, site: site + place, batch, size: [width, height], scale: this.#options.scale }, peaks);
      first += count;
    });
    const drawn = this.#result(easy);
    applyPatches(this.#gpu, { x: easy.range, table, y: drawn.range, shape: { batch, height, width, channels }, patches });
    return drawn;
  }

  #boxesOf({ kind }: BoxStep, call: PatchStep, peaks: BufferRange | undefined): void {
    const { swapLimits, swapJointAxes: swapAxes } = this.#options;
    if (kind === "cutout" || kind === "cutmix") {
      cutoutPatches(this.#gpu, { ...call, mix: kind === "cutmix", swapLimits });
      return;
    }
    const source = this.#jointsOf(kind, peaks);
    if (kind === "joint_cutout") jointCutoutPatches(this.#gpu, { ...call, ...source, swapLimits });
    else jointOcclusionPatches(this.#gpu, { ...call, ...source, swapAxes });
  }

  #jointsOf(kind: string, peaks: BufferRange | undefined): JointSource {
    if (!peaks) refuse(`augment: ${kind} needs the peaks of the images`);
    const { joints, pool } = this.#options;
    return { peaks, joints, pool: this.#pool, poolSize: pool.length };
  }
}
