/**
 * COCO keypoint AP and AR: the rules of cocoapi's COCOeval for keypoints, on typed arrays. Ties, crowds, ignored and
 * out-of-range persons are treated exactly as there.
 */
import type { CocoAnnotation, CocoGroundTruth } from "../data/coco_types.ts";
import { DataError } from "../error.ts";
import { COCO_SIGMAS } from "../pose/skeleton.ts";
import type { Box } from "../pose/types.ts";

/** One detected person in a results file. */
export interface KeypointDetection {
  imageId: number;
  /** [51]: x, y, score. */
  keypoints: readonly number[];
  score: number;
  /** Where given, its area is the detection's; else the extent of the keypoints. */
  bbox?: Box;
}

/** The ten figures, and what figures need. -1 where there is nothing to count. */
export interface KeypointScores {
  ap: number;
  ap50: number;
  ap75: number;
  apMedium: number;
  apLarge: number;
  ar: number;
  ar50: number;
  ar75: number;
  arMedium: number;
  arLarge: number;
  /** Precision at the 101 recall points, per OKS threshold, all areas. */
  precision: number[][];
}

/** OKS thresholds 0.50:0.05:0.95 as NumPy's linspace gives them. */
export const OKS_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) => 0.5 + i * ((0.95 - 0.5) / 9));
const RECALL_POINTS: readonly number[] = Array.from({ length: 101 }, (_, i) => i * (1 / 100));
const MAX_DETECTIONS = 20;
const AREAS = { all: [0, 1e10], medium: [32 ** 2, 96 ** 2], large: [96 ** 2, 1e10] } as const;
const EPSILON = 2 ** -52;

interface Person {
  keypoints: readonly number[];
  box: Box;
  area: number;
  crowd: boolean;
  ignore: boolean;
  labelled: number;
}

interface Detection {
  keypoints: readonly number[];
  score: number;
  area: number;
}

/** A detection at one area range and threshold. */
const [WRONG, RIGHT, IGNORED] = [0, 1, 2];

function personOf(annotation: CocoAnnotation): Person {
  return {
    keypoints: annotation.keypoints,
    box: annotation.bbox,
    area: annotation.area,
    crowd: annotation.iscrowd,
    ignore: annotation.iscrowd || annotation.numKeypoints === 0,
    labelled: annotation.keypoints.filter((value, i) => i % 3 === 2 && value > 0).length,
  };
}

function keypointExtent(keypoints: readonly number[]): number {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < keypoints.length; i += 3) {
    const [x, y] = [keypoints[i] as number, keypoints[i + 1] as number];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return (right - left) * (bottom - top);
}

/** Deviations as they stand in the exponent, (2 sigma)². */
const variancesOf = (sigmas: readonly number[]): Float64Array => Float64Array.from(sigmas, (sigma) => (2 * sigma) ** 2);
const COCO_VARIANCES = variancesOf(COCO_SIGMAS);

/** What a person is to the similarity. */
interface ComparedPerson {
  keypoints: readonly number[];
  box: Box;
  area: number;
  labelled: number;
}

function similarity(found: readonly number[], { keypoints, box, area, labelled }: ComparedPerson, variances: Float64Array): number {
  const [bx, by, bw, bh] = box;
  const extent = area + EPSILON;
  let sum = 0;
  let count = 0;
  for (let j = 0; j < variances.length; j++) {
    const x = found[3 * j] as number;
    const y = found[3 * j + 1] as number;
    let dx: number;
    let dy: number;
    if (labelled > 0) {
      if (!((keypoints[3 * j + 2] as number) > 0)) continue;
      dx = x - (keypoints[3 * j] as number);
      dy = y - (keypoints[3 * j + 1] as number);
    } else {
      dx = Math.max(0, bx - bw - x) + Math.max(0, x - (bx + bw * 2));
      dy = Math.max(0, by - bh - y) + Math.max(0, y - (by + bh * 2));
    }
    sum += Math.exp(-((dx * dx + dy * dy) / (variances[j] as number) / extent / 2));
    count++;
  }
  return count > 0 ? sum / count : 0;
}

