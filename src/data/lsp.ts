/** Reader of Leeds Sports Pose Extended as it is distributed: joints.mat and a folder of numbered images. */
import { join } from "node:path";
import { DataError } from "../error.ts";
import { boxToCenterScale } from "../pose/box.ts";
import { jointMap, LSP14 } from "../pose/joint_sets.ts";
import type { Skeleton } from "../pose/skeleton.ts";
import type { Box, Size } from "../pose/types.ts";
import type { PersonRecord } from "./coco.ts";
import { matNumbers, readMat } from "./mat.ts";

/** One person per image. */
export interface LspPerson {
  /** Number of the image, from 1. */
  image: number;
  /** [28], image px as they stand in the file. */
  joints: Float64Array;
  /** [14], 0 or 1. */
  visible: Uint8Array;
}

const JOINTS = LSP14.jointNames.length;
const MISSING_FIX = "expected <root>/lspet/joints.mat and <root>/lspet/images/im00001.jpg and so on; check DATASET.ROOT";

/** Reads `joints` [14, 3, n] of joints.mat. Errors: DataError naming file, image and joint. */
export async function readLspPersons(file: string): Promise<LspPerson[]> {
  const { shape, data } = matNumbers(await readMat(file, { missingFix: MISSING_FIX }), { file, name: "joints", shape: [JOINTS, 3, -1] });
  return Array.from({ length: shape[2] as number }, (_, n) => {
    const joints = new Float64Array(2 * JOINTS);
    const visible = new Uint8Array(JOINTS);
    for (let joint = 0; joint < JOINTS; joint++) {
      const [x, y, flag] = [0, 1, 2].map((k) => data[joint + JOINTS * (k + 3 * n)] as number) as [number, number, number];
      if (!Number.isFinite(x) || !Number.isFinite(y) || (flag !== 0 && flag !== 1)) {
        throw new DataError({
          code: "data/lsp-item",
          where: file,
          message: `image ${n + 1}, joint ${LSP14.jointNames[joint]}: (${x}, ${y}, ${flag}), expected a position and a visibility of 0 or 1`,
          fix: "this must be joints.mat of LSP Extended; copy or download it again",
        });
      }
      joints[2 * joint] = x;
      joints[2 * joint + 1] = y;
      visible[joint] = flag;
    }
    return { image: n + 1, joints, visible };
  });
}

/** How records are made of persons. */
export interface LspRecordFacts {
  /** Image folder, with im00001.jpg and so on. */
  images: string;
  /** Joints of the records, which are the network's. */
  skeleton: Skeleton;
  /** Network input [width, height], for the aspect ratio. */
  inputSize: Size;
}

/**
 * Persons to crop. The file has no boxes: the extent of the visible joints is the box, and the crop is made of it as of COCO's.
 * Persons with fewer than two visible joints in different places have none and are left out.
 */
export function lspRecords(persons: readonly LspPerson[], { images, skeleton, inputSize }: LspRecordFacts): PersonRecord[] {
  const map = jointMap(LSP14, skeleton);
  const records: PersonRecord[] = [];
  for (const person of persons) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    const joints = new Float64Array(2 * skeleton.jointNames.length);
    const visible = new Uint8Array(skeleton.jointNames.length);
    map.forEach((at, joint) => {
      const [x, y] = [person.joints[2 * joint] as number, person.joints[2 * joint + 1] as number];
      joints[2 * at] = x;
      joints[2 * at + 1] = y;
      visible[at] = person.visible[joint] as number;
      if (person.visible[joint] === 0) return;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    });
    const box: Box = [left, top, right - left, bottom - top];
    if (!(Math.max(box[2], box[3]) > 0)) continue;
    records.push({
      imageId: person.image,
      annotationId: person.image,
      imagePath: join(images, `im${String(person.image).padStart(5, "0")}.jpg`),
      imageSize: undefined,
      ...boxToCenterScale(box, inputSize),
      joints,
      visible,
      box,
      score: 1,
    });
  }
  return records;
}
