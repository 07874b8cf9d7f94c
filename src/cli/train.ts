import { defineCommand } from "./command.ts";
import { flagOverrides, TRAINING_FLAGS } from "./config_flags.ts";
import { onFirstInterrupt } from "./interrupt.ts";

/** Training. */
export const command = defineCommand({
  name: "train",
  summary: "Trains a pose estimator as a configuration file says",
  flags: {
    cfg: { type: "text", hint: "FILE", description: "Configuration, for example configs/quickstart.yaml" },
    resume: { type: "switch", description: "Continue from the newest checkpoint of the run's folder" },
    keys: { type: "switch", description: "List all configuration keys with their defaults, and do nothing else" },
    ...TRAINING_FLAGS,
  },
  rest: { name: "KEY=VALUE", description: "Overrides, for example TRAIN.LR=1e-4 MODEL.NAME=pose_resnet" },
  async run(flags, rest) {
    const { cfg, resume, keys, ...settings } = flags;
    if (keys) {
      const { listKeys } = await import("./keys.ts");
      console.log(listKeys());
      return 0;
    }
    const { loadRun } = await import("./run.ts");
    const overrides = [...flagOverrides(TRAINING_FLAGS, settings), ...rest];
    const { loaded, folder } = await loadRun("train", cfg, overrides);
    const { runTraining } = await import("../train/run.ts");
    const command = ["bun run train --cfg", ...[loaded.path, ...overrides].map(quoted), "--resume"].join(" ");
    const stop = onFirstInterrupt("Stopping after this step ... (again to stop at once)", `Continue with: ${command}`);
    const outcome = await runTraining({ loaded, folder, resume: resume || loaded.config.TRAIN.RESUME, stop });
    if (outcome === "finished") return 0;
    console.error(`Stopped. Continue with: ${command}`);
    return Number(stop.reason);
  },
});

/** An argument as a shell takes it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
