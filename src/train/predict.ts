/** Keypoints of the persons in one image. */
import { mkdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { type DecodedImage, decodeImage } from "../data/image.ts";
import { writeNpy } from "../data/npy.ts";
import { DataError } from "../error.ts";
import { rescore } from "../eval/nms.ts";
import { writeFileAtomic } from "../files.ts";
import { openDevice } from "../gpu/device.ts";
import { networksOf } from "../models/network.ts";
import type { Box } from "../pose/types.ts";
import { drawOverlay } from "../viz/overlay.ts";
import { networkSkeleton, personInBox, SampleSource } from "./data.ts";
import { predictRecords } from "./evaluate.ts";
import type { PredictRequest } from "./requests.ts";
import { loadModel } from "./state.ts";

/** Joints with a lower score are not drawn; they are in the JSON. */
const MIN_SCORE = 0.2;

function checkBox([x, y, w, h]: Box, { path, image: { width, height } }: { path: string; image: DecodedImage }): void {
  if (w > 0 && h > 0 && x < width && y < height && x + w > 0 && y + h > 0) return;
  throw new DataError({
    code: "predict/box",
    where: path,
    message: `box ${[x, y, w, h].join(",")} has no part inside the image of ${width}x${height} px`,
    fix: "give --bbox x,y,width,height in px of the image",
  });
}

/** Writes <image>.json and <image>_overlay.png, and heatmaps where asked for. */
export async function runPrediction({ modelFile, loaded, allowPartial, image: path, boxes, out, saveHeatmaps }: PredictRequest): Promise<void> {
  const image = await decodeImage(path);
  const wanted: readonly Box[] = boxes.length > 0 ? boxes : [[0, 0, image.width, image.height]];
  for (const box of wanted) checkBox(box, { path, image });
  const gpu = await openDevice();
  const { model, config } = await loadModel(gpu, { modelFile, config: loaded?.config, allowPartial, say: (line) => console.error(line) });
  const skeleton = networkSkeleton(config);
  const joints = skeleton.jointNames.length;
  const records = wanted.map((box) => personInBox(path, { box, imageSize: [image.width, image.height], config }));
  // Of several networks their ensemble.
  const predictions = (await predictRecords(networksOf(model), { records, source: new SampleSource(config), config, keepHeatmaps: saveHeatmaps !== undefined })).at(-1)?.filter((prediction) => prediction !== undefined) ?? [];
  await mkdir(out, { recursive: true });
  const stem = basename(path, extname(path));
  const persons = predictions.map(({ keypoints, box }) => ({
    box,
    score: rescore(keypoints, { boxScore: 1, threshold: config.TEST.IN_VIS_THRE }),
    keypoints: skeleton.jointNames.map((name, joint) => ({
      name,
      x: keypoints[3 * joint],
      y: keypoints[3 * joint + 1],
      score: keypoints[3 * joint + 2],
    })),
  }));
  const json = join(out, `${stem}.json`);
  const overlay = join(out, `${stem}_overlay.png`);
  await writeFileAtomic(json, `${JSON.stringify({ image: basename(path), width: image.width, height: image.height, skeleton: skeleton.name, persons }, undefined, 2)}\n`);
  await writeFileAtomic(overlay, await drawOverlay(image, predictions, { skeleton, minScore: MIN_SCORE, minSide: 480 }));
  if (saveHeatmaps !== undefined) {
    const [width, height] = config.MODEL.EXTRA.HEATMAP_SIZE;
    const data = new Float32Array(predictions.length * height * width * joints);
    predictions.forEach(({ heatmaps }, i) => data.set(heatmaps ?? [], i * height * width * joints));
    await writeNpy(saveHeatmaps, { shape: [predictions.length, height, width, joints], data });
  }
  console.log([json, overlay, ...(saveHeatmaps === undefined ? [] : [saveHeatmaps])].join("\n"));
}
