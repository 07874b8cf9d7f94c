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

/** What replays of recorded work take. */
export interface ReplayCost {
  /** The shortest. */
  ms: number;
  /** Host time of that one, as a share of it. */
  hostShare: number;
  /** Most that the device holds meanwhile: all live memory, and the work's own. */
  bytes: number;
}

/** Shortest of several replays behind one that counts for nothing. @param work encodes dispatches */
export function measureReplay(gpu: Gpu, work: () => void, { least, most, ms }: ReplayRounds = BENCH_ROUNDS): ReplayCost {
  const recording = gpu.record(work, { execute: false });
  recording.replay();
  gpu.fenceBlocking();
  const began = performance.now();
  const bytes = gpu.memory.liveBytes + recording.plannedBytes;
  let [best, host] = [Infinity, 0];
  for (let round = 0; round < most && (round < least || performance.now() - began < ms); round++) {
    const started = performance.now();
    const hostMs = recording.replay();
    gpu.fenceBlocking();
    const took = performance.now() - started;
    if (took < best) [best, host] = [took, hostMs];
  }
  recording.dispose();
  return { ms: best, hostShare: host / best, bytes };
}

/** The time alone, ms. */
export function timeReplay(gpu: Gpu, work: () => void, rounds?: ReplayRounds): number {
  return measureReplay(gpu, work, rounds).ms;
}
