/** The resolved configuration as a file. */
import { stringify } from "yaml";
import type { LoadedConfig } from "./load.ts";
import { isRecord } from "./tree.ts";

/**
 * The whole configuration as YAML, every key with a comment that says where its value came from. It can be loaded
 * again and gives the same configuration.
 */
export function renderConfig(loaded: LoadedConfig): string {
  const rows: { text: string; origin: string }[] = [];
  const walk = (value: Readonly<Record<string, unknown>>, prefix: readonly string[]): void => {
    for (const [name, child] of Object.entries(value)) {
      if (child === undefined) continue;
      const path = [...prefix, name];
      const indent = "  ".repeat(prefix.length);
      if (isRecord(child)) {
        rows.push({ text: `${indent}${name}:`, origin: "" });
        walk(child, path);
      } else {
        rows.push({ text: `${indent}${name}: ${flowText(child)}`, origin: loaded.origins.get(path.join(".")) ?? "default" });
      }
    }
  };
  walk(loaded.config, []);
  const width = Math.min(48, Math.max(...rows.map(({ text }) => text.length)));
  const lines = rows.map(({ text, origin }) => (origin ? `${text.padEnd(width)}  # ${origin}` : text));
  return `# Every value of this run and where it came from.\n${lines.join("\n")}\n`;
}

/** A value on one line. */
function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowText).join(", ")}]`;
  return stringify(value, { version: "1.1", lineWidth: 0 }).trimEnd();
}
