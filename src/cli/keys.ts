import { configKeys } from "../config/keys.ts";

/** All configuration keys as text: name, type, default, meaning. */
export function listKeys(): string {
  const keys = configKeys();
  const width = Math.max(...keys.map(({ name }) => name.length));
  return keys
    .map(({ name, type, fallback, description }) => {
      const facts = fallback ? `${type}, default ${fallback}` : type;
      return `${name.padEnd(width)}  ${facts}\n${" ".repeat(width)}  ${description}`;
    })
    .join("\n");
}
