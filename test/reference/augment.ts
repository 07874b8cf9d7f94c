/**
 * MultiAugs' augmentations of normalised images by their definition (multiaugs 3.1 to 3.5), step by step with snapshots, on
 * the device's random integers; f64. Images are [batch][height][width][channels] flat.
 */
import { BATCH_COUNTERS, below, JOINT_COUNTERS, normals, partners, type Site, words } from "./draws.ts";

export interface Images {
  values: Float64Array;
  batch: number;
  height: number;
  width: number;
  channels: number;
}

/** Columns and rows [low, high). */
export interface Box {
  low: [number, number];
  high: [number, number];
}

export interface BoxFacts extends Site {
  images: Images;
  /** Boxes per sample. */
  count: number;
  scale: number;
  swapLimits: boolean;
}

export interface JointFacts extends BoxFacts {
  /** [batch, joints, 3]. */
  peaks: ArrayLike<number>;
  joints: number;
  pool: readonly number[];
  swapAxes: boolean;
}

const clamp = (value: number, high: number) => Math.min(high, Math.max(0, value));
const halfSides = (words: readonly number[], scale: number): [number, number] => [0, 1].map((axis) => Math.trunc((10 + below(words[axis] as number, 10)) * scale)) as [number, number];

function boxAround(centre: readonly [number, number], half: readonly [number, number], limit: readonly [number, number]): Box {
  const side = (sign: number) => [0, 1].map((axis) => clamp((centre[axis] as number) + sign * (half[axis] as number), limit[axis] as number)) as [number, number];
  return { low: side(-1), high: side(1) };
}

const limitOf = ({ width, height }: Images, swapped: boolean): [number, number] => (swapped ? [height, width] : [width, height]);

/** Boxes of CutOut and CutMix, [batch][count]. */
export function cutoutBoxes(facts: BoxFacts): Box[][] {
  const { images, count, scale, swapLimits } = facts;
  const limit = limitOf(images, swapLimits);
  return Array.from({ length: images.batch }, (_, n) =>
    Array.from({ length: count }, (_, k) => {
      const [a, b, c, d] = words(facts, n, k);
      return boxAround([below(a, limit[0]), below(b, limit[1])], halfSides([c, d], scale), limit);
    }),
  );
}

interface Joint {
  centre: [number, number];
  half: [number, number];
}

/** A jittered joint. `margin` is told how far the untruncated centre is from an integer: f32 may truncate otherwise. */
function jitteredJoint(facts: JointFacts, { n, joint, margin }: { n: number; joint: number; margin: (px: number) => void }): Joint {
  const [a, b, c, d] = words(facts, n, JOINT_COUNTERS + joint);
  const noise = normals(c, d);
  const centre = [0, 1].map((axis) => {
    const place = (facts.peaks[3 * (n * facts.joints + joint) + axis] as number) + 10 * facts.scale * (noise[axis] as number);
    margin(Math.abs(place - Math.round(place)));
    return Math.trunc(place);
  }) as [number, number];
  return { centre, half: halfSides([a, b], facts.scale) };
}

/** Boxes of Joint CutOut. */
export function jointCutoutBoxes(facts: JointFacts, margin: (px: number) => void = () => {}): Box[][] {
  const { images, count, pool, swapLimits } = facts;
  return Array.from({ length: images.batch }, (_, n) =>
    Array.from({ length: count }, (_, k) => {
      const joint = pool[below(words(facts, n, k)[0], pool.length)] as number;
      const { centre, half } = jitteredJoint(facts, { n, joint, margin });
      return boxAround(centre, half, limitOf(images, swapLimits));
    }),
  );
}

/** A patch: what `target` shows is `source` of image `image`, or zeros. */
export interface Patch {
  target: Box;
  image: number;
  source: Box | undefined;
}

