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
type AreaName = keyof typeof AREAS;
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

/** One image's matches at one area range: a row of flags per threshold. */
interface ImageMatches {
  scores: Float64Array;
  /** [thresholds * detections]: matched, and ignored. */
  matched: Uint8Array;
  ignored: Uint8Array;
  counted: number;
}

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

/**
 * Similarity of a detection and a person: over labelled joints; for a person without any, over all joints with the
 * distance to the box doubled about itself.
 */
export function keypointSimilarity(detection: { keypoints: readonly number[] }, person: { keypoints: readonly number[]; box: Box; area: number; labelled: number }, sigmas = COCO_SIGMAS): number {
  const [bx, by, bw, bh] = person.box;
  let sum = 0;
  let count = 0;
  for (let j = 0; j < sigmas.length; j++) {
    const x = detection.keypoints[3 * j] as number;
    const y = detection.keypoints[3 * j + 1] as number;
    let dx: number;
    let dy: number;
    if (person.labelled > 0) {
      if (!((person.keypoints[3 * j + 2] as number) > 0)) continue;
      dx = x - (person.keypoints[3 * j] as number);
      dy = y - (person.keypoints[3 * j + 1] as number);
    } else {
      dx = Math.max(0, bx - bw - x) + Math.max(0, x - (bx + bw * 2));
      dy = Math.max(0, by - bh - y) + Math.max(0, y - (by + bh * 2));
    }
    const variance = (2 * (sigmas[j] as number)) ** 2;
    sum += Math.exp(-((dx * dx + dy * dy) / variance / (person.area + EPSILON) / 2));
    count++;
  }
  return count > 0 ? sum / count : 0;
}

function matchImage(persons: readonly Person[], detections: readonly Detection[], similarity: Float64Array, area: readonly [number, number]): ImageMatches {
  const [low, high] = area;
  const outside = (value: number) => value < low || value > high;
  const ignoreOf = persons.map((person) => person.ignore || outside(person.area));
  const order = [...persons.keys()].sort((a, b) => Number(ignoreOf[a]) - Number(ignoreOf[b]));
  const count = detections.length;
  const matched = new Uint8Array(OKS_THRESHOLDS.length * count);
  const ignored = new Uint8Array(OKS_THRESHOLDS.length * count);
  const taken = new Uint8Array(persons.length);
  OKS_THRESHOLDS.forEach((threshold, t) => {
    taken.fill(0);
    for (let d = 0; d < count; d++) {
      let best = Math.min(threshold, 1 - 1e-10);
      let match = -1;
      for (const g of order) {
        if (taken[g] === 1 && !persons[g]?.crowd) continue;
        if (match >= 0 && !ignoreOf[match] && ignoreOf[g]) break;
        const value = similarity[d * persons.length + g] as number;
        if (value < best) continue;
        best = value;
        match = g;
      }
      const at = t * count + d;
      if (match >= 0) {
        taken[match] = 1;
        matched[at] = 1;
        ignored[at] = ignoreOf[match] ? 1 : 0;
      } else if (outside((detections[d] as Detection).area)) ignored[at] = 1;
    }
  });
  return {
    scores: Float64Array.from(detections, ({ score }) => score),
    matched,
    ignored,
    counted: ignoreOf.filter((ignore) => !ignore).length,
  };
}

interface AreaResult {
  /** [thresholds][101], -1 where nothing is counted. */
  precision: number[][];
  recall: number[];
}

function accumulate(images: readonly ImageMatches[]): AreaResult {
  const positives = images.reduce((sum, { counted }) => sum + counted, 0);
  if (positives === 0) {
    return { precision: OKS_THRESHOLDS.map(() => RECALL_POINTS.map(() => -1)), recall: OKS_THRESHOLDS.map(() => -1) };
  }
  const flat: { image: ImageMatches; d: number; score: number }[] = [];
  for (const image of images) image.scores.forEach((score, d) => flat.push({ image, d, score }));
  flat.sort((a, b) => b.score - a.score); // stable, as mergesort on -score
  const precision: number[][] = [];
  const recall: number[] = [];
  OKS_THRESHOLDS.forEach((_, t) => {
    const recalls: number[] = [];
    const precisions: number[] = [];
    let [right, wrong] = [0, 0];
    for (const { image, d } of flat) {
      const at = t * image.scores.length + d;
      if (image.ignored[at] === 0) {
        if (image.matched[at] === 1) right++;
        else wrong++;
      }
      recalls.push(right / positives);
      precisions.push(right / (wrong + right + EPSILON));
    }
    for (let i = precisions.length - 1; i > 0; i--) {
      if ((precisions[i] as number) > (precisions[i - 1] as number)) precisions[i - 1] = precisions[i] as number;
    }
    let i = 0;
    precision.push(
      RECALL_POINTS.map((point) => {
        while (i < recalls.length && (recalls[i] as number) < point) i++;
        return precisions[i] ?? 0;
      }),
    );
    recall.push(recalls.at(-1) ?? 0);
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

  const matches: Record<AreaName, ImageMatches[]> = { all: [], medium: [], large: [] };
  for (const id of imageIds) {
    const people = persons.get(id) ?? [];
    const best = (found.get(id) ?? []).toSorted((a, b) => b.score - a.score).slice(0, MAX_DETECTIONS);
    if (people.length === 0 && best.length === 0) continue;
    const similarity = new Float64Array(best.length * people.length);
    best.forEach((detection, d) => people.forEach((person, g) => (similarity[d * people.length + g] = keypointSimilarity(detection, person, sigmas))));
    for (const name of Object.keys(AREAS) as AreaName[]) matches[name].push(matchImage(people, best, similarity, AREAS[name]));
  }
  const all = accumulate(matches.all);
  const medium = accumulate(matches.medium);
  const large = accumulate(matches.large);
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
