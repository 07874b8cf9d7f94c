import { join } from "node:path";
import { ConfigError } from "../error.ts";
import { defineCommand } from "./command.ts";
import { AUGMENTATION_FLAGS, flagOverrides, TRAINING_FLAGS } from "./config_flags.ts";
import { loadRun } from "./run.ts";

const { dataDir, multi_augs } = TRAINING_FLAGS;
const SETTINGS = { ...AUGMENTATION_FLAGS, multi_augs, dataDir } as const;

/** Figures of augmentations and heatmaps. */
export const command = defineCommand({
  name: "visualize",
  summary: "Draws augmentations step by step (augs), or heatmaps of hard views beside the teacher's (heatmaps)",
  flags: {
    cfg: { type: "text", hint: "FILE", description: "Configuration of the run" },
    "model-file": { type: "text", hint: "FILE", description: "Weights (checkpoint, .pth, .pth.tar, .safetensors); otherwise TEST.MODEL_FILE, otherwise random ones" },
    images: { type: "text", hint: "FOLDER", description: "Images of one person each, in place of the configuration's unlabelled set" },
    out: { type: "text", hint: "DIR", description: "Folder for the figures; otherwise figures in the run's folder" },
    count: { type: "text", hint: "N", description: "Samples to show: 8 of augs, 3 of heatmaps where absent" },
    ...SETTINGS,
  },
  rest: { name: "augs|heatmaps [KEY=VALUE]", description: "What to draw, then overrides, for example AUG_SIZE_SCALE=0.25" },
  async run(flags, [kind, ...rest]) {
    if (kind !== "augs" && kind !== "heatmaps") {
      throw new ConfigError({ code: "cli/bad-argument", where: "visualize", message: `expected augs or heatmaps, received ${kind === undefined ? "nothing" : `"${kind}"`}`, fix: "for example: bun run visualize augs --cfg configs/quickstart.yaml --joco_aug" });
    }
    const { cfg, "model-file": given, images, out, count, ...settings } = flags;
    const { loaded, folder } = await loadRun(`visualize ${kind}`, cfg, [...flagOverrides(SETTINGS, settings), ...rest]);
    const samples = count === undefined ? undefined : Number(count);
    if (samples !== undefined && !(Number.isInteger(samples) && samples > 0)) {
      throw new ConfigError({ code: "cli/bad-argument", where: "visualize", message: `--count expects a positive whole number, received "${count}"`, fix: "for example --count 8" });
    }
    const { runVisualization } = await import("../train/visualize.ts");
    await runVisualization({ kind, loaded, modelFile: given ?? (loaded.config.TEST.MODEL_FILE || undefined), images, out: out ?? join(folder, "figures"), count: samples });
    return 0;
  },
});
