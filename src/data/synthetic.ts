/**
 * Generator of a COCO keypoint folder with synthetic people: posed bodies over varied backgrounds, some hidden by objects
 * or other people or cut by the frame. Deterministic by seed; the folder appears complete or not at all.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataError } from "../error.ts";
import { writeError, writeFileAtomic } from "../files.ts";
import type { Box, Size } from "../pose/types.ts";
import { COCO17 } from "../pose/skeleton.ts";
import { Random, STREAM } from "../random.ts";
import { sharpModule } from "./image.ts";
import { type Body, drawBody, hsl } from "./synthetic_person.ts";

/** What is generated. */
export interface SyntheticFacts {
  /** Data root; the folder coco/ is made in it. */
  root: string;
  seed: number;
  trainImages: number;
  valImages: number;
  imageSize: Size;
  /** Most persons in an image. */
  persons: number;
}

/** Raised when the pictures change, so that folders of an older generator are made anew. */
const GENERATOR_VERSION = 3;

const MANIFEST = "synthetic.json";

/** A body placed in an image. */
interface Placed {
  body: Body;
  /** Body units to px. */
  toImage(point: readonly [number, number, number]): [number, number];
  /** px per body height. */
  size: number;
}

type Occluder = { x: number; y: number; width: number; height: number; round: boolean };

