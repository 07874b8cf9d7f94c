/** What the evaluator needs of a COCO annotation file. */
import type { Box } from "../pose/types.ts";

export interface CocoImage {
  id: number;
  /** 0 where the annotation file does not state it (AI Challenger). */
  width: number;
  height: number;
  fileName: string;
  /** Share of other people's joints in the persons' boxes, 0 to 1; CrowdPose only. */
  crowdIndex?: number;
}

export interface CocoAnnotation {
  id: number;
  imageId: number;
  /** [3 * joints]: x, y, v; v = 0 unlabelled, 1 occluded, 2 visible. */
  keypoints: readonly number[];
  bbox: Box;
  /** Segment area in px². */
  area: number;
  iscrowd: boolean;
  numKeypoints: number;
}

export interface CocoGroundTruth {
  images: readonly CocoImage[];
  annotations: readonly CocoAnnotation[];
}
