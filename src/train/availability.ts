/** Values of the configuration that no code reads yet: refused by name instead of being ignored. */
import type { ResolvedConfig } from "../config/config.ts";
import { AUGMENTATION_KEYS, isSupervised } from "../config/method_checks.ts";
import { ConfigError } from "../error.ts";

/** Errors: ConfigError naming the key. */
export function requireAvailable(config: ResolvedConfig): void {
  const refuse = (key: string) => {
    throw new ConfigError({ code: "config/not-available", message: `${key} is not available with ${config.MODEL.NAME}`, fix: "leave it at its default" });
  };
  if (config.MODEL.NAME === "pose_dual" || config.MODEL.NAME === "pose_sspcm") refuse("MODEL.NAME");
  if (isSupervised(config)) return;
  for (const name of AUGMENTATION_KEYS) if (name !== "USE_JointCutout_AUG" && config[name]) refuse(name);
  for (const name of ["MULTI_AUGS", "REPEAT_AUG", "HEAT_FUSION", "SHARPEN_PRED", "CONF_MASKING", "RAW_INPUT", "ACCUMULATE_VIEWS"] as const) if (config[name]) refuse(name);
  if (config.PROG_MODE !== "") refuse("PROG_MODE");
  if (!config.OPTIONS.CENTRE_SHIFT) refuse("OPTIONS.CENTRE_SHIFT: false (PARITY: corrected)");
  if (config.DEBUG.DEBUG) refuse("DEBUG.DEBUG");
}
