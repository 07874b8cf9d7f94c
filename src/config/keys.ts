/** The table of configuration keys, read off the schema: for help texts, suggestions and the documentation. */
import * as v from "valibot";
import { configSchema } from "./schema.ts";

/** What a key accepts in a word, its default and its meaning. */
export interface ConfigKey {
  /** Dotted name, for example "TRAIN.LR". */
  readonly name: string;
  readonly type: string;
  /** As it would be written in a file; "" where the key may be absent. */
  readonly fallback: string;
  readonly description: string;
}

type AnySchema = v.GenericSchema | (v.GenericSchema & { entries: v.ObjectEntries });

function isOptional(schema: AnySchema): schema is AnySchema & { wrapped: AnySchema; default: unknown } {
  return schema.type === "optional" && "wrapped" in schema;
}

function hasEntries(schema: AnySchema): schema is v.GenericSchema & { entries: v.ObjectEntries } {
  return schema.type === "object" && "entries" in schema;
}

/** The schemas of the keys below this one; undefined for a key that holds a value. */
export function childrenOf(schema: v.GenericSchema): Readonly<Record<string, v.GenericSchema>> | undefined {
  const inner = unwrapped(schema);
  return hasEntries(inner) ? (inner.entries as Record<string, v.GenericSchema>) : undefined;
}

/** The schema under a dotted name; undefined where there is none. */
export function schemaAt(name: string): v.GenericSchema | undefined {
  let schema: v.GenericSchema | undefined = configSchema;
  for (const part of name.split(".")) {
    const children: Readonly<Record<string, v.GenericSchema>> | undefined = schema ? childrenOf(schema) : undefined;
    schema = children && Object.hasOwn(children, part) ? children[part] : undefined;
  }
  return schema;
}

/** The schema of the values of a key that may be left out. */
export function unwrapped(schema: v.GenericSchema): v.GenericSchema {
  return isOptional(schema) ? schema.wrapped : schema;
}

/** What a key's values are, in words. */
export function typeName(schema: v.GenericSchema): string {
  const inner: AnySchema = unwrapped(schema);
  const { expects } = inner;
  switch (inner.type) {
    case "boolean":
      return "true or false";
    case "string":
      return "text";
    case "number":
      return v.getTitle(inner) ?? "number";
    case "array":
      return "list";
    case "union":
      return v.getTitle(inner) ?? inner.expects;
    default:
      return expects.replaceAll('""', "(empty)").replaceAll('"', "").replace(/^\((.*)\)$/, "$1");
  }
}

/** All keys that hold values, in the schema's order. */
export function configKeys(): ConfigKey[] {
  const keys: ConfigKey[] = [];
  const walk = (schema: v.GenericSchema, prefix: string): void => {
    for (const [part, child] of Object.entries(childrenOf(schema) ?? {})) {
      const name = prefix ? `${prefix}.${part}` : part;
      if (childrenOf(child)) {
        walk(child, name);
        continue;
      }
      const fallback =
        isOptional(child) && child.default !== undefined ? JSON.stringify(child.default).replaceAll(",", ", ") : "";
      keys.push({ name, type: typeName(child), fallback, description: v.getDescription(unwrapped(child)) ?? "" });
    }
  };
  walk(configSchema, "");
  return keys;
}
