import { join } from "node:path";
import { defineCommand } from "./command.ts";
import { flagOverrides, VALIDATION_FLAGS } from "./config_flags.ts";
import { loadRun } from "./run.ts";

/** Validation. */
export const command = defineCommand({
  name: "valid",
  summary: "Scores stored weights on the validation set of a configuration, as the set's benchmark does",
  flags: {
    cfg: { type: "text", hint: "FILE", description: "Configuration of the run" },
    "model-file": {
      type: "list",
      hint: "FILE ...",
      repeat: true,
      description: "Weights (checkpoint, .pth, .pth.tar, .safetensors); otherwise TEST.MODEL_FILE, otherwise the best of the run's folder. Several files are scored one by one and as an ensemble",
    },
    ensemble: { type: "switch", description: "Take all networks that a file holds, also where the configuration names a single one" },
    "allow-partial": { type: "switch", description: "Take what fits of the weights instead of refusing" },
    ...VALIDATION_FLAGS,
  },
  rest: { name: "KEY=VALUE", description: "Overrides, for example TEST.FLIP_TEST=true" },
  async run(flags, rest) {
    const { cfg, "model-file": given, "allow-partial": allowPartial, ensemble, ...settings } = flags;
    const { loaded, folder } = await loadRun("valid", cfg, [...flagOverrides(VALIDATION_FLAGS, settings), ...rest]);
    const { runValidation } = await import("../train/valid.ts");
    const modelFiles = given.length > 0 ? given : [loaded.config.TEST.MODEL_FILE || join(folder, "best.json")];
    await runValidation({ loaded, folder, modelFiles, ensemble, allowPartial });
    return 0;
  },
});