/** Patches of Joint Cut-Occlusion, [batch][count]. */
export function jointOcclusionPatches(facts: JointFacts, margin: (px: number) => void = () => {}): Patch[][] {
  const { images, count, pool, swapAxes } = facts;
  const limit: [number, number] = [images.width - 1, images.height - 1];
  const placed = (n: number, word: number): Joint => {
    const { centre: [x, y], half } = jitteredJoint(facts, { n, joint: pool[below(word, pool.length)] as number, margin });
    return { centre: swapAxes ? [y, x] : [x, y], half };
  };
  return Array.from({ length: images.batch }, (_, n) => {
    const image = below(words(facts, n, BATCH_COUNTERS)[0], images.batch);
    return Array.from({ length: count }, (_, k): Patch => {
      const [a, b] = words(facts, n, k);
      const other = placed(image, b);
      const from = boxAround(other.centre, other.half, limit);
      const { centre } = placed(n, a);
      const target: Box = { low: [0, 0], high: [0, 0] };
      const source: Box = { low: [...from.low], high: [...from.high] };
      let fits = true;
      for (const axis of [0, 1] as const) {
        const end = limit[axis];
        target.low[axis] = clamp(centre[axis] - Math.abs(from.low[axis] - other.centre[axis]), end);
        target.high[axis] = clamp(centre[axis] + Math.abs(from.high[axis] - other.centre[axis]), end);
        const length = target.high[axis] - target.low[axis];
        const difference = Math.abs(from.high[axis] - from.low[axis] - length);
        if (target.low[axis] === 0) source.low[axis] += difference;
        if (target.high[axis] === end) source.high[axis] -= difference;
        fits &&= length > 0 && source.high[axis] - source.low[axis] === length;
      }
      return { target, image, source: fits ? source : undefined };
    });
  });
}

/** Images in which patches, in their order, show the images as they were before any of them. */
export function pasted(images: Images, patches: readonly (readonly Patch[])[]): Images {
  const { height, width, channels } = images;
  const values = images.values.slice();
  patches.forEach((own, n) => {
    for (const { target, image, source } of own)
      for (let v = target.low[1]; v < Math.min(height, target.high[1]); v++)
        for (let u = target.low[0]; u < Math.min(width, target.high[0]); u++)
          for (let c = 0; c < channels; c++) {
            const at = source ? ((image * height + source.low[1] + v - target.low[1]) * width + source.low[0] + u - target.low[0]) * channels + c : -1;
            values[((n * height + v) * width + u) * channels + c] = source ? (images.values[at] as number) : 0;
          }
  });
  return { ...images, values };
}

const hidden = (boxes: Box[][]): Patch[][] => boxes.map((own) => own.map((target) => ({ target, image: 0, source: undefined })));

export function cutout(facts: BoxFacts): Images {
  return pasted(facts.images, hidden(cutoutBoxes(facts)));
}

export function cutmix(facts: BoxFacts): Images {
  const others = partners(facts, facts.images.batch);
  return pasted(facts.images, cutoutBoxes(facts).map((own, n) => own.map((box) => ({ target: box, image: others[n] as number, source: box }))));
}

export function jointCutout(facts: JointFacts, margin?: (px: number) => void): Images {
  return pasted(facts.images, hidden(jointCutoutBoxes(facts, margin)));
}

export function jointOcclusion(facts: JointFacts, margin?: (px: number) => void): Images {
  return pasted(facts.images, jointOcclusionPatches(facts, margin));
}

/** lambda of a batch: 1 - 0.25 Beta(0.2, 0.2), by Jöhnk's method. */
export function mixupLambda(site: Site): number {
  const power = (word: number) => ((Math.floor(word / 512) + 0.5) / 2 ** 23) ** 5;
  for (let i = 0; ; i++) {
    const [a, b] = words(site, 0, BATCH_COUNTERS + 1 + i);
    const [x, y] = [power(a), power(b)];
    if (x + y <= 1) return 1 - (0.25 * x) / (x + y);
  }
}

export function mixup({ images, ...site }: Site & { images: Images }): Images {
  const lambda = mixupLambda(site);
  const others = partners(site, images.batch);
  const inner = images.values.length / images.batch;
  const values = images.values.map((value, i) => {
    const n = Math.floor(i / inner);
    return lambda * value + (1 - lambda) * (images.values[(others[n] as number) * inner + i - n * inner] as number);
  });
  return { ...images, values };
}
