/**
 * Schedules: pure functions from a step or an epoch, counted from 0, to a factor. Any function is one (PyTorch's
 * LambdaLR); those here are the usual ones. A learning rate is `rate * schedule(epoch)`.
 */
import { OpError } from "../error.ts";

/** A factor by step or epoch. */
export type Schedule = (at: number) => number;

function positive(who: string, argument: string, value: number): void {
  if (!(value > 0 && value < Infinity)) throw new OpError({ code: "optim/schedule", message: `${who}: ${argument} must be above 0, got ${value}` });
}

/** Multiplied by `factor` once for every milestone that has passed: at <= now. The milestones may come in any order. */
export function multiStepSchedule({ milestones, factor }: { milestones: readonly number[]; factor: number }): Schedule {
  return (at) => factor ** milestones.filter((milestone) => milestone <= at).length;
}

/**
 * Half a wave from `from` at 0 to `to` at `over`: to + (from - to) / 2 * (1 + cos(pi at / over)) (Loshchilov and Hutter 2017).
 * From there on `to`, where PyTorch's CosineAnnealingLR would rise again. Errors: OpError unless over is above 0.
 */
export function cosineSchedule({ over, from = 1, to = 0 }: { over: number; from?: number; to?: number }): Schedule {
  positive("cosineSchedule", "over", over);
  return (at) => to + ((from - to) / 2) * (1 + Math.cos((Math.PI * Math.min(Math.max(at, 0), over)) / over));
}

/**
 * A line from `from` at 0 to `to` at `over`, then `to`: with the defaults a warm-up (PyTorch's LinearLR has from 1/3).
 * Errors: OpError unless over is above 0.
 */
export function linearSchedule({ over, from = 0, to = 1 }: { over: number; from?: number; to?: number }): Schedule {
  positive("linearSchedule", "over", over);
  return (at) => from + (to - from) * Math.min(Math.max(at / over, 0), 1);
}

/** The product of schedules, all counted from 0: such as a warm-up times milestones (PyTorch's ChainedScheduler). */
export function productSchedule(...schedules: readonly Schedule[]): Schedule {
  return (at) => schedules.reduce((factor, schedule) => factor * schedule(at), 1);
}

/**
 * Schedules one after the other, each counted from its own beginning (PyTorch's SequentialLR).
 * @param parts every part but the last says how long it lasts. Errors: OpError for a length that is missing or not above 0.
 */
export function sequenceSchedule(...parts: readonly { schedule: Schedule; lasts?: number }[]): Schedule {
  if (parts.length === 0) throw new OpError({ code: "optim/schedule", message: "sequenceSchedule: needs at least one part, got none" });
  let begin = 0;
  const begins = parts.map(({ schedule, lasts }, i) => {
    const own = { schedule, begin };
    if (i < parts.length - 1) positive("sequenceSchedule", `lasts of part ${i}`, lasts ?? Number.NaN);
    begin += lasts ?? 0;
    return own;
  });
  return (at) => {
    const part = begins.findLast((candidate) => candidate.begin <= at) ?? begins[0];
    return part ? part.schedule(at - part.begin) : 1;
  };
}