function round(value: number): string {
  return value.toFixed(1);
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function backgroundSvg(random: Random, [width, height]: Size): string {
  const hue = random.uniform();
  const parts = [
    `<linearGradient id="g" x1="0" y1="0" x2="${random.uniform().toFixed(2)}" y2="1"><stop offset="0" stop-color="${hsl(hue, random.range(0.05, 0.5), random.range(0.35, 0.85))}"/><stop offset="1" stop-color="${hsl(hue + random.range(-0.2, 0.2), random.range(0.05, 0.5), random.range(0.2, 0.7))}"/></linearGradient>`,
    `<rect width="${width}" height="${height}" fill="url(#g)"/>`,
  ];
  const horizon = random.range(0.5, 0.85) * height;
  if (random.chance(0.7)) parts.push(`<rect y="${round(horizon)}" width="${width}" height="${height}" fill="${hsl(random.uniform(), random.range(0.05, 0.45), random.range(0.2, 0.7))}"/>`);
  const clutter = random.integer(2, 9);
  for (let i = 0; i < clutter; i++) {
    const fill = hsl(random.uniform(), random.range(0, 0.7), random.range(0.15, 0.85));
    const opacity = random.range(0.25, 0.95).toFixed(2);
    const [x, y] = [random.range(-0.1, 1) * width, random.range(-0.1, 1) * height];
    const [w, h] = [random.range(0.03, 0.45) * width, random.range(0.03, 0.5) * height];
    const kind = random.integer(0, 4);
    if (kind === 0) parts.push(`<ellipse cx="${round(x)}" cy="${round(y)}" rx="${round(w / 2)}" ry="${round(h / 2)}" fill="${fill}" opacity="${opacity}"/>`);
    else if (kind === 1) parts.push(`<rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}" fill="${fill}" opacity="${opacity}" transform="rotate(${random.integer(-30, 30)} ${round(x)} ${round(y)})"/>`);
    else if (kind === 2) parts.push(`<path d="M${round(x)} ${round(y)} q${round(w)} ${round(-h)} ${round(2 * w)} 0" fill="none" stroke="${fill}" stroke-width="${round(random.range(1, 8))}" opacity="${opacity}"/>`);
    else parts.push(`<line x1="${round(x)}" y1="${round(y)}" x2="${round(x + w)}" y2="${round(y + h)}" stroke="${fill}" stroke-width="${round(random.range(2, 10))}" stroke-linecap="round" opacity="${opacity}"/>`);
  }
  return parts.join("");
}

function patternSvg(body: Body, id: string, unit: number): string {
  const { shirt, shirtSecond } = body.colors;
  const rects: Record<Body["pattern"], string> = {
    plain: "",
    stripes: `<rect width="${unit}" height="${unit / 2}" fill="${shirtSecond}"/>`,
    bars: `<rect width="${unit / 2}" height="${unit}" fill="${shirtSecond}"/>`,
    checks: `<rect width="${unit / 2}" height="${unit / 2}" fill="${shirtSecond}"/><rect x="${unit / 2}" y="${unit / 2}" width="${unit / 2}" height="${unit / 2}" fill="${shirtSecond}"/>`,
  };
  return `<pattern id="${id}" width="${unit}" height="${unit}" patternUnits="userSpaceOnUse"><rect width="${unit}" height="${unit}" fill="${shirt}"/>${rects[body.pattern]}</pattern>`;
}

function headSvg({ body, toImage, size }: Placed): string {
  const { head, joints, colors } = body;
  const [x, y] = toImage(head.center);
  const r = head.radius * size;
  const parts = [
    `<ellipse cx="${round(x)}" cy="${round(y - 0.12 * r)}" rx="${round(r * 1.05)}" ry="${round(r * 1.12)}" fill="${colors.hair}"/>`,
    `<ellipse cx="${round(x + Math.sin(head.yaw) * 0.22 * r)}" cy="${round(y + 0.12 * r)}" rx="${round(r * 0.86)}" ry="${round(r * 0.98)}" fill="${colors.skin}"/>`,
  ];
  const depth = head.center[2];
  for (const ear of [3, 4]) {
    const joint = joints[ear] as readonly [number, number, number];
    if (joint[2] < depth - 0.02) continue;
    const [ex, ey] = toImage(joint);
    parts.push(`<ellipse cx="${round(ex)}" cy="${round(ey)}" rx="${round(r * 0.16)}" ry="${round(r * 0.26)}" fill="${colors.skin}" stroke="#00000040" stroke-width="${round(r * 0.06)}"/>`);
  }
  for (const eye of [1, 2]) {
    const joint = joints[eye] as readonly [number, number, number];
    if (joint[2] < depth) continue;
    const [ex, ey] = toImage(joint);
    parts.push(`<circle cx="${round(ex)}" cy="${round(ey)}" r="${round(r * 0.17)}" fill="#ffffff"/><circle cx="${round(ex)}" cy="${round(ey)}" r="${round(r * 0.1)}" fill="#101010"/>`);
  }
  const [nx, ny] = toImage(joints[0] as readonly [number, number, number]);
  parts.push(`<ellipse cx="${round(nx)}" cy="${round(ny)}" rx="${round(r * 0.11)}" ry="${round(r * 0.17)}" fill="#00000055"/>`);
  parts.push(`<ellipse cx="${round(x + (nx - x) * 0.75)}" cy="${round(y + 0.62 * r)}" rx="${round(r * 0.26)}" ry="${round(r * 0.07)}" fill="#7a2b2b"/>`);
  return parts.join("");
}

function bodySvg(placed: Placed, id: string): string {
  const { body, toImage, size } = placed;
  const pieces: { depth: number; svg: string }[] = body.capsules.map(({ a, b, radius, fill }) => {
    const [[x1, y1], [x2, y2]] = [toImage(a), toImage(b)];
    const line = (stroke: string, width: number, extra = "") =>
      `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}" stroke-width="${round(width)}" stroke-linecap="round"${extra}/>`;
    const width = 2 * radius * size;
    return { depth: (a[2] + b[2]) / 2, svg: line("#00000060", width * 1.12) + line(fill, width) + line("#ffffff", width * 0.3, ' opacity="0.14"') };
  });
  const corners = body.torso.corners.map((corner) => toImage(corner).map(round).join(","));
  const torso = `<polygon points="${corners.join(" ")}" fill="url(#${id})" stroke="#00000060" stroke-width="${round(0.008 * size)}" stroke-linejoin="round"/>`;
  const [neckX, neckY] = toImage(body.head.center);
  const [chestX, chestY] = toImage([0, (body.torso.corners[1] as readonly number[])[1] as number, 0]);
  const neck = `<line x1="${round(neckX)}" y1="${round(neckY)}" x2="${round(chestX)}" y2="${round(chestY + 0.015 * size)}" stroke="${body.colors.skin}" stroke-width="${round(0.055 * size)}"/>`;
  pieces.push({ depth: 0, svg: torso }, { depth: 0.005, svg: neck }, { depth: 0.03, svg: headSvg(placed) });
  return patternSvg(body, id, Math.max(2, 0.05 * size)) + pieces.sort((a, b) => a.depth - b.depth).map(({ svg }) => svg).join("");
}

/** Distance from a point to a segment, px. */
function segmentDistance([px, py]: [number, number], [ax, ay]: [number, number], [bx, by]: [number, number]): number {
  const [dx, dy] = [bx - ax, by - ay];
  const t = Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy + 1e-9)));
  return Math.hypot(px - ax - t * dx, py - ay - t * dy);
}

