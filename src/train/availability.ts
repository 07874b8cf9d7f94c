/** Values of the configuration that no code reads yet: refused by name instead of being ignored. */
import type { ResolvedConfig } from "../config/config.ts";
import { ConfigError } from "../error.ts";

/** Errors: ConfigError naming the key. */
export function requireAvailable(config: ResolvedConfig): void {
  const refuse = (key: string) => {
    throw new ConfigError({ code: "config/not-available", message: `${key} is not available with ${config.MODEL.NAME}`, fix: "leave it at its default" });
  };
  if (config.MODEL.NAME === "pose_sspcm" && config.SSPCM.FEATURE_ATTACK) refuse("SSPCM.FEATURE_ATTACK");
}
