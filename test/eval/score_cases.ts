/** The random cases of test/golden/make_scores.py, number by number. */
import type { CocoAnnotation, CocoGroundTruth, CocoImage } from "../../src/data/coco_types.ts";
import type { KeypointDetection } from "../../src/eval/coco_eval.ts";

/** The linear congruential generator of the script. */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = Number((BigInt(seed) * 2654435761n + 12345n) % 2n ** 32n);
  }

  /** In 0..n-1. */
  next(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (this.#state >>> 8) % n;
  }
}

export function makeCase(seed: number, joints: number): { truth: CocoGroundTruth; detections: KeypointDetection[] } {
  const draw = new Draw(seed);
  const images: CocoImage[] = [];
  const annotations: CocoAnnotation[] = [];
  const detections: KeypointDetection[] = [];
  for (let image = 1, count = 1 + draw.next(4); image <= count; image++) {
    images.push({ id: image, width: 640, height: 480, fileName: `${image}.jpg`, crowdIndex: draw.next(11) / 10 });
    const here: CocoAnnotation[] = [];
    for (let left = draw.next(5); left > 0; left--) {
      const [x, y, size] = [draw.next(500), draw.next(350), 10 + draw.next(200)];
      const bare = draw.next(5) === 0;
      const keypoints = Array.from({ length: joints }, () => {
        const [px, py, flag] = [x + draw.next(size), y + draw.next(size), draw.next(3)];
        return bare || flag === 0 ? [0, 0, 0] : [px, py, flag];
      }).flat();
      const area = draw.next(8) === 0 ? 0 : (size * size * (1 + draw.next(4))) / 8;
      const iscrowd = draw.next(6) === 0;
      const numKeypoints = keypoints.filter((flag, i) => i % 3 === 2 && flag > 0).length;
      here.push({ id: annotations.length + here.length + 1, imageId: image, keypoints, bbox: [x, y, size, size], area, iscrowd, numKeypoints });
    }
    annotations.push(...here);
    const many = draw.next(4) === 0;
    for (let left = many ? draw.next(30) : draw.next(6); left > 0; left--) {
      const last = detections.at(-1);
      if (last?.imageId === image && draw.next(6) === 0) {
        detections.push({ ...last });
        continue;
      }
      const source = here.length > 0 && draw.next(4) > 0 ? here[draw.next(here.length)] : undefined;
      const jitter = 1 + draw.next(30);
      const [x, y, size] = [draw.next(500), draw.next(350), 10 + draw.next(200)];
      const keypoints = Array.from({ length: joints }, (_, j) =>
        source ? [(source.keypoints[3 * j] as number) + draw.next(jitter), (source.keypoints[3 * j + 1] as number) + draw.next(jitter), 1] : [x + draw.next(size), y + draw.next(size), 1],
      ).flat();
      detections.push({ imageId: image, keypoints, score: draw.next(10) / 10, bbox: [x, y, size, size] });
    }
  }
  if (detections.length === 0) detections.push({ imageId: 1, keypoints: Array.from({ length: joints }, () => [5, 5, 1]).flat(), score: 0.5, bbox: [5, 5, 9, 9] });
  const boxed = seed % 3 === 0;
  return { truth: { images, annotations }, detections: boxed ? detections : detections.map(({ imageId, keypoints, score }) => ({ imageId, keypoints, score })) };
}

/** Areas as a share of the boxes: CrowdPose's 0.53, AI Challenger's 1. */
export function withBoxAreas({ images, annotations }: CocoGroundTruth, share: number): CocoGroundTruth {
  return { images, annotations: annotations.map((person) => ({ ...person, area: share * person.bbox[2] * person.bbox[3] })) };
}

