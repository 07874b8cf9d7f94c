/** What the evaluator needs of a COCO annotation file. */
import type { Box } from "../pose/types.ts";

export interface CocoImage {
  id: number;
  width: number;
  height: number;
  fileName: string;
}

export interface CocoAnnotation {
  id: number;
  imageId: number;
  /** [51]: x, y, v for 17 joints; v = 0 unlabelled, 1 occluded, 2 visible. */
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
