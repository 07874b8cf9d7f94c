/** How long recorded work takes: the measure of benches and of the ceiling in a run's report. */
import type { Gpu, Recording } from "./device.ts";

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
  /** Of one replay, in the shortest round. */
  ms: number;
  /** Host time of that round, as a share of it. */
  hostShare: number;
  /** Most that the device holds meanwhile: all live memory, and the work's own. */
  bytes: number;
}

/** Short work is replayed so often before it is waited for that a wait, some 50 us, is no part of what is measured. */
const FILLED_MS = 5;
const MOST_REPEATS = 100;

/** How often a recording is to be replayed per wait. Runs it once, and where that was quick once more, warm. */
export function repeatsOf(gpu: Gpu, recording: Recording): number {
  const timed = () => {
    const started = performance.now();
    recording.replay();
    gpu.fenceBlocking();
    return performance.now() - started;
  };
  if (timed() > 20 * FILLED_MS) return 1;
  return Math.max(1, Math.min(MOST_REPEATS, Math.round(FILLED_MS / timed())));
}

/** Shortest of several rounds of replays, behind some that count for nothing. @param work encodes dispatches */
export function measureReplay(gpu: Gpu, work: () => void, { least, most, ms }: ReplayRounds = BENCH_ROUNDS): ReplayCost {
  const recording = gpu.record(work, { execute: false });
  const repeats = repeatsOf(gpu, recording);
  const began = performance.now();
  const bytes = gpu.memory.liveBytes + recording.plannedBytes;
  let [best, host] = [Infinity, 0];
  for (let round = 0; round < most && (round < least || performance.now() - began < ms); round++) {
    const started = performance.now();
    let hostMs = 0;
    for (let i = 0; i < repeats; i++) hostMs += recording.replay();
    gpu.fenceBlocking();
    const took = performance.now() - started;
    if (took < best) [best, host] = [took, hostMs];
  }
  recording.dispose();
  return { ms: best / repeats, hostShare: host / best, bytes };
}

/** The time alone, ms. */
export function timeReplay(gpu: Gpu, work: () => void, rounds?: ReplayRounds): number {
  return measureReplay(gpu, work, rounds).ms;
}