/**
 * Similarity of a detection and a person: over labelled joints; for a person without any, over all joints with the
 * distance to the box doubled about itself.
 */
export function keypointSimilarity(detection: { keypoints: readonly number[] }, person: ComparedPerson, sigmas = COCO_SIGMAS): number {
  return similarity(detection.keypoints, person, sigmas === COCO_SIGMAS ? COCO_VARIANCES : variancesOf(sigmas));
}

/** The detections of all images behind one another, an image's best first. */
interface Ranking {
  count: number;
  /** Their places, best score first; of equal scores the earlier. */
  order: Uint32Array;
}

/** One image's persons and detections with their similarities [detections * persons]. */
interface ComparedImage {
  persons: readonly Person[];
  detections: readonly Detection[];
  similarities: Float64Array;
  /** Place of the first detection among all. */
  first: number;
}

/** Sorts an image's detections into RIGHT, WRONG and IGNORED, `outcomes` [thresholds * count]; returns how many persons count. */
function matchImage({ persons, detections, similarities, first }: ComparedImage, { area: [low, high], outcomes, count }: { area: readonly [number, number]; outcomes: Uint8Array; count: number }): number {
  const outside = (value: number) => value < low || value > high;
  const people = persons.length;
  const ignored = persons.map((person) => person.ignore || outside(person.area));
  // Those that count come first, each in their order.
  const order: number[] = [];
  for (const wanted of [false, true]) for (let g = 0; g < people; g++) if (ignored[g] === wanted) order.push(g);
  const taken = new Uint8Array(people);
  for (let t = 0; t < OKS_THRESHOLDS.length; t++) {
    const least = Math.min(OKS_THRESHOLDS[t] as number, 1 - 1e-10);
    taken.fill(0);
    for (let d = 0; d < detections.length; d++) {
      let best = least;
      let match = -1;
      for (const g of order) {
        if (taken[g] === 1 && !(persons[g] as Person).crowd) continue;
        if (match >= 0 && !ignored[match] && ignored[g]) break;
        const value = similarities[d * people + g] as number;
        if (value < best) continue;
        best = value;
        match = g;
      }
      const at = t * count + first + d;
      if (match >= 0) {
        taken[match] = 1;
        outcomes[at] = ignored[match] ? IGNORED : RIGHT;
      } else outcomes[at] = outside((detections[d] as Detection).area) ? IGNORED : WRONG;
    }
  }
  return ignored.filter((ignore) => !ignore).length;
}

interface AreaResult {
  /** [thresholds][101], -1 where nothing is counted. */
  precision: number[][];
  recall: number[];
}

function accumulate(positives: number, outcomes: Uint8Array, { count, order }: Ranking): AreaResult {
  if (positives === 0) {
    return { precision: OKS_THRESHOLDS.map(() => RECALL_POINTS.map(() => -1)), recall: OKS_THRESHOLDS.map(() => -1) };
  }
  const precision: number[][] = [];
  const recall: number[] = [];
  const recalls = new Float64Array(count);
  const precisions = new Float64Array(count);
  OKS_THRESHOLDS.forEach((_, t) => {
    let [right, wrong] = [0, 0];
    for (let i = 0; i < count; i++) {
      const outcome = outcomes[t * count + (order[i] as number)];
      if (outcome === RIGHT) right++;
      else if (outcome === WRONG) wrong++;
      recalls[i] = right / positives;
      precisions[i] = right / (wrong + right + EPSILON);
    }
    for (let i = count - 1; i > 0; i--) {
      if ((precisions[i] as number) > (precisions[i - 1] as number)) precisions[i - 1] = precisions[i] as number;
    }
    let i = 0;
    precision.push(
      RECALL_POINTS.map((point) => {
        while (i < count && (recalls[i] as number) < point) i++;
        return precisions[i] ?? 0;
      }),
    );
    recall.push(recalls[count - 1] ?? 0);
  });
  return { precision, recall };
}

