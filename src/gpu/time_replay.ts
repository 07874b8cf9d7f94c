/** How long recorded work takes: the measure of benches and of the ceiling in a run's report. */
import type { Gpu } from "./device.ts";

/** Replays: at least, at most, and the time that more than the least may take, ms. */
export interface ReplayRounds {
  least: number;
  most: number;
  ms: number;
}

/** What benches take: short work often, long work twice. */
export const BENCH_ROUNDS: ReplayRounds = { least: 2, most: 7, ms: 1500 };

/** Shortest of several replays behind one that counts for nothing, ms. @param work encodes dispatches */
export function timeReplay(gpu: Gpu, work: () => void, { least, most, ms }: ReplayRounds = BENCH_ROUNDS): number {
  const recording = gpu.record(work, { execute: false });
  recording.replay();
  gpu.fenceBlocking();
  const began = performance.now();
  let best = Infinity;
  for (let round = 0; round < most && (round < least || performance.now() - began < ms); round++) {
    const started = performance.now();
    recording.replay();
    gpu.fenceBlocking();
    best = Math.min(best, performance.now() - started);
  }
  recording.dispose();
  return best;
}
