import { pcg4dReference } from "./draws.ts";

/** Mask of inverted dropout by its definition: 0, or 1 / (1 - p), for places 0 .. count - 1. key: seed, stream, epoch, index. */
export function dropoutMaskReference(count: number, { key: [seed, stream, epoch, index], site, probability }: { key: readonly [number, number, number, number]; site: number; probability: number }): Float64Array {
  const lane = pcg4dReference([stream, epoch, site, 0])[3];
  return Float64Array.from({ length: count }, (_, place) => {
    const word = pcg4dReference([seed, lane, index, Math.floor(place / 4)])[place % 4] as number;
    return Math.floor(word / 256) / 2 ** 24 < probability ? 0 : 1 / (1 - probability);
  });
}
