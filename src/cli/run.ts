import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { runFolder } from "../config/run_folder.ts";
import { ConfigError } from "../error.ts";

/**
 * The configuration of `--cfg FILE KEY=VALUE ...` and the folder of its run.
 * @throws ConfigError where the file is not given or anything in it is wrong.
 */
export async function loadRun(
  name: string,
  cfg: string | undefined,
  overrides: readonly string[],
): Promise<{ loaded: LoadedConfig; folder: string }> {
  if (cfg === undefined) {
    const file = overrides.find((given) => /\.ya?ml$/.test(given) && !given.includes("=")) ?? "configs/quickstart.yaml";
    throw new ConfigError({
      code: "cli/bad-argument",
      message: "--cfg FILE is missing",
      fix: `for example: bun run ${name} --cfg ${file}`,
      where: name,
    });
  }
  const loaded = await loadConfig(cfg, overrides);
  return { loaded, folder: runFolder(loaded) };
}
