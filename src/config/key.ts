/**
 * What the tables of configuration keys are made of: kinds of values, keys, sections. Every number has bounds: beyond them a
 * value is a slip of the pen or more than any device holds, and is told so before anything is read or built.
 */
import * as v from "valibot";

/** A number of which `holds` is true; `words` say so in messages, behind "expected". */
function number(words: string, holds: (value: number) => boolean) {
  return v.pipe(v.number(), v.check(holds, words), v.title(words));
}

/** A whole number within bounds, both included. */
export function whole(least: number, most: number) {
  return number(`a whole number from ${least} to ${most}`, (value) => Number.isInteger(value) && value >= least && value <= most);
}

/** A multiple of `step` from that to `most`. */
export function multiple(step: number, most: number) {
  return number(`a multiple of ${step} from ${step} to ${most}`, (value) => value >= step && value <= most && value % step === 0);
}

/** A number within bounds, both included. */
export function real(least: number, most: number) {
  return number(`a number from ${least} to ${most}`, (value) => value >= least && value <= most);
}

/** A number above 0. */
export function aboveZero(most: number) {
  return number(`a number above 0, at most ${most}`, (value) => value > 0 && value <= most);
}

/** A part of a whole. */
export const share = real(0, 1);

/** A part of a whole that is less than all. */
export const partialShare = number("a number from 0 to less than 1", (value) => value >= 0 && value < 1);

/** The number of an epoch, and how many there are. */
export const MOST_EPOCHS = 1_000_000;

/** Steps of a run that a key may name. */
export const MOST_STEPS = 100_000_000;

/** A seed is one word of the generator. */
export const seed = whole(0, 2 ** 32 - 1);

/** A pair of numbers, of which one number stands for both; `names` are those of the two, for messages. */
export function pair(schema: v.GenericSchema<number>, names: string) {
  return v.pipe(
    v.union([schema, v.strictTuple([schema, schema])]),
    v.title(names),
    v.transform((value): readonly [number, number] => (typeof value === "number" ? [value, value] : value)),
  );
}

/** [width, height] in px, each at least `least`; one number means a square. */
export function size(least: number) {
  return pair(whole(least, 4096), "width, height");
}

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
