/**
 * Chains of MultiAugs' augmentations on batches of normalised images, encoded into a step: every draw is made on the device
 * from a key that is data, so that a replayed step augments anew, and a sample's draws depend on its index alone.
 */
import { OpError } from "../error.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { mixup, mixupDraws } from "../kernels/augment_mixup.ts";
import { applyPatches, cutoutPatches, type JointSource, jointCutoutPatches, jointOcclusionPatches, PATCH_BYTES, type PatchStep } from "../kernels/augment_patches.ts";
import { emptyTensor, shapeText, type Tensor } from "../tensor/tensor.ts";

/** Steps that hide or replace boxes of an image. */
type BoxStep =
  | { kind: "cutout"; holes: number }
  | { kind: "cutmix"; holes: number }
  | { kind: "joint_cutout"; holes: number }
  | { kind: "joint_cut_occlusion"; patches: number };

/** One augmentation of a chain. */
export type AugmentStep = BoxStep | { kind: "mixup" };

/** What all chains of a training share. */
export interface AugmentOptions {
  /** Joints that joint steps draw from, with replacement. */
  pool: readonly number[];
  /** Joints of the peaks. */
  joints: number;
  /** Multiplies the 10..19 px half sides and the 10 px jitter; 1 as published, for images of 192x256 px. */
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

const CODES = { cutout: "CO", cutmix: "CM", mixup: "MU", joint_cutout: "JC", joint_cut_occlusion: "JO" } as const satisfies Record<AugmentStep["kind"], string>;

/** A chain in the codes of the papers, in order: "JC+CM"; "A60", the mere second affine, for an empty one. */
export function chainName(chain: readonly AugmentStep[]): string {
  return chain.map(({ kind }) => CODES[kind]).join("+") || "A60";
}

function patchCount(step: BoxStep): number {
  return step.kind === "joint_cut_occlusion" ? step.patches : step.holes;
}

/** The steps with boxes that a chain begins with. */
function leadingBoxes(chain: readonly AugmentStep[]): BoxStep[] {
  const boxes: BoxStep[] = [];
  for (const step of chain) {
    if (step.kind === "mixup") break;
    boxes.push(step);
  }
  return boxes;
}

function refuse(message: string): never {
  throw new OpError({ code: "augment/chain", message });
}

/** Applies chains of augmentations to batches of images on the device. */
export class Augmenter {
  readonly #gpu: Gpu;
  readonly #options: AugmentOptions;
  readonly #pool: BufferRange;

  /** Errors: OpError for a pool that is empty or names joints that there are not, and for a scale that is not positive. */
  constructor(gpu: Gpu, options: AugmentOptions) {
    const { pool, joints, scale } = options;
    const wrong = pool.find((joint) => !(Number.isInteger(joint) && joint >= 0 && joint < joints));
    if (pool.length === 0 || wrong !== undefined) refuse(`augment: the pool must name joints from 0 to ${joints - 1}, got ${wrong ?? "none"}`);
    if (!(scale > 0)) refuse(`augment: scale must be positive, got ${scale}`);
    this.#gpu = gpu;
    this.#options = options;
    this.#pool = gpu.upload(Uint32Array.from(pool), "joints to draw from");
  }

  /**
   * Encodes a chain and returns the augmented images, [n, h, w, 3] of easy's type; easy itself for an empty chain. Boxes of
   * steps behind one another are drawn in one pass. May be recorded. Errors: OpError for easy of another shape, for a joint
   * step without peaks, for counts that are not positive integers.
   */
  encode(chain: readonly AugmentStep[], call: AugmentCall): Tensor {
    const { shape } = call.easy;
    if (shape.length !== 4) refuse(`augment: images must be [n, h, w, c], got ${shapeText(shape)}`);
    if (chain.length > SITES_PER_LANE) refuse(`augment: a chain has at most ${SITES_PER_LANE} steps, got ${chain.length}`);
    let images = call.easy;
    for (let place = 0; place < chain.length; ) {
      const own = { ...call, easy: images, site: SITES_PER_LANE * call.lane + place };
      const boxes = leadingBoxes(chain.slice(place));
      images = boxes.length > 0 ? this.#drawBoxes(boxes, own) : this.#mix(own);
      place += Math.max(1, boxes.length);
    }
    return images;
  }

  /** Gives the persistent memory back. */
  free(): void {
    this.#gpu.free(this.#pool);
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
