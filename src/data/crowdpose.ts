/** Reader of CrowdPose: COCO's form with 14 joints, no areas, a crowd index per image, and sizes that may be swapped. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DataError } from "../error.ts";
import { CROWDPOSE14 } from "../pose/joint_sets.ts";
import type { Size } from "../pose/types.ts";
import { type CocoPlace, readCocoGroundTruth } from "./coco.ts";
import type { CocoGroundTruth, CocoImage } from "./coco_types.ts";
import { readImageSize } from "./image.ts";

/** A person's area as a share of its box. Source: crowdposetools. */
const AREA_OF_BOX = 0.53;
const OPTIONS = {
  joints: CROWDPOSE14.jointNames.length,
  areaOfBox: ([, , width, height]: readonly [number, number, number, number]) => AREA_OF_BOX * width * height,
};

/** Files of a set below a data root: crowdpose/ or crowd_pose/, json/crowdpose_<set>.json or MMPose's annotations/mmpose_crowdpose_<set>.json. */
export function crowdPosePlace(root: string, set: string): CocoPlace {
  const base = [join(root, "crowdpose"), join(root, "crowd_pose"), ...(existsSync(join(root, "json")) ? [root] : [])].find((folder) => existsSync(folder)) ?? join(root, "crowdpose");
  const own = join(base, "json", `crowdpose_${set}.json`);
  const converted = join(base, "annotations", `mmpose_crowdpose_${set}.json`);
  return { annotations: !existsSync(own) && existsSync(converted) ? converted : own, images: join(base, "images") };
}

/** Reads and checks a set; areas are 0.53 of the box. Errors: DataError naming file and item. */
export async function readCrowdPoseGroundTruth(file: string): Promise<CocoGroundTruth> {
  return readCocoGroundTruth(file, OPTIONS);
}

/** A header that cannot be read is the loader's to report: it knows whether corrupt images are passed over. */
function unreadable(error: unknown): undefined {
  if (error instanceof DataError && error.code === "data/image-corrupt") return undefined;
  throw error;
}

/**
 * The same ground truth with width and height exchanged where the image file shows that the annotations swapped them: boxes
 * clipped to swapped sizes lose their persons (CrowdPose issue 17). Other differences are left for the loader to report.
 * Images that are not there, or cannot be read, keep their sizes.
 */
export async function unswapSizes(truth: CocoGroundTruth, images: string, sizeOf: (path: string) => Promise<Size | undefined> = readImageSize): Promise<CocoGroundTruth> {
  const fixed: CocoImage[] = [];
  for (const image of truth.images) {
    const size = image.width === image.height ? undefined : await sizeOf(join(images, basename(image.fileName))).catch(unreadable);
    const swapped = size && size[0] === image.height && size[1] === image.width;
    fixed.push(swapped ? { ...image, width: size[0], height: size[1] } : image);
  }
  return { images: fixed, annotations: truth.annotations };
}
