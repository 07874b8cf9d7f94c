/** "Did you mean": the nearest of some names. */
import { distance } from "fastest-levenshtein";

/** The candidate most like `name`, upper and lower case being equal; undefined where none is alike. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  // Two slips are believed in a short name, more in a long one, but never a name of which nothing is left.
  let bestDistance = Math.min(Math.max(2, Math.floor(name.length / 3)), name.length - 1) + 1;
  for (const candidate of candidates) {
    const steps = distance(wanted, candidate.toLowerCase());
    if (steps < bestDistance) {
      best = candidate;
      bestDistance = steps;
    }
  }
  return best;
}
