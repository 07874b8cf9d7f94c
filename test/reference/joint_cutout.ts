/** Joint cutout boxes by their definition, with the device's random integers; f64, and big integers for the hash. */

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

export interface CutoutFacts {
  /** [batch, joints, 3]: x, y, value. */
  peaks: ArrayLike<number>;
  batch: number;
  joints: number;
  holes: number;
  /** Joints to draw from, with replacement. */
  pool: readonly number[];
  /** Factor on jitter and half sides. */
  scale: number;
  /** Largest x and y of a box. */
  limits: readonly [number, number];
  seed: number;
  stream: number;
  epoch: number;
  /** Index of the first sample in its epoch. */
  first: number;
}

/** One coordinate of a box; `other` is the neighbour that an error of 1/1000 px may lead to, else the same. */
export interface BoxCoordinate {
  value: number;
  other: number;
}

/** Boxes [batch, holes, (x0, y0, x1, y1)]. Every joint of a sample has one jitter and one size, however often it is drawn. */
export function jointCutoutReference(facts: CutoutFacts): BoxCoordinate[] {
  const { peaks, batch, joints, holes, pool, scale, limits, seed, stream, epoch, first } = facts;
  const lane = pcg4dReference([stream, epoch, 0, 0])[3];
  const unit = (word: number) => Math.floor(word / 256) / 2 ** 24;
  const boxes: BoxCoordinate[] = [];
  for (let n = 0; n < batch; n++)
    for (let k = 0; k < holes; k++) {
      const joint = pool[Math.floor(unit(pcg4dReference([seed, lane, first + n, k])[0]) * pool.length)] as number;
      const [a, b, c, d] = pcg4dReference([seed, lane, first + n, 65536 + joint]);
      const halves = [a, b].map((word) => Math.trunc((10 + Math.floor(10 * unit(word))) * scale));
      const radius = 10 * scale * Math.sqrt(-2 * Math.log(1 - unit(c)));
      const noise = [radius * Math.cos(2 * Math.PI * unit(d)), radius * Math.sin(2 * Math.PI * unit(d))];
      for (const sign of [-1, 1])
        for (const axis of [0, 1]) {
          const middle = (peaks[3 * (n * joints + joint) + axis] as number) + (noise[axis] as number);
          const coordinate = (m: number) => Math.min(limits[axis] as number, Math.max(0, Math.trunc(m) + sign * (halves[axis] as number)));
          const value = coordinate(middle);
          boxes.push({ value, other: [middle - 1e-3, middle + 1e-3].map(coordinate).find((near) => near !== value) ?? value });
        }
    }
  return boxes;
}
