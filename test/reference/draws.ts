/** The random words of augmentations by their definition (shaders/augment/draws.wgsl), in exact arithmetic. */

const WORD = 2n ** 32n;

/** pcg4d (Jarzynski and Olano, JCGT 2020, listing in section 4). */
export function pcg4dReference(counter: readonly [number, number, number, number]): [number, number, number, number] {
  let [x, y, z, w] = counter.map((word) => (BigInt(word) * 1664525n + 1013904223n) % WORD) as [bigint, bigint, bigint, bigint];
  const round = () => {
    x = (x + y * w) % WORD;
    y = (y + z * x) % WORD;
    z = (z + x * y) % WORD;
    w = (w + y * z) % WORD;
  };
  round();
  [x, y, z, w] = [x ^ (x >> 16n), y ^ (y >> 16n), z ^ (z >> 16n), w ^ (w >> 16n)];
  round();
  return [Number(x), Number(y), Number(z), Number(w)];
}

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
