/** What the tables of configuration keys are made of: kinds of values, keys, sections. */
import * as v from "valibot";

export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
export const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
export const nonNegative = v.pipe(v.number(), v.finite(), v.minValue(0));
export const aboveZero = v.pipe(v.number(), v.finite(), v.gtValue(0));

/** A pair of numbers, of which one number stands for both; `names` are those of the two, for messages. */
export function pair(schema: v.GenericSchema<number>, names: string) {
  return v.pipe(
    v.union([schema, v.strictTuple([schema, schema])]),
    v.title(names),
    v.transform((value): readonly [number, number] => (typeof value === "number" ? [value, value] : value)),
  );
}

/** [width, height] in px; one number means a square. */
export const size = pair(positive, "width, height");

/** A key with a default. */
export function key<const S extends v.GenericSchema, const D extends v.InferInput<S>>(schema: S, fallback: D, description: string) {
  return v.optional(v.pipe(schema, v.description(description)), fallback);
}

/** A key without a default: absent is a meaning of its own. */
export function absentable<const S extends v.GenericSchema>(schema: S, description: string) {
  return v.optional(v.pipe(schema, v.description(description)));
}

/** A section; left out, all its defaults apply. */
export function section<const E extends v.ObjectEntries>(entries: E) {
  return v.optional(v.object(entries), {} as v.InferInput<v.ObjectSchema<E, undefined>>);
}
