/** Skeletons over images. */
import { type DecodedImage, sharpModule } from "../data/image.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box } from "../pose/types.ts";
import { FONT_FAMILY } from "../fonts.ts";

/** A person to draw, in image px. */
export interface DrawnPerson {
  /** [3 * joints]: x, y, score or visibility. */
  keypoints: ArrayLike<number>;
  box?: Box;
  label?: string;
}

export interface OverlayOptions {
  skeleton: Skeleton;
  /** Joints with a lower score are left out. */
  minScore?: number;
  /** Enlarge the image so that its shorter side has at least so many px. */
  minSide?: number;
}

/** Limbs of the left, right and middle of the body. */
const SIDE_COLORS = { left: "#00b4ff", right: "#ff6d2e", middle: "#ffe14d" } as const;

function sideOf(skeleton: Skeleton, joints: readonly number[]): keyof typeof SIDE_COLORS {
  const names = joints.map((joint) => skeleton.jointNames[joint] ?? "");
  if (names.every((name) => name.startsWith("left"))) return "left";
  if (names.every((name) => name.startsWith("right"))) return "right";
  return "middle";
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

function personSvg(person: DrawnPerson, { skeleton, minScore, zoom, line }: { skeleton: Skeleton; minScore: number; zoom: number; line: number }): string {
  const { keypoints } = person;
  const at = (joint: number) => [(keypoints[3 * joint] as number) * zoom, (keypoints[3 * joint + 1] as number) * zoom].map((value) => value.toFixed(1));
  const shown = (joint: number) => (keypoints[3 * joint + 2] as number) > minScore;
  const parts: string[] = [];
  if (person.box) {
    const [x, y, w, h] = person.box.map((value) => (value * zoom).toFixed(1));
    parts.push(`<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="none" stroke="#ffffff" stroke-opacity="0.8" stroke-width="${line / 2}"/>`);
  }
  const limbs = skeleton.limbs.filter(([a, b]) => shown(a) && shown(b));
  // A dark rim under the bright line stays readable on any background.
  for (const [color, width] of [["#000000", line * 1.7], [undefined, line]] as const) {
    for (const limb of limbs) {
      const [[x1, y1], [x2, y2]] = [at(limb[0]), at(limb[1])];
      parts.push(`<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color ?? SIDE_COLORS[sideOf(skeleton, limb)]}" stroke-opacity="${color ? 0.55 : 1}" stroke-width="${width}" stroke-linecap="round"/>`);
    }
  }
  skeleton.jointNames.forEach((_, joint) => {
    if (!shown(joint)) return;
    const [x, y] = at(joint);
    parts.push(`<circle cx="${x}" cy="${y}" r="${line * 0.95}" fill="${SIDE_COLORS[sideOf(skeleton, [joint])]}" stroke="#ffffff" stroke-width="${line * 0.35}"/>`);
  });
  if (person.label && person.box) {
    const size = Math.max(11, line * 4);
    parts.push(`<text x="${person.box[0] * zoom}" y="${Math.max(size, person.box[1] * zoom - 4)}" font-family="${FONT_FAMILY}" font-size="${size}" fill="#ffffff" stroke="#000000" stroke-width="${size / 6}" paint-order="stroke">${escapeXml(person.label)}</text>`);
  }
  return parts.join("");
}

/** The image with boxes, limbs and joints drawn on it, as PNG bytes. */
export async function drawOverlay(image: DecodedImage, persons: readonly DrawnPerson[], options: OverlayOptions): Promise<Uint8Array> {
  const sharp = await sharpModule();
  const { skeleton, minScore = 0, minSide = 0 } = options;
  const zoom = Math.max(1, Math.ceil(minSide / Math.min(image.width, image.height)));
  const [width, height] = [image.width * zoom, image.height * zoom];
  const line = Math.max(1.6, Math.min(width, height) / 160);
  const shapes = persons.map((person) => personSvg(person, { skeleton, minScore, zoom, line })).join("");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes}</svg>`;
  const raw = { width: image.width, height: image.height, channels: 3 as const };
  return new Uint8Array(
    await sharp(image.pixels, { raw })
      .resize(width, height, { kernel: zoom > 1 ? "cubic" : "nearest" })
      .composite([{ input: Buffer.from(svg) }])
      .png()
      .toBuffer(),
  );
}
