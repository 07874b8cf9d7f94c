/** The random words of augmentations by their definition (shaders/augment/draws.wgsl), in exact arithmetic. */
import { pcg4dReference } from "./joint_cutout.ts";

export type Words = [number, number, number, number];

/** Counters of a joint's draws and of the batch's start here. */
export const JOINT_COUNTERS = 65536;
export const BATCH_COUNTERS = 131072;

/** What the words of one step of a chain are a function of; key: seed, stream, epoch, index of the first sample. */
export interface Site {
  key: readonly [number, number, number, number];
  site: number;
}

export function words({ key: [seed, stream, epoch, first], site }: Site, n: number, counter: number): Words {
  return pcg4dReference([seed, pcg4dReference([stream, epoch, site, 0])[3], first + n, counter]);
}

/** Uniform in 0 .. count - 1. */
export function below(word: number, count: number): number {
  return Math.floor((word * count) / 2 ** 32);
}

/** The permutation of a batch: sample n's partner is the rank of n's word. */
export function partners(site: Site, batch: number): number[] {
  const own = Array.from({ length: batch }, (_, n) => ({ n, word: words(site, n, BATCH_COUNTERS)[0] }));
  const order = own.toSorted((a, b) => a.word - b.word || a.n - b.n);
  return own.map(({ n }) => order.findIndex((entry) => entry.n === n));
}

/** Two standard normals of two words. */
export function normals(a: number, b: number): [number, number] {
  const unit = (word: number) => Math.floor(word / 256) / 2 ** 24;
  const radius = Math.sqrt(-2 * Math.log(1 - unit(a)));
  return [radius * Math.cos(2 * Math.PI * unit(b)), radius * Math.sin(2 * Math.PI * unit(b))];
}
