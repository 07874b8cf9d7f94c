import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../error.ts";
import type { Box } from "../pose/types.ts";
import { defineCommand } from "./command.ts";

/** Prediction. */
export const command = defineCommand({
  name: "predict",
  summary: "Finds the keypoints of persons in an image; writes them as JSON and draws them over it",
  flags: {
    "model-file": {
      type: "text",
      hint: "FILE",
      required: true,
      description: "Weights: a checkpoint, for example best.json of a run; or .pth, .pth.tar, .safetensors with --cfg",
    },
    cfg: { type: "text", hint: "FILE", description: "Configuration of the network, in place of the one in the checkpoint" },
    "allow-partial": { type: "switch", description: "Take what fits of the weights instead of refusing" },
    image: { type: "text", hint: "FILE", required: true, description: "JPEG or PNG" },
    bbox: {
      type: "text",
      hint: "X,Y,W,H",
      repeat: true,
      description: "Box of a person in px; without one, the whole image",
    },
    out: { type: "text", hint: "DIR", required: true, description: "Folder for the results" },
    "save-heatmaps": { type: "text", hint: "FILE.npy", description: "Also write the heatmaps [persons, h, w, joints]" },
  },
  rest: { name: "KEY=VALUE", description: "Overrides of --cfg, for example MODEL.NUM_JOINTS=17" },
  async run(flags, overrides) {
    if (flags.cfg === undefined && overrides.length > 0) {
      throw new ConfigError({ code: "cli/bad-argument", message: `"${overrides[0]}" needs --cfg FILE`, fix: "give --cfg FILE beside KEY=VALUE; further images are predicted one by one", where: "predict" });
    }
    const boxes = flags.bbox.map(parseBox);
    const saveHeatmaps = flags["save-heatmaps"];
    if (saveHeatmaps !== undefined && !saveHeatmaps.endsWith(".npy")) {
      throw new ConfigError({
        code: "cli/bad-argument",
        message: `--save-heatmaps expects a name that ends in .npy, received "${saveHeatmaps}"`,
        fix: "for example --save-heatmaps heatmaps.npy",
        where: "predict",
      });
    }
    const loaded = flags.cfg === undefined ? undefined : await loadConfig(flags.cfg, overrides);
    const { runPrediction } = await import("../train/predict.ts");
    await runPrediction({ modelFile: flags["model-file"], loaded, allowPartial: flags["allow-partial"], image: flags.image, boxes, out: flags.out, saveHeatmaps });
    return 0;
  },
});

/** Beyond this a box is a slip of the pen; the crop's arithmetic is f32 on the device. */
const MOST_PX = 1_000_000;

/**
 * A box from "x,y,width,height".
 * @throws ConfigError where it is not four numbers, a side is less than a pixel, or a number is beyond any image.
 */
export function parseBox(text: string): Box {
  const parts = text.split(",").map((part) => part.trim());
  const [x, y, width, height] = parts.map(Number);
  const valid = parts.length === 4 && parts.every((part) => part !== "" && Math.abs(Number(part)) <= MOST_PX);
  if (
    valid &&
    x !== undefined &&
    y !== undefined &&
    width !== undefined &&
    height !== undefined &&
    width >= 1 &&
    height >= 1
  ) {
    return [x, y, width, height];
  }
  throw new ConfigError({
    code: "cli/bad-argument",
    message: `--bbox expects x,y,width,height in px, width and height at least 1, received "${text}"`,
    fix: "for example --bbox 10,20,100,200; write --bbox=-5,... where it begins with a minus",
    where: "predict",
  });
}
