/** Configurations from texts, as the file a.yaml, and what a user sees of a refused one. */
import { expect } from "bun:test";
import { type LoadedConfig, parseConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/error.ts";

/** The configuration of a text. */
export function parse(text: string, overrides: readonly string[] = []): LoadedConfig {
  return parseConfig(text, { path: "a.yaml", overrides });
}

/** The text that a user would see. Fails where the configuration is accepted. */
export function refusal(text: string, overrides: readonly string[] = []): string {
  try {
    parse(text, overrides);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).toText();
  }
  throw new Error("accepted");
}