/** True where a body drawn later, or a nearer part of the same body, covers a joint. */
function coveredBy(placed: Placed, point: [number, number], own: { joint: number; depth: number } | undefined): boolean {
  const { body, toImage, size } = placed;
  const byLimb = body.capsules.some(({ a, b, radius, owns }) => {
    if (own && (owns.includes(own.joint) || (a[2] + b[2]) / 2 < own.depth + 0.02)) return false;
    return segmentDistance(point, toImage(a), toImage(b)) < radius * size;
  });
  if (byLimb || own) {
    // Of its own body a head hides the far ear and eye.
    return byLimb || (own !== undefined && own.joint <= 4 && own.depth < body.head.center[2] - 0.01);
  }
  const [hx, hy] = toImage(body.head.center);
  if (Math.hypot(point[0] - hx, point[1] - hy) < body.head.radius * size) return true;
  const corners = body.torso.corners.map((corner) => toImage(corner));
  let inside = false;
  corners.forEach(([x1, y1], i) => {
    const [x2, y2] = corners[(i + 1) % corners.length] as [number, number];
    if (y1 > point[1] !== y2 > point[1] && point[0] < ((x2 - x1) * (point[1] - y1)) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}

function place(random: Random, body: Body, { size: [width, height], count, index }: { size: Size; count: number; index: number }): Placed {
  const size = height * (count > 1 ? random.range(0.55, 0.8) : random.range(0.62, 0.95));
  const angle = random.chance(0.12) ? random.range(-25, 25) : random.range(-6, 6);
  const [c, s] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  const slot = ((index + 0.5) / count) * width;
  const [x0, y0] = [slot + random.range(-0.12, 0.12) * width, height * 0.5 + random.range(-0.1, 0.1) * height];
  return {
    body,
    size,
    // The pelvis is a little below the middle of the body.
    toImage: ([x, y]) => [x0 + size * (c * x - s * (y + 0.04)), y0 + size * (s * x + c * (y + 0.04))],
  };
}

/** A picture as SVG with its annotations, as a pure function of (seed, split, number). */
function drawScene(random: Random, { imageSize, persons }: { imageSize: Size; persons: number }) {
  const [width, height] = imageSize;
  const background = backgroundSvg(random, imageSize);
  const count = random.integer(1, persons + 1);
  const placed = Array.from({ length: count }, (_, index) => place(random, drawBody(random), { size: imageSize, count, index }));
  const occluders: Occluder[] = random.chance(0.15)
    ? [{ x: random.range(0.05, 0.75) * width, y: random.range(0.2, 0.8) * height, width: random.range(0.1, 0.35) * width, height: random.range(0.1, 0.35) * height, round: random.chance(0.4) }]
    : [];
  const front = occluders.map((o) => {
    const fill = hsl(random.uniform(), random.range(0.05, 0.6), random.range(0.2, 0.8));
    return o.round
      ? `<ellipse cx="${round(o.x + o.width / 2)}" cy="${round(o.y + o.height / 2)}" rx="${round(o.width / 2)}" ry="${round(o.height / 2)}" fill="${fill}" stroke="#00000050"/>`
      : `<rect x="${round(o.x)}" y="${round(o.y)}" width="${round(o.width)}" height="${round(o.height)}" rx="3" fill="${fill}" stroke="#00000050"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${background}${placed.map((person, i) => bodySvg(person, `p${i}`)).join("")}${front.join("")}</svg>`;

  const people = placed.map((person, i) => {
    const keypoints: number[] = [];
    let labelled = 0;
    const xs: number[] = [];
    const ys: number[] = [];
    person.body.joints.forEach((joint, k) => {
      const point = person.toImage(joint);
      const [x, y] = point;
      if (x < 0 || y < 0 || x > width - 1 || y > height - 1) {
        keypoints.push(0, 0, 0);
        return;
      }
      const hidden =
        coveredBy(person, point, { joint: k, depth: joint[2] }) ||
        placed.slice(i + 1).some((later) => coveredBy(later, point, undefined)) ||
        occluders.some((o) => (o.round ? ((x - o.x - o.width / 2) / (o.width / 2)) ** 2 + ((y - o.y - o.height / 2) / (o.height / 2)) ** 2 < 1 : x > o.x && y > o.y && x < o.x + o.width && y < o.y + o.height));
      keypoints.push(hundredths(x), hundredths(y), hidden ? 1 : 2);
      labelled++;
      xs.push(x);
      ys.push(y);
    });
    const margin = 0.05 * person.size;
    const top = Math.min(...person.body.joints.map((joint) => person.toImage(joint)[1]), person.toImage(person.body.head.center)[1] - person.body.head.radius * person.size);
    const x1 = Math.max(0, Math.min(...xs) - margin);
    const y1 = Math.max(0, Math.min(...ys, Math.max(0, top)) - margin * 0.3);
    const x2 = Math.min(width, Math.max(...xs) + margin);
    const y2 = Math.min(height, Math.max(...ys) + margin);
    const bbox: Box = [hundredths(x1), hundredths(y1), hundredths(x2 - x1), hundredths(y2 - y1)];
    return { keypoints, bbox, labelled, area: 0.53 * bbox[2] * bbox[3] };
  });
  return { svg, people: people.filter(({ labelled }) => labelled >= 5) };
}

interface SplitFacts {
  split: "train2017" | "val2017";
  count: number;
  folder: string;
}

async function writeSplit({ split, count, folder }: SplitFacts, facts: SyntheticFacts, progress: (done: number) => void): Promise<void> {
  const sharp = await sharpModule();
  const [width, height] = facts.imageSize;
  const images: object[] = [];
  const annotations: object[] = [];
  await mkdir(join(folder, "images", split), { recursive: true });
  await mkdir(join(folder, "annotations"), { recursive: true });
  const epoch = split === "train2017" ? 0 : 1;
  let next = 0;
  const scenes = Array.from({ length: count }, (_, i) => {
    const random = new Random({ seed: facts.seed, stream: STREAM.synthetic, epoch, index: i });
    return () => drawScene(random, facts);
  });
  const worker = async () => {
    while (next < count) {
      const i = next++;
      const scene = scenes[i]?.();
      if (!scene) return;
      const id = (epoch + 1) * 1_000_000 + i;
      const fileName = `${String(id).padStart(12, "0")}.jpg`;
      // Not by sharp's own toFile: its errors lack the system's code.
      await writeFile(join(folder, "images", split, fileName), await sharp(Buffer.from(scene.svg)).removeAlpha().jpeg({ quality: 88 }).toBuffer());
      images[i] = { id, width, height, file_name: fileName };
      annotations[i] = scene.people.map((person, k) => ({
        id: id * 10 + k,
        image_id: id,
        category_id: 1,
        iscrowd: 0,
        keypoints: person.keypoints,
        num_keypoints: person.labelled,
        bbox: person.bbox,
        area: hundredths(person.area),
      }));
      progress(1);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  const document = {
    info: { description: "Limber synthetic people", version: String(GENERATOR_VERSION), seed: facts.seed },
    images,
    annotations: annotations.flat(),
    categories: [{ id: 1, name: "person", supercategory: "person", keypoints: COCO17.jointNames, skeleton: COCO17.limbs.map(([a, b]) => [a + 1, b + 1]) }],
  };
  await writeFileAtomic(join(folder, "annotations", `person_keypoints_${split}.json`), JSON.stringify(document));
}

function manifestOf({ seed, trainImages, valImages, imageSize, persons }: SyntheticFacts): string {
  return JSON.stringify({ version: GENERATOR_VERSION, seed, trainImages, valImages, imageSize, persons });
}

/**
 * Makes <root>/coco unless it is there already with the same parameters. Returns true where it was made.
 * Errors: DataError where another data set is in the way, or the disk refuses.
 */
export async function ensureSynthetic(facts: SyntheticFacts, progress: (done: number, total: number) => void = () => {}): Promise<boolean> {
  const target = join(facts.root, "coco");
  const manifest = join(target, MANIFEST);
  if (existsSync(target)) {
    const found = existsSync(manifest) ? await readFile(manifest, "utf8") : undefined;
    if (found === manifestOf(facts)) return false;
    throw new DataError({
      code: "data/synthetic-in-the-way",
      where: target,
      message: found ? "this folder holds synthetic people of other parameters" : "this folder holds another data set",
      fix: "remove it, or choose another DATASET.ROOT, or take DATASET.SYNTHETIC out of the configuration",
    });
  }
  try {
    await mkdir(dirname(target), { recursive: true });
    const beside = await mkdtemp(`${target}.tmp-`);
    try {
      const work = join(beside, "coco"); // mkdtemp's own folder is for its owner's eyes alone
      let done = 0;
      const total = facts.trainImages + facts.valImages;
      const advance = (count: number) => progress((done += count), total);
      await writeSplit({ split: "train2017", count: facts.trainImages, folder: work }, facts, advance);
      await writeSplit({ split: "val2017", count: facts.valImages, folder: work }, facts, advance);
      await writeFileAtomic(join(work, MANIFEST), manifestOf(facts));
      await rename(work, target);
    } finally {
      await rm(beside, { recursive: true, force: true });
    }
  } catch (error) {
    throw writeError(target, error);
  }
  return true;
}