function meanOf(values: readonly number[]): number {
  const valid = values.filter((value) => value > -1);
  return valid.length > 0 ? valid.reduce((sum, value) => sum + value, 0) / valid.length : -1;
}

/** What may differ from COCO's own setting. */
export interface EvaluationOptions {
  /** One deviation per joint. */
  sigmas?: readonly number[];
}

/**
 * Scores detections against ground truth. Detections may be in any order; those of one score keep theirs.
 * Errors: DataError where a detection names an unknown image.
 */
export function evaluateKeypoints(truth: CocoGroundTruth, detections: readonly KeypointDetection[], { sigmas = COCO_SIGMAS }: EvaluationOptions = {}): KeypointScores {
  const imageIds = [...new Set(truth.images.map(({ id }) => id))].sort((a, b) => a - b);
  const persons = new Map<number, Person[]>(imageIds.map((id) => [id, []]));
  for (const annotation of truth.annotations) persons.get(annotation.imageId)?.push(personOf(annotation));
  const found = new Map<number, Detection[]>(imageIds.map((id) => [id, []]));
  // The kind of the first entry decides for all, as cocoapi's loadRes does.
  const useBoxes = detections[0]?.bbox !== undefined;
  detections.forEach(({ imageId, keypoints, score, bbox }, i) => {
    const list = found.get(imageId);
    if (!list) {
      throw new DataError({ code: "eval/unknown-image", message: `detection ${i} is on image ${imageId}, which the annotations do not have`, fix: "evaluate against the annotation file of the same image set" });
    }
    const area = useBoxes && bbox ? bbox[2] * bbox[3] : keypointExtent(keypoints);
    list.push({ keypoints, score, area });
  });

  const variances = variancesOf(sigmas);
  const compared: ComparedImage[] = [];
  let count = 0;
  for (const id of imageIds) {
    const people = persons.get(id) ?? [];
    const best = (found.get(id) ?? []).toSorted((a, b) => b.score - a.score).slice(0, MAX_DETECTIONS);
    const similarities = new Float64Array(best.length * people.length);
    best.forEach((detection, d) => people.forEach((person, g) => (similarities[d * people.length + g] = similarity(detection.keypoints, person, variances))));
    compared.push({ persons: people, detections: best, similarities, first: count });
    count += best.length;
  }
  const scores = new Float64Array(count);
  for (const { detections: best, first } of compared) best.forEach(({ score }, d) => (scores[first + d] = score));
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  const outcomes = new Uint8Array(OKS_THRESHOLDS.length * count);
  const [all, medium, large] = [AREAS.all, AREAS.medium, AREAS.large].map((area) => {
    const positives = compared.reduce((sum, image) => sum + matchImage(image, { area, outcomes, count }), 0);
    return accumulate(positives, outcomes, { count, order });
  }) as [AreaResult, AreaResult, AreaResult];
  const at = (result: AreaResult, t: number) => meanOf(result.precision[t] ?? []);
  const overall = (result: AreaResult) => meanOf(result.precision.flat());
  return {
    ap: overall(all),
    ap50: at(all, 0),
    ap75: at(all, 5),
    apMedium: overall(medium),
    apLarge: overall(large),
    ar: meanOf(all.recall),
    ar50: meanOf([all.recall[0] ?? -1]),
    ar75: meanOf([all.recall[5] ?? -1]),
    arMedium: meanOf(medium.recall),
    arLarge: meanOf(large.recall),
    precision: all.precision,
  };
}

/** The ten figures under the names of the source systems' tables. */
export function scoreRows(scores: KeypointScores): [name: string, value: number][] {
  return [
    ["AP", scores.ap],
    ["AP .5", scores.ap50],
    ["AP .75", scores.ap75],
    ["AP (M)", scores.apMedium],
    ["AP (L)", scores.apLarge],
    ["AR", scores.ar],
    ["AR .5", scores.ar50],
    ["AR .75", scores.ar75],
    ["AR (M)", scores.arMedium],
    ["AR (L)", scores.arLarge],
  ];
}
