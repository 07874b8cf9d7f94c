/**
 * Counter-based random numbers: every draw is a pure function of (seed, stream, epoch, index), so a run is the same
 * whatever the number of workers and continues bit for bit after a resume. The hash is pcg4d (Jarzynski and Olano,
 * "Hash Functions for GPU Rendering", JCGT 2020); shaders/lib/rng.wgsl computes the same integers on the device.
 */

/** Names of the independent streams; a number once given is never reused. */
export const STREAM = {
  weights: 1,
  shuffle: 2,
  pairing: 3,
  sampleGeometry: 4,
  viewGeometry: 5,
  // 6 was joint cutout's, before chains had one stream.
  synthetic: 7,
  dropout: 8,
  memoryPlan: 9,
  augment: 10,
  teacherGeometry: 11,
} as const;

/** Four words of pcg4d for the four words of a counter; all unsigned 32-bit. */
export function pcg4d(a: number, b: number, c: number, d: number): [number, number, number, number] {
  let x = (Math.imul(a, 1664525) + 1013904223) >>> 0;
  let y = (Math.imul(b, 1664525) + 1013904223) >>> 0;
  let z = (Math.imul(c, 1664525) + 1013904223) >>> 0;
  let w = (Math.imul(d, 1664525) + 1013904223) >>> 0;
  x = (x + Math.imul(y, w)) >>> 0;
  y = (y + Math.imul(z, x)) >>> 0;
  z = (z + Math.imul(x, y)) >>> 0;
  w = (w + Math.imul(y, z)) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  y = (y ^ (y >>> 16)) >>> 0;
  z = (z ^ (z >>> 16)) >>> 0;
  w = (w ^ (w >>> 16)) >>> 0;
  x = (x + Math.imul(y, w)) >>> 0;
  y = (y + Math.imul(z, x)) >>> 0;
  z = (z + Math.imul(x, y)) >>> 0;
  w = (w + Math.imul(y, z)) >>> 0;
  return [x, y, z, w];
}

/** What a generator is a function of; `epoch` and `index` are any non-negative integers that name the draw's owner. */
export interface RandomKey {
  seed: number;
  stream: number;
  epoch?: number;
  index?: number;
}

/** A key as the words that kernels draw by: seed, stream, epoch, index, 32 bits each. */
export function keyWords({ seed, stream, epoch = 0, index = 0 }: RandomKey): Uint32Array<ArrayBuffer> {
  return Uint32Array.of(seed, stream, epoch, index);
}

/** A short sequence of draws that belongs to one key. Cheap to make; make one per sample and throw it away. */
export class Random {
  readonly #seed: number;
  readonly #lane: number;
  readonly #index: number;
  #block = 0;
  #words: readonly number[] = [];
  #next = 4;
  #spare: number | undefined;

  constructor(key: RandomKey) {
    this.#seed = key.seed >>> 0;
    this.#lane = pcg4d(key.stream, key.epoch ?? 0, 0x9e3779b9, Math.floor((key.seed ?? 0) / 2 ** 32))[3];
    this.#index = (key.index ?? 0) >>> 0;
  }

  /** Uniform unsigned 32-bit integer. */
  u32(): number {
    if (this.#next === 4) {
      this.#words = pcg4d(this.#seed, this.#lane, this.#index, this.#block++);
      this.#next = 0;
    }
    return this.#words[this.#next++] as number;
  }

  /** Uniform in [0, 1), 53 random bits. */
  uniform(): number {
    return ((this.u32() >>> 5) * 67108864 + (this.u32() >>> 6)) / 9007199254740992;
  }

  /** Uniform in [low, high). */
  range(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Uniform integer in [low, high). */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low));
  }

  /** True with probability p. */
  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /** Standard normal by Box-Muller, pairs cached. */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** A permutation of 0..n-1 (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(0, i + 1);
      const held = order[i] as number;
      order[i] = order[j] as number;
      order[j] = held;
    }
    return order;
  }
}
