import { join } from "node:path";
import { defineCommand } from "./command.ts";
import { loadRun } from "./run.ts";

/** Validation. */
export const command = defineCommand({
  name: "valid",
  summary: "Measures AP and AR of stored weights on the validation set of a configuration",
  flags: {
    cfg: { type: "text", hint: "FILE", description: "Configuration of the run" },
    "model-file": {
      type: "text",
      hint: "FILE",
      description: "Weights (checkpoint, .pth, .pth.tar, .safetensors); otherwise TEST.MODEL_FILE, otherwise the best of the run's folder",
    },
    "allow-partial": { type: "switch", description: "Take what fits of the weights instead of refusing" },
  },
  rest: { name: "KEY=VALUE", description: "Overrides, for example TEST.FLIP_TEST=true" },
  async run({ cfg, "model-file": modelFile, "allow-partial": allowPartial }, overrides) {
    const { loaded, folder } = await loadRun("valid", cfg, overrides);
    const { runValidation } = await import("../train/valid.ts");
    await runValidation({
      loaded,
      folder,
      modelFile: modelFile ?? (loaded.config.TEST.MODEL_FILE || join(folder, "best.json")),
      allowPartial,
    });
    return 0;
  },
});
